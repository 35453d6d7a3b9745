//! All inner machines of an invocation, and what bounds them.

use std::collections::{BTreeMap, BTreeSet};

use tvm_isa::{Container, Gas, GpVersion, Pc, Reg};

use super::inner::{InnerExit, InnerMachine};
use super::policy::MAX_COMPILED;
use crate::engine::Engine;
use crate::error::{Error, LoadError};
use crate::jam::call::Stop;
use crate::jam::types::Hash;
use crate::module::Module;

/// The most octets that the programs of an invocation's inner machines may have together, each counted once.
///
/// The Gray Paper has no such limit before 0.8.0, where it follows from the number of machines. A guest that exceeds it
/// ends the invocation with an error of the machine, never with an outcome.
pub const MAX_PROGRAM_BYTES: u64 = 1 << 30;

/// The most accessible pages of an invocation's inner machines: four whole address spaces. As above.
pub const MAX_INNER_PAGES: u64 = 1 << 22;

/// What bounds the host memory of inner machines.
#[derive(Clone, Copy, Debug)]
struct Limits {
    program_bytes: u64,
    pages: u64,
}

/// Inner machines by index.
pub(crate) struct Machines<'a> {
    engine: &'a Engine,
    version: GpVersion,
    limits: Limits,
    machines: Vec<Option<InnerMachine>>,
    /// Indices below the vector's length that are free.
    free: BTreeSet<usize>,
    /// Programs of live machines, with their number.
    programs: BTreeMap<Hash, (Module, usize)>,
    program_bytes: u64,
    pages: u64,
    compiled: usize,
}

/// The error of a host that cannot serve what the guest may ask for.
fn limit(what: &str, limit: u64) -> Stop {
    Stop::Host(
        format!("the inner machines of one invocation take more than {limit} {what}; this node cannot run that").into(),
    )
}

/// An error of the machine ends the host call as one of the host.
fn failed(error: Error) -> Stop {
    Stop::Host(error.into())
}

/// Whether a machine of this program may start at `pc`. Past all programs there is no instruction, which before GP 0.8.0 is
/// no obstacle.
fn may_start(module: &Module, pc: u64) -> bool {
    module.may_start_at(Pc(u32::try_from(pc).unwrap_or(u32::MAX)))
}

impl<'a> Machines<'a> {
    /// No machines yet.
    pub(crate) fn new(engine: &'a Engine, version: GpVersion) -> Self {
        Self {
            engine,
            version,
            limits: Limits { program_bytes: MAX_PROGRAM_BYTES, pages: MAX_INNER_PAGES },
            machines: Vec::new(),
            free: BTreeSet::new(),
            programs: BTreeMap::new(),
            program_bytes: 0,
            pages: 0,
            compiled: 0,
        }
    }

    /// Number of machines.
    pub(super) fn len(&self) -> usize {
        self.machines.len() - self.free.len()
    }

    /// Adds a machine under the lowest free index. `None` when the program or its start is refused.
    pub(super) fn add(&mut self, program: &[u8], pc: u64) -> Result<Option<u64>, Stop> {
        let hash = Hash::of(program);
        let module = match self.programs.get(&hash) {
            Some((module, _)) => module.clone(),
            None => match self.engine.load_interpreted(self.version, Container::Raw, program) {
                Ok(module) => module,
                Err(LoadError::Malformed(_)) => return Ok(None),
                Err(LoadError::TooLarge(error)) => return Err(Stop::Host(error.into())),
                Err(LoadError::Machine(error)) => return Err(failed(error)),
            },
        };
        if !may_start(&module, pc) {
            return Ok(None);
        }
        let machine = InnerMachine::new(self.engine, &module, hash, pc).map_err(failed)?;
        let (_, users) = self.programs.entry(hash).or_insert_with(|| {
            self.program_bytes += program.len() as u64;
            (module, 0)
        });
        *users += 1;
        if self.program_bytes > self.limits.program_bytes {
            return Err(limit("octets of programs", self.limits.program_bytes));
        }
        let index = self.free.pop_first().unwrap_or(self.machines.len());
        match self.machines.get_mut(index) {
            Some(place) => *place = Some(machine),
            None => self.machines.push(Some(machine)),
        }
        Ok(Some(index as u64))
    }

