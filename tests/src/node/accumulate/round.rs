//! One round: every service with something to do runs once, all on the same state (GP 12.2, Δ* and Δ1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tvm_isa::Gas;
use tvm_runtime::Error;
use tvm_runtime::jam::Accumulated;
use tvm_runtime::jam::types::{AccumulationInput, DeferredTransfer, Operand, ServiceId};

use crate::node::accumulate::{AccumulateError, Invocation};
use crate::node::model::WorkReport;

/// What a round has to do.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// Transfers made in the round before.
    pub transfers: &'a [DeferredTransfer],
    /// Reports to accumulate.
    pub reports: &'a [WorkReport],
    /// Services that accumulate for free, with their gas.
    pub free: &'a BTreeMap<ServiceId, Gas>,
}

impl Work<'_> {
    /// The services that have something to do, ascending.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ServiceId> {
        let digests = self.reports.iter().flat_map(|report| &report.results).map(|digest| digest.service_id);
        let receivers = self.transfers.iter().map(|transfer| transfer.destination);
        digests.chain(receivers).chain(self.free.keys().copied()).collect()
    }

    /// The gas limit and the inputs of one service.
    #[must_use]
    pub fn of(&self, service: ServiceId) -> (Gas, Vec<AccumulationInput>) {
        let received = self.transfers.iter().filter(|transfer| transfer.destination == service);
        let digests = self
            .reports
            .iter()
            .flat_map(|report| report.results.iter().map(move |digest| (report, digest)))
            .filter(|(_, digest)| digest.service_id == service);

        let free = self.free.get(&service).into_iter().copied();
        let limits = free
            .chain(received.clone().map(|transfer| transfer.gas))
            .chain(digests.clone().map(|(_, digest)| digest.accumulate_gas));
        let gas = limits.fold(0, |sum: u64, limit| sum.saturating_add(limit.0));

        let operands = digests.map(|(report, digest)| {
            AccumulationInput::Operand(Operand {
                package_hash: report.package(),
                exports_root: report.package_spec.exports_root,
                authorizer_hash: report.authorizer_hash,
                payload_hash: digest.payload_hash,
                gas_limit: digest.accumulate_gas,
                result: digest.result.clone(),
                auth_trace: report.auth_output.clone(),
            })
        });
        (Gas(gas), received.cloned().map(AccumulationInput::Transfer).chain(operands).collect())
    }
}

/// Runs the services on up to `threads` threads; gives their outcomes in the services' order.
///
/// # Errors
/// The error of the first service, in their order, that could not be run.
pub fn run_all<T: Send>(
    services: &BTreeSet<ServiceId>,
    threads: usize,
    run: impl Fn(ServiceId) -> Result<T, Error> + Sync,
) -> Result<Vec<(ServiceId, T)>, AccumulateError> {
    let services: Vec<ServiceId> = services.iter().copied().collect();
    let outcomes: Vec<Mutex<Option<Result<T, Error>>>> = services.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < services.len()) {
            let outcome = run(services[index]);
            *outcomes[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(services.len()) {
            scope.spawn(work);
        }
        work();
    });
    let taken = outcomes.into_iter().map(|slot| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    let not_run = || Err(Error::Internal("the thread that should run it ended early".to_owned()));
    let named = services.into_iter().zip(taken.map(|outcome| outcome.unwrap_or_else(not_run)));
    named
        .map(|(service, outcome)| Ok((service, outcome.map_err(|error| AccumulateError::Invoke(service, error))?)))
        .collect()
}

/// Runs every service of the round on `base`, an invocation that lacks service, gas and inputs.
///
/// # Errors
/// When a service could not be run.
pub fn run_round(
    work: Work<'_>,
    threads: usize,
    base: &Invocation<'_>,
    invoke: impl Fn(&Invocation<'_>) -> Result<Accumulated, Error> + Sync,
) -> Result<Vec<(ServiceId, Accumulated)>, AccumulateError> {
    run_all(&work.services(), threads, |service| {
        let (gas, inputs) = work.of(service);
        invoke(&Invocation { service, gas, inputs, ..base.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::testing::{report, transfer};

    #[test]
    fn transfers_come_before_digests_and_all_gas_adds_up() {
        let reports = [report(1, &[], &[(5, 100), (6, 1)]), report(2, &[], &[(5, 20)])];
        let transfers = [transfer(9, 5, 3), transfer(9, 7, 50)];
        let free = BTreeMap::from([(ServiceId(5), Gas(4000)), (ServiceId(8), Gas(1))]);
        let work = Work { transfers: &transfers, reports: &reports, free: &free };
        assert_eq!(work.services(), BTreeSet::from([5, 6, 7, 8].map(ServiceId)));

        let (gas, inputs) = work.of(ServiceId(5));
        assert_eq!(gas, Gas(4123));
        let packages: Vec<Option<u8>> = inputs
            .iter()
            .map(|input| match input {
                AccumulationInput::Transfer(_) => None,
                AccumulationInput::Operand(operand) => Some(operand.package_hash.0[0]),
            })
            .collect();
        assert_eq!(packages, [None, Some(1), Some(2)]);
        assert_eq!(work.of(ServiceId(8)), (Gas(1), vec![]));
    }

    #[test]
    fn gas_limits_do_not_wrap() {
        let reports = [report(1, &[], &[(5, u64::MAX), (5, 1)])];
        let work = Work { transfers: &[], reports: &reports, free: &BTreeMap::new() };
        assert_eq!(work.of(ServiceId(5)).0, Gas(u64::MAX));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_order() {
        let services: BTreeSet<ServiceId> = (0..100).map(ServiceId).collect();
        let expected: Vec<(ServiceId, u32)> = services.iter().map(|service| (*service, service.0 * 2)).collect();
        for threads in [0, 1, 3, 200] {
            let found = run_all(&services, threads, |service| Ok(service.0 * 2)).expect("no errors");
            assert_eq!(found, expected, "{threads} threads");
        }
        let failing =
            |service: ServiceId| if service.0 % 10 == 7 { Err(Error::Host("broken disk".into())) } else { Ok(()) };
        let error = run_all(&services, 3, failing).expect_err("services 7, 17 and so on fail");
        assert!(matches!(error, AccumulateError::Invoke(ServiceId(7), _)), "{error}");
    }
}
