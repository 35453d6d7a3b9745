//! All rounds of a block (GP 12.2, Δ+), and on-transfer where a version has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tvm_isa::Gas;
use tvm_runtime::jam::types::{DeferredTransfer, Hash, ServiceId, TimeSlot};

use crate::node::accumulate::merge::merge;
use crate::node::accumulate::round::{Work, run_all, run_round};
use crate::node::accumulate::{
    AccumulateError, Invocation, Invoke, OuterRules, PartialState, ReturnedGas, ServiceUse, Transfers,
};
use crate::node::model::WorkReport;
use crate::node::spec::Spec;

/// What all services of a block are run with.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// Runs single services.
    pub invoke: &'a dyn Invoke,
    /// Threads for the services of a round.
    pub threads: usize,
    /// The version's rules.
    pub rules: &'a OuterRules,
    /// The chain.
    pub spec: &'a Spec,
    /// The block's slot.
    pub slot: TimeSlot,
    /// The block's entropy.
    pub entropy: Hash,
}

/// The result of all rounds.
#[derive(Debug)]
pub struct Finished {
    /// How many of the reports were accumulated (GP: n).
    pub reports: usize,
    /// The state after.
    pub state: PartialState,
    /// What services yielded (GP: b).
    pub yields: BTreeSet<(ServiceId, Hash)>,
    /// What the services used.
    pub used: BTreeMap<ServiceId, ServiceUse>,
}

impl Runner<'_> {
    /// Accumulates as many of `reports`, from the first on, as `gas` allows.
    ///
    /// # Errors
    /// When a service cannot be run, or the block is invalid.
    pub fn run(&self, gas: Gas, reports: &[WorkReport], state: PartialState) -> Result<Finished, AccumulateError> {
        let free = state.privileges.always_accumulate.clone();
        let mut rounds = Rounds {
            gas,
            transfers: Vec::new(),
            free,
            finished: Finished { reports: 0, state, yields: BTreeSet::new(), used: BTreeMap::new() },
        };
        while self.round(reports, &mut rounds)?.is_continue() {}
        let Rounds { transfers, mut finished, .. } = rounds;
        for digest in reports[..finished.reports].iter().flat_map(|report| &report.results) {
            finished.used.entry(digest.service_id).or_default().digests += 1;
        }
        if self.rules.transfers == Transfers::OnTransfer {
            self.on_transfers(&transfers, &mut finished)?;
        }
        Ok(finished)
    }

    fn round(&self, reports: &[WorkReport], rounds: &mut Rounds) -> Result<ControlFlow<()>, AccumulateError> {
        let Rounds { gas, transfers, free, finished } = rounds;
        let next_round = self.rules.transfers == Transfers::NextRound;
        let received = if next_round { std::mem::take(transfers) } else { Vec::new() };
        let waiting = &reports[finished.reports..];
        let fitting = self.fitting(*gas, waiting, &received, free);
        let work = Work { transfers: &received, reports: &waiting[..fitting], free };
        let idle = match self.rules.free_without_reports {
            true => work.services().is_empty(),
            false => fitting == 0,
        };
        if idle {
            return Ok(ControlFlow::Break(()));
        }

        let base = Invocation {
            state: &finished.state,
            slot: self.slot,
            entropy: self.entropy,
            service: ServiceId(0),
            gas: Gas(0),
            inputs: Vec::new(),
        };
        let outcomes = run_round(work, self.threads, &base, |invocation| self.invoke.accumulate(invocation))?;
        let state = merge(&finished.state, &outcomes, self.rules.privileges, self.slot, self.spec)?;

        let mut used: u64 = 0;
        for transfer in &received {
            finished.used.entry(transfer.destination).or_default().transfers += 1;
        }
        for (service, outcome) in outcomes {
            used = used.saturating_add(outcome.gas_used.0);
            finished.used.entry(service).or_default().gas += outcome.gas_used.0;
            finished.yields.extend(outcome.yielded.map(|hash| (service, hash)));
            transfers.extend(outcome.transfers);
        }
        let returned = match self.rules.returned {
            ReturnedGas::None => 0,
            ReturnedGas::Received => transfer_gas(&received),
            ReturnedGas::Made => transfer_gas(transfers),
        };
        *gas = Gas(gas.0.saturating_add(returned).saturating_sub(used));
        free.clear();
        finished.reports += fitting;
        finished.state = state;
        Ok(ControlFlow::Continue(()))
    }

    /// How many of the waiting reports fit into the gas.
    fn fitting(
        &self,
        gas: Gas,
        waiting: &[WorkReport],
        received: &[DeferredTransfer],
        free: &BTreeMap<ServiceId, Gas>,
    ) -> usize {
        let mut sum = u128::from(if self.rules.everything_counts { transfer_gas(received) } else { 0 });
        if self.rules.everything_counts {
            sum += free.values().map(|gas| u128::from(gas.0)).sum::<u128>();
        }
        let fits = |report: &&WorkReport| {
            sum += report.results.iter().map(|digest| u128::from(digest.accumulate_gas.0)).sum::<u128>();
            sum <= gas.0.into()
        };
        waiting.iter().take_while(fits).count()
    }

    /// Delivers all transfers to their receivers' on-transfer entries (GP 0.7.0 12.3).
    fn on_transfers(&self, transfers: &[DeferredTransfer], finished: &mut Finished) -> Result<(), AccumulateError> {
        let mut to: BTreeMap<ServiceId, Vec<DeferredTransfer>> = BTreeMap::new();
        for transfer in transfers {
            to.entry(transfer.destination).or_default().push(transfer.clone());
        }
        // Primarily by source; the sort keeps the order of each source's own.
        to.values_mut().for_each(|received| received.sort_by_key(|transfer| transfer.source));
        let base = Invocation {
            state: &finished.state,
            slot: self.slot,
            entropy: self.entropy,
            service: ServiceId(0),
            gas: Gas(0),
            inputs: Vec::new(),
        };
        let receivers: BTreeSet<ServiceId> = to.keys().copied().collect();
        let outcomes = run_all(&receivers, self.threads, |service| {
            let received = &to[&service];
            let gas = Gas(transfer_gas(received));
            self.invoke.on_transfer(Invocation { service, gas, ..base.clone() }, received)
        })?;
        let spec = self.spec;
        for (service, (changes, gas)) in outcomes {
            if changes.0.is_empty() {
                continue; // no such account: the tokens are lost, and nothing is counted
            }
            finished.state.state.apply(&changes, spec);
            let used = finished.used.entry(service).or_default();
            used.on_transfer = Some((to[&service].len() as u64, gas.0));
        }
        Ok(())
    }
}

/// Where the rounds are.
struct Rounds {
    gas: Gas,
    transfers: Vec<DeferredTransfer>,
    free: BTreeMap<ServiceId, Gas>,
    finished: Finished,
}

fn transfer_gas(transfers: &[DeferredTransfer]) -> u64 {
    transfers.iter().fold(0, |sum, transfer| sum.saturating_add(transfer.gas.0))
}
