//! What the tests of host functions share: guests made of host calls, a world for them, and a record of what they got.

mod accounts;
mod guest;
mod recorder;
mod world;

pub use guest::{GuestCode, NOWHERE, RO, RW, RW_END};
pub use recorder::{CallSeen, Recorder};
pub use world::{ALL, OTHER, Ran, SELF, World};

use tvm_isa::GpVersion;
use tvm_runtime::GuestExit;

/// Number of a function in a version, from its name: tests name functions, and check numbers in one place.
pub fn number(version: GpVersion, name: &str) -> u64 {
    let entries = tvm_runtime::jam::version::JamRules::of(version).functions;
    let entry = entries.iter().find(|entry| entry.name == name);
    entry.unwrap_or_else(|| panic!("GP {version} has no {name}")).number.into()
}

/// What a host call is expected to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// φ7 is this afterwards.
    Answer(u64),
    /// φ7 and φ8 are these.
    Answers(u64, u64),
    /// The guest panics.
    Panic,
}

impl CallSeen {
    /// Checks the call against what is expected of it.
    pub fn check(&self, expect: Expect, what: &str) {
        let found = match self.exit {
            None => match expect {
                Expect::Answers(..) => Expect::Answers(self.after[7], self.after[8]),
                Expect::Answer(_) | Expect::Panic => Expect::Answer(self.after[7]),
            },
            Some(GuestExit::Panic) => Expect::Panic,
            Some(other) => panic!("{what}: ended with {other:?}"),
        };
        assert_eq!(found, expect, "{what} (φ7 {:#x})", self.after[7]);
    }
}
