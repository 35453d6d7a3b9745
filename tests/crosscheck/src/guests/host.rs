//! A host for the guests: a few host calls, and nothing behind them.

use std::collections::BTreeMap;

use tvm_isa::GuestAddr;
use tvm_isa::layout::Layout;
use tvm_runtime::GuestExit;

use crate::lockstep::Environment;
use crate::machine::{Effect, Machine, Snapshot, Span};

/// Numbers of GP 0.8.0.
const GAS: u64 = 0;
const GROW_HEAP: u64 = 1;
const FETCH: u64 = 2;
const READ: u64 = 4;

/// GP: NONE.
const NONE: u64 = u64::MAX;
/// GP: WHAT.
const WHAT: u64 = u64::MAX - 1;

/// The most pages that the heap grows by.
const MAX_GROWTH: u64 = 4096;

/// Finds values for `fetch`, lets the heap grow, has an empty storage, and knows no other call.
pub struct Host<'a> {
    fetched: &'a BTreeMap<u64, Vec<u8>>,
    /// The heap's end as a page's number, at the start and now.
    heap: (u64, u64),
}

impl<'a> Host<'a> {
    /// A host for a program with this layout.
    pub fn new(fetched: &'a BTreeMap<u64, Vec<u8>>, layout: &Layout) -> Self {
        let end = layout.rw.end() / u64::from(GuestAddr::PAGE_SIZE);
        Self { fetched, heap: (end, end) }
    }

    /// The memory by which the heap grew.
    pub fn grown(&self) -> Option<Span> {
        let (start, end) = self.heap;
        let page = u64::from(GuestAddr::PAGE_SIZE);
        (end > start).then(|| Span { start: (start * page) as u32, len: ((end - start) * page) as u32 })
    }

    /// φ7 buffer, φ8 offset, φ9 length, φ10 kind; the answer is the value's length.
    fn fetch(&self, regs: &[u64], effects: &mut Vec<Effect>) -> u64 {
        let [to, offset, len, kind] = [regs[7], regs[8], regs[9], regs[10]];
        let Some(value) = self.fetched.get(&kind) else { return NONE };
        let start = offset.min(value.len() as u64) as usize;
        let end = start + len.min((value.len() - start) as u64) as usize;
        if start < end {
            effects.push(Effect::Write(to as u32, value[start..end].to_vec()));
        }
        value.len() as u64
    }

    /// φ7 wanted end of the heap as a page's number; the answer is the end there is.
    fn grow_heap(&mut self, wanted: u64, effects: &mut Vec<Effect>) -> u64 {
        let (start, end) = self.heap;
        if (end + 1..=start + MAX_GROWTH).contains(&wanted) {
            effects.push(Effect::GrowHeap { end: end as u32, count: (wanted - end) as u32 });
            self.heap.1 = wanted;
        }
        self.heap.1
    }
}

impl Environment for Host<'_> {
    fn answer(&mut self, stop: &Snapshot, _machine: &mut dyn Machine) -> anyhow::Result<Option<Vec<Effect>>> {
        let GuestExit::HostCall(number) = stop.exit else { return Ok(None) };
        let mut effects = Vec::new();
        let answer = match number {
            GAS => stop.gas,
            GROW_HEAP => self.grow_heap(stop.regs[7], &mut effects),
            FETCH => self.fetch(&stop.regs, &mut effects),
            READ => NONE,
            _ => WHAT,
        };
        effects.push(Effect::Register(7, answer));
        Ok(Some(effects))
    }
}
