//! Numbers at edges: those at which operations change what they do.

use fastrand::Rng;
use tvm_isa::Op;

use super::draw::Draw as _;

/// Edges of 64-bit numbers, but for a little.
const EDGES: [u64; 18] = [
    0,
    0,
    1,
    2,
    8,
    31,
    32,
    63,
    64,
    0x80,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_0000_0000,
];

/// Immediates at which operations are rewritten.
const IMMEDIATES: [i64; 26] = [
    0,
    0,
    1,
    1,
    1,
    -1,
    2,
    3,
    4,
    7,
    8,
    16,
    31,
    32,
    32,
    33,
    48,
    62,
    63,
    64,
    127,
    255,
    0xffff,
    i32::MAX as i64,
    i32::MIN as i64,
    i32::MIN as i64 + 1,
];

/// A number, often at an edge.
pub fn word(rng: &mut Rng) -> u64 {
    match rng.u8(0..6) {
        0 => rng.u64(..),
        1 => i64::from(rng.i32(..)) as u64,
        _ => rng.one_of(&EDGES).wrapping_add(rng.u64(0..3)).wrapping_sub(1),
    }
}

/// Numbers of which some are equal, in their lower halves at least.
pub fn row<const WORDS: usize>(rng: &mut Rng) -> [u64; WORDS] {
    let mut row = [(); WORDS].map(|()| word(rng));
    for index in 1..WORDS {
        let earlier = rng.one_of(&row[..index]);
        match rng.u8(0..6) {
            0 => row[index] = earlier,
            1 => row[index] = row[index] & !0xffff_ffff | earlier & 0xffff_ffff,
            2 => row[index] = row[index] & 0xffff_ffff | earlier & !0xffff_ffff,
            _ => {}
        }
    }
    row
}

/// An immediate, mostly at an edge.
pub fn immediate(rng: &mut Rng) -> i64 {
    match rng.u8(0..8) {
        0 => rng.i32(..).into(),
        1 => rng.i64(-130..130),
        _ => rng.one_of(&IMMEDIATES),
    }
}

/// An immediate for this operation, mostly one at which it is rewritten.
pub fn immediate_of(rng: &mut Rng, op: Op) -> i64 {
    match op {
        Op::ShloLImm64 | Op::ShloRImm64 | Op::SharRImm64 if rng.bool() => {
            rng.one_of(&[1, 2, 3, 31, 32, 32, 32, 33, 62, 63])
        }
        Op::XorImm | Op::AndImm | Op::SetLtUImm | Op::SetGtUImm if rng.bool() => rng.one_of(&[0, 1, 1, 1, 2, 3]),
        _ => immediate(rng),
    }
}
