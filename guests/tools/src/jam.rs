//! The JAM blob: `E(|m|) ‖ m ‖ E3(|o|) ‖ E3(|w|) ‖ E2(z) ‖ E3(s) ‖ o ‖ w ‖ E4(|c|) ‖ c` (Gray Paper A.7, section 9).

use polkavm_linker::ProgramParts;

const PAGE: u32 = 4096;

/// The conventional metadata of kind 0: name, version, licence and authors of the program.
pub fn crate_metadata(name: &str, version: &str) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, version, "Apache-2.0"] {
        push_natural(&mut out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    push_natural(&mut out, 0);
    out
}

/// Writes a linked program as a service code preimage.
pub fn encode(parts: &ProgramParts, metadata: &[u8]) -> Result<Vec<u8>, String> {
    let mut read_only = parts.ro_data.to_vec();
    read_only.resize(parts.ro_data_size as usize, 0);
    let read_write = &parts.rw_data[..];
    let stored_pages = (read_write.len() as u32).div_ceil(PAGE);
    let heap_pages = parts.rw_data_size.div_ceil(PAGE) - stored_pages;
    let heap_pages = u16::try_from(heap_pages).map_err(|_| format!("{heap_pages} zeroed pages exceed 65535"))?;

    let mut out = Vec::new();
    push_natural(&mut out, metadata.len() as u64);
    out.extend_from_slice(metadata);
    out.extend_from_slice(&three_bytes(read_only.len(), "read-only data")?);
    out.extend_from_slice(&three_bytes(read_write.len(), "read-write data")?);
    out.extend_from_slice(&heap_pages.to_le_bytes());
    out.extend_from_slice(&three_bytes(parts.stack_size as usize, "stack")?);
    out.extend_from_slice(&read_only);
    out.extend_from_slice(read_write);
    let code = &parts.code_and_jump_table[..];
    let code_len = u32::try_from(code.len()).map_err(|_| "the code exceeds 4 GiB".to_owned())?;
    out.extend_from_slice(&code_len.to_le_bytes());
    out.extend_from_slice(code);
    Ok(out)
}

/// A blob taken apart; the slices borrow from it.
pub struct Blob<'a> {
    pub read_only: &'a [u8],
    pub read_write: &'a [u8],
    pub heap_pages: u32,
    pub stack_size: u32,
    pub code: &'a [u8],
}

/// Reads what [`encode`] wrote; `None` when a length runs past the end or bytes are left over.
pub fn decode(blob: &[u8]) -> Option<Blob<'_>> {
    let rest = &mut &blob[..];
    let metadata_len = take_natural(rest)?;
    take(rest, metadata_len)?;
    let read_only_len = take_int(rest, 3)?;
    let read_write_len = take_int(rest, 3)?;
    let heap_pages = take_int(rest, 2)? as u32;
    let stack_size = take_int(rest, 3)? as u32;
    let read_only = take(rest, read_only_len)?;
    let read_write = take(rest, read_write_len)?;
    let code_len = take_int(rest, 4)?;
    let code = take(rest, code_len)?;
    rest.is_empty().then_some(Blob { read_only, read_write, heap_pages, stack_size, code })
}

fn three_bytes(len: usize, what: &str) -> Result<[u8; 3], String> {
    match u32::try_from(len).map(u32::to_le_bytes) {
        Ok([a, b, c, 0]) => Ok([a, b, c]),
        _ => Err(format!("{what}: {len} bytes do not fit the format's 3-byte length")),
    }
}

/// The Gray Paper's natural-number code (C.1): as many leading one bits as bytes follow.
fn push_natural(out: &mut Vec<u8>, value: u64) {
    let extra = (0..8).find(|l| value < 1 << (7 * (l + 1)));
    let Some(extra) = extra else {
        out.push(0xff);
        out.extend_from_slice(&value.to_le_bytes());
        return;
    };
    let head = 256 - (1u64 << (8 - extra)) + (value >> (8 * extra));
    out.push(head as u8);
    out.extend_from_slice(&value.to_le_bytes()[..extra as usize]);
}

fn take_natural(rest: &mut &[u8]) -> Option<usize> {
    let head = *take(rest, 1)?.first()?;
    let extra = head.leading_ones();
    let low = take_int(rest, extra as usize)?;
    let high = if extra < 7 { u64::from(head) & ((1 << (7 - extra)) - 1) } else { 0 };
    let shifted = if extra == 8 { 0 } else { high << (8 * extra) };
    usize::try_from(shifted | low as u64).ok()
}

fn take_int(rest: &mut &[u8], bytes: usize) -> Option<usize> {
    let mut wide = [0; 8];
    wide[..bytes].copy_from_slice(take(rest, bytes)?);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
