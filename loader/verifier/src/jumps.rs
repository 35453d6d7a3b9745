//! Jumps within the text: where they lead, and what happens if they do not go there.

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind};

use crate::sequences::{self, GasChange};
use crate::violation::Rule;

/// A jump or branch within the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jump {
    /// Where it stands.
    pub at: u32,
    /// Where it leads.
    pub target: u32,
    /// What leads on.
    pub kind: JumpKind,
}

/// Where else execution goes on than at a jump's target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JumpKind {
    /// Behind it, if its condition does not hold.
    Branch,
    /// Behind it, having charged; its target is the way out for want of gas.
    Charge,
    /// Behind it, having charged; where gas does not fit, the same is given back and execution goes on at its target.
    ChargeIfFits,
    /// Nowhere.
    Jump,
}

/// Where a jump leads, of which `code` are the bytes.
///
/// It must begin with its opcode: prefixes change what it is, on processors of some makers. With one for the operand's size the address keeps 16
/// bits.
pub fn target(code: &[u8], instruction: &Instruction) -> Result<u32, Rule> {
    let is_plain = matches!(code, [0x70..=0x7f | 0xe8 | 0xe9 | 0xeb, ..] | [0x0f, 0x80..=0x8f, ..]);
    match instruction.op0_kind() {
        OpKind::NearBranch64 if is_plain => {
            let target = instruction.near_branch64();
            u32::try_from(target).map_err(|_| Rule::Target { target })
        }
        _ => Err(Rule::Form(format!("{:?}", instruction.code()))),
    }
}

/// Whether the code at `at` begins with a call of what stands at `place`.
pub fn is_call_of(code: &[u8], at: u32, place: u32) -> bool {
    const CALL: u8 = 0xe8;
    match code {
        [CALL, a, b, c, d, ..] => {
            let distance = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
            i64::from(at) + i64::from(CALL_BYTES) + distance == i64::from(place)
        }
        _ => false,
    }
}

/// Bytes of a call of a place in the text.
pub const CALL_BYTES: u32 = 5;

/// Whether code begins by giving so much back.
pub fn gives_back(code: &[u8], gas: u64) -> bool {
    let first = Decoder::new(64, code, DecoderOptions::NONE).decode();
    sequences::gas_change(&first) == Some(GasChange::GiveBack(gas))
}
