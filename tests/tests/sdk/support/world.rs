//! A chain to run services in, on all engines at once.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use tvm_isa::{Gas, GpVersion, StandardProgram, split_metadata};
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::observer::Observer;
use tvm_runtime::jam::state::{AccountChange, AccountDelta};
use tvm_runtime::jam::types::{
    AccumulationInput, Bytes, DeferredTransfer, ExtrinsicSpec, Hash, ImportSpec, Operand, Privileges,
    RefinementContext, ServiceAccount, ServiceId, TimeSlot, Timeline, WorkItem, WorkPackage, WorkResult,
};
use tvm_runtime::jam::{
    AccumulateInput, Accumulated, Authorized, Chain, InvocationEnd, IsAuthorizedInput, RefineInput, Refined,
    accumulate, is_authorized, refine,
};
use tvm_runtime::{Engine, Error, GuestExit};
use tvm_tests::{engines, guests};

use super::accounts::MemoryAccounts;
use super::commands::{Answers, Commands};
use super::recorder::{CallSeen, Recorder};
use super::{costs, heap};

/// The versions that the SDK guests are built for.
pub const VERSIONS: [GpVersion; 2] = [GpVersion::V0_7_2, GpVersion::V0_8_0];
/// The service that has the code under test.
pub const SELF: ServiceId = ServiceId(0x0001_2345);
/// Another one.
pub const OTHER: ServiceId = ServiceId(0x0002_0000);
/// One that holds all privileges at the start.
pub const ROOT: ServiceId = ServiceId(7);
/// There is no such service.
pub const NOBODY: ServiceId = ServiceId(99);

/// Where [`World::accumulate_commands`] has the probe store its results.
const RESULTS_KEY: &[u8] = b"results";

/// Gas that is enough for every test.
const PLENTY: Gas = Gas(900_000_000);

/// A chain, and what its next invocation is about.
#[derive(Clone)]
pub struct World {
    pub version: GpVersion,
    pub constants: ChainConstants,
    pub accounts: MemoryAccounts,
    pub privileges: Privileges,
    pub slot: TimeSlot,
    pub entropy: Hash,
    pub gas: Gas,
    /// The code of SELF.
    pub code: Vec<u8>,
    pub inputs: Vec<AccumulationInput>,
    pub package: WorkPackage,
    pub auth_trace: Vec<u8>,
    pub imports: Vec<Vec<Bytes>>,
    pub extrinsics: Vec<Vec<Bytes>>,
    pub export_offset: u64,
}

/// What came of an invocation, and what it looked like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran<T> {
    pub result: T,
    pub seen: Recorder,
}

impl World {
    /// The tiny chain in slot 1000, in which SELF is the probe.
    pub fn new(version: GpVersion) -> Self {
        Self::with_service(version, "probe")
    }

    /// The same, in which SELF is another guest.
    pub fn with_service(version: GpVersion, guest: &str) -> Self {
        let code = guests::blob(version, guest).expect("the guest's blob");
        let mut accounts = MemoryAccounts::default();
        accounts.add(SELF, 10_000_000, Hash::of(&code));
        accounts.provide(SELF, &code, Timeline::Available(TimeSlot(20)));
        accounts.add(OTHER, 50_000, Hash([7; 32]));
        let hash = |byte| Hash([byte; 32]);
        let context = RefinementContext {
            anchor: hash(0xa1),
            anchor_slot: TimeSlot(995),
            state_root: hash(0xa2),
            beefy_root: hash(0xa3),
            lookup_anchor: hash(0xa4),
            lookup_anchor_slot: TimeSlot(980),
            lookup_anchor_state_root: hash(0xa5),
            prerequisites: vec![hash(0xb1), hash(0xb2)],
        };
        let extrinsics: Vec<Vec<Bytes>> = vec![vec![b"first item's".as_slice().into()], data(&[&[1, 2, 3], &[]])];
        let item = |service, code_hash, extrinsics: &[Bytes], imports: &[(u8, bool, u16)]| WorkItem {
            service,
            code_hash,
            payload: b"payload".to_vec(),
            refine_gas: PLENTY,
            accumulate_gas: Gas(5_000_000),
            export_count: 3,
            imports: imports
                .iter()
                .map(|&(root, by_package, index)| ImportSpec { tree_root: hash(root), by_package, index })
                .collect(),
            extrinsics: extrinsics
                .iter()
                .map(|bytes| ExtrinsicSpec { hash: Hash::of(bytes), len: bytes.len() as u32 })
                .collect(),
        };
        let items = vec![
            item(OTHER, hash(7), &extrinsics[0], &[(0xc1, false, 5)]),
            item(SELF, Hash::of(&code), &extrinsics[1], &[(0xc2, true, 0), (0xc3, false, 2047)]),
        ];
        Self {
            version,
            constants: ChainConstants::tiny(),
            accounts,
            privileges: Privileges {
                manager: ROOT,
                assigners: vec![ROOT; 2],
                delegator: ROOT,
                registrar: ROOT,
                always_accumulate: [(ROOT, Gas(5))].into(),
            },
            slot: TimeSlot(1000),
            entropy: Hash([0xee; 32]),
            gas: PLENTY,
            code,
            inputs: Vec::new(),
            package: WorkPackage {
                auth_code_host: SELF,
                auth_code_hash: hash(0xd1),
                context,
                authorization: b"the token".to_vec(),
                authorizer_config: b"the configuration".to_vec(),
                items,
            },
            auth_trace: b"the trace".to_vec(),
            imports: vec![data(&[&[0x11; 4104]]), data(&[&[0x22; 4104], &[0x33; 4104]])],
            extrinsics,
            export_offset: 0,
        }
    }

