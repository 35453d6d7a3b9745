//! Renumbering of the stepped vectors' programs.
//!
//! They were made for a draft of GP 0.8.0 with opcode numbers of its own: those of 0.7.2, and 3 for `unlikely`.

use tvm_isa::codec::encode_natural;
use tvm_isa::{GasModel, Op, Program, Rules};

/// The drafts' number of `unlikely`, which is undefined in every released version.
const DRAFT_UNLIKELY: u8 = 3;

/// The same program in the numbers of `rules`.
///
/// Versions without `unlikely` get an `ecalli` in its place, which a host must resume: it does nothing and ends no block
/// either. Under whole-block gas, a program that can run past its end also gets the `trap` that the draft puts there: GP
/// 0.8.0 refuses such programs, or does not let their last instruction reach the end.
///
/// # Errors
/// When the program does not parse, or uses what has no counterpart.
pub(super) fn translate(blob: &[u8], rules: &Rules) -> anyhow::Result<Vec<u8>> {
    let program = Program::parse(blob)?;
    let mut code = program.code().to_vec();
    let mut marks: Vec<usize> = (0..code.len()).filter(|&at| program.is_marked(at as u64)).collect();
    for &at in &marks {
        code[at] = translate_opcode(code[at], rules)?;
    }
    if rules.gas == GasModel::PipelineBlocks {
        let last = marks.last().and_then(|&at| rules.opcodes[usize::from(code[at])]);
        if !last.is_some_and(never_runs_on) {
            marks.push(code.len());
            code.extend(number(Op::Trap, rules));
        }
    }
    Ok(assemble(blob, &program, &code, &marks))
}

fn translate_opcode(draft: u8, rules: &Rules) -> anyhow::Result<u8> {
    let op = match draft {
        DRAFT_UNLIKELY => number(Op::Unlikely, rules).map_or(Op::Ecalli, |_| Op::Unlikely),
        _ => match tvm_isa::NUMBERS[tvm_isa::Numbering::Gp0_7 as usize][usize::from(draft)] {
            Some(op) => op,
            // Undefined in the draft: must stay undefined.
            None if rules.opcodes[usize::from(draft)].is_none() => return Ok(draft),
            None => anyhow::bail!("opcode {draft} is undefined in the draft but not in GP {}", rules.version),
        },
    };
    number(op, rules).ok_or_else(|| anyhow::anyhow!("GP {} has no `{}`", rules.version, op.name()))
}

/// Whether execution never goes on after the operation.
fn never_runs_on(op: Op) -> bool {
    matches!(op, Op::Trap | Op::Jump | Op::JumpInd | Op::LoadImmJump | Op::LoadImmJumpInd)
}

/// The opcode number of an operation.
fn number(op: Op, rules: &Rules) -> Option<u8> {
    (0..=u8::MAX).find(|&number| rules.opcodes[usize::from(number)] == Some(op))
}

/// A blob with the jump table of `original`, whose program was parsed from `blob`.
fn assemble(blob: &[u8], original: &Program<'_>, code: &[u8], marks: &[usize]) -> Vec<u8> {
    let table = original.jump_table();
    let table_len = table.len() as usize * usize::from(table.entry_size());
    let code_at = blob.len() - original.code().len() - original.code().len().div_ceil(8);
    let mut out = Vec::new();
    encode_natural(table.len(), &mut out);
    out.push(table.entry_size());
    encode_natural(code.len() as u64, &mut out);
    out.extend_from_slice(&blob[code_at - table_len..code_at]);
    out.extend_from_slice(code);
    let mut bitmask = vec![0; code.len().div_ceil(8)];
    for at in marks {
        bitmask[at / 8] |= 1 << (at % 8);
    }
    out.extend(bitmask);
    out
}

#[cfg(test)]
mod tests {
    use tvm_isa::GpVersion;

    use super::*;

    /// One jump table entry; `unlikely`, count_set_bits_64 r0, r0 whose operand byte is 3 and unmarked, add_64.
    const DRAFT: [u8; 12] = [1, 2, 6, 7, 0, 3, 102, 3, 200, 3, 3, 0b001011];

    #[test]
    fn only_opcodes_are_renumbered() {
        let old = translate(&DRAFT, GpVersion::V0_7_2.rules()).unwrap();
        assert_eq!(old, [1, 2, 6, 7, 0, 10, 102, 3, 200, 3, 3, 0b001011]);
        let new = translate(&DRAFT, GpVersion::V0_8_0.rules()).unwrap();
        assert_eq!(new, [1, 2, 7, 7, 0, 2, 101, 3, 200, 3, 3, 0, 0b1001011]);
    }

    #[test]
    fn programs_that_can_run_past_their_end_get_a_trap_there() {
        let rules = GpVersion::V0_8_0.rules();
        assert_eq!(translate(&[0, 0, 1, 1, 1], rules).unwrap(), [0, 0, 2, 1, 0, 0b11]);
        assert_eq!(translate(&[0, 0, 1, 0, 1], rules).unwrap(), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        let sbrk = [0, 0, 2, 101, 0, 1];
        assert!(translate(&sbrk, GpVersion::V0_7_2.rules()).is_ok());
        assert!(translate(&sbrk, GpVersion::V0_8_0.rules()).is_err());
        let new_in_0_8 = [0, 0, 1, 2, 1];
        assert!(translate(&new_in_0_8, GpVersion::V0_8_0.rules()).is_err());
        assert_eq!(translate(&new_in_0_8, GpVersion::V0_7_2.rules()).unwrap(), new_in_0_8);
    }
}
