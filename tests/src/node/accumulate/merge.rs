//! Putting together what the services of a round changed (GP 12.2, eq:accpar).

use std::collections::BTreeSet;

use tvm_runtime::jam::state::{AccountChange, AccountChanges};
use tvm_runtime::jam::types::{Privileges, ServiceId, TimeSlot};

use crate::node::accumulate::{AccumulateError, Outcome, PartialState, PrivilegeMerge};
use crate::node::preimages::provide;
use crate::node::spec::Spec;

/// The outcomes of a round, ascending by service.
pub type Outcomes = [(ServiceId, Outcome)];

/// The state after a round.
///
/// # Errors
/// When two services created the same account, or the state does not decode.
pub fn merge(
    before: &PartialState,
    outcomes: &Outcomes,
    rule: PrivilegeMerge,
    slot: TimeSlot,
    spec: &Spec,
) -> Result<PartialState, AccumulateError> {
    let mut after = before.clone();
    merge_accounts(&mut after, outcomes, spec)?;
    for (service, blob) in outcomes.iter().flat_map(|(_, outcome)| &outcome.provisions) {
        provide(&mut after.state, *service, blob, slot, spec)?;
    }

    let of = |service: ServiceId| find(outcomes, service);
    let owners = &before.privileges;
    after.privileges = merge_privileges(owners, outcomes, rule);
    if let Some(outcome) = of(owners.delegator) {
        after.staging = outcome.staging.clone();
    }
    for (core, assigner) in owners.assigners.iter().enumerate() {
        if let Some(outcome) = of(*assigner) {
            after.queues[core] = outcome.queues[core].clone();
        }
    }
    Ok(after)
}

fn find(outcomes: &Outcomes, service: ServiceId) -> Option<&Outcome> {
    let at = outcomes.binary_search_by_key(&service, |(service, _)| *service).ok()?;
    Some(&outcomes[at].1)
}

fn merge_accounts(after: &mut PartialState, outcomes: &Outcomes, spec: &Spec) -> Result<(), AccumulateError> {
    let changes = || outcomes.iter().flat_map(|(_, outcome)| &outcome.accounts.0);
    let is_removal = |change: &AccountChange| matches!(change, AccountChange::Removed(_));

    let mut created = BTreeSet::new();
    for (service, change) in changes() {
        let is_new = matches!(change, AccountChange::Changed(delta) if delta.created);
        if is_new && !created.insert(*service) {
            return Err(AccumulateError::CreatedTwice(*service));
        }
    }
    // An ejected account is gone, even when it ran or received tokens in the same round.
    let select = |removals: bool| {
        let selected = changes().filter(|(_, change)| is_removal(change) == removals);
        AccountChanges(selected.map(|(service, change)| (*service, change.clone())).collect())
    };
    after.state.apply(&select(false), spec);
    after.state.apply(&select(true), spec);
    Ok(())
}

fn merge_privileges(owners: &Privileges, outcomes: &Outcomes, rule: PrivilegeMerge) -> Privileges {
    let of = |service: ServiceId| find(outcomes, service).map_or(owners, |outcome| &outcome.privileges);
    let by_manager = of(owners.manager);
    // (GP: R) The manager's change, or else that of the service the privilege belongs to.
    let changed = |old: ServiceId, managed: ServiceId, owned: ServiceId| if managed == old { owned } else { managed };
    let (assigners, delegator, registrar) = match rule {
        PrivilegeMerge::ManagerOrOwner => {
            let assigner =
                |(core, old): (usize, &ServiceId)| changed(*old, by_manager.assigners[core], of(*old).assigners[core]);
            (
                owners.assigners.iter().enumerate().map(assigner).collect(),
                changed(owners.delegator, by_manager.delegator, of(owners.delegator).delegator),
                changed(owners.registrar, by_manager.registrar, of(owners.registrar).registrar),
            )
        }
        PrivilegeMerge::NamedByManager => {
            let assigner = |(core, named): (usize, &ServiceId)| of(*named).assigners[core];
            (
                by_manager.assigners.iter().enumerate().map(assigner).collect(),
                of(by_manager.delegator).delegator,
                by_manager.registrar,
            )
        }
    };
    Privileges {
        manager: by_manager.manager,
        assigners,
        delegator,
        registrar,
        always_accumulate: by_manager.always_accumulate.clone(),
    }
}