    fn chain(&self) -> Chain<'_> {
        Chain { version: self.version, constants: &self.constants, accounts: &self.accounts }
    }

    /// SELF's account before anything runs.
    pub fn own(&self) -> ServiceAccount {
        self.accounts.clone().of(SELF).clone()
    }

    /// Accumulates SELF with the inputs there are.
    pub fn accumulate(&self) -> Ran<Accumulated> {
        self.on_all(|engine, observer| self.accumulate_on(engine, observer))
    }

    /// The same on one engine.
    pub fn accumulate_on(&self, engine: &Engine, observer: Option<&mut dyn Observer>) -> Result<Accumulated, Error> {
        let input = AccumulateInput {
            chain: self.chain(),
            privileges: &Arc::new(self.privileges.clone()),
            slot: self.slot,
            entropy: self.entropy,
            service: SELF,
            gas: self.gas,
            inputs: &self.inputs,
        };
        accumulate(engine, &input, observer)
    }

    /// Accumulates the probe with one work item of these commands; their results are stored, for [`Ran::answers`].
    pub fn accumulate_commands(&self, commands: &Commands) -> Ran<Accumulated> {
        self.accumulate_without_results(&commands.clone().store(RESULTS_KEY))
    }

    /// The same without storing the results.
    pub fn accumulate_without_results(&self, commands: &Commands) -> Ran<Accumulated> {
        let mut world = self.clone();
        world.inputs = vec![work_item(Ok(commands.work_output().into()))];
        world.accumulate()
    }

    /// Refines the second item with the payload it has.
    pub fn refine(&self) -> Ran<Refined> {
        self.on_all(|engine, observer| self.refine_on(engine, observer))
    }

    /// The same on one engine.
    pub fn refine_on(&self, engine: &Engine, observer: Option<&mut dyn Observer>) -> Result<Refined, Error> {
        let input = RefineInput {
            chain: self.chain(),
            core: 1,
            package: &self.package,
            item: 1,
            auth_trace: &self.auth_trace,
            imports: &self.imports,
            extrinsics: &self.extrinsics,
            export_offset: self.export_offset,
        };
        refine(engine, &input, observer)
    }

    /// This world with these refine commands as the second item's payload.
    pub fn with_refine_commands(&self, commands: &Commands) -> Self {
        let mut world = self.clone();
        world.package.items[1].payload = commands.payload(&Commands::new());
        world.package.items[1].refine_gas = self.gas;
        world
    }

    /// Refines the probe with these commands.
    pub fn refine_commands(&self, commands: &Commands) -> Ran<Refined> {
        self.with_refine_commands(commands).refine()
    }

    /// Asks the authorizer for core 1.
    pub fn is_authorized(&self) -> Ran<Authorized> {
        self.on_all(|engine, observer| {
            let input = IsAuthorizedInput { chain: self.chain(), package: &self.package, core: 1 };
            is_authorized(engine, &input, observer)
        })
    }

    /// Runs interpreted and compiled on both tiers, which must agree on everything, and once more with nobody watching.
    fn on_all<T: Clone + PartialEq + Debug>(
        &self,
        run: impl Fn(&Engine, Option<&mut dyn Observer>) -> Result<T, Error>,
    ) -> Ran<T> {
        static ENGINES: OnceLock<[Engine; 3]> = OnceLock::new();
        let engines = ENGINES.get_or_init(engines::all);
        let [reference, fast, mut best] = engines.each_ref().map(|engine| {
            let mut seen = Recorder::default();
            let result = run(engine, Some(&mut seen)).expect("TVM works");
            Ran { result, seen }
        });
        // On the best tier a service that does not halt shows no registers (see `Observed`).
        if let (Some((_, expected)), Some((exit, found))) = (&reference.seen.end, &mut best.seen.end)
            && *exit != GuestExit::Halt
        {
            found.regs = expected.regs;
        }
        for (tier, ran) in [("fast", &fast), ("best", &best)] {
            for (call, expected) in ran.seen.calls.iter().zip(&reference.seen.calls) {
                assert_eq!(call, expected, "{}: {tier} and interpreted differ in a host call", self.version);
            }
            assert_eq!(*ran, reference, "{}: {tier} and interpreted differ", self.version);
        }
        let ran = best;
        assert_eq!(run(&engines[2], None).expect("TVM works"), ran.result, "an observer changes nothing");
        let (_, program) = split_metadata(&self.code).expect("metadata");
        let sizes = StandardProgram::parse(program).expect("a standard program").sizes();
        costs::check(self.version, &ran.seen.calls, heap::end_page(sizes));
        ran
    }
}

