//! The scratch area: guest memory that commands fill, hand to host functions and show.

use core::cell::UnsafeCell;

/// Room for the 1023 validator keys of a full chain's `designate`, 336 bytes each.
pub const SCRATCH_BYTES: usize = 384 * 1024;

struct Area(UnsafeCell<[u8; SCRATCH_BYTES]>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Area {}

static AREA: Area = Area(UnsafeCell::new([0; SCRATCH_BYTES]));

/// The area's address. Commands name places in it by their offset from here.
pub fn address() -> u64 {
    AREA.0.get() as u64
}

/// Part of the area.
///
/// # Panics
/// When the range is not within the area.
pub fn slice(offset: u32, len: u32) -> &'static mut [u8] {
    let end = u64::from(offset) + u64::from(len);
    assert!(end <= SCRATCH_BYTES as u64, "scratch range {offset}..{end}");
    // SAFETY: the range is inside the area; the one thread keeps no two slices at once, as each command drops its own.
    unsafe { core::slice::from_raw_parts_mut((address() + u64::from(offset)) as *mut u8, len as usize) }
}

/// The number stored little-endian at an offset.
pub fn number(offset: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(slice(offset, 8));
    u64::from_le_bytes(bytes)
}
