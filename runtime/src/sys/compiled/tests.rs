use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm, x64};
use tvm_abi::Stub;
use tvm_isa::GuestAddr;

use super::super::enter::stub_address;
use super::*;
use crate::memory::{Access, GuestMemory, MappedMemory};

/// Code that `write` assembles.
pub(crate) fn code(write: impl FnOnce(&mut x64::Assembler)) -> CompiledCode {
    let mut ops = x64::Assembler::new().unwrap();
    write(&mut ops);
    let buffer = ops.finalize().unwrap();
    let start = buffer.as_ptr() as usize;
    // SAFETY: the tests write code that keeps to the ABI.
    unsafe { CompiledCode::new(start..start + buffer.len(), Arc::new(buffer)) }.unwrap()
}

/// A call of `stub`. Returns the offset of the return address.
pub(crate) fn call(ops: &mut x64::Assembler, stub: Stub) -> usize {
    dynasm!(ops
        ; .arch x64
        ; mov rcx, QWORD stub_address(stub) as i64
        ; call rcx
    );
    ops.offset().0
}

/// `mov rax, gs:[edi]`: loads φ4 from the address in φ7.
pub(crate) fn load(ops: &mut x64::Assembler) {
    ops.extend([0x65, 0x67, 0x48, 0x8b, 0x07]);
}

/// `mov gs:[edi], rax`: stores φ4 to the address in φ7.
pub(crate) fn store(ops: &mut x64::Assembler) {
    ops.extend([0x65, 0x67, 0x48, 0x89, 0x07]);
}

/// Memory whose page 16 is writable and holds these bytes.
pub(crate) fn memory(bytes: &[u8]) -> GuestMemory {
    let mut guest = GuestMemory::Mapped(MappedMemory::new().unwrap());
    guest.set_access(16, 1, Access::Write).unwrap();
    guest.initialise(GuestAddr(16 << 12), bytes).unwrap();
    guest
}

pub(crate) fn mapped(guest: &mut GuestMemory) -> &mut MappedMemory {
    let GuestMemory::Mapped(memory) = guest else { unreachable!("made by memory()") };
    memory
}

/// Runs from the start; host calls are not expected.
pub(crate) fn run(code: &CompiledCode, guest: &mut GuestMemory) -> Leave {
    let space = Arc::clone(mapped(guest).reservation());
    code.run(&space, TextOffset(0), |_| panic!("unexpected host call")).unwrap()
}

fn numbered() -> [u64; 13] {
    std::array::from_fn(|index| 0x1111_1111_1111_1111 * (index as u64 + 1))
}

/// Adds one to every guest register, and takes 5 gas.
fn touch_all(ops: &mut x64::Assembler) {
    dynasm!(ops
        ; .arch x64
        ; inc r8 ; inc rbp ; inc r9 ; inc rdx ; inc rax ; inc rbx ; inc r14
        ; inc rdi ; inc rsi ; inc r10 ; inc r11 ; inc r12 ; inc r13
        ; sub r15, 5
    );
}

#[test]
fn registers_and_gas_pass_in_and_out() {
    for (stub, leave) in [(Stub::OutOfGas, Leave::OutOfGas), (Stub::Interpret, Leave::Interpret)] {
        let mut site = 0;
        let code = code(|ops| {
            touch_all(ops);
            site = call(ops, stub);
        });
        let mut guest = memory(&[]);
        let context = mapped(&mut guest).context();
        (context.regs, context.gas) = (numbered(), 3);
        assert_eq!(run(&code, &mut guest), leave);
        let context = mapped(&mut guest).context();
        assert_eq!(context.regs, numbered().map(|value| value + 1));
        assert_eq!(context.gas, 3_u64.wrapping_sub(5));
        assert_eq!(context.site, (code.text.start + site) as u64);
        assert_eq!(context.text_base, code.text.start as u64);
    }
}

#[test]
#[expect(clippy::useless_conversion, reason = "in code that dynasm! makes")]
fn each_register_is_where_the_abi_says() {
    let code = code(|ops| {
        for (index, reg) in tvm_abi::registers::GUEST.into_iter().enumerate() {
            dynasm!(ops ; .arch x64 ; mov Rq(reg as u8), DWORD index as i32);
        }
        dynasm!(ops ; .arch x64 ; mov r15, 77);
        call(ops, Stub::Interpret);
    });
    let mut guest = memory(&[]);
    run(&code, &mut guest);
    let context = mapped(&mut guest).context();
    assert_eq!(context.regs, std::array::from_fn(|index| index as u64));
    assert_eq!(context.gas, 77);
}

