//! Putting together what the services of a round changed (GP 12.2, eq:accpar).

use std::collections::BTreeSet;
use std::sync::Arc;

use tvm_runtime::jam::Accumulated;
use tvm_runtime::jam::state::{AccountChange, AccountChanges};
use tvm_runtime::jam::types::{Privileges, ServiceId, TimeSlot};

use crate::node::accumulate::{AccumulateError, PartialState, PrivilegeMerge};
use crate::node::preimages::provide;
use crate::node::spec::Spec;

/// The outcomes of a round, ascending by service.
pub type Outcomes = [(ServiceId, Accumulated)];

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
    for ((service, _), blob) in outcomes.iter().flat_map(|(_, outcome)| &outcome.provisions) {
        provide(&mut after.state, *service, blob, slot, spec)?;
    }

    let of = |service: ServiceId| find(outcomes, service);
    let owners = &before.privileges;
    after.privileges = Arc::new(merge_privileges(owners, outcomes, rule));
    if let Some(staging) = of(owners.delegator).and_then(|outcome| outcome.staging.as_ref()) {
        after.staging = staging.clone();
    }
    for (core, assigner) in (0..).zip(&owners.assigners) {
        if let Some(queue) = of(*assigner).and_then(|outcome| outcome.queues.get(&core)) {
            after.queues[usize::from(core)] = queue.clone();
        }
    }
    Ok(after)
}

