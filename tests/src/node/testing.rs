//! Small states and reports for unit tests, and services that need no code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tvm_isa::Gas;
use tvm_runtime::Error;
use tvm_runtime::jam::state::{AccountChange, AccountChanges, AccountDelta, Accounts};
use tvm_runtime::jam::types::{
    AUTHORIZER_QUEUE_LEN, DeferredTransfer, Hash, Privileges, ServiceAccount, ServiceId, TimeSlot,
};
use tvm_runtime::jam::{Accumulated, InvocationEnd, Transferred};

use crate::node::accumulate::{Invocation, Invoke, PartialState};
use crate::node::codec::Natural;
use crate::node::model::{PackageSpec, RefineContext, RefineLoad, SegmentRoot, WorkDigest, WorkReport};
use crate::node::spec::{Spec, TINY};
use crate::node::state::Dictionary;

/// The hash that is this byte repeated.
pub fn hash(byte: u8) -> Hash {
    Hash([byte; 32])
}

/// A report of package `package` that depends on `prerequisites`, with digests for these services.
pub fn report(package: u8, prerequisites: &[u8], digests: &[(u32, u64)]) -> WorkReport {
    let digest = |&(service, gas): &(u32, u64)| WorkDigest {
        service_id: ServiceId(service),
        code_hash: Hash::default(),
        payload_hash: Hash::default(),
        accumulate_gas: Gas(gas),
        result: Ok(Arc::from([package])),
        refine_load: RefineLoad {
            gas_used: Natural(0),
            imports: Natural(0),
            extrinsic_count: Natural(0),
            extrinsic_size: Natural(0),
            exports: Natural(0),
        },
    };
    WorkReport {
        package_spec: PackageSpec {
            hash: hash(package),
            length: 1,
            erasure_root: Hash::default(),
            exports_root: Hash::default(),
            exports_count: 0,
        },
        context: RefineContext {
            anchor: Hash::default(),
            state_root: Hash::default(),
            beefy_root: Hash::default(),
            lookup_anchor: Hash::default(),
            lookup_anchor_slot: TimeSlot(0),
            prerequisites: prerequisites.iter().copied().map(hash).collect(),
        },
        core_index: Natural(0),
        authorizer_hash: Hash::default(),
        auth_gas_used: Natural(0),
        auth_output: Arc::from([]),
        segment_root_lookup: Vec::new(),
        results: digests.iter().map(digest).collect(),
    }
}

/// The same report with a segment of another package imported.
pub fn importing(mut report: WorkReport, package: u8) -> WorkReport {
    let root = SegmentRoot { work_package_hash: hash(package), segment_tree_root: Hash::default() };
    report.segment_root_lookup.push(root);
    report
}

/// A state with these services, owned by nobody.
pub fn state(services: &[u32], spec: &Spec) -> PartialState {
    let mut state = Dictionary::default();
    for service in services {
        state.set_account(ServiceId(*service), &ServiceAccount { balance: 1000, ..Default::default() }, spec);
    }
    let queue = Arc::new([Hash::default(); AUTHORIZER_QUEUE_LEN]);
    PartialState {
        state,
        staging: Arc::from([0]),
        queues: vec![queue; spec.cores.into()],
        privileges: Arc::new(Privileges { assigners: vec![ServiceId(0); spec.cores.into()], ..Privileges::default() }),
    }
}

/// An outcome in which `service` changed nothing and used this gas.
pub fn outcome(state: &PartialState, service: u32, gas_used: u64) -> Accumulated {
    let service = ServiceId(service);
    let account = state.accounts(&TINY).account(service).expect("a readable state");
    let delta = account.map(|account| (service, AccountChange::Changed(AccountDelta::unchanged(account))));
    Accumulated {
        end: InvocationEnd::Halt,
        gas_used: Gas(gas_used),
        accounts: AccountChanges(delta.into_iter().collect()),
        privileges: None,
        staging: None,
        queues: BTreeMap::new(),
        transfers: Vec::new(),
        yielded: None,
        provisions: BTreeMap::new(),
    }
}

/// A transfer without tokens.
pub fn transfer(source: u32, destination: u32, gas: u64) -> DeferredTransfer {
    DeferredTransfer {
        source: ServiceId(source),
        destination: ServiceId(destination),
        amount: 0,
        memo: [0; 128],
        gas: Gas(gas),
    }
}

/// Runs each service by a function, and notes with how much gas and how many inputs each was run.
pub struct Scripted<F> {
    script: F,
    calls: Mutex<Vec<(u32, u64, usize)>>,
}

impl<F> Scripted<F> {
    pub fn new(script: F) -> Self {
        Self { script, calls: Mutex::default() }
    }

    /// The calls so far: service, gas, number of inputs.
    pub fn calls(&self) -> Vec<(u32, u64, usize)> {
        self.calls.lock().expect("no panic in a script").clone()
    }
}

impl<F: Fn(&Invocation<'_>) -> Accumulated + Sync> Invoke for Scripted<F> {
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error> {
        let call = (invocation.service.0, invocation.gas.0, invocation.inputs.len());
        self.calls.lock().expect("no panic in a script").push(call);
        Ok((self.script)(invocation))
    }

    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error> {
        let call = (invocation.service.0, invocation.gas.0, transfers.len());
        self.calls.lock().expect("no panic in a script").push(call);
        let Accumulated { end, gas_used, accounts, .. } = (self.script)(invocation);
        Ok(Transferred { end, gas_used, accounts })
    }
}