impl<T> Ran<T> {
    /// The calls of this name.
    pub fn calls(&self, name: &str) -> Vec<&CallSeen> {
        self.seen.calls.iter().filter(|call| call.name == Some(name)).collect()
    }

    /// The last host call.
    pub fn last_call(&self) -> &CallSeen {
        self.seen.calls.last().expect("the SDK makes a call at least")
    }
}

impl Ran<Refined> {
    /// The results of the refine commands.
    pub fn answers(&self) -> Answers {
        let output = self.result.result.as_ref().expect("refine has an output");
        let (len, rest) = output.split_first_chunk::<4>().expect("their length");
        let (results, accumulate) = rest.split_at(u32::from_le_bytes(*len) as usize);
        assert!(accumulate.is_empty(), "nothing was left to accumulate");
        Answers::new(results)
    }

    /// φ7 after each call.
    pub fn codes(&self) -> Vec<u64> {
        self.answers().codes()
    }
}

impl Ran<Accumulated> {
    /// The changes of SELF.
    pub fn own(&self) -> AccountDelta {
        match self.result.accounts.get(SELF) {
            Some(AccountChange::Changed(delta)) => delta.clone(),
            other => panic!("SELF is always changed, and never removed: {other:?}"),
        }
    }

    /// The results of the accumulate commands.
    pub fn answers(&self) -> Answers {
        assert_eq!(self.result.end, InvocationEnd::Halt);
        let stored = self.own().storage.get(RESULTS_KEY).cloned().flatten();
        Answers::new(&stored.expect("the results are stored"))
    }

    /// φ7 after each call.
    pub fn codes(&self) -> Vec<u64> {
        self.answers().codes()
    }

    /// What happened to SELF, but for the entry that holds the results.
    pub fn changes(&self) -> AccountDelta {
        let mut delta = self.own();
        let results = delta.storage.remove(RESULTS_KEY).flatten().expect("the results are stored");
        delta.account.items -= 1;
        delta.account.octets -= 34 + (RESULTS_KEY.len() + results.len()) as u64;
        delta
    }

    /// Nothing came of it but changes of SELF.
    pub fn check_nothing_else(&self) {
        let Accumulated { accounts, privileges, staging, queues, transfers, yielded, provisions, .. } = &self.result;
        assert!(accounts.0.keys().eq([&SELF]), "only SELF changes");
        assert!(privileges.is_none() && staging.is_none() && queues.is_empty());
        assert!(transfers.is_empty() && yielded.is_none() && provisions.is_empty());
    }
}

/// An accumulation input with this result.
pub fn work_item(result: WorkResult) -> AccumulationInput {
    AccumulationInput::Operand(Operand {
        package_hash: Hash([0xf1; 32]),
        exports_root: Hash([0xf2; 32]),
        authorizer_hash: Hash([0xf3; 32]),
        payload_hash: Hash([0xf4; 32]),
        gas_limit: Gas(5_000_000),
        result,
        auth_trace: b"trace".as_slice().into(),
    })
}

/// An incoming transfer whose memo starts with these bytes.
pub fn transfer(amount: u64, memo: &[u8]) -> AccumulationInput {
    AccumulationInput::Transfer(DeferredTransfer {
        source: OTHER,
        destination: SELF,
        amount,
        memo: self::memo(memo),
        gas: Gas(1234),
    })
}

/// A memo that starts with these bytes.
pub fn memo(start: &[u8]) -> [u8; 128] {
    let mut memo = [0; 128];
    memo[..start.len()].copy_from_slice(start);
    memo
}

fn data(blobs: &[&[u8]]) -> Vec<Bytes> {
    blobs.iter().map(|blob| Bytes::from(*blob)).collect()
}
