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

use tvm_isa::Pc;

use crate::Stub;

/// Bytes between the start of the context and guest address 0.
pub const CONTEXT_BYTES: usize = 4096;

/// Address space below the context for the dynamic jump table. Entries that do not fit are not materialised: jumps
/// through them leave compiled code and are executed by the interpreter.
pub const JUMP_TABLE_BYTES: usize = 16 << 20;

/// Most entries of a dynamic jump table that compiled code can use, the unused entry 0 included.
pub const MAX_JUMP_TABLE_SLOTS: usize = JUMP_TABLE_BYTES / 4;

/// Where the gas is, counted from [`VmContext::state`].
pub const STATE_GAS: usize = 0;

/// Where the registers are, counted from [`VmContext::state`].
pub const STATE_REGS: usize = 8;

/// An `ecalli` that executes: what compiled code tells its host in the scratch register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostCall {
    /// Where it is.
    pub pc: Pc,
    /// Its immediate, which sign extension makes the call's identifier.
    pub immediate: i32,
}

impl HostCall {
    /// Both in one word: the program counter in the lower half.
    #[must_use]
    #[inline]
    pub const fn packed(self) -> u64 {
        self.pc.0 as u64 | (self.immediate as u32 as u64) << 32
    }

    /// The host call that [`packed`](Self::packed) made `word` of.
    #[must_use]
    #[inline]
    pub const fn from_packed(word: u64) -> Self {
        Self { pc: Pc(word as u32), immediate: (word >> 32) as i32 }
    }

    /// The identifier (GP: the sign-extended immediate).
    #[must_use]
    #[inline]
    pub const fn id(self) -> u64 {
        self.immediate as i64 as u64
    }
}

/// State shared between compiled code and its host, right below guest address 0.
#[repr(C)]
#[derive(Debug)]
pub struct VmContext {
    /// Address of the guest's gas and registers before and after it runs, wherever the host keeps them: the gas is
    /// [`STATE_GAS`] and the registers, `[u64; Reg::COUNT]`, are [`STATE_REGS`] bytes behind it.
    pub state: u64,
    /// The host's stack pointer to return to when compiled code is left.
    pub host_rsp: u64,
    /// Native address that identifies the place compiled code was left at: the return address of the call to the stub, or
    /// what was pushed in its place (the pc map knows it by the byte before), or the faulting machine instruction.
    pub site: u64,
    /// Address of the module's text, added to jump table entries.
    pub text_base: u64,
    /// The function that serves host calls: `extern "sysv64" fn(host_call_data, host_call, saved) -> u64`, where the call is
    /// as [`HostCall::packed`] and gas and registers lie at `saved` as at [`Self::state`]. 0 resumes the guest with these;
    /// anything else leaves compiled code.
    pub host_call_entry: u64,
    /// The runtime's own data for `host_call_entry`.
    pub host_call_data: u64,
    /// The host call that compiled code was left at, as [`HostCall::packed`].
    pub left_at_host_call: u64,
    /// Addresses of the stubs, by number. They are here and not beside the text, so that an object is mapped as it is.
    pub stubs: [u64; Stub::ALL.len()],
}

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)*) => {
        $($(#[$doc])* pub const $name: i32 = offset_of!(VmContext, $field) as i32 - CONTEXT_BYTES as i32;)*
    };
}

offsets! {
    /// Displacement of [`VmContext::state`] from the segment base.
    STATE = state;
    /// Displacement of [`VmContext::host_rsp`] from the segment base.
    HOST_RSP = host_rsp;
    /// Displacement of [`VmContext::site`] from the segment base.
    SITE = site;
    /// Displacement of [`VmContext::text_base`] from the segment base.
    TEXT_BASE = text_base;
    /// Displacement of [`VmContext::host_call_entry`] from the segment base.
    HOST_CALL_ENTRY = host_call_entry;
    /// Displacement of [`VmContext::host_call_data`] from the segment base.
    HOST_CALL_DATA = host_call_data;
    /// Displacement of [`VmContext::left_at_host_call`] from the segment base.
    LEFT_AT_HOST_CALL = left_at_host_call;
    /// Displacement of [`VmContext::stubs`] from the segment base.
    STUBS = stubs;
}

/// Displacement of the dynamic jump table from the segment base.
pub const JUMP_TABLE: i32 = -((CONTEXT_BYTES + JUMP_TABLE_BYTES) as i32);

const _: () = assert!(size_of::<VmContext>() <= CONTEXT_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_calls_come_back_out_of_a_word() {
        for pc in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            for (immediate, id) in
                [(0, 0), (1, 1), (-1, u64::MAX), (i32::MAX, 0x7fff_ffff), (i32::MIN, 0xffff_ffff_8000_0000)]
            {
                let call = HostCall { pc: Pc(pc), immediate };
                assert_eq!(HostCall::from_packed(call.packed()), call);
                assert_eq!(call.id(), id);
            }
        }
    }
}
