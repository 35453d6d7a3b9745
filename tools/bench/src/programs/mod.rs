//! Programs for measuring: real ones, real ones joined to any size, and the worst per byte.

mod joined;
mod renumber;
mod subject;

use tvm_isa::StandardProgram;
use tvm_isa::codec::encode_natural;

pub use joined::Pool;
pub use subject::Subject;

/// A program blob of `code` whose instructions start at `starts`.
fn blob(code: &[u8], starts: impl Fn(usize) -> bool, table: &[u32]) -> Vec<u8> {
    let mut blob = Vec::new();
    encode_natural(table.len() as u64, &mut blob);
    blob.push(4);
    encode_natural(code.len() as u64, &mut blob);
    table.iter().for_each(|entry| blob.extend(entry.to_le_bytes()));
    blob.extend(code);
    let mut mask = vec![0_u8; code.len().div_ceil(8)];
    for at in (0..code.len()).filter(|&at| starts(at)) {
        mask[at / 8] |= 1 << (at % 8);
    }
    blob.extend(mask);
    blob
}

/// Names of the worst programs.
pub const WORST: [&str; 7] =
    ["load_imm_jump", "load_imm_jump_ind", "count_set_bits", "trap", "fallthrough", "ecalli", "jump table"];

/// A program of `bytes` code bytes that costs the compiler much per byte.
pub fn worst(name: &str, bytes: usize) -> Option<Vec<u8>> {
    let repeated = |unit: &[u8]| {
        let code: Vec<u8> = unit.iter().copied().cycle().take(bytes / unit.len() * unit.len()).collect();
        blob(&code, |at| at % unit.len() == 0, &[0])
    };
    Some(match name {
        // A block for every byte.
        "fallthrough" => repeated(&[1]),
        // A host call for every byte.
        "ecalli" => repeated(&[10]),
        // A long computation for every byte, on CPUs without popcnt.
        "count_set_bits" => repeated(&[102]),
        // A call for every byte.
        "load_imm_jump" => repeated(&[80]),
        // A block with a dynamic jump for every byte.
        "load_imm_jump_ind" => repeated(&[180]),
        // A block with a way out for every byte.
        "trap" => repeated(&[0]),
        // Half code, half jump table.
        "jump table" => {
            let code = vec![1; bytes / 2];
            let table: Vec<u32> = (0..bytes as u32 / 8).collect();
            blob(&code, |_| true, &table)
        }
        _ => return None,
    })
}

/// A JAM blob of a standard program, without metadata.
fn jam(parts: &StandardProgram<'_>) -> Vec<u8> {
    let StandardProgram { ro, rw, heap_pages, stack_size, program } = *parts;
    let three = |value: usize| (value as u32).to_le_bytes().into_iter().take(3);
    let mut jam = vec![0];
    jam.extend(
        three(ro.len()).chain(three(rw.len())).chain(heap_pages.to_le_bytes()).chain(three(stack_size as usize)),
    );
    jam.extend(ro.iter().chain(rw));
    jam.extend((program.len() as u32).to_le_bytes());
    jam.extend(program);
    jam
}

/// A JAM blob for any version that makes as many host calls as φ7 says, and then traps.
pub fn host_calls() -> Vec<u8> {
    // ecalli 0; add_imm_64 a0, a0, -1; branch_ne_imm a0, 0, to the start; trap
    let program = blob(&[10, 149, 0x77, 0xff, 82, 0x07, 0xfc, 0], |at| [0, 1, 4, 7].contains(&at), &[]);
    jam(&StandardProgram { ro: &[], rw: &[], heap_pages: 0, stack_size: 4096, program: &program })
}
