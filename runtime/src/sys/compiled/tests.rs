use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm, x64};
use tvm_abi::Stub;
use tvm_abi::context::STATE_REGS;
use tvm_isa::{Gas, GuestAddr, Pc};

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
        ; mov rdx, QWORD stub_address(stub) as i64
        ; call rdx
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

impl<F: FnMut(u64, Guest<'_>) -> HostReply> HostServes for F {
    fn serve(&mut self, id: u64, guest: Guest<'_>) -> HostReply {
        self(id, guest)
    }
}

/// A guest with registers of its own.
pub(crate) struct Machine {
    pub memory: GuestMemory,
    pub state: GuestState,
}

impl Machine {
    /// One whose page 16 is writable and holds these bytes, and whose φ7 points at them.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut memory = GuestMemory::Mapped(MappedMemory::new().unwrap());
        memory.set_access(16, 1, Access::Write).unwrap();
        memory.initialise(GuestAddr(16 << 12), bytes).unwrap();
        Self::of(memory)
    }

    pub(crate) fn of(memory: GuestMemory) -> Self {
        let mut state = GuestState::new(Pc(0), Gas(0));
        state.regs[7] = 16 << 12;
        Self { memory, state }
    }

    /// Runs from the start; host calls are not expected.
    pub(crate) fn run(&mut self, code: &CompiledCode) -> Left {
        self.run_with(code, |_, _| panic!("unexpected host call")).unwrap()
    }

    pub(crate) fn run_with(
        &mut self,
        code: &CompiledCode,
        serve: impl FnMut(u64, Guest<'_>) -> HostReply,
    ) -> Result<Left, Broken> {
        code.run(&mut self.memory, TextOffset(0), &mut self.state, serve)
    }

    fn context(&mut self) -> *mut tvm_abi::VmContext {
        match &self.memory {
            GuestMemory::Mapped(memory) => memory.context_ptr(),
            GuestMemory::Paged(_) => unreachable!("machines have mapped memory"),
        }
    }
}

fn numbered() -> [u64; 13] {
    std::array::from_fn(|index| 0x1111_1111_1111_1111 * (index as u64 + 1))
}

/// Adds one to every guest register, and takes 5 gas.
fn touch_all(ops: &mut x64::Assembler) {
    dynasm!(ops
        ; .arch x64
        ; inc r8 ; inc rbp ; inc r9 ; inc rcx ; inc rax ; inc rbx ; inc r14
        ; inc rdi ; inc rsi ; inc r10 ; inc r11 ; inc r12 ; inc r13
        ; sub r15, 5
    );
}

#[test]
fn registers_and_gas_pass_in_and_out() {
    for (stub, reason) in [(Stub::OutOfGas, Leave::OutOfGas), (Stub::Interpret, Leave::Interpret)] {
        let mut site = 0;
        let code = code(|ops| {
            touch_all(ops);
            site = call(ops, stub);
        });
        let mut guest = Machine::new(&[]);
        (guest.state.regs, guest.state.gas) = (numbered(), Gas(3));
        let left = guest.run(&code);
        assert_eq!((left.reason, left.site), (reason, (code.text.start + site) as u64));
        assert_eq!(guest.state.regs, numbered().map(|value| value + 1));
        assert_eq!(guest.state.gas, Gas(3_u64.wrapping_sub(5)));
        // SAFETY: the context is accessible, and nothing runs.
        assert_eq!(unsafe { (*guest.context()).text_base }, code.text.start as u64);
    }
}

#[test]
fn only_the_halt_address_halts() {
    let page = tvm_abi::sections::PAGE;
    // What the scratch register can hold: keys of addresses, and sums of a page's address and −1.
    let keys = [0, 2, 0x7fff_0000, 0xfffe_0000, 0xffff_0002, 0xffff_fffe, 1, 0xffff_0001].map(tvm_abi::jump_key);
    let sums = [page, 0x7fff_9000, 0x7fff_8000, 0x5555_7fff_8000, 0x5555_7fff_9000].map(|text| text - 1);
    let others = keys.into_iter().map(u64::from).chain(sums).map(|rdx| (rdx, Leave::Interpret));
    for (rdx, reason) in others.chain([(0x7fff_8000, Leave::Halt)]) {
        let code = code(|ops| {
            touch_all(ops);
            dynasm!(ops
                ; .arch x64
                ; push DWORD 0x123
                ; push rax
                ; mov rax, QWORD stub_address(Stub::Jump) as i64
                ; mov rdx, QWORD rdx as i64
                ; xchg rax, [rsp]
                ; ret
            );
        });
        let mut guest = Machine::new(&[]);
        (guest.state.regs, guest.state.gas) = (numbered(), Gas(30));
        let left = guest.run(&code);
        assert_eq!((left.reason, left.site), (reason, code.text.start as u64 + 0x123), "{rdx:#x}");
        assert_eq!((guest.state.regs, guest.state.gas), (numbered().map(|value| value + 1), Gas(25)));
    }
    assert_eq!(tvm_abi::jump_key(tvm_isa::layout::HALT_ADDRESS), tvm_abi::HALT_KEY);
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
    let mut guest = Machine::new(&[]);
    guest.run(&code);
    assert_eq!(guest.state.regs, std::array::from_fn(|index| index as u64));
    assert_eq!(guest.state.gas, Gas(77));
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
    let mut guest = Machine::new(&[]);
    for leave_at in [1, 2, 3] {
        (guest.state.regs, guest.state.gas) = (numbered(), Gas(100));
        let mut calls = 0;
        let left = guest.run_with(&code, |_, guest| {
            calls += 1;
            let so_far = 21 * calls - 20;
            assert_eq!(guest.state.regs, numbered().map(|value| value + so_far));
            assert_eq!(guest.state.gas, Gas(100 - 5 * calls));
            guest.state.regs.iter_mut().for_each(|value| *value += 20);
            if calls == leave_at { HostReply::Leave } else { HostReply::Resume }
        });
        let left = left.unwrap();
        let expected = if leave_at == 3 { Leave::Interpret } else { Leave::HostCall };
        assert_eq!(left.reason, expected);
        assert_eq!(calls, leave_at.min(2));
        let sum = 21 * leave_at - if leave_at == 3 { 20 } else { 0 };
        assert_eq!(guest.state.regs, numbered().map(|value| value + sum));
        assert_eq!(guest.state.gas, Gas(100 - 5 * leave_at));
        if leave_at == 2 {
            assert_eq!(left.site, (code.text.start + site) as u64);
        }
    }
}

