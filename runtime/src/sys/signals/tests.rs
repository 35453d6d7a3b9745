use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use dynasmrt::dynasm;
use tvm_abi::{Leave, Stub};
use tvm_isa::{Gas, Reg};

use super::*;
use crate::memory::{Access, GuestMemory, MappedMemory};
use crate::sys::compiled::CompiledCode;
use crate::sys::compiled::tests::{Machine, call, code, load, store};
use crate::sys::{HostReply, Image, Segment, child};

/// Loads φ4 from φ7, having set every other register to a known value.
fn loading() -> CompiledCode {
    code(|ops| {
        load(ops);
        call(ops, Stub::Interpret);
    })
}

fn storing() -> CompiledCode {
    code(|ops| {
        dynasm!(ops ; .arch x64 ; inc r13);
        store(ops);
        call(ops, Stub::Interpret);
    })
}

/// Runs `code` with φ7 at `address`.
fn access(code: &CompiledCode, guest: &mut Machine, address: u64) -> Leave {
    guest.state.regs = [3; Reg::COUNT];
    (guest.state.regs[7], guest.state.gas) = (address, Gas(9));
    guest.run(code).reason
}

#[test]
fn a_fault_leaves_with_all_registers_at_the_instruction() {
    let code = storing();
    let mut guest = Machine::new(&[]);
    for _ in 0..3 {
        assert_eq!(access(&code, &mut guest, 0x2_0000), Leave::Fault);
        let left = guest.run(&code);
        assert_eq!((left.reason, left.site - code.text().start as u64), (Leave::Fault, 3), "after the inc");
        let mut expected = [3; Reg::COUNT];
        (expected[7], expected[12]) = (0x2_0000, 5);
        assert_eq!((guest.state.regs, guest.state.gas), (expected, Gas(9)));
        assert_eq!(access(&code, &mut guest, 0x1_0000), Leave::Interpret);
    }
}

#[test]
fn accesses_fault_exactly_where_pages_forbid_them() {
    let mut guest = Machine::new(&[]);
    guest.memory.set_access(17, 1, Access::Read).unwrap();
    guest.memory.set_access(0xf_ffff, 1, Access::Write).unwrap();
    let leave = |faults| if faults { Leave::Fault } else { Leave::Interpret };
    for (address, load_faults, store_faults) in [
        (0, true, true),
        (0xfff8, true, true),
        (0xfff9, true, true),
        (0x1_0000, false, false),
        (0x1_0ff8, false, false),
        (0x1_0ff9, false, true),
        (0x1_1ff8, false, true),
        (0x1_1ff9, true, true),
        (0xffff_fff8, false, false),
        // Past the end of guest memory lies the guard: nothing wraps around.
        (0xffff_fff9, true, true),
        (0xffff_ffff, true, true),
    ] {
        assert_eq!(access(&loading(), &mut guest, address), leave(load_faults), "load {address:#x}");
        assert_eq!(access(&storing(), &mut guest, address), leave(store_faults), "store {address:#x}");
    }
}

#[test]
fn guests_fault_within_host_calls_of_others() {
    let outer = code(|ops| {
        call(ops, Stub::HostCall);
        load(ops);
        call(ops, Stub::Interpret);
    });
    let (mut first, mut second) = (Machine::new(&[]), Machine::new(&[]));
    first.state.regs[7] = 0x3_0000;
    let left = first.run_with(&outer, |_, _| {
        assert_eq!(access(&loading(), &mut second, 0x2_0000), Leave::Fault);
        HostReply::Resume
    });
    assert_eq!(left.unwrap().reason, Leave::Fault);
    assert_eq!((second.state.regs[7], first.state.regs[7]), (0x2_0000, 0x3_0000));
}

#[test]
fn many_threads_fault_at_once() {
    let code = storing();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let code = &code;
            scope.spawn(move || {
                let mut guest = Machine::new(&[]);
                for page in 17..2000 {
                    let address = (page + thread) << 12;
                    assert_eq!(access(code, &mut guest, address), Leave::Fault);
                    assert_eq!(guest.state.regs[7], address);
                }
            });
        }
    });
}

