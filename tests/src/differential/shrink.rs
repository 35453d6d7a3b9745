//! Makes a failing case smaller, while it keeps failing.

use tvm_isa::codec::encode_natural;
use tvm_isa::{Instruction, Program};

use super::case::Case;

/// Most attempts to make a case smaller.
const MAX_ATTEMPTS: usize = 4000;

/// The smallest case found for which `fails` still holds.
pub fn shrink(case: &Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut attempts = 0;
    loop {
        let mut improved = false;
        for candidate in candidates(&best) {
            attempts += 1;
            if attempts > MAX_ATTEMPTS {
                return best;
            }
            if fails(&candidate) {
                best = candidate;
                improved = true;
                break;
            }
        }
        if !improved {
            return best;
        }
    }
}

/// Simpler cases, the most promising ones first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    if case.outer {
        found.push(Case { outer: false, ..case.clone() });
    }
    for (index, &value) in case.regs.iter().enumerate() {
        if value != 0 {
            let mut simpler = case.clone();
            simpler.regs[index] = 0;
            found.push(simpler);
        }
    }
    for (index, pages) in case.pages.iter().enumerate() {
        if !pages.contents.is_empty() {
            let mut simpler = case.clone();
            simpler.pages[index].contents.clear();
            found.push(simpler);
        }
        let mut simpler = case.clone();
        simpler.pages.remove(index);
        found.push(simpler);
    }
    let Ok(program) = Program::parse(&case.blob) else { return found };
    let code = program.code();
    for keep in [code.len() / 2, code.len().saturating_sub(8), code.len().saturating_sub(1)] {
        if keep < code.len() {
            found.push(with_code(case, &program, &code[..keep]));
        }
    }
    let Ok(version) = case.version() else { return found };
    for mark in program.marks() {
        let instruction = Instruction::decode(&program, version.rules(), mark.pc);
        let (start, end) = (mark.pc.0 as usize, (mark.pc.0 as usize + usize::from(mark.length)).min(code.len()));
        if instruction.op.terminates_block() {
            continue;
        }
        // `move_reg ra, ra` does nothing; longer instructions keep their length.
        let mut nothing = code.to_vec();
        nothing[start] = 100;
        nothing[start + 1..end].fill(0);
        if nothing != code {
            found.push(with_code(case, &program, &nothing));
        }
    }
    found
}

/// The case with other code, under the same bitmask cut to its length.
fn with_code(case: &Case, program: &Program<'_>, code: &[u8]) -> Case {
    let table = program.jump_table();
    let mut blob = Vec::new();
    encode_natural(table.len(), &mut blob);
    blob.push(table.entry_size());
    encode_natural(code.len() as u64, &mut blob);
    for index in 0..if table.entry_size() == 0 { 0 } else { table.len() } {
        let mut entry = table.get(index).expect("below the table's length").to_le_bytes().to_vec();
        entry.resize(table.entry_size().into(), 0);
        blob.extend(entry);
    }
    blob.extend(code);
    let mut mask = vec![0_u8; code.len().div_ceil(8)];
    for at in (0..code.len()).filter(|&at| program.is_marked(at as u64)) {
        mask[at / 8] |= 1 << (at % 8);
    }
    blob.extend(mask);
    Case { blob, ..case.clone() }
}