#[test]
fn a_host_that_takes_the_memory_away_ends_the_run() {
    let code = code(|ops| {
        load(ops);
        call(ops, Stub::HostCall);
        load(ops);
        call(ops, Stub::Interpret);
    });
    let other = || GuestMemory::Mapped(MappedMemory::new().unwrap());
    let paged = || GuestMemory::Paged(crate::memory::PagedMemory::new());
    for replacement in [&other as &dyn Fn() -> GuestMemory, &paged] {
        let mut guest = Machine::new(&[1; 8]);
        let left = guest.run_with(&code, |_, guest| {
            drop(std::mem::replace(guest.memory, replacement()));
            HostReply::Resume
        });
        assert_eq!(left, Err(Broken::OtherMemory));
    }
    // Back in time is as if nothing had been done.
    let mut guest = Machine::new(&[1; 8]);
    let left = guest.run_with(&code, |_, guest| {
        let taken = std::mem::replace(guest.memory, paged());
        *guest.memory = taken;
        HostReply::Resume
    });
    assert_eq!(left.unwrap().reason, Leave::Interpret);
}

#[test]
fn a_memory_that_is_not_protected_any_more_ends_the_run() {
    let code = code(|ops| {
        call(ops, Stub::HostCall);
        dynasm!(ops ; .arch x64 ; ud2);
    });
    let mut guest = Machine::new(&[]);
    let left = guest.run_with(&code, |_, guest| {
        let pages = 2 * crate::memory::MAX_PROTECTED_RUNS as u32;
        (0..pages).for_each(|page| guest.memory.set_access(1000 + 2 * page, 1, Access::Read).unwrap());
        HostReply::Resume
    });
    assert_eq!(left.unwrap().reason, Leave::HostCall);
}

#[test]
fn guest_memory_is_reached_through_gs() {
    let code = code(|ops| {
        load(ops);
        dynasm!(ops ; .arch x64 ; inc rax ; add rdi, 8);
        store(ops);
        call(ops, Stub::Interpret);
    });
    let mut guest = Machine::new(&41_u64.to_le_bytes());
    // The upper half of the address does not count.
    guest.state.regs[7] = 0xabcd_0000_0001_0000;
    guest.run(&code);
    assert_eq!(guest.memory.read(0x10008, 8).unwrap(), 42_u64.to_le_bytes());
}

/// Calls `enter` with known values in all registers that Rust wants kept, and returns whether they were.
fn enters_like_a_function(state: *mut GuestState, target: usize) -> bool {
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
    let function: extern "sysv64" fn(*mut GuestState, usize) -> bool = unsafe { std::mem::transmute(buffer.as_ptr()) };
    function(state, target)
}

/// Does `work` as `CompiledCode::run` does it, with a host call function of its own, which gets the address of the guest's registers.
fn by_hand<T>(guest: &mut Machine, serve: *const (), work: impl FnOnce(*mut GuestState) -> T) -> T {
    let (context, state) = (guest.context(), &raw mut guest.state);
    // SAFETY: the context is accessible and not in use.
    unsafe {
        ((*context).state, (*context).host_call_data) = (state as u64, &raw mut (*state).regs as u64);
        (*context).host_call_entry = serve as u64;
    }
    let way = GsBase::detect();
    // SAFETY: nothing else on this thread uses gs.
    unsafe { way.during(context as u64 + CONTEXT_BYTES as u64, false, || work(state)) }
}

