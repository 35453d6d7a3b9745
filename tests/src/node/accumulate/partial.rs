//! The part of the state that accumulation changes (GP: e).

use std::sync::Arc;

use tvm_runtime::jam::types::{AuthorizerQueue, Bytes, Privileges};

use crate::node::codec::{CodecError, PerCore, PerValidator};
use crate::node::model::{self, AlwaysAccumulate, AuthQueues, Registrar};
use crate::node::spec::Spec;
use crate::node::state::{Component, Dictionary, StoredAccounts};

/// The part of the state that accumulation changes.
#[derive(Clone, PartialEq, Debug)]
pub struct PartialState {
    /// Service accounts, among the rest of the state (GP: d).
    pub state: Dictionary,
    /// Keys of the validators from the epoch after the next on, 336 bytes each (GP: i).
    pub staging: Bytes,
    /// Authorizers to come, for each core (GP: q).
    pub queues: Vec<AuthorizerQueue>,
    /// The privileged services (GP: m, a, v, r, z).
    pub privileges: Arc<Privileges>,
}

impl PartialState {
    /// Reads it from a state.
    ///
    /// # Errors
    /// When a component is missing or does not decode.
    pub fn load(state: &Dictionary, spec: &Spec) -> Result<Self, CodecError> {
        let queues: AuthQueues = state.component(Component::AuthQueues, spec)?;
        let staging: PerValidator<model::ValidatorKeys> = state.component(Component::StagingValidators, spec)?;
        let privileges: model::Privileges = state.component(Component::Privileges, spec)?;
        Ok(Self {
            state: state.clone(),
            staging: staging.0.concat().into(),
            queues: queues.0.into_iter().map(Arc::new).collect(),
            privileges: Arc::new(privileges.into()),
        })
    }

    /// The state with everything written back.
    #[must_use]
    pub fn store(self, spec: &Spec) -> Dictionary {
        let Self { mut state, staging, queues, privileges } = self;
        state.set(Component::StagingValidators.key(), staging);
        let queues: AuthQueues = PerCore(queues.iter().map(|queue| **queue).collect());
        state.set_component(Component::AuthQueues, &queues);
        state.set_component(Component::Privileges, &model::Privileges::new(&privileges, spec));
        state
    }

    /// The accounts, as host functions read them.
    #[must_use]
    pub fn accounts<'a>(&'a self, spec: &'a Spec) -> StoredAccounts<'a> {
        StoredAccounts { state: &self.state, spec }
    }
}

impl From<model::Privileges> for Privileges {
    fn from(stored: model::Privileges) -> Self {
        let model::Privileges { bless, assign, designate, register, always_acc } = stored;
        Self {
            manager: bless,
            assigners: assign.0,
            delegator: designate,
            registrar: register.0.unwrap_or_default(),
            always_accumulate: always_acc.into_iter().map(|entry| (entry.id, entry.gas)).collect(),
        }
    }
}

impl model::Privileges {
    /// The privileges in the state's format.
    #[must_use]
    pub fn new(privileges: &Privileges, spec: &Spec) -> Self {
        let Privileges { manager, assigners, delegator, registrar, always_accumulate } = privileges;
        Self {
            bless: *manager,
            assign: PerCore(assigners.clone()),
            designate: *delegator,
            register: Registrar(spec.format.registrar.then_some(*registrar)),
            always_acc: always_accumulate.iter().map(|(id, gas)| AlwaysAccumulate { id: *id, gas: *gas }).collect(),
        }
    }
}
