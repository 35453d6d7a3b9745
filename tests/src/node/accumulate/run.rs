//! All rounds of a block (GP 12.2, Δ+), and on-transfer where a version has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tvm_isa::Gas;
use tvm_runtime::jam::constants::ChainConstants;
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
    /// The chain's formats.
    pub spec: &'a Spec,
    /// The chain's constants.
    pub constants: &'a ChainConstants,
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
        let idle = fitting == 0
            && match self.rules.free_without_reports {
                true => received.is_empty() && free.is_empty(),
                false => true,
            };
        if idle {
            return Ok(ControlFlow::Break(()));
        }

        let base = self.invocation(&finished.state);
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

    /// An invocation without service, gas and inputs.
    fn invocation<'s>(&'s self, state: &'s PartialState) -> Invocation<'s> {
        let Self { spec, constants, slot, entropy, .. } = *self;
        Invocation { spec, constants, state, slot, entropy, service: ServiceId(0), gas: Gas(0), inputs: Vec::new() }
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
        let base = self.invocation(&finished.state);
        let receivers: BTreeSet<ServiceId> = to.keys().copied().collect();
        let outcomes = run_all(&receivers, self.threads, |service| {
            let received = &to[&service];
            let gas = Gas(transfer_gas(received));
            self.invoke.on_transfer(&Invocation { service, gas, ..base.clone() }, received)
        })?;
        let spec = self.spec;
        for (service, outcome) in outcomes {
            if outcome.accounts.0.is_empty() {
                continue; // no such account: the tokens are lost, and nothing is counted
            }
            finished.state.state.apply(&outcome.accounts, spec);
            let used = finished.used.entry(service).or_default();
            used.on_transfer = Some((to[&service].len() as u64, outcome.gas_used.0));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tvm_isa::GpVersion;
    use tvm_runtime::jam::Accumulated;
    use tvm_runtime::jam::types::Privileges;

    use super::*;
    use crate::node::spec::TINY;
    use crate::node::testing::{Scripted, outcome, report, state, transfer};

    fn run(
        version: GpVersion,
        gas: u64,
        reports: &[WorkReport],
        free: &[(u32, u64)],
        script: impl Fn(&Invocation<'_>) -> Accumulated + Sync,
    ) -> (Finished, Vec<(u32, u64, usize)>) {
        let mut start = state(&[1, 2, 3], &TINY);
        let always_accumulate = free.iter().map(|(id, gas)| (ServiceId(*id), Gas(*gas))).collect();
        start.privileges = Arc::new(Privileges { always_accumulate, ..(*start.privileges).clone() });
        let invoke = Scripted::new(script);
        let rules = OuterRules::of(version);
        let runner = Runner {
            invoke: &invoke,
            threads: 1,
            rules,
            spec: &TINY,
            constants: &ChainConstants::tiny(),
            slot: TimeSlot(7),
            entropy: Hash::default(),
        };
        let finished = runner.run(Gas(gas), reports, start).expect("no errors");
        let calls = invoke.calls();
        (finished, calls)
    }

    /// Every service uses 60 gas; service 1 sends service 2 a transfer with 500 gas when it has a digest.
    fn sender(invocation: &Invocation<'_>) -> Accumulated {
        let mut outcome = outcome(invocation.state, invocation.service.0, 60);
        if invocation.service == ServiceId(1) {
            outcome.transfers.push(transfer(1, 2, 500));
        }
        outcome
    }

    #[test]
    fn unused_gas_lets_later_reports_in() {
        let reports = [report(1, &[], &[(3, 100)]), report(2, &[], &[(3, 100)]), report(3, &[], &[(3, 100)])];
        let (finished, calls) = run(GpVersion::V0_7_2, 210, &reports, &[], sender);
        assert_eq!(calls, [(3, 200, 2), (3, 100, 1)], "210 − 60 leaves enough for the third");
        assert_eq!(finished.reports, 3);
        assert_eq!(finished.used[&ServiceId(3)], ServiceUse { digests: 3, gas: 120, ..Default::default() });

        let (finished, calls) = run(GpVersion::V0_7_2, 159, &reports, &[], sender);
        assert_eq!((finished.reports, calls.len()), (1, 1), "159 − 60 does not");
    }

    #[test]
    fn transfers_run_their_receiver_in_the_next_round() {
        let (finished, calls) = run(GpVersion::V0_7_2, 100, &[report(1, &[], &[(1, 100)])], &[], sender);
        assert_eq!(calls, [(1, 100, 1), (2, 500, 1)]);
        assert_eq!(finished.used[&ServiceId(2)], ServiceUse { transfers: 1, gas: 60, ..Default::default() });
    }

    #[test]
    fn gas_of_transfers_is_not_taken_from_reports() {
        let reports = [report(1, &[], &[(1, 100)]), report(2, &[], &[(3, 300)])];
        // 0.7.2: 40 are left for the second round, and with what the transfer brought 480 for the third.
        let (_, calls) = run(GpVersion::V0_7_2, 100, &reports, &[], sender);
        assert_eq!(calls, [(1, 100, 1), (2, 500, 1), (3, 300, 1)]);
        // 0.8.0: 540 are left for the second round, of which the transfer takes 500; 480 are left for the third.
        let (_, calls) = run(GpVersion::V0_8_0, 100, &reports, &[], sender);
        assert_eq!(calls, [(1, 100, 1), (2, 500, 1), (3, 300, 1)]);
        for version in [GpVersion::V0_7_2, GpVersion::V0_8_0] {
            let reports_that_fit = |gas| {
                let reports = [reports[0].clone(), report(2, &[], &[(3, gas)])];
                run(version, 100, &reports, &[], sender).0.reports
            };
            assert_eq!([480, 481].map(reports_that_fit), [2, 1], "{version}");
        }
    }

    #[test]
    fn free_gas_counts_towards_the_limit_in_0_8_0_only() {
        let reports = [report(1, &[], &[(3, 100)])];
        let free = [(2, 50)];
        let (_, calls) = run(GpVersion::V0_7_2, 100, &reports, &free, sender);
        assert_eq!(calls, [(2, 50, 0), (3, 100, 1)]);
        let (finished, calls) = run(GpVersion::V0_8_0, 149, &reports, &free, sender);
        assert_eq!((calls, finished.reports), (vec![(2, 50, 0)], 0));
        let (finished, _) = run(GpVersion::V0_8_0, 150, &reports, &free, sender);
        assert_eq!(finished.reports, 1);
    }

    #[test]
    fn free_services_run_once_and_in_0_7_0_only_with_reports() {
        let (_, calls) = run(GpVersion::V0_7_2, 100, &[], &[(2, 50)], sender);
        assert_eq!(calls, [(2, 50, 0)]);
        let (_, calls) = run(GpVersion::V0_7_0, 100, &[], &[(2, 50)], sender);
        assert_eq!(calls, []);
        let (_, calls) = run(GpVersion::V0_7_0, 100, &[report(1, &[], &[(3, 9)])], &[(2, 50)], sender);
        assert_eq!(calls, [(2, 50, 0), (3, 9, 1)]);
    }

    #[test]
    fn on_transfer_comes_after_all_rounds() {
        let reports = [report(1, &[], &[(1, 100)]), report(2, &[], &[(1, 100)])];
        let (finished, calls) = run(GpVersion::V0_7_0, 160, &reports, &[], sender);
        assert_eq!(calls, [(1, 100, 1), (1, 100, 1), (2, 1000, 2)]);
        let received = finished.used[&ServiceId(2)];
        assert_eq!(received, ServiceUse { on_transfer: Some((2, 60)), ..Default::default() });
    }

    #[test]
    fn nothing_to_do_is_no_round() {
        let (finished, calls) = run(GpVersion::V0_7_2, 99, &[report(1, &[], &[(1, 100)])], &[], sender);
        assert_eq!((finished.reports, calls.len(), finished.used.len()), (0, 0, 0));
    }

    #[test]
    fn a_report_without_digests_still_counts() {
        let (finished, calls) = run(GpVersion::V0_7_2, 0, &[report(1, &[], &[])], &[], sender);
        assert_eq!((finished.reports, calls.len()), (1, 0));
    }
}
