//! Programs made for measuring: of any size, and the worst per byte.

use tvm_isa::codec::encode_natural;

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
pub const WORST: [&str; 6] = ["load_imm_jump_ind", "count_set_bits", "trap", "fallthrough", "ecalli", "jump table"];

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

/// A service of about `bytes` code bytes: a JAM blob that returns at once, and carries much other code.
pub fn service(bytes: usize) -> Vec<u8> {
    // jump_ind ra; then blocks that add, load, store and branch back to their own start.
    let mut code = vec![50, 0];
    let mut starts = vec![0];
    while code.len() < bytes {
        let block = code.len();
        for instruction in [&[190, 0x87, 9][..], &[130, 0x17, 8], &[123, 0x17, 16], &[149, 0x77, 1], &[171, 0x87, 0, 0]]
        {
            starts.push(code.len());
            code.extend(instruction);
        }
        let branch = code.len() - 4;
        let offset = (block as i64 - branch as i64) as i16;
        code[branch + 2..].copy_from_slice(&offset.to_le_bytes());
    }
    starts.push(code.len());
    code.push(0);
    starts.sort_unstable();
    let program = blob(&code, |at| starts.binary_search(&at).is_ok(), &[0]);
    // Metadata of no bytes, no data, one page of stack.
    let mut jam = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0];
    jam.extend((program.len() as u32).to_le_bytes());
    jam.extend(program);
    jam
}