#[test]
fn a_page_missing_from_its_file_is_no_outcome_of_the_guest() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[1; 8192]).unwrap();
    let file = Arc::new(file);
    let segment = Segment { first: 16, count: 2, access: Access::Read, file_offset: Some(0) };
    let image =
        Arc::new(Image::new(Some(crate::sys::ImageFile::File(Arc::clone(&file))), None, vec![segment]).unwrap());
    let mut memory = MappedMemory::new().unwrap();
    memory.reset(&image).unwrap();
    file.set_len(4096).unwrap();
    let mut guest = Machine::of(GuestMemory::Mapped(memory));
    assert_eq!(access(&loading(), &mut guest, 0x1_0000), Leave::Interpret);
    guest.state.regs[7] = 0x1_1000;
    let error = guest.run_with(&loading(), |_, _| HostReply::Leave).unwrap_err();
    assert!(error.to_string().contains("missing from its file"), "{error}");
}

// What follows ends its process, or changes its handlers: each case is a child.

/// How a case ends without TVM's handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// By this signal.
    Killed(c_int),
    /// With this status, by a handler that was installed before TVM's.
    Exit(c_int),
}

const SEEN: Ending = Ending::Exit(42);

/// Signals that were sent, not caused, need not kill. Rust's own handler returns from the first one.
const SURVIVED: Ending = Ending::Exit(42);

struct Case {
    name: &'static str,
    prepare: fn(),
    act: fn(),
    ending: Ending,
}

#[rustfmt::skip]
const CASES: [Case; 20] = [
    Case { name: "null", prepare: || (), act: read_null, ending: Ending::Killed(SIGSEGV) },
    Case { name: "null in a host call", prepare: || (), act: || in_host_call(read_null), ending: Ending::Killed(SIGSEGV) },
    Case { name: "stack overflow", prepare: || (), act: overflow_stack, ending: Ending::Killed(libc::SIGABRT) },
    Case { name: "stack overflow in a host call", prepare: || (), act: || in_host_call(overflow_stack), ending: Ending::Killed(libc::SIGABRT) },
    Case { name: "bus error", prepare: || (), act: bus_error, ending: Ending::Killed(SIGBUS) },
    Case { name: "guest code below guest memory", prepare: || (), act: guest_reads_below, ending: Ending::Killed(SIGSEGV) },
    Case { name: "guest code at a host address", prepare: || (), act: guest_reads_null, ending: Ending::Killed(SIGSEGV) },
    Case { name: "host code in guest memory", prepare: || (), act: || in_host_call(host_reads_guest), ending: Ending::Killed(SIGSEGV) },
    Case { name: "sent", prepare: || (), act: || { raise(SIGSEGV); exit(42) }, ending: SURVIVED },
    Case { name: "sent to a host call", prepare: || (), act: || { in_host_call(|| raise(SIGSEGV)); exit(42) }, ending: SURVIVED },
    Case { name: "default action, null", prepare: || handle(SIG_DFL, 0), act: read_null, ending: Ending::Killed(SIGSEGV) },
    Case { name: "default action, sent", prepare: || handle(SIG_DFL, 0), act: || raise(SIGSEGV), ending: Ending::Killed(SIGSEGV) },
    Case { name: "ignored, null", prepare: || handle(SIG_IGN, 0), act: read_null, ending: Ending::Killed(SIGSEGV) },
    Case { name: "ignored, sent", prepare: || handle(SIG_IGN, 0), act: || { raise(SIGSEGV); exit(42) }, ending: SURVIVED },
    Case { name: "old handler", prepare: || handle(old_handler as *const () as usize, 0), act: read_null, ending: SEEN },
    Case { name: "handler", prepare: || handle(new_handler as *const () as usize, libc::SA_SIGINFO), act: read_null, ending: SEEN },
    Case { name: "handler on its stack", prepare: || handle(new_handler as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK), act: || in_host_call(read_null), ending: SEEN },
    Case { name: "handler that goes on", prepare: || handle(skip_instruction as *const () as usize, libc::SA_SIGINFO), act: || { read_null(); in_host_call(read_null); exit(42) }, ending: SEEN },
    Case { name: "handler that faults, nested", prepare: || { large_signal_stack(); handle(faulting_handler as *const () as usize, libc::SA_SIGINFO | libc::SA_NODEFER) }, act: read_null, ending: SEEN },
    Case { name: "handler for one time", prepare: || handle(skip_instruction as *const () as usize, libc::SA_SIGINFO | libc::SA_RESETHAND), act: || { read_null(); read_null() }, ending: Ending::Killed(SIGSEGV) },
];

