//! Wasm modules made for measuring.

/// Unsigned LEB128.
fn number(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A section of items, which are behind their number.
fn section(id: u8, items: &[Vec<u8>], out: &mut Vec<u8>) {
    let mut body = Vec::new();
    number(items.len() as u32, &mut body);
    items.iter().for_each(|item| body.extend(item));
    out.push(id);
    number(body.len() as u32, out);
    out.extend(body);
}

/// Bytes behind their length.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(bytes.len() as u32, &mut out);
    out.extend(bytes);
    out
}

/// What a section is for.
mod id {
    pub const TYPES: u8 = 1;
    pub const IMPORTS: u8 = 2;
    pub const FUNCTIONS: u8 = 3;
    pub const MEMORIES: u8 = 5;
    pub const EXPORTS: u8 = 7;
    pub const CODE: u8 = 10;
}

const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// `() -> ()`, `(i32) -> ()`, and `(i32, i64) -> i64`.
fn types() -> Vec<Vec<u8>> {
    [&[0x60, 0, 0][..], &[0x60, 1, 0x7f, 0], &[0x60, 2, 0x7f, 0x7e, 1, 0x7e]].map(<[u8]>::to_vec).into()
}

fn export(name: &str, kind: u8, index: u8) -> Vec<u8> {
    [sized(name.as_bytes()), vec![kind, index]].concat()
}

/// A module with the function `empty`, which returns at once, and `calls`, which makes as many calls of the imported
/// function `host.call` as it is told.
pub fn calls() -> Vec<u8> {
    let mut out = HEADER.to_vec();
    section(id::TYPES, &types(), &mut out);
    section(id::IMPORTS, &[[sized(b"host"), sized(b"call"), vec![0, 0]].concat()], &mut out);
    section(id::FUNCTIONS, &[vec![0], vec![1]], &mut out);
    section(id::MEMORIES, &[vec![0, 1]], &mut out);
    section(id::EXPORTS, &[export("empty", 0, 1), export("calls", 0, 2)], &mut out);
    let empty = sized(&[0, 0x0b]);
    // loop; call 0; local.get 0; i32.const 1; i32.sub; local.tee 0; br_if 0; end; end
    let calls = sized(&[0, 0x03, 0x40, 0x10, 0, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b]);
    section(id::CODE, &[empty, calls], &mut out);
    out
}

/// A module of about `bytes` bytes of code: many functions, and one called `empty` that returns at once.
pub fn of_size(bytes: usize) -> Vec<u8> {
    // local.get 1; local.get 0; i64.load offset=8; i64.add; local.set 1
    let step = [0x20, 1, 0x20, 0, 0x29, 3, 8, 0x7c, 0x21, 1];
    // local.get 0; local.get 1; i64.store offset=16; local.get 1; end
    let function = sized(&[&[0][..], &step.repeat(20), &[0x20, 0, 0x20, 1, 0x37, 3, 16, 0x20, 1, 0x0b]].concat());
    let count = bytes / function.len();
    let mut out = HEADER.to_vec();
    section(id::TYPES, &types(), &mut out);
    section(id::FUNCTIONS, &[vec![vec![0]], vec![vec![2]; count]].concat(), &mut out);
    section(id::MEMORIES, &[vec![0, 1]], &mut out);
    section(id::EXPORTS, &[export("empty", 0, 0)], &mut out);
    section(id::CODE, &[vec![sized(&[0, 0x0b])], vec![function; count]].concat(), &mut out);
    out
}
