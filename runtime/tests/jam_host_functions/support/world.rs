//! A chain to run guests in.

use std::sync::Arc;

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::types::{
    AccumulationInput, Bytes, DeferredTransfer, Hash, Privileges, ServiceId, TimeSlot, WorkPackage,
};
use tvm_runtime::jam::{
    AccumulateInput, Accumulated, Authorized, Chain, IsAuthorizedInput, OnTransferInput, RefineInput, Refined,
    Transferred, accumulate, is_authorized, on_transfer, refine,
};
use tvm_runtime::{Backend, Engine, EngineConfig, GuestExit};

use super::accounts::MemoryAccounts;
use super::guest::GuestCode;
use super::recorder::{CallSeen, Recorder};
use super::{Expect, number};

/// The service whose code runs.
pub const SELF: ServiceId = ServiceId(1000);
/// Another one.
pub const OTHER: ServiceId = ServiceId(2000);
/// Every version.
pub const ALL: [GpVersion; 3] = GpVersion::ALL;

/// Gas that is enough for every test.
const PLENTY: u64 = 10_000_000;

/// A chain.
#[derive(Clone)]
pub struct World {
    pub version: GpVersion,
    pub engine: Engine,
    pub constants: ChainConstants,
    pub accounts: MemoryAccounts,
    pub privileges: Arc<Privileges>,
    pub slot: TimeSlot,
    pub entropy: Hash,
    pub inputs: Vec<AccumulationInput>,
    pub package: WorkPackage,
    pub auth_trace: Vec<u8>,
    pub imports: Vec<Vec<Bytes>>,
    pub extrinsics: Vec<Vec<Bytes>>,
    pub export_offset: u64,
    pub gas: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran<T> {
    pub calls: Vec<CallSeen>,
    pub result: T,
    pub recorder: Recorder,
}

impl<T> Ran<T> {
    /// The last host call.
    pub fn last(&self) -> &CallSeen {
        self.calls.last().expect("the guest made a call")
    }
}

impl World {
    /// A chain with two services, in slot 100. SELF has no privileges.
    pub fn new(version: GpVersion) -> Self {
        let engine = Engine::new(EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() }).unwrap();
        let mut accounts = MemoryAccounts::default();
        accounts.add(SELF, 1_000_000, Hash::default());
        accounts.add(OTHER, 5_000, Hash([7; 32]));
        let privileges = Privileges {
            manager: ServiceId(1),
            assigners: vec![ServiceId(1); 2],
            delegator: ServiceId(1),
            registrar: ServiceId(1),
            always_accumulate: [(ServiceId(1), Gas(5))].into(),
        };
        Self {
            version,
            engine,
            constants: ChainConstants::tiny(),
            accounts,
            privileges: Arc::new(privileges),
            slot: TimeSlot(100),
            entropy: Hash([0xee; 32]),
            inputs: Vec::new(),
            package: WorkPackage::default(),
            auth_trace: Vec::new(),
            imports: vec![Vec::new()],
            extrinsics: vec![Vec::new()],
            export_offset: 0,
            gas: PLENTY,
        }
    }

