//! Raw host calls by number, through the SDK's import table.
//!
//! The numbers are those of Gray Paper 0.8.0 in both builds, so that one command list drives both; the SDK supplies the
//! number its version really uses.

use jam_pvm_common::imports;

/// The first result of a function that the SDK of this version does not have.
#[cfg(not(feature = "gp-0-8-0"))]
const NOT_OFFERED: u64 = u64::MAX - 99;

#[polkavm_derive::polkavm_import]
unsafe extern "C" {
    /// A call number that no version defines.
    #[polkavm_import(index = 1000)]
    fn undefined_call(a: u64, b: u64) -> u64;
}

/// Calls host function `which` with the arguments as they are; gives the values of φ7 and φ8 (0 for functions with one
/// result).
///
/// # Panics
/// When there is no such number.
pub fn call(which: u8, [a, b, c, d, e, f]: [u64; 6]) -> (u64, u64) {
    let out = |address: u64| address as *mut u8;
    let ptr = |address: u64| address as *const u8;
    // SAFETY: the host writes only where a pointer argument says. Commands that point it outside the scratch area mean
    // to: the test wants the exit that follows, or owns the consequences.
    let single = unsafe {
        match which {
            0 => imports::gas(),
            1 => grow_heap(a),
            2 => imports::fetch(out(a), b, c, d, e, f),
            3 => imports::lookup(a, ptr(b), out(c), d, e),
            4 => imports::read(a, ptr(b), c, out(d), e, f),
            5 => imports::write(ptr(a), b, ptr(c), d),
            6 => imports::info(a, out(b), c, d),
            7 => imports::historical_lookup(a, ptr(b), out(c), d, e),
            8 => imports::export(ptr(a), b),
            9 => imports::machine(ptr(a), b, c),
            10 => imports::peek(a, out(b), c, d),
            11 => imports::poke(a, ptr(b), c, d),
            12 => imports::pages(a, b, c, d),
            13 => return imports::invoke(a, b as *mut core::ffi::c_void),
            14 => imports::expunge(a),
            15 => imports::bless(a, ptr(b), c, d, ptr(e), f),
            16 => imports::assign(a, ptr(b), c),
            17 => designate(ptr(a), b),
            18 => imports::checkpoint(),
            19 => imports::new(ptr(a), b, c, d, e, f),
            20 => imports::upgrade(ptr(a), b, c),
            21 => imports::transfer(a, b, c, ptr(d)),
            22 => imports::eject(a, ptr(b)),
            23 => return imports::query(ptr(a), b),
            24 => imports::solicit(ptr(a), b),
            25 => imports::forget(ptr(a), b),
            26 => imports::yield_hash(ptr(a)),
            27 => imports::provide(a, ptr(b), c),
            100 => {
                imports::log(a, ptr(b), c, ptr(d), e);
                0
            }
            255 => undefined_call(a, b),
            _ => panic!("no host function {which}"),
        }
    };
    (single, 0)
}

#[cfg(feature = "gp-0-8-0")]
unsafe fn grow_heap(pages: u64) -> u64 {
    // SAFETY: growing the heap touches no memory in use.
    unsafe { imports::grow_heap(pages) }
}

#[cfg(not(feature = "gp-0-8-0"))]
unsafe fn grow_heap(_pages: u64) -> u64 {
    NOT_OFFERED
}

#[cfg(feature = "gp-0-8-0")]
unsafe fn designate(keys: *const u8, count: u64) -> u64 {
    // SAFETY: the host only reads.
    unsafe { imports::designate(keys, count) }
}

/// Gray Paper 0.7.2 takes as many keys as the chain has validators.
#[cfg(not(feature = "gp-0-8-0"))]
unsafe fn designate(keys: *const u8, _count: u64) -> u64 {
    // SAFETY: the host only reads.
    unsafe { imports::designate(keys) }
}
