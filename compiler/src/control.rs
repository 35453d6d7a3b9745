//! Control flow: charges, jumps, host calls and the ways out of compiled code.

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use tvm_abi::sections::{STUBS_FILE_OFFSET, TEXT_FILE_OFFSET};
use tvm_abi::{COLD_SITE_BYTES, Stub, context};
use tvm_isa::{Gas, Pc};

use crate::asm::{Assembler, emit};

/// The labels of the stubs' thunks: jumps through the stub slots, which lie before the text.
pub struct Thunks([DynamicLabel; Stub::ALL.len()]);

impl Thunks {
    /// Emits the thunks; they stand at the start of the text.
    pub fn emit(asm: &mut Assembler) -> Self {
        Self(Stub::ALL.map(|stub| {
            let label = asm.new_label();
            asm.bind(label);
            /// Bytes of `jmp [rip + disp32]`, whose displacement counts from its end.
            const JUMP_BYTES: u32 = 6;
            let slot = (STUBS_FILE_OFFSET as i32 - TEXT_FILE_OFFSET as i32) + stub.slot_offset() as i32;
            let disp = slot - (asm.here().0 + JUMP_BYTES) as i32;
            emit!(asm; jmp QWORD [rip + disp]; int3; int3);
            label
        }))
    }

    /// Emits a call of a stub.
    pub fn call(&self, asm: &mut Assembler, stub: Stub) {
        let label = self.0[stub as usize];
        emit!(asm; call =>label);
    }
}

/// A way out of compiled code that stands apart from the hot path.
pub struct ColdSite {
    /// What the hot path jumps to.
    pub label: DynamicLabel,
    /// The stub that is called there.
    pub stub: Stub,
    /// The guest instruction the site belongs to.
    pub pc: Pc,
    /// Gas to give back there.
    pub give_back: Gas,
}

impl ColdSite {
    /// Emits the site.
    pub fn emit(&self, asm: &mut Assembler, thunks: &Thunks) {
        let start = asm.here().0;
        asm.bind(self.label);
        thunks.call(asm, self.stub);
        debug_assert_eq!(asm.here().0 - start, COLD_SITE_BYTES);
    }
}

/// Charges a region's gas; jumps to `out_of_gas` when it does not fit.
pub fn charge(asm: &mut Assembler, gas: Gas, out_of_gas: DynamicLabel) {
    let amount = gas.0 as i32;
    match amount {
        -128..=127 => emit!(asm; sub r15, BYTE amount as i8),
        _ => emit!(asm; sub r15, DWORD amount),
    }
    emit!(asm; jb =>out_of_gas);
}

/// The number of entries in the jump table section and where to go when a jump does not go through it.
#[derive(Clone, Copy)]
pub struct DynamicJump {
    /// Entries, the unused entry 0 included.
    pub slots: u32,
    /// The cold site for everything unusual: halt, odd addresses, entries out of range or in no block.
    pub unusual: DynamicLabel,
}

/// Jumps dynamically to `base + disp`, loading a constant into a register on the way if one is given.
///
/// The address is 2·(i + 1) for entry i. Rotating it right makes odd addresses huge, so that one comparison refuses
/// them too; entries without a block are −1, and adding that to the text's address carries.
pub fn dynamic_jump(asm: &mut Assembler, jump: DynamicJump, base: u8, disp: i32, load: Option<(u8, u64)>) {
    let DynamicJump { slots, unusual } = jump;
    let last = slots as i32 - 1;
    match disp {
        0 => emit!(asm; mov ecx, Rd(base)),
        _ => asm.lea_disp(crate::asm::Width::W32, crate::asm::SCRATCH, base, disp),
    }
    emit!(asm
        ; ror ecx, 1
        ; cmp ecx, DWORD last
        ; ja =>unusual
        ; gs movsxd rcx, DWORD [rcx * 4 + context::JUMP_TABLE]
        ; gs add rcx, [context::TEXT_BASE]
        ; jc =>unusual
    );
    if let Some((register, value)) = load {
        asm.load_constant(register, value);
    }
    emit!(asm; jmp rcx);
}

/// Makes host call `id` from the `ecalli` at `pc`.
pub fn host_call(asm: &mut Assembler, thunks: &Thunks, pc: Pc, id: u64) {
    emit!(asm
        ; gs mov DWORD [context::HOST_CALL_PC], pc.0 as i32
        ; gs mov QWORD [context::HOST_CALL_ID], id as i32
    );
    thunks.call(asm, Stub::HostCall);
}
