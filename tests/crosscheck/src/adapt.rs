//! Generated programs in forms that the polkavm crate takes and reads as the Gray Paper does.

use tvm_isa::codec::encode_natural;
use tvm_isa::{Format, Instruction, Op, Program, Reg};
use tvm_tests::differential::Case;

use crate::ours::VERSION;

/// The widest jump table entries that the crate takes, in bytes. The Gray Paper has no limit. Entries of no bytes are
/// zeros in the Gray Paper, and missing in the crate.
const MAX_ENTRY_SIZE: u8 = 4;

/// The opcode of `trap` in all versions.
const TRAP: u8 = 0;

/// A case, and what the crate is given in place of its program.
pub struct Adapted {
    /// The case, as TVM gets it.
    pub case: Case,
    /// The program, as the crate gets it.
    pub peer_blob: Vec<u8>,
    /// Whether a `trap` was put behind the program, for both, because its last instruction may run on.
    pub closed: bool,
    /// Register operands that were replaced by what they mean, for the crate alone.
    pub clamped: u64,
}

/// Adapts a valid program. `None` when that is impossible.
pub fn adapt(case: &Case) -> Option<Adapted> {
    let program = Program::parse(&case.blob).ok()?;
    let table = program.jump_table();
    if table.entry_size() > MAX_ENTRY_SIZE || table.entry_size() == 0 && !table.is_empty() {
        return None;
    }
    let mut code = program.code().to_vec();
    let mut marks: Vec<usize> = program.marks().map(|mark| mark.pc.0 as usize).collect();
    let rules = VERSION.rules();
    let last = program.marks().last().and_then(|mark| program.op_at(rules, mark.pc));
    let closed = !matches!(last, Some(Op::Trap | Op::Jump | Op::JumpInd | Op::LoadImmJump | Op::LoadImmJumpInd));
    if closed {
        marks.push(code.len());
        code.push(TRAP);
    }
    let blob = assemble(&case.blob, &program, &code, &marks);
    let clamped = clamp(&program, &mut code)?;
    let peer_blob = assemble(&case.blob, &program, &code, &marks);
    Some(Adapted { case: Case { blob, ..case.clone() }, peer_blob, closed, clamped })
}

/// Writes 12 for every greater number of a third register, whose operand is a whole byte (GP A.5.13), and says how many
/// there were. `None` when such a byte belongs to another instruction, too.
fn clamp(program: &Program<'_>, code: &mut [u8]) -> Option<u64> {
    let mut clamped = 0;
    // Where the last wide immediate ends. It has eight bytes, even if the bitmask says that fewer are left.
    let mut wide_end = 0;
    for mark in program.marks() {
        let Instruction { op, pc, length, .. } = Instruction::decode(program, VERSION.rules(), mark.pc);
        let pc = pc.0 as usize;
        let at = pc + 2;
        match op.info().format {
            Format::RegImm64 => wide_end = pc + 10,
            Format::RegRegReg if code.get(at).is_some_and(|&byte| byte >= 16) => {
                if length < 3 || at < wide_end {
                    return None;
                }
                code[at] = Reg::COUNT as u8 - 1;
                clamped += 1;
            }
            _ => {}
        }
    }
    Some(clamped)
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
    marks.iter().for_each(|at| bitmask[at / 8] |= 1 << (at % 8));
    out.extend(bitmask);
    out
}
