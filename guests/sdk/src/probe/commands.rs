//! The command lists: decoding and execution. All numbers are little-endian.

use crate::{calls, scratch};
use alloc::vec::Vec;
use core::hint::black_box;
use jam_codec::Encode;
use jam_pvm_common::{accumulate, imports, refine};
use jam_types::Hash;

const PAGE: usize = 4096;

/// What the commands of one invocation leave behind.
#[derive(Default)]
pub struct Run {
    /// What `CALL`, `SHOW` and the like append.
    pub results: Vec<u8>,
    /// The output of accumulate.
    pub hash: Option<Hash>,
    /// φ7 after the last call.
    last: u64,
}

impl Run {
    /// Executes a list until `END` or its last byte.
    ///
    /// # Panics
    /// On an unknown command or one that is cut short.
    pub fn commands(&mut self, list: &[u8]) {
        let mut reader = Reader::new(list);
        while !reader.rest().is_empty() {
            match reader.u8() {
                0x00 => return,
                0x01 => self.call(&mut reader),
                0x02 => put(&mut reader),
                0x03 => {
                    let (offset, len) = (reader.u32(), reader.u32());
                    self.results.extend_from_slice(scratch::slice(offset, len));
                }
                0x04 => {
                    let (offset, len) = (reader.u32(), reader.u32());
                    scratch::slice(offset, len).fill(reader.u8());
                }
                0x05 => self.store(&mut reader),
                0x06 => self.results.clear(),
                0x07 => self.hash = Some(reader.array()),
                0x08 => burn(reader.u64()),
                0x09 => trap(),
                0x0a => self.load(reader.u64()),
                0x0b => {
                    let (address, value) = (reader.u64(), reader.u8());
                    // SAFETY: the test chose the address; a store to a page that is not writable ends the run.
                    unsafe { (address as *mut u8).write_volatile(value) };
                }
                0x0c => self.allocate(reader.u32() as usize),
                0x0d => {
                    let count = reader.u32();
                    let body = reader.prefixed();
                    for _ in 0..count {
                        self.commands(body);
                    }
                }
                0x0e => self.typed(reader.u8()),
                0x0f => {
                    let depth = recurse(reader.u32());
                    self.push(depth);
                }
                0x10 => {
                    let offset = reader.u32();
                    scratch::slice(offset, 8).copy_from_slice(&self.last.to_le_bytes());
                }
                0x11 => self.push(scratch::address()),
                other => panic!("unknown command {other:#x}"),
            }
        }
    }

    fn push(&mut self, value: u64) {
        self.results.extend_from_slice(&value.to_le_bytes());
    }

    fn call(&mut self, reader: &mut Reader) {
        let (which, pointers, stored, count) = (reader.u8(), reader.u8(), reader.u8(), reader.u8());
        assert!(count <= 6, "{count} arguments");
        let mut arguments = [0; 6];
        for (i, argument) in arguments.iter_mut().enumerate().take(count.into()) {
            *argument = reader.u64();
            if stored >> i & 1 == 1 {
                *argument = scratch::number(*argument as u32);
            }
            if pointers >> i & 1 == 1 {
                *argument = argument.wrapping_add(scratch::address());
            }
        }
        let (first, second) = calls::call(which, arguments);
        self.last = first;
        self.push(first);
        self.push(second);
    }

    fn store(&mut self, reader: &mut Reader) {
        let len = reader.u8();
        let key = reader.bytes(len.into());
        // SAFETY: both ranges belong to live slices.
        let old = unsafe {
            imports::write(key.as_ptr(), key.len() as u64, self.results.as_ptr(), self.results.len() as u64)
        };
        self.last = old;
        self.push(old);
        self.push(0);
    }

    fn load(&mut self, address: u64) {
        // SAFETY: as for the store command.
        let value = unsafe { (address as *const u8).read_volatile() };
        self.push(value.into());
    }

    /// Takes memory from the allocator (so from `sbrk` or `grow_heap`), touches every page of it and keeps it.
    fn allocate(&mut self, len: usize) {
        let mut memory = Vec::<u8>::with_capacity(len);
        memory.resize(len, 0);
        let mut pages = 0;
        for page in memory.chunks_mut(PAGE) {
            page[0] = 1;
            pages += u64::from(black_box(page[0]));
        }
        core::mem::forget(memory);
        self.push(pages);
    }

    /// Lets the SDK decode a value and encodes it again.
    fn typed(&mut self, which: u8) {
        let value = match which {
            0 => refine::protocol_parameters().encode(),
            1 => refine::entropy().encode(),
            2 => refine::refine_context().encode(),
            3 => refine::work_package().encode(),
            4 => refine::work_items_summary().encode(),
            5 => refine::auth_trace().encode(),
            6 => accumulate::accumulate_items().encode(),
            7 => accumulate::my_info().encode(),
            _ => panic!("no typed value {which}"),
        };
        self.results.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.results.extend_from_slice(&value);
    }
}

fn put(reader: &mut Reader) {
    let offset = reader.u32();
    let bytes = reader.prefixed();
    scratch::slice(offset, bytes.len() as u32).copy_from_slice(bytes);
}

fn burn(rounds: u64) {
    for i in 0..rounds {
        black_box(i);
    }
}

fn trap() -> ! {
    // SAFETY: the instruction ends the run.
    unsafe { core::arch::asm!("unimp", options(noreturn)) }
}

/// One stack frame of at least 64 bytes for each level.
#[inline(never)]
fn recurse(depth: u32) -> u64 {
    let frame = black_box([u64::from(depth); 8]);
    if depth == 0 { 0 } else { recurse(depth - 1) + u64::from(frame[depth as usize % 8] == u64::from(depth)) }
}

/// Takes a command list apart.
///
/// # Panics
/// Every method, when the list ends too early.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(list: &'a [u8]) -> Self {
        Self(list)
    }

    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at_checked(len).expect("command cut short");
        self.0 = tail;
        head
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N));
        array
    }

    fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Bytes behind their `E4` length.
    pub fn prefixed(&mut self) -> &'a [u8] {
        let len = self.u32();
        self.bytes(len as usize)
    }
}