#[test]
fn faults_of_the_host_end_as_without_tvm() {
    if let Some(case) = child::case() {
        let (name, with_tvm) = case.split_once('/').expect("name/with or without");
        return be(CASES.iter().find(|case| case.name == name).expect("a known case"), with_tvm == "with");
    }
    for case in &CASES {
        let needs_tvm = ["guest", "host"].iter().any(|word| case.name.contains(word));
        for how in ["without", "with"] {
            if needs_tvm && how == "without" {
                continue;
            }
            let output =
                child::run(module_path!(), "faults_of_the_host_end_as_without_tvm", &format!("{}/{how}", case.name));
            let ending = match (output.status.signal(), output.status.code()) {
                (Some(signal), _) => Ending::Killed(signal),
                (None, code) => Ending::Exit(code.expect("no signal, so a status")),
            };
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(ending, case.ending, "{} {how} TVM: {said}", case.name);
            assert_eq!(said.contains("has overflowed its stack"), case.name.contains("overflow"), "{said}");
        }
    }
}

fn be(case: &Case, with_tvm: bool) {
    // SAFETY: no core files of deaths that are wanted.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    (case.prepare)();
    if with_tvm {
        // Installs the handler, and shows that it works.
        assert_eq!(access(&loading(), &mut Machine::new(&[]), 0x2_0000), Leave::Fault);
    }
    (case.act)();
}

fn exit(status: c_int) {
    // SAFETY: the call has no preconditions.
    unsafe { libc::_exit(status) }
}

fn raise(signal: c_int) {
    // SAFETY: the call has no preconditions.
    unsafe { libc::raise(signal) };
}

/// A load of three bytes' length from address 0.
fn read_null() {
    // SAFETY: none; the fault is the point.
    unsafe { std::arch::asm!("mov rax, [rcx]", in("rcx") 0, out("rax") _) };
}

fn overflow_stack() {
    #[inline(never)]
    fn recurse(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { recurse(frame[0] + 1) + std::hint::black_box(&frame)[1] }
    }
    std::hint::black_box(recurse(0));
}

fn bus_error() {
    let file = tempfile::tempfile().unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: a new mapping overlaps nothing; reading it is a fault, which is the point.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, fd, 0);
        page.cast::<u8>().read_volatile();
    }
}

fn in_host_call(act: fn()) {
    let code = code(|ops| {
        call(ops, Stub::HostCall);
        call(ops, Stub::Interpret);
    });
    let left = Machine::new(&[]).run_with(&code, |_, _| {
        act();
        HostReply::Resume
    });
    assert_eq!(left.unwrap().reason, Leave::Interpret);
}

/// Reads the unmapped jump table area, which a guest's accesses cannot reach.
fn guest_reads_below() {
    // mov rax, gs:[-0x2000]
    Machine::new(&[]).run(&code(|ops| ops.extend([0x65, 0x48, 0x8b, 0x04, 0x25, 0x00, 0xe0, 0xff, 0xff])));
}

fn guest_reads_null() {
    let code = code(|ops| {
        dynasm!(ops ; .arch x64 ; xor ecx, ecx ; mov rax, [rcx]);
    });
    Machine::new(&[]).run(&code);
}

fn host_reads_guest() {
    // mov rax, gs:[0x20000] in the host's code, while the guest waits.
    // SAFETY: none; the fault is the point.
    unsafe { std::arch::asm!("mov rax, gs:[0x20000]", out("rax") _) };
}

fn handle(handler: usize, flags: c_int) {
    // SAFETY: the handlers below keep to what signal handlers may do.
    unsafe {
        let mut action: sigaction = std::mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        assert_eq!(libc::sigaction(SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// Room for some handlers within each other. Rust's own signal stacks hold two frames where the processor's state is large.
fn large_signal_stack() {
    const BYTES: usize = 1 << 16;
    let stack = Box::leak(vec![0_u8; BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
    // SAFETY: nothing else uses the memory, and no handler runs.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
}

extern "C" fn old_handler(signal: c_int) {
    exit(if signal == SIGSEGV { 42 } else { 1 });
}

extern "C" fn new_handler(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes the information of a fault.
    let is_null = unsafe { (*info).si_addr() }.is_null();
    exit(if signal == SIGSEGV && is_null { 42 } else { 1 });
}

/// Goes on after the instruction of [`read_null`].
extern "C" fn skip_instruction(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a context.
    unsafe { (*context.cast::<ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] += 3 };
}

/// Faults twice more, which `SA_NODEFER` allows.
extern "C" fn faulting_handler(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    static DEPTH: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    match DEPTH.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        2 => exit(42),
        _ => read_null(),
    }
}
