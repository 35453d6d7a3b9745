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

/// Gas that a machine must use in compiled code for each octet of its program before best code is asked for. It takes 0.6 µs
/// to use so much at the highest rate that was measured (docs/performance.md: 6.5 gas a nanosecond), while an instruction
/// takes about 65 ns to compile on the fast tier. So guests pay for usual programs many times over. For the worst ones,
/// which take up to 1.9 µs an octet, they pay in part; the rest is bounded by the background's few threads of low
/// priority.
const OPTIMISING_GAS_PER_CODE_OCTET: u64 = 4096;

/// Gas that a machine must use in compiled code, whatever the length of its program, before best code is asked for.
const OPTIMISING_GAS_AT_LEAST: u64 = 10_000_000;

/// Gas that a machine must use in compiled code, in all its invocations, before best code of its program is asked for.
pub(super) fn optimising_gas(code_len: u64) -> u64 {
    OPTIMISING_GAS_AT_LEAST.max(code_len.saturating_mul(OPTIMISING_GAS_PER_CODE_OCTET))
}

/// The most gas that a machine may use in the interpreter, in all its invocations, before its program is compiled.
pub(super) fn interpreted_gas(code_len: u64, accessible_pages: u64) -> u64 {
    GAS_FOR_STARTING
        .saturating_add(code_len.saturating_mul(GAS_PER_CODE_OCTET))
        .saturating_add(accessible_pages.saturating_mul(GAS_PER_PAGE))
}
