//! Entering and leaving compiled code: the machine code between Rust and the guest.
//!
//! ```text
//!   enter ──► compiled code ──► out_of_gas, interpret ──┐
//!               ▲        │                              ├──► back to the caller of enter
//!               │        ├────► (fault) fault_exit ─────┤
//!               └────────┴────► host_call ──────────────┘
//! ```
//!
//! Compiled code runs on the host's stack, with the stack pointer as [`enter`] left it: 8 bytes off a multiple of 16, so
//! that it is aligned for Rust once the code has called a stub. At [`VmContext::host_rsp`] lie the context's address,
//! twice, and above it the registers that the ABI of Rust wants kept. The direction flag and MXCSR are not touched.
//!
//! The gs base must be guest address 0 all the while. There is no unwind information for these functions: panics must
//! not pass them, and backtraces from a host call end here.

use std::arch::naked_asm;

use tvm_abi::context::{GAS_SLOT, HOST_CALL_ENTRY, HOST_RSP, LEAVE, REGS, SITE};
use tvm_abi::registers::{GAS, GUEST, SCRATCH};
use tvm_abi::{HostReg, Leave, Stub, VmContext};

/// Makes `save_guest` and `load_guest`, which move all guest registers and the gas between processor and context, from
/// the table of registers. The build fails when the table is not the one in the ABI.
macro_rules! guest_registers {
    ($($index:literal $name:literal $reg:ident,)* gas $gas:literal $gas_reg:ident) => {
        const _: () = {
            $(assert!(GUEST[$index] as u8 == HostReg::$reg as u8);)*
            assert!([$($index),*].len() == GUEST.len());
            assert!(GAS as u8 == HostReg::$gas_reg as u8);
        };
        macro_rules! save_guest {
            () => {
                concat!(
                    $("mov qword ptr gs:[{regs} + 8 * ", $index, "], ", $name, "\n",)*
                    "mov qword ptr gs:[{gas}], ", $gas, "\n",
                )
            };
        }
        macro_rules! load_guest {
            () => {
                concat!(
                    $("mov ", $name, ", qword ptr gs:[{regs} + 8 * ", $index, "]\n",)*
                    "mov ", $gas, ", qword ptr gs:[{gas}]\n",
                )
            };
        }
    };
}

guest_registers! {
    0 "r8" R8,
    1 "rbp" Rbp,
    2 "r9" R9,
    3 "rdx" Rdx,
    4 "rax" Rax,
    5 "rbx" Rbx,
    6 "r14" R14,
    7 "rdi" Rdi,
    8 "rsi" Rsi,
    9 "r10" R10,
    10 "r11" R11,
    11 "r12" R12,
    12 "r13" R13,
    gas "r15" R15
}

const _: () = assert!(SCRATCH as u8 == HostReg::Rcx as u8, "enter jumps through rcx");

/// Returns from [`enter`]: the end of every way out.
macro_rules! return_to_host {
    () => {
        concat!(
            "mov rsp, qword ptr gs:[{host_rsp}]\n",
            "add rsp, 16\n",
            "pop r15\n",
            "pop r14\n",
            "pop r13\n",
            "pop r12\n",
            "pop rbx\n",
            "pop rbp\n",
            "ret\n",
        )
    };
}

/// Loads guest registers and gas from the context and jumps to `target`. Returns when the code leaves; then guest
/// registers and gas are in the context again, and [`VmContext::leave`] and [`VmContext::site`] say why and where.
///
/// # Safety
/// The gs base must be guest address 0 of a reservation, `context` its context, and `target` an entry point of code
/// that TVM's compiler made and that is linked against the stubs below. [`VmContext::host_call_entry`] must be a
/// function that does not unwind.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn enter(context: *mut VmContext, target: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "push rdi",
        "mov qword ptr gs:[{host_rsp}], rsp",
        "mov rcx, rsi",
        load_guest!(),
        "jmp rcx",
        host_rsp = const HOST_RSP,
        regs = const REGS,
        gas = const GAS_SLOT,
    )
}

/// A stub that leaves compiled code for good: its return address is the site, the rest is the same for each.
macro_rules! leaving_stub {
    ($(#[$doc:meta])* $name:ident $reason:ident) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name() {
            naked_asm!(
                "pop qword ptr gs:[{site}]",
                "mov qword ptr gs:[{leave}], {reason}",
                save_guest!(),
                return_to_host!(),
                site = const SITE,
                leave = const LEAVE,
                reason = const Leave::$reason as u64,
                regs = const REGS,
                gas = const GAS_SLOT,
                host_rsp = const HOST_RSP,
            )
        }
    };
}

leaving_stub! {
    /// [`Stub::OutOfGas`].
    out_of_gas OutOfGas
}

leaving_stub! {
    /// [`Stub::Interpret`].
    interpret Interpret
}

/// [`Stub::HostCall`]. The host may have changed any register in the context, so that all are loaded again.
#[unsafe(naked)]
unsafe extern "sysv64" fn host_call() {
    naked_asm!(
        save_guest!(),
        "mov rdi, qword ptr gs:[{host_rsp}]",
        "mov rdi, qword ptr [rdi]",
        "call qword ptr gs:[{entry}]",
        "test rax, rax",
        "jnz 2f",
        load_guest!(),
        "ret",
        "2:",
        "pop qword ptr gs:[{site}]",
        "mov qword ptr gs:[{leave}], {reason}",
        return_to_host!(),
        entry = const HOST_CALL_ENTRY,
        site = const SITE,
        leave = const LEAVE,
        reason = const Leave::HostCall as u64,
        regs = const REGS,
        gas = const GAS_SLOT,
        host_rsp = const HOST_RSP,
    )
}

/// Where the signal handler lets a faulting guest go on. [`VmContext::site`] is set; all registers are the guest's.
#[unsafe(naked)]
unsafe extern "sysv64" fn fault_exit() {
    naked_asm!(
        "mov qword ptr gs:[{leave}], {reason}",
        save_guest!(),
        return_to_host!(),
        leave = const LEAVE,
        reason = const Leave::Fault as u64,
        regs = const REGS,
        gas = const GAS_SLOT,
        host_rsp = const HOST_RSP,
    )
}

/// The address that goes into the slot of `stub`.
pub(crate) fn stub_address(stub: Stub) -> usize {
    let code: unsafe extern "sysv64" fn() = match stub {
        Stub::OutOfGas => out_of_gas,
        Stub::Interpret => interpret,
        Stub::HostCall => host_call,
    };
    code as usize
}

/// The address of [`fault_exit`].
pub(super) fn fault_exit_address() -> usize {
    let code: unsafe extern "sysv64" fn() = fault_exit;
    code as usize
}