#[test]
fn what_rust_wants_kept_is_kept() {
    for stub in Stub::ALL {
        let code = code(|ops| {
            touch_all(ops);
            call(ops, stub);
        });
        let mut guest = Machine::new(&[]);
        let kept =
            by_hand(&mut guest, leave_at_once as *const (), |state| enters_like_a_function(state, code.text.start));
        assert!(kept, "{stub:?}");
    }
}

extern "sysv64" fn leave_at_once(_regs: *mut u64) -> u64 {
    1
}

/// Puts into φ0 the word that its data points at and the stack pointer's distance from the alignment that functions may rely
/// on, and the call into φ1.
#[unsafe(naked)]
extern "sysv64" fn tells_what_it_got(_data: *mut u64, _call: u64, _state: *mut CallState) -> u64 {
    std::arch::naked_asm!(
        "lea rax, [rsp + 8]",
        "and rax, 15",
        "add rax, [rdi]",
        "mov [rdx + {regs}], rax",
        "mov [rdx + {regs} + 8], rsi",
        "mov eax, 1",
        "ret",
        regs = const STATE_REGS,
    )
}

#[test]
fn host_functions_learn_which_call_it_is() {
    for (pc, immediate) in [(0, 0), (7, i32::MAX), (1 << 31, i32::MIN), (u32::MAX, -1)] {
        let host_call = HostCall { pc: Pc(pc), immediate };
        let code = code(|ops| {
            dynasm!(ops
                ; .arch x64
                ; mov rdx, QWORD host_call.packed() as i64
                ; gs call QWORD [Stub::HostCall.slot()]
            );
        });
        let mut seen = None;
        let left = Machine::new(&[]).run_with(&code, |id, guest| {
            seen = Some((id, guest.state.pc()));
            HostReply::Leave
        });
        assert_eq!(seen, Some((i64::from(immediate).cast_unsigned(), Pc(pc))));
        assert_eq!(left.unwrap().host_call_pc, Pc(pc));
    }
}

#[test]
fn the_host_call_function_gets_an_aligned_stack_its_data_and_the_call() {
    let host_call = HostCall { pc: Pc(u32::MAX), immediate: -2 };
    let code = code(|ops| {
        dynasm!(ops
            ; .arch x64
            ; mov rdi, 0
            ; mov rdx, QWORD host_call.packed() as i64
            ; gs call QWORD [Stub::HostCall.slot()]
        );
    });
    let mut guest = Machine::new(&[]);
    guest.state.regs[0] = 99;
    // SAFETY: context and code are as `enter` wants them.
    let leave = by_hand(&mut guest, tells_what_it_got as *const (), |state| unsafe { enter(state, code.text.start) });
    assert_eq!((leave, guest.state.regs[0], guest.state.regs[7]), (Leave::HostCall as u64, 99, 0));
    assert_eq!(HostCall::from_packed(guest.state.regs[1]), host_call);
}

#[test]
fn a_hosts_gs_base_is_put_back_in_both_ways() {
    let mut code = code(|ops| {
        load(ops);
        call(ops, Stub::Interpret);
    });
    let mut guest = Machine::new(&7_u64.to_le_bytes());
    for way in [GsBase::SystemCall, GsBase::detect()] {
        code.gs_base = way;
        let before = way.get();
        // SAFETY: nothing on this thread uses gs.
        unsafe { way.set(0x7000) };
        guest.run(&code);
        let after = way.get();
        // SAFETY: as above.
        unsafe { way.set(before) };
        assert_eq!((after, guest.state.regs[4]), (0x7000, 7));
        // Where there is none, a guest's may stay, and is as good as none.
        guest.run(&code);
        guest.run(&code);
        assert_eq!(guest.state.regs[4], 7);
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
    let mut guest = Machine::new(&depth.to_le_bytes());
    let mut inner = 0;
    let left = guest.run_with(code, |_, _| {
        inner = if depth == 0 { 0 } else { nest(code, depth - 1) };
        HostReply::Resume
    });
    assert_eq!(left.unwrap().reason, Leave::Interpret);
    inner + guest.state.regs[4]
}

#[test]
fn guests_run_within_host_calls_of_others() {
    assert_eq!(nest(&load_call_load(), 10), 2 * 55);
}

#[test]
fn a_panic_of_the_host_passes_the_guest() {
    let code = load_call_load();
    let mut guest = Machine::new(&1_u64.to_le_bytes());
    let way = GsBase::detect();
    // SAFETY: nothing on this thread uses gs.
    unsafe { way.set(0x7000) };
    let panicking = || guest.run_with(&code, |_, _| resume_unwind(Box::new("host"))).map(|_| ());
    let panic = catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "host");
    assert_eq!(way.get(), 0x7000);
    // SAFETY: as above.
    unsafe { way.set(0) };
    assert!(Activation::current().is_null());
    assert_eq!(nest(&code, 1), 2);
}

#[test]
fn entries_outside_the_code_are_refused() {
    let code = load_call_load();
    let Machine { memory, state } = &mut Machine::new(&[]);
    for past in [code.text.len() as u32, u32::MAX] {
        assert_eq!(
            code.run(memory, TextOffset(past), state, |_: u64, _: Guest<'_>| HostReply::Leave),
            Err(Broken::Entry)
        );
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