#[test]
fn host_calls_see_and_change_the_guest() {
    let mut site = 0;
    let code = code(|ops| {
        touch_all(ops);
        call(ops, Stub::HostCall);
        touch_all(ops);
        site = call(ops, Stub::HostCall);
        touch_all(ops);
        call(ops, Stub::Interpret);
    });
    let mut guest = memory(&[]);
    let space = Arc::clone(mapped(&mut guest).reservation());
    for leave_at in [1, 2, 3] {
        let context = mapped(&mut guest).context();
        (context.regs, context.gas) = (numbered(), 100);
        let mut calls = 0;
        let left = code.run(&space, TextOffset(0), |context| {
            calls += 1;
            let so_far = 21 * calls - 20;
            assert_eq!(context.regs, numbered().map(|value| value + so_far));
            assert_eq!(context.gas, 100 - 5 * calls);
            context.regs.iter_mut().for_each(|value| *value += 20);
            if calls == leave_at { HostReply::Leave } else { HostReply::Resume }
        });
        let context = mapped(&mut guest).context();
        let expected = if leave_at == 3 { Leave::Interpret } else { Leave::HostCall };
        assert_eq!(left.unwrap(), expected);
        assert_eq!(calls, leave_at.min(2));
        let sum = 21 * leave_at - if leave_at == 3 { 20 } else { 0 };
        assert_eq!(context.regs, numbered().map(|value| value + sum));
        assert_eq!(context.gas, 100 - 5 * leave_at);
        if leave_at == 2 {
            assert_eq!(context.site, (code.text.start + site) as u64);
        }
    }
}

#[test]
fn guest_memory_is_reached_through_gs() {
    let code = code(|ops| {
        load(ops);
        dynasm!(ops ; .arch x64 ; inc rax ; add rdi, 8);
        store(ops);
        call(ops, Stub::Interpret);
    });
    let mut guest = memory(&41_u64.to_le_bytes());
    // The upper half of the address does not count.
    mapped(&mut guest).context().regs[7] = 0xabcd_0000_0001_0000;
    run(&code, &mut guest);
    assert_eq!(guest.read(0x10008, 8).unwrap(), 42_u64.to_le_bytes());
}

/// Calls `enter` with known values in all registers that Rust wants kept, and returns whether they were.
fn enters_like_a_function(context: *mut VmContext, target: usize) -> bool {
    let mut ops = x64::Assembler::new().unwrap();
    dynasm!(ops
        ; .arch x64
        ; push rbx ; push rbp ; push r12 ; push r13 ; push r14 ; push r15
        ; mov rbx, 1 ; mov rbp, 2 ; mov r12, 3 ; mov r13, 4 ; mov r14, 5 ; mov r15, 6
        ; push rsp
        ; mov rax, QWORD enter as *const () as i64
        ; call rax
        ; pop rcx
        ; cmp rcx, rsp ; jne >bad
        ; cmp rbx, 1 ; jne >bad
        ; cmp rbp, 2 ; jne >bad
        ; cmp r12, 3 ; jne >bad
        ; cmp r13, 4 ; jne >bad
        ; cmp r14, 5 ; jne >bad
        ; cmp r15, 6 ; jne >bad
        ; mov eax, 1 ; jmp >done
        ; bad: ; xor eax, eax
        ; done: ; pop r15 ; pop r14 ; pop r13 ; pop r12 ; pop rbp ; pop rbx
        ; ret
    );
    let buffer = ops.finalize().unwrap();
    // SAFETY: the buffer holds the function above.
    let function: extern "sysv64" fn(*mut VmContext, usize) -> bool = unsafe { std::mem::transmute(buffer.as_ptr()) };
    function(context, target)
}

#[test]
fn what_rust_wants_kept_is_kept() {
    for stub in Stub::ALL {
        let code = code(|ops| {
            touch_all(ops);
            call(ops, stub);
        });
        let mut guest = memory(&[]);
        let context = mapped(&mut guest).context_ptr();
        let gs_base = GsBase::detect();
        let before = gs_base.get();
        // SAFETY: the context is accessible and not in use.
        unsafe { (*context).host_call_entry = leave_at_once as *const () as u64 };
        // SAFETY: nothing else on this thread uses gs.
        unsafe { gs_base.set(mapped(&mut guest).base() as u64) };
        let kept = enters_like_a_function(context, code.text.start);
        // SAFETY: as above.
        unsafe { gs_base.set(before) };
        assert!(kept, "{stub:?}");
    }
}

