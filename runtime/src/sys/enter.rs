//! Entering and leaving compiled code: the machine code between Rust and the guest.
//!
//! ```text
//!   enter ──► compiled code ──► out_of_gas, interpret, jump ──┐
//!               ▲        │                                    ├──► back to the caller of enter
//!               │        ├────► (fault) fault_exit ───────────┤
//!               └────────┴────► host_call ────────────────────┘
//! ```
//!
//! Compiled code runs on the host's stack, with the stack pointer as [`enter`] left it: 8 bytes off a multiple of 16, so
//! that it is aligned for Rust once the code has called a stub. At [`HOST_RSP`] lie the two registers that
//! inline assembly cannot declare as overwritten. The direction flag and MXCSR are not touched.
//!
//! Gas and registers are moved directly to and from where Rust looks for them, which is [`STATE`], or the stack during a host call:
//! a copy made right afterwards, in larger pieces, would have to wait until the processor has written the small ones. Some
//! processors write one register each cycle, so that stores are what a call costs.
//!
//! The gs base must be guest address 0 all the while. There is no unwind information for these functions: panics must
//! not pass them, and backtraces from a host call end here.

use std::arch::{asm, naked_asm};

use tvm_abi::context::{
    HOST_CALL_DATA, HOST_CALL_ENTRY, HOST_RSP, LEFT_AT_HOST_CALL, SITE, STATE, STATE_GAS, STATE_REGS, TEXT_BASE,
};
use tvm_abi::registers::{GAS, GUEST, SCRATCH};
use tvm_abi::{HALT_KEY, HostReg, Leave, Stub};

use crate::exit::GuestState;
use crate::host_call::CallState;

/// Makes `save_guest` and `load_guest`, which move all guest registers and the gas between processor and memory, as they lie
/// in [`GuestState`], from the table of registers. The build fails when the table is not the one in the ABI.
macro_rules! guest_registers {
    ($($index:literal $name:literal $reg:ident,)* last $last:literal $last_name:literal $last_reg:ident,
     gas $gas:literal $gas_reg:ident) => {
        const _: () = {
            $(assert!(GUEST[$index] as u8 == HostReg::$reg as u8);)*
            assert!(GUEST[$last] as u8 == HostReg::$last_reg as u8);
            assert!([$($index,)* $last].len() == GUEST.len());
            assert!(GAS as u8 == HostReg::$gas_reg as u8);
        };
        /// To the address in a register.
        macro_rules! save_guest {
            ($to:literal) => {
                concat!(
                    $("mov qword ptr [", $to, " + {regs} + 8 * ", $index, "], ", $name, "\n",)*
                    "mov qword ptr [", $to, " + {regs} + 8 * ", $last, "], ", $last_name, "\n",
                    "mov qword ptr [", $to, " + {gas}], ", $gas, "\n",
                )
            };
        }
        /// From the address in a register, which may be the one that is loaded last; the scratch register is kept.
        macro_rules! load_guest {
            ($from:literal) => {
                concat!(
                    "mov ", $gas, ", qword ptr [", $from, " + {gas}]\n",
                    $("mov ", $name, ", qword ptr [", $from, " + {regs} + 8 * ", $index, "]\n",)*
                    "mov ", $last_name, ", qword ptr [", $from, " + {regs} + 8 * ", $last, "]\n",
                )
            };
        }
    };
}

guest_registers! {
    0 "r8" R8,
    1 "rbp" Rbp,
    2 "r9" R9,
    3 "rcx" Rcx,
    4 "rax" Rax,
    5 "rbx" Rbx,
    6 "r14" R14,
    8 "rsi" Rsi,
    9 "r10" R10,
    10 "r11" R11,
    11 "r12" R12,
    12 "r13" R13,
    last 7 "rdi" Rdi,
    gas "r15" R15
}

const _: () = assert!(SCRATCH as u8 == HostReg::Rdx as u8, "enter jumps through rdx");

const _: () = assert!(std::mem::offset_of!(GuestState, gas) == STATE_GAS);
const _: () = assert!(std::mem::offset_of!(GuestState, regs) == STATE_REGS);

/// Returns from [`enter`] with a reason: the end of every way out.
macro_rules! return_to_host {
    () => {
        concat!("mov eax, {reason}\n", "mov rsp, qword ptr gs:[{host_rsp}]\n", "pop rbx\n", "pop rbp\n", "ret\n",)
    };
}

/// Forgets the call of a stub that does not return: the processor expects a return for each call, and would predict all
/// later ones wrongly. Registers must have been saved.
macro_rules! forget_call {
    () => {
        concat!("lea rdx, [rip + 3f]\n", "push rdx\n", "ret\n", "3:\n")
    };
}

