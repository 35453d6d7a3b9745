//! The probe: a service that runs the command lists tests send it, so that every host function can be called with any
//! arguments, good or bad, and its results read back. `guests/README.md` has the encoding as a table.
//!
//! | where commands come from | |
//! | --- | --- |
//! | refine | payload = `E4(n)`, n bytes of refine commands, then accumulate commands |
//! | accumulate, work item | the refine output, which is `E4(len)`, len bytes of results, then the accumulate commands |
//! | accumulate, transfer | the 128-byte memo (zeros end the list) |
//! | accumulate, always | the storage value under the key `always`, if there is one; it runs before the inputs |
#![no_std]

extern crate alloc;

mod calls;
mod commands;
mod scratch;

use alloc::vec;
use alloc::vec::Vec;
use commands::{Reader, Run};
use jam_pvm_common::accumulate::accumulate_items;
use jam_pvm_common::{Service, declare_service, imports};
use jam_types::{AccumulateItem, CoreIndex, Hash, ServiceId, Slot, WorkOutput, WorkPackageHash, WorkPayload};

const ALWAYS_KEY: &[u8] = b"always";

struct Probe;
declare_service!(Probe);

impl Service for Probe {
    fn refine(
        _core: CoreIndex,
        _item: usize,
        _service: ServiceId,
        payload: WorkPayload,
        _package: WorkPackageHash,
    ) -> WorkOutput {
        let payload = payload.take();
        let mut reader = Reader::new(&payload);
        let refine_commands = reader.prefixed();
        let mut run = Run::default();
        run.commands(refine_commands);

        let mut output = (run.results.len() as u32).to_le_bytes().to_vec();
        output.extend_from_slice(&run.results);
        output.extend_from_slice(reader.rest());
        output.into()
    }

    fn accumulate(_slot: Slot, _service: ServiceId, item_count: usize) -> Option<Hash> {
        let mut run = Run::default();
        if let Some(commands) = read_own(ALWAYS_KEY) {
            run.commands(&commands);
        }
        let inputs = if item_count == 0 { Vec::new() } else { accumulate_items() };
        for input in inputs {
            match input {
                AccumulateItem::WorkItem(item) => {
                    if let Ok(output) = item.result {
                        let mut reader = Reader::new(&output);
                        reader.prefixed();
                        run.commands(reader.rest());
                    }
                }
                AccumulateItem::Transfer(transfer) => run.commands(transfer.memo.as_ref()),
            }
        }
        run.hash
    }
}

/// A value of the service's own storage.
fn read_own(key: &[u8]) -> Option<Vec<u8>> {
    let read = |to: *mut u8, len: u64| {
        // SAFETY: `to` has room for `len` bytes: none, or the vector's below.
        unsafe { imports::read(u64::MAX, key.as_ptr(), key.len() as u64, to, 0, len) }
    };
    let len = read(core::ptr::null_mut(), 0);
    if len == u64::MAX {
        return None;
    }
    let mut value = vec![0; len as usize];
    read(value.as_mut_ptr(), len);
    Some(value)
}