extern "sysv64" fn leave_at_once(_context: *mut VmContext) -> u64 {
    1
}

/// Returns the stack pointer's distance from the alignment that functions may rely on, and the context's address.
#[unsafe(naked)]
extern "sysv64" fn stack_and_context(_context: *mut VmContext) -> u64 {
    std::arch::naked_asm!("lea rax, [rsp + 8]", "and rax, 15", "mov [rdi], rax", "mov eax, 1", "ret",)
}

#[test]
fn the_host_call_function_gets_an_aligned_stack_and_the_context() {
    let code = code(|ops| {
        call(ops, Stub::HostCall);
    });
    let mut guest = memory(&[]);
    let context = mapped(&mut guest).context();
    context.regs[0] = 99;
    context.host_call_entry = stack_and_context as *const () as u64;
    let gs_base = GsBase::detect();
    let before = gs_base.get();
    // SAFETY: nothing else on this thread uses gs; context and code are as `enter` wants them.
    unsafe {
        gs_base.set(mapped(&mut guest).base() as u64);
        enter(mapped(&mut guest).context_ptr(), code.text.start);
        gs_base.set(before);
    }
    assert_eq!(mapped(&mut guest).context().regs[0], 0);
}

#[test]
fn the_gs_base_is_put_back_in_both_ways() {
    let mut code = code(|ops| {
        load(ops);
        call(ops, Stub::Interpret);
    });
    let mut guest = memory(&7_u64.to_le_bytes());
    mapped(&mut guest).context().regs[7] = 0x10000;
    for way in [GsBase::SystemCall, GsBase::detect()] {
        code.gs_base = way;
        let before = way.get();
        // SAFETY: nothing on this thread uses gs.
        unsafe { way.set(0x7000) };
        run(&code, &mut guest);
        let after = way.get();
        // SAFETY: as above.
        unsafe { way.set(before) };
        assert_eq!(after, 0x7000);
        assert_eq!(mapped(&mut guest).context().regs[4], 7);
    }
}

/// Loads from φ7 before and after a host call and adds both up in φ4.
fn load_call_load() -> CompiledCode {
    code(|ops| {
        load(ops);
        dynasm!(ops ; .arch x64 ; mov rbx, rax);
        call(ops, Stub::HostCall);
        load(ops);
        dynasm!(ops ; .arch x64 ; add rax, rbx);
        call(ops, Stub::Interpret);
    })
}

/// Runs `depth` guests, each in a host call of the one before; the guest at depth d adds d up.
fn nest(code: &CompiledCode, depth: u64) -> u64 {
    let mut guest = memory(&depth.to_le_bytes());
    mapped(&mut guest).context().regs[7] = 0x10000;
    let space = Arc::clone(mapped(&mut guest).reservation());
    let mut inner = 0;
    let leave = code.run(&space, TextOffset(0), |_| {
        inner = if depth == 0 { 0 } else { nest(code, depth - 1) };
        HostReply::Resume
    });
    assert_eq!(leave.unwrap(), Leave::Interpret);
    inner + mapped(&mut guest).context().regs[4]
}

#[test]
fn guests_run_within_host_calls_of_others() {
    assert_eq!(nest(&load_call_load(), 10), 2 * 55);
}

#[test]
fn a_panic_of_the_host_passes_the_guest() {
    let code = load_call_load();
    let mut guest = memory(&1_u64.to_le_bytes());
    mapped(&mut guest).context().regs[7] = 0x10000;
    let space = Arc::clone(mapped(&mut guest).reservation());
    let before = GsBase::detect().get();
    let panicking = || code.run(&space, TextOffset(0), |_| resume_unwind(Box::new("host"))).map(|_| ());
    let panic = catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "host");
    assert_eq!(GsBase::detect().get(), before);
    assert!(Activation::current().is_null());
    assert_eq!(nest(&code, 1), 2);
}

#[test]
fn entries_outside_the_code_are_refused() {
    let code = load_call_load();
    let mut guest = memory(&[]);
    let space = Arc::clone(mapped(&mut guest).reservation());
    for past in [code.text.len() as u32, u32::MAX] {
        assert!(code.run(&space, TextOffset(past), |_| HostReply::Leave).is_err());
    }
}

#[test]
fn many_threads_run_at_once() {
    let code = load_call_load();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for depth in 0..20 {
                    assert_eq!(nest(&code, depth), depth * (depth + 1));
                }
            });
        }
    });
}