    /// The machine at an index that a guest named.
    pub(super) fn get(&self, index: u64) -> Option<&InnerMachine> {
        self.machines.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// As [`Self::get`], to be changed.
    pub(super) fn get_mut(&mut self, index: u64) -> Option<&mut InnerMachine> {
        self.machines.get_mut(usize::try_from(index).ok()?)?.as_mut()
    }

    /// Notes that a machine has `pages` accessible pages now.
    pub(super) fn note_pages(&mut self, index: u64, pages: u64) -> Result<(), Stop> {
        let Some(machine) = self.get_mut(index) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut machine.pages, pages);
        self.pages = self.pages - before + pages;
        if self.pages > self.limits.pages { Err(limit("pages of memory", self.limits.pages)) } else { Ok(()) }
    }

    /// Runs a machine.
    pub(super) fn invoke(&mut self, index: u64, gas: Gas, regs: [u64; Reg::COUNT]) -> Result<Option<InnerExit>, Stop> {
        let (engine, may_compile) = (self.engine, self.compiled < MAX_COMPILED);
        let Some(machine) = self.get_mut(index) else {
            return Ok(None);
        };
        let was_compiled = machine.compiled;
        let exit = machine.invoke(engine, gas, regs, may_compile || was_compiled).map_err(failed)?;
        let compiled_now = machine.compiled && !was_compiled;
        self.compiled += usize::from(compiled_now);
        Ok(Some(exit))
    }

    /// Removes a machine; gives its program counter.
    pub(super) fn remove(&mut self, index: u64) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        let machine = self.machines.get_mut(index)?.take()?;
        self.free.insert(index);
        self.pages -= machine.pages;
        self.compiled -= usize::from(machine.compiled);
        if let Some((module, users)) = self.programs.get_mut(&machine.program) {
            *users -= 1;
            if *users == 0 {
                self.program_bytes -= module.program().blob().len() as u64;
                self.programs.remove(&machine.program);
            }
        }
        Some(machine.pc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Backend, EngineConfig};

    /// A program of one trap and `len` octets behind it, all different for each `mark`.
    fn program(len: u8, mark: u8) -> Vec<u8> {
        let mut program = vec![0, 0, len + 1, 0];
        program.extend(std::iter::repeat_n(mark, len.into()));
        let mask_len = usize::from(len + 1).div_ceil(8);
        program.extend(std::iter::once(1).chain(std::iter::repeat(0)).take(mask_len));
        program
    }

    #[test]
    fn programs_count_once_and_until_their_last_machine_is_gone() {
        let engine = Engine::new(EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() }).unwrap();
        let mut machines = Machines::new(&engine, GpVersion::V0_7_2);
        let (a, b, c) = (program(7, 1), program(7, 2), program(8, 3));
        machines.limits.program_bytes = (a.len() + b.len()) as u64;
        assert_eq!(machines.add(&a, 0).unwrap(), Some(0));
        assert_eq!(machines.add(&a, 0).unwrap(), Some(1));
        assert_eq!(machines.add(&b, 0).unwrap(), Some(2));
        assert_eq!(machines.remove(0), Some(0));
        assert_eq!(machines.program_bytes, machines.limits.program_bytes);
        assert_eq!(machines.remove(1), Some(0));
        assert_eq!(machines.add(&a, 0).unwrap(), Some(0));
        assert_eq!(machines.remove(2), Some(0));
        // One octet more than there is room for.
        assert!(matches!(machines.add(&c, 0), Err(Stop::Host(_))));
    }

    #[test]
    fn pages_count_until_their_machine_is_gone() {
        let engine = Engine::new(EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() }).unwrap();
        let mut machines = Machines::new(&engine, GpVersion::V0_7_2);
        machines.limits.pages = 10;
        for index in 0..2 {
            assert_eq!(machines.add(&program(1, 1), 0).unwrap(), Some(index));
        }
        machines.note_pages(0, 6).unwrap();
        machines.note_pages(1, 4).unwrap();
        assert!(machines.note_pages(1, 5).is_err());
        machines.note_pages(0, 5).unwrap();
        assert_eq!(machines.remove(0), Some(0));
        machines.note_pages(1, 10).unwrap();
    }
}