/// Loads guest registers and gas and jumps to `target`. Returns when the code leaves; then guest registers and gas are
/// in `state` again, the result is a [`Leave`] as a number, and the context's site says where it was.
///
/// # Safety
/// The gs base must be guest address 0 of a reservation, whose context names the stubs below, and `target` an entry point
/// of code that TVM's compiler made. The context must name `state`, which nobody else uses meanwhile, and a function
/// for host calls that does not unwind.
#[inline(always)]
pub(super) unsafe fn enter(state: *mut GuestState, target: usize) -> u64 {
    let leave: u64;
    // SAFETY: as the caller vouches; every register that guests use and `enter_guest` does not keep is named.
    unsafe {
        asm!(
            "call {enter}",
            enter = sym enter_guest,
            in("rdi") state,
            in("rsi") target,
            lateout("rax") leave,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    leave
}

/// The machine code of [`enter`]. Keeps rbx, rbp and rsp alone: what else the caller needs, it knows best.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_guest() {
    naked_asm!(
        "push rbp",
        "push rbx",
        "mov qword ptr gs:[{host_rsp}], rsp",
        "mov rdx, rsi",
        load_guest!("rdi"),
        "jmp rdx",
        host_rsp = const HOST_RSP,
        gas = const STATE_GAS,
        regs = const STATE_REGS,
    )
}

/// A way out of compiled code for good: what comes before the registers are saved, and what goes before the return. All of the
/// operands but those that each way needs are here.
macro_rules! leaving {
    ($(#[$doc:meta])* $name:ident $reason:ident $($before:expr)* => $($behind:expr)*; $($operand:tt)*) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name() {
            naked_asm!(
                $($before,)*
                "mov rdx, qword ptr gs:[{state}]",
                save_guest!("rdx"),
                $($behind,)*
                return_to_host!(),
                reason = const Leave::$reason as u64,
                state = const STATE,
                regs = const STATE_REGS,
                gas = const STATE_GAS,
                host_rsp = const HOST_RSP,
                $($operand)*
            )
        }
    };
}

/// A stub that was called: its return address is the site.
macro_rules! leaving_stub {
    ($(#[$doc:meta])* $name:ident $reason:ident) => {
        leaving! {
            $(#[$doc])* $name $reason "pop qword ptr gs:[{site}]" => forget_call!();
            site = const SITE,
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

/// A stub that was jumped to with its place pushed: no call is to be forgotten.
macro_rules! leaving_jump {
    ($(#[$doc:meta])* $name:ident $reason:ident $($line:literal)*; $($operand:tt)*) => {
        leaving! {
            $(#[$doc])* $name $reason
            $($line)* "add rdx, qword ptr gs:[{text_base}]" "mov qword ptr gs:[{site}], rdx" =>;
            text_base = const TEXT_BASE,
            site = const SITE,
            $($operand)*
        }
    };
}

leaving_jump! {
    /// [`Stub::Jump`], which every guest halts through.
    jump Halt "cmp edx, {halt_key}" "pop rdx" "jne {jump_elsewhere}";
    halt_key = const HALT_KEY,
    jump_elsewhere = sym jump_elsewhere,
}

leaving_jump! {
    /// What [`jump`] is for all other addresses. The place is in the scratch register.
    jump_elsewhere Interpret;
}

const _: () = assert!(std::mem::offset_of!(CallState, gas) == STATE_GAS);
const _: () = assert!(std::mem::offset_of!(CallState, regs) == STATE_REGS);

/// Bytes of the stack that a [`CallState`] takes, below what the guest pushed. The stack is aligned and stays so.
const SAVED_BYTES: usize = size_of::<CallState>().next_multiple_of(16);

/// [`Stub::HostCall`]. The host may have changed any register, so that all are loaded again. While it is at work, r12
/// holds the call.
#[unsafe(naked)]
unsafe extern "sysv64" fn host_call() {
    naked_asm!(
        "sub rsp, {saved}",
        save_guest!("rsp"),
        "mov dword ptr [rsp + {pc}], edx",
        "mov rdi, qword ptr gs:[{data}]",
        "mov rsi, rdx",
        "mov r12, rdx",
        "mov rdx, rsp",
        "call qword ptr gs:[{entry}]",
        "test eax, eax",
        "jnz 2f",
        load_guest!("rsp"),
        "add rsp, {saved}",
        "ret",
        "2:",
        "mov qword ptr gs:[{left_at}], r12",
        load_guest!("rsp"),
        "add rsp, {saved}",
        "jmp {leave}",
        saved = const SAVED_BYTES,
        pc = const std::mem::offset_of!(CallState, pc),
        data = const HOST_CALL_DATA,
        entry = const HOST_CALL_ENTRY,
        left_at = const LEFT_AT_HOST_CALL,
        leave = sym leave_at_host_call,
        regs = const STATE_REGS,
        gas = const STATE_GAS,
    )
}

leaving_stub! {
    /// What [`host_call`] is when the host wants to leave.
    leave_at_host_call HostCall
}

leaving! {
    /// Where the signal handler lets a faulting guest go on. The context's site is set; all registers are the guest's.
    fault_exit Fault =>;
}

/// The address that goes into the slot of `stub`.
pub(crate) fn stub_address(stub: Stub) -> usize {
    let code: unsafe extern "sysv64" fn() = match stub {
        Stub::OutOfGas => out_of_gas,
        Stub::Interpret => interpret,
        Stub::HostCall => host_call,
        Stub::Jump => jump,
    };
    code as usize
}

/// The address of [`fault_exit`].
pub(super) fn fault_exit_address() -> usize {
    let code: unsafe extern "sysv64" fn() = fault_exit;
    code as usize
}
