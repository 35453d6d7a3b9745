//! The VM context: what compiled code and the runtime exchange through memory.
//!
//! ```text
//!   gs:[-JUMP_TABLE_BYTES - CONTEXT_BYTES]   the module's dynamic jump table, mapped read-only
//!   gs:[-CONTEXT_BYTES]                      VmContext, one page
//!   gs:[0]                                   guest address 0
//!   gs:[2^32]                                guard pages
//! ```
//!
//! The segment base points at guest address 0. Guest accesses carry an address-size prefix and so can only reach
//! `gs:[0..2^32 + 7]`; the context lies at negative offsets, where no guest access reaches.

use core::mem::offset_of;

use tvm_isa::Gas;

use crate::Stub;

/// Bytes between the start of the context and guest address 0.
pub const CONTEXT_BYTES: usize = 4096;

/// Address space below the context for the dynamic jump table. Entries that do not fit are not materialised: jumps
/// through them leave compiled code and are executed by the interpreter.
pub const JUMP_TABLE_BYTES: usize = 16 << 20;

/// Most entries of a dynamic jump table that compiled code can use, the unused entry 0 included.
pub const MAX_JUMP_TABLE_SLOTS: usize = JUMP_TABLE_BYTES / 4;

/// State shared between compiled code and its host, right below guest address 0.
#[repr(C)]
#[derive(Debug)]
pub struct VmContext {
    /// Remaining gas while in the host.
    pub gas: Gas,
    /// Address of the guest registers while in the host: `[u64; Reg::COUNT]`, wherever the host keeps them.
    pub regs: u64,
    /// The host's stack pointer to return to when compiled code is left.
    pub host_rsp: u64,
    /// Native address that identifies the place compiled code was left at: the return address of the call to the stub, or
    /// what was pushed in its place (the pc map knows it by the byte before), or the faulting machine instruction.
    pub site: u64,
    /// Address of the module's text, added to jump table entries.
    pub text_base: u64,
    /// Identifier of the host call being made: the sign-extended `ecalli` immediate.
    pub host_call_id: u64,
    /// Program counter of the `ecalli` being executed.
    pub host_call_pc: u64,
    /// The function that serves host calls: `extern "C" fn(host_call_data: u64) -> u64`; 0 resumes the guest, anything
    /// else leaves compiled code.
    pub host_call_entry: u64,
    /// The runtime's own data for `host_call_entry`.
    pub host_call_data: u64,
    /// Addresses of the stubs, by number. They are here and not beside the text, so that an object is mapped as it is.
    pub stubs: [u64; Stub::ALL.len()],
}

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)*) => {
        $($(#[$doc])* pub const $name: i32 = offset_of!(VmContext, $field) as i32 - CONTEXT_BYTES as i32;)*
    };
}

offsets! {
    /// Displacement of [`VmContext::gas`] from the segment base.
    GAS_SLOT = gas;
    /// Displacement of [`VmContext::regs`] from the segment base.
    REGS = regs;
    /// Displacement of [`VmContext::host_rsp`] from the segment base.
    HOST_RSP = host_rsp;
    /// Displacement of [`VmContext::site`] from the segment base.
    SITE = site;
    /// Displacement of [`VmContext::text_base`] from the segment base.
    TEXT_BASE = text_base;
    /// Displacement of [`VmContext::host_call_id`] from the segment base.
    HOST_CALL_ID = host_call_id;
    /// Displacement of [`VmContext::host_call_pc`] from the segment base.
    HOST_CALL_PC = host_call_pc;
    /// Displacement of [`VmContext::host_call_entry`] from the segment base.
    HOST_CALL_ENTRY = host_call_entry;
    /// Displacement of [`VmContext::host_call_data`] from the segment base.
    HOST_CALL_DATA = host_call_data;
    /// Displacement of [`VmContext::stubs`] from the segment base.
    STUBS = stubs;
}

/// Displacement of the dynamic jump table from the segment base.
pub const JUMP_TABLE: i32 = -((CONTEXT_BYTES + JUMP_TABLE_BYTES) as i32);

const _: () = assert!(size_of::<VmContext>() <= CONTEXT_BYTES);
