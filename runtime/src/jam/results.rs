//! What host functions answer with (GP B.1).

/// An item does not exist.
pub const NONE: u64 = u64::MAX;
/// The call is unknown.
pub const WHAT: u64 = u64::MAX - 1;
/// The inner machine's memory is not accessible there.
pub const OOB: u64 = u64::MAX - 2;
/// The index is unknown.
pub const WHO: u64 = u64::MAX - 3;
/// No room, or taken already.
pub const FULL: u64 = u64::MAX - 4;
/// The core is unknown.
pub const CORE: u64 = u64::MAX - 5;
/// Not enough tokens.
pub const CASH: u64 = u64::MAX - 6;
/// Not enough gas for the receiver.
pub const LOW: u64 = u64::MAX - 7;
/// The item's state or the caller's privileges do not allow it.
pub const HUH: u64 = u64::MAX - 8;
/// Done.
pub const OK: u64 = 0;

/// How an inner machine's run ended: regularly.
pub const INNER_HALT: u64 = 0;
/// With a panic.
pub const INNER_PANIC: u64 = 1;
/// With a page fault; the address is in φ8.
pub const INNER_FAULT: u64 = 2;
/// With a host call; its identifier is in φ8.
pub const INNER_HOST: u64 = 3;
/// Out of gas.
pub const INNER_OOG: u64 = 4;

/// Stands for the calling service where a service index is expected.
pub const SELF: u64 = u64::MAX;
