//! Control flow: charges, jumps, host calls and the ways out of compiled code.

use dynasmrt::DynasmApi;
use tvm_abi::{CpuFeatures, HostCall, Stub, TextOffset, context};
use tvm_isa::Gas;

use crate::asm::{Assembler, BinaryImm, Condition, SCRATCH, Target, Width, emit};

/// The register that holds the gas.
const GAS: u8 = tvm_abi::registers::GAS as u8;

/// Bytes of a thunk: a jump to the address of a stub, which is in the VM context.
pub const THUNK_BYTES: u32 = 8;

/// Emits the thunks; they stand at the start of the text.
pub fn thunks(asm: &mut Assembler) {
    for (stub, _) in Stub::THUNKS {
        debug_assert_eq!(asm.here(), thunk(stub));
        emit!(asm; gs jmp QWORD [stub.slot()]);
    }
}

/// Where the thunk of one of [`Stub::THUNKS`] is.
pub const fn thunk(stub: Stub) -> TextOffset {
    TextOffset(stub as u32 * THUNK_BYTES)
}

/// Calls one of [`Stub::THUNKS`].
#[inline]
pub fn call(asm: &mut Assembler, stub: Stub) {
    asm.call(thunk(stub));
}

/// Jumps to [`Stub::Jump`], in the place of two cold sites. Gives where the map knows it.
#[inline]
pub fn leave_at_jump(asm: &mut Assembler) -> TextOffset {
    asm.push_here();
    let pushed = asm.here();
    asm.jump_back(thunk(Stub::Jump));
    TextOffset(pushed.0 - 1)
}

/// Charges gas, and jumps when it does not fit. The jump ends here; its distance is still to be filled in.
#[inline(always)]
pub fn charge(asm: &mut Assembler, gas: Gas) {
    const BELOW: u64 = 0x0f | (0x80 | Condition::Below as u64) << 8;
    match i8::try_from(gas.0) {
        // `sub` and `jb` in one.
        Ok(small) => {
            const SUB: u64 = 0x48 | (GAS >> 3) as u64 | 0x83 << 8 | ((0xe8 | GAS & 7) as u64) << 16;
            asm.put_long(u128::from(SUB | (small as u64) << 24 | BELOW << 32), 10);
        }
        Err(_) => {
            asm.binary_imm(BinaryImm::Sub, Width::W64, GAS, gas.0 as i32);
            asm.put_long(BELOW.into(), 6);
        }
    }
}

/// Gives back gas that was charged for what does not execute.
#[inline]
pub fn give_back(asm: &mut Assembler, gas: Gas) {
    asm.binary_imm(BinaryImm::Add, Width::W64, GAS, gas.0 as i32);
}

/// The number of entries in the jump table section and where to go when a jump does not go through it.
#[derive(Clone, Copy)]
pub struct DynamicJump {
    /// Entries, the unused entry 0 included.
    pub slots: u32,
    /// The cold site for everything unusual: halt, odd addresses, entries out of range or in no block.
    pub unusual: Target,
}

/// Jumps dynamically to `base + disp`, loading a constant into a register on the way if one is given.
///
/// The address is 2·(i + 1) for entry i. Rotating it right makes odd addresses huge, so that one comparison refuses
/// them too; entries without a block are −1, and adding that to the text's address carries. [`Stub::Jump`] knows by what
/// is left in the scratch register which of them it was.
pub fn dynamic_jump(asm: &mut Assembler, jump: DynamicJump, base: u8, disp: i32, load: Option<(u8, u64)>) {
    let DynamicJump { slots, unusual } = jump;
    let last = slots as i32 - 1;
    jump_key(asm, base, disp);
    asm.binary_imm(BinaryImm::Cmp, Width::W32, SCRATCH, last);
    asm.jump_if(Condition::Above, unusual);
    emit!(asm
        ; gs movsxd rdx, DWORD [rdx * 4 + context::JUMP_TABLE]
        ; gs add rdx, [context::TEXT_BASE]
    );
    asm.jump_if(Condition::Below, unusual);
    if let Some((register, value)) = load {
        asm.load_constant(register, value);
    }
    emit!(asm; jmp rdx);
}

/// Puts [`tvm_abi::jump_key`] of the address `base + disp` into the scratch register.
pub fn jump_key(asm: &mut Assembler, base: u8, disp: i32) {
    match disp {
        0 if asm.has(CpuFeatures::BMI2) => return emit!(asm; rorx edx, Rd(base), 1),
        0 => emit!(asm; mov edx, Rd(base)),
        _ => asm.lea_disp(Width::W32, SCRATCH, base, disp),
    }
    emit!(asm; ror edx, 1);
}

/// Makes a host call.
#[inline]
pub fn host_call(asm: &mut Assembler, call: HostCall) {
    emit!(asm
        ; mov rdx, QWORD call.packed() as i64
        ; gs call QWORD [Stub::HostCall.slot()]
    );
}