fn find(outcomes: &Outcomes, service: ServiceId) -> Option<&Accumulated> {
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
    let changed_by = |service| find(outcomes, service).and_then(|outcome| outcome.privileges.as_deref());
    let of = |service: ServiceId| changed_by(service).unwrap_or(owners);
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
            let decided =
                |named: ServiceId, by: fn(&Privileges, usize) -> ServiceId, core: usize| match find(outcomes, named) {
                    Some(_) => by(of(named), core),
                    None => named,
                };
            let assigner = |(core, named): (usize, &ServiceId)| decided(*named, |by, core| by.assigners[core], core);
            (
                by_manager.assigners.iter().enumerate().map(assigner).collect(),
                decided(by_manager.delegator, |by, _| by.delegator, 0),
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

#[cfg(test)]
mod tests {
    use tvm_runtime::jam::state::AccountDelta;
    use tvm_runtime::jam::types::{Hash, ServiceAccount, Timeline};

    use super::*;
    use crate::node::spec::TINY;
    use crate::node::state::StateKey;
    use crate::node::testing::{hash, outcome, state};

    const MANAGER: u32 = 1;
    const DELEGATOR: u32 = 2;
    const ASSIGNER: u32 = 3;
    const OTHER: u32 = 4;

    fn start() -> PartialState {
        let mut start = state(&[MANAGER, DELEGATOR, ASSIGNER, OTHER], &TINY);
        start.privileges = Arc::new(Privileges {
            manager: ServiceId(MANAGER),
            assigners: vec![ServiceId(ASSIGNER), ServiceId(OTHER)],
            delegator: ServiceId(DELEGATOR),
            registrar: ServiceId(DELEGATOR),
            always_accumulate: Default::default(),
        });
        start
    }

    fn merged(outcomes: &[(u32, Accumulated)], rule: PrivilegeMerge) -> PartialState {
        let outcomes: Vec<_> = outcomes.iter().map(|(id, outcome)| (ServiceId(*id), outcome.clone())).collect();
        merge(&start(), &outcomes, rule, TimeSlot(9), &TINY).expect("no errors")
    }

    /// An outcome that sets every privilege, the staging validators and the queues.
    fn sets_all(service: u32, to: u32) -> (u32, Accumulated) {
        let mut outcome = outcome(&start(), service, 0);
        outcome.privileges = Some(Arc::new(privileges(to)));
        outcome.staging = Some(Arc::from([to as u8]));
        outcome.queues = [0, 1].map(|core| (core, Arc::new([hash(to as u8); 80]))).into();
        (service, outcome)
    }

    fn privileges(to: u32) -> Privileges {
        Privileges {
            manager: ServiceId(to),
            assigners: vec![ServiceId(to); 2],
            delegator: ServiceId(to),
            registrar: ServiceId(to),
            always_accumulate: Default::default(),
        }
    }

    #[test]
    fn the_managers_change_wins_over_the_owners() {
        let after = merged(&[sets_all(MANAGER, 70), sets_all(DELEGATOR, 80)], PrivilegeMerge::ManagerOrOwner);
        assert_eq!(after.privileges.manager, ServiceId(70));
        assert_eq!(after.privileges.delegator, ServiceId(70));
        assert_eq!(after.privileges.assigners, [ServiceId(70); 2]);
        assert_eq!(after.staging[..], [80], "the delegator before this round");
    }

    #[test]
    fn owners_give_away_only_what_is_theirs() {
        let after = merged(&[sets_all(DELEGATOR, 80), sets_all(OTHER, 90)], PrivilegeMerge::ManagerOrOwner);
        assert_eq!(after.privileges.manager, ServiceId(MANAGER));
        assert_eq!(after.privileges.delegator, ServiceId(80));
        assert_eq!(after.privileges.registrar, ServiceId(80));
        assert_eq!(after.privileges.assigners, [ServiceId(ASSIGNER), ServiceId(90)]);
        assert_eq!((after.queues[0][0], after.queues[1][0]), (Hash::default(), hash(90)));
        assert_eq!(after.staging[..], [80]);
    }

    #[test]
    fn in_0_7_0_who_the_manager_names_decides() {
        let mut named = sets_all(MANAGER, OTHER);
        named.1.privileges = Some(Arc::new(Privileges { delegator: ServiceId(DELEGATOR), ..privileges(OTHER) }));
        let outcomes = [named, sets_all(DELEGATOR, 80), sets_all(OTHER, 90)];
        let after = merged(&outcomes, PrivilegeMerge::NamedByManager);
        assert_eq!(after.privileges.assigners, [ServiceId(90); 2]);
        assert_eq!(after.privileges.delegator, ServiceId(80));
        assert_eq!(after.privileges.manager, ServiceId(OTHER));
    }

    #[test]
    fn in_0_7_0_who_is_named_and_does_not_run_gets_the_privilege() {
        let after = merged(&[sets_all(MANAGER, 70)], PrivilegeMerge::NamedByManager);
        assert_eq!(
            (after.privileges.delegator, &after.privileges.assigners[..]),
            (ServiceId(70), &[ServiceId(70); 2][..])
        );
        let idle = (OTHER, outcome(&start(), OTHER, 0));
        let after = merged(&[sets_all(MANAGER, OTHER), idle], PrivilegeMerge::NamedByManager);
        assert_eq!(after.privileges.delegator, ServiceId(DELEGATOR), "as the named service left it");
        assert_eq!(after.privileges.assigners, [ServiceId(ASSIGNER), ServiceId(OTHER)]);
    }

    #[test]
    fn ejected_accounts_are_gone_whatever_else_happened_to_them() {
        let mut before = start();
        before.state.set_timeline(ServiceId(OTHER), (hash(5), 10), Timeline::Requested);
        before.state.set(StateKey::preimage(ServiceId(OTHER), &hash(5)), vec![1]);
        let mut ejecting = outcome(&before, MANAGER, 0);
        ejecting.accounts.0.insert(ServiceId(OTHER), AccountChange::Removed((hash(5), 10)));
        let outcomes = [(ServiceId(MANAGER), ejecting), (ServiceId(OTHER), outcome(&before, OTHER, 0))];
        let after = merge(&before, &outcomes, PrivilegeMerge::ManagerOrOwner, TimeSlot(9), &TINY).expect("no errors");
        let left: Vec<_> = after.state.iter().filter(|(key, _)| key.as_account() == Some(ServiceId(OTHER))).collect();
        assert_eq!(left, []);
        assert_eq!(after.state.iter().count(), 3, "no request and no preimage either");
    }

    #[test]
    fn two_services_may_not_create_the_same_account() {
        let creating = |service: u32, new: u32| {
            let mut outcome = outcome(&start(), service, 0);
            let delta = AccountDelta { created: true, ..AccountDelta::unchanged(ServiceAccount::default()) };
            outcome.accounts.0.insert(ServiceId(new), AccountChange::Changed(delta));
            (ServiceId(service), outcome)
        };
        let merge = |outcomes: &Outcomes| merge(&start(), outcomes, PrivilegeMerge::ManagerOrOwner, TimeSlot(9), &TINY);
        assert!(merge(&[creating(MANAGER, 100), creating(OTHER, 101)]).is_ok());
        let error = merge(&[creating(MANAGER, 100), creating(OTHER, 100)]).expect_err("one account too many");
        assert!(matches!(error, AccumulateError::CreatedTwice(ServiceId(100))), "{error}");
    }

    #[test]
    fn provided_preimages_arrive_only_where_they_are_wanted() {
        let blob: tvm_runtime::jam::types::Bytes = Arc::from(&b"blob"[..]);
        let key = (Hash::of(&blob), 4);
        let mut before = start();
        before.state.set_timeline(ServiceId(OTHER), key, Timeline::Requested);
        before.state.set_timeline(ServiceId(ASSIGNER), key, Timeline::Available(TimeSlot(1)));
        let mut providing = outcome(&before, MANAGER, 0);
        providing.provisions = [OTHER, ASSIGNER, DELEGATOR].map(|to| ((ServiceId(to), key.0), blob.clone())).into();
        let outcomes = [(ServiceId(MANAGER), providing)];
        let after = merge(&before, &outcomes, PrivilegeMerge::ManagerOrOwner, TimeSlot(9), &TINY).expect("no errors");
        let timeline = |service| after.state.timeline(ServiceId(service), &key.0, 4, &TINY).expect("readable");
        assert_eq!(timeline(OTHER), Some(Timeline::Available(TimeSlot(9))));
        assert_eq!(timeline(ASSIGNER), Some(Timeline::Available(TimeSlot(1))));
        assert_eq!(timeline(DELEGATOR), None);
        let has = |service| after.state.get(&StateKey::preimage(ServiceId(service), &key.0)).is_some();
        assert_eq!([OTHER, ASSIGNER, DELEGATOR].map(has), [true, false, false]);
    }
}
