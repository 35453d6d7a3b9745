//! One host call in progress: what a host function sees of the guest, and how it ends.

use tvm_isa::{Gas, Reg};

use super::observer::MemoryAccess;
use super::results::NONE;
use super::types::Hash;
use super::version::JamRules;
use crate::exit::GuestExit;
use crate::host_call::{Guest, HostError};
use crate::memory::GuestMemory;

/// Why a host function does not let the guest go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The guest panics.
    Panic,
    /// The guest is out of gas.
    OutOfGas,
    /// The host failed.
    Host(HostError),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl Stop {
    /// The guest's exit, or the host's error.
    pub(crate) fn into_exit(self) -> Result<GuestExit, HostError> {
        match self {
            Self::Panic => Ok(GuestExit::Panic),
            Self::OutOfGas => Ok(GuestExit::OutOfGas),
            Self::Host(error) => Err(error),
        }
    }
}

/// The guest during a host call. Memory goes through here, so that an observer gets to know of it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    guest: Guest<'a>,
    /// The rules the call is served by.
    pub rules: &'static JamRules,
    /// What the call did, if somebody wants to know.
    record: Option<&'a mut Record>,
}

/// What a host call did to the guest, in order.
#[derive(Default, Debug)]
pub(crate) struct Record {
    /// Memory that was read or written.
    pub memory: Vec<MemoryAccess>,
    /// Registers that were set.
    pub registers: Vec<(Reg, u64)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(guest: Guest<'a>, rules: &'static JamRules, record: Option<&'a mut Record>) -> Self {
        Self { guest, rules, record }
    }

    /// Value of register φ`number`.
    pub(crate) fn reg(&self, number: usize) -> u64 {
        self.guest.state.regs[number]
    }

    /// All registers.
    pub(crate) fn regs(&self) -> &[u64; Reg::COUNT] {
        &self.guest.state.regs
    }

    /// Remaining gas.
    pub(crate) fn gas(&self) -> Gas {
        self.guest.state.gas
    }

    /// Takes `cost` from the gas.
    ///
    /// # Errors
    /// When there is less; see [`CallState::charge`](crate::CallState::charge).
    pub(crate) fn charge(&mut self, cost: u128) -> Result<(), Stop> {
        if self.guest.state.charge(cost) { Ok(()) } else { Err(Stop::OutOfGas) }
    }

    /// Gives gas back that was charged in this call.
    pub(crate) fn refund(&mut self, gas: Gas) {
        let left = &mut self.guest.state.gas.0;
        *left = left.saturating_add(gas.0);
    }

    /// Sets φ7, the first result.
    pub(crate) fn answer(&mut self, value: u64) {
        self.set(7, value);
    }

    /// Sets φ8, the second result.
    pub(crate) fn answer_second(&mut self, value: u64) {
        self.set(8, value);
    }

    fn set(&mut self, number: u8, value: u64) {
        let reg = Reg::clamped(number);
        self.guest.state.regs[reg.index()] = value;
        if let Some(record) = &mut self.record {
            record.registers.push((reg, value));
        }
    }

    /// The guest's memory, for what only looks at access rights or changes them.
    pub(crate) fn memory(&mut self) -> &mut GuestMemory {
        self.guest.memory
    }

    /// Panics unless [start, start + len) is readable.
    pub(crate) fn need_readable(&self, start: u64, len: u64) -> Result<(), Stop> {
        if self.guest.memory.is_readable(start, len) { Ok(()) } else { Err(Stop::Panic) }
    }

    /// Panics unless [start, start + len) is writable.
    pub(crate) fn need_writable(&self, start: u64, len: u64) -> Result<(), Stop> {
        if self.guest.memory.is_writable(start, len) { Ok(()) } else { Err(Stop::Panic) }
    }

    /// The guest's bytes at [start, start + len). Panics when one is not readable; nothing is allocated before that is
    /// known.
    pub(crate) fn read(&mut self, start: u64, len: u64) -> Result<Vec<u8>, Stop> {
        let bytes = self.guest.memory.read(start, len).map_err(|_| Stop::Panic)?;
        self.record_read(start, &bytes);
        Ok(bytes)
    }

    /// `N` bytes of the guest. Panics when one is not readable.
    pub(crate) fn read_array<const N: usize>(&mut self, start: u64) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.guest.memory.read_into(start, &mut bytes).map_err(|_| Stop::Panic)?;
        self.record_read(start, &bytes);
        Ok(bytes)
    }

    /// A hash of the guest. Panics when it is not readable.
    pub(crate) fn read_hash(&mut self, start: u64) -> Result<Hash, Stop> {
        Ok(Hash(self.read_array(start)?))
    }

    /// Writes to the guest. Panics when a byte is not writable.
    pub(crate) fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), Stop> {
        self.guest.memory.write(start, bytes).map_err(|_| Stop::Panic)?;
        if let Some(record) = &mut self.record {
            record.memory.push(MemoryAccess { start, write: true, bytes: bytes.to_vec() });
        }
        Ok(())
    }

    fn record_read(&mut self, start: u64, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record.memory.push(MemoryAccess { start, write: false, bytes: bytes.to_vec() });
        }
    }

    /// Answers with a part of `value`: the destination is φ`destination`, and offset and length are φ`window` and the
    /// register after it. This is how fetch, lookup, historical_lookup, read and info end (GP B.5).
    ///
    /// Panics when the destination is not writable, also when there is no value, with length 0 then, which is always
    /// fine. Otherwise φ7 becomes NONE or the whole length of the value.
    pub(crate) fn answer_window(
        &mut self,
        destination: usize,
        window: usize,
        value: Option<&[u8]>,
    ) -> Result<(), Stop> {
        let Some(value) = value else {
            self.answer(NONE);
            return Ok(());
        };
        let total = value.len() as u64;
        let offset = self.reg(window).min(total);
        let len = self.reg(window + 1).min(total - offset);
        self.write(self.reg(destination), &value[offset as usize..(offset + len) as usize])?;
        self.answer(total);
        Ok(())
    }
}