    pub fn chain(&self) -> Chain<'_> {
        Chain { version: self.version, constants: &self.constants, accounts: &self.accounts }
    }

    /// The number of a function.
    pub fn id(&self, name: &str) -> u64 {
        number(self.version, name)
    }

    /// Gives SELF this code.
    pub fn install(&mut self, blob: &[u8]) {
        let hash = self.accounts.preimage(SELF, blob);
        self.accounts.accounts.get_mut(&SELF).expect("SELF exists").code_hash = hash;
    }

    /// Runs SELF's accumulate.
    pub fn accumulate(&self, blob: &[u8]) -> Ran<Accumulated> {
        let mut world = self.clone();
        world.install(blob);
        ran(|recorder| world.accumulate_installed(recorder).expect("the machine works"))
    }

    /// Runs whatever code SELF has.
    pub fn accumulate_installed(&self, recorder: &mut Recorder) -> Result<Accumulated, tvm_runtime::Error> {
        let input = AccumulateInput {
            chain: self.chain(),
            privileges: &self.privileges,
            slot: self.slot,
            entropy: self.entropy,
            service: SELF,
            gas: Gas(self.gas),
            inputs: &self.inputs,
        };
        accumulate(&self.engine, &input, Some(recorder))
    }

    /// Runs on-transfer of SELF.
    pub fn on_transfer(&self, blob: &[u8], transfers: &[DeferredTransfer]) -> Ran<Transferred> {
        let mut world = self.clone();
        world.install(blob);
        let input = OnTransferInput {
            chain: world.chain(),
            slot: world.slot,
            entropy: world.entropy,
            service: SELF,
            transfers,
        };
        ran(|recorder| on_transfer(&world.engine, &input, Some(recorder)).expect("the machine works"))
    }

    /// Makes the only item of the package, and its authorizer, of this code.
    pub fn install_package(&mut self, blob: &[u8]) {
        self.install(blob);
        let code_hash = Hash::of(blob);
        let available = tvm_runtime::jam::types::Timeline::Available(TimeSlot(10));
        self.accounts.requests.insert((SELF, (code_hash, blob.len() as u32)), available);
        self.package.context.lookup_anchor_slot = TimeSlot(50);
        (self.package.auth_code_host, self.package.auth_code_hash) = (SELF, code_hash);
        if self.package.items.is_empty() {
            self.package.items.push(Default::default());
        }
        let item = &mut self.package.items[0];
        (item.service, item.code_hash, item.refine_gas) = (SELF, code_hash, Gas(self.gas));
    }

    /// Refines the first item with this code.
    pub fn refine(&self, blob: &[u8]) -> Ran<Refined> {
        let mut world = self.clone();
        world.install_package(blob);
        ran(|recorder| world.refine_installed(recorder).expect("the machine works"))
    }

    pub fn refine_installed(&self, recorder: &mut Recorder) -> Result<Refined, tvm_runtime::Error> {
        let input = RefineInput {
            chain: self.chain(),
            core: 1,
            package: &self.package,
            item: 0,
            auth_trace: &self.auth_trace,
            imports: &self.imports,
            extrinsics: &self.extrinsics,
            export_offset: self.export_offset,
        };
        refine(&self.engine, &input, Some(recorder))
    }

    /// Asks the authorizer, made of this code.
    pub fn is_authorized(&self, blob: &[u8]) -> Ran<Authorized> {
        let mut world = self.clone();
        world.install_package(blob);
        let input = IsAuthorizedInput { chain: world.chain(), package: &world.package, core: 1 };
        ran(|recorder| is_authorized(&world.engine, &input, Some(recorder)).expect("the machine works"))
    }

    /// Makes one call of `name` in accumulate and checks it: what it does, that the guest is out of gas with one gas less
    /// than it costs, and that nothing changes then. Gives what came of it.
    pub fn check(&self, guest: &GuestCode, name: &str, arguments: &[u64], expect: Expect) -> Ran<Accumulated> {
        let what = format!("GP {}: {name}{arguments:x?}", self.version);
        let blob = guest.clone().call(self.id(name), arguments).halt(0, 0);
        let ran = self.accumulate(&blob);
        ran.last().check(expect, &what);

        let earlier = self.gas - ran.last().gas_before;
        let short = Self { gas: earlier + ran.last().cost() - 1, ..self.clone() }.accumulate(&blob);
        assert_eq!(short.last().exit, Some(GuestExit::OutOfGas), "{what} with too little gas");
        assert_eq!(short.result.gas_used, Gas(earlier + ran.last().cost() - 1), "{what}: all is used");
        let untouched = self.accumulate(&guest.clone().trap()).result;
        assert_eq!(short.result.accounts, untouched_own(self, &blob, &untouched), "{what}: nothing changes");
        ran
    }

    /// As [`Self::check`], for a call after others that change something.
    pub fn check_after(&self, guest: &GuestCode, name: &str, arguments: &[u64], expect: Expect) -> Ran<Accumulated> {
        let ran = self.accumulate(&guest.clone().call(self.id(name), arguments).halt(0, 0));
        ran.last().check(expect, &format!("GP {}: {name}{arguments:x?} after other calls", self.version));
        ran
    }

    /// As [`Self::check`], in refine.
    pub fn check_refine(&self, guest: &GuestCode, name: &str, arguments: &[u64], expect: Expect) -> Ran<Refined> {
        let what = format!("GP {}: {name}{arguments:x?}", self.version);
        let blob = guest.clone().call(self.id(name), arguments).halt(0, 0);
        let ran = self.refine(&blob);
        ran.last().check(expect, &what);

        let earlier = self.gas - ran.last().gas_before;
        let short = Self { gas: earlier + ran.last().cost() - 1, ..self.clone() }.refine(&blob);
        assert_eq!(short.last().exit, Some(GuestExit::OutOfGas), "{what} with too little gas");
        assert!(short.result.exports.is_empty(), "{what}: nothing is exported");
        ran
    }
}

/// The changes of a run that ended before it did anything, for code `blob` instead of its own.
fn untouched_own(world: &World, blob: &[u8], untouched: &Accumulated) -> tvm_runtime::jam::state::AccountChanges {
    let mut accounts = untouched.accounts.clone();
    if let Some(tvm_runtime::jam::state::AccountChange::Changed(own)) = accounts.0.get_mut(&SELF) {
        own.account.code_hash = Hash::of(blob);
    }
    assert_eq!(accounts.0.len(), 1, "only SELF changes in {:?}", world.version);
    accounts
}

fn ran<T>(run: impl FnOnce(&mut Recorder) -> T) -> Ran<T> {
    let mut recorder = Recorder::default();
    let result = run(&mut recorder);
    Ran { calls: recorder.calls.clone(), result, recorder }
}
