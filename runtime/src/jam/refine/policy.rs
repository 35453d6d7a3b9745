//! When an inner machine's program is worth compiling.

/// Gas that a program may use in the interpreter for each octet of its code before it is compiled. An octet takes about
/// as long to compile as this many instructions take to interpret, so the interpreter never costs more than compiling
/// at once would have cost.
const GAS_PER_CODE_OCTET: u64 = 16;

/// Gas for each accessible page: memory is copied when a machine moves to compiled code.
const GAS_PER_PAGE: u64 = 64;

/// Gas that every program may use in the interpreter.
const GAS_FOR_STARTING: u64 = 20_000;

/// Machines of one invocation that run compiled code at a time. Each takes 4 GiB of address space, of which a process
/// has 128 TiB.
pub(super) const MAX_COMPILED: usize = 64;

/// The most gas that a machine may use in the interpreter, in all its invocations, before its program is compiled.
pub(super) fn interpreted_gas(code_len: u64, accessible_pages: u64) -> u64 {
    GAS_FOR_STARTING
        .saturating_add(code_len.saturating_mul(GAS_PER_CODE_OCTET))
        .saturating_add(accessible_pages.saturating_mul(GAS_PER_PAGE))
}
