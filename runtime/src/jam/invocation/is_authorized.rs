//! Is-authorized (GP B.2, Ψ_I).

use std::cell::OnceCell;

use tvm_isa::Gas;

use super::program::{Program, code_of, run};
use super::refine::work_result;
use super::{Chain, ENTRY_IS_AUTHORIZED};
use crate::engine::Engine;
use crate::error::Error;
use crate::jam::call::{Call, Stop};
use crate::jam::dispatch::{Host, not_served};
use crate::jam::general::{self, GrowingHeap, PackageSource};
use crate::jam::observer::Observer;
use crate::jam::refine::available_preimage;
use crate::jam::table::{Entry, HostFunction, Setting};
use crate::jam::types::{ServiceId, WorkError, WorkPackage, WorkResult};
use crate::jam::version::JamRules;

/// What is-authorized is given (GP: p, c).
#[derive(Clone, Copy, Debug)]
pub struct IsAuthorizedInput<'a> {
    /// The chain; accounts of any state in which the lookup anchor's preimages can be looked up.
    pub chain: Chain<'a>,
    /// The work package.
    pub package: &'a WorkPackage,
    /// The core it is for.
    pub core: u16,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authorized {
    /// The trace, or why the package is not authorized. A trace of more than W_R octets, which no report has room for, is
    /// [`WorkError::Oversize`] without being copied.
    pub result: WorkResult,
    /// Gas used.
    pub gas_used: Gas,
}

/// Asks a work package's authorizer (GP Ψ_I).
///
/// # Errors
/// When the node's state could not be read, or the machine failed.
pub fn is_authorized(
    engine: &Engine,
    input: &IsAuthorizedInput<'_>,
    observer: Option<&mut dyn Observer>,
) -> Result<Authorized, Error> {
    let IsAuthorizedInput { chain, package, core } = *input;
    let Chain { version, constants, accounts } = chain;
    let rules = JamRules::of(version);
    let failed = |error| Ok(Authorized { result: Err(error), gas_used: Gas(0) });
    let (service, code_hash) = (package.auth_code_host, package.auth_code_hash);
    let anchor_slot = package.context.lookup_anchor_slot;
    let Some(preimage) = available_preimage(accounts, service, anchor_slot, &code_hash).map_err(Error::Host)? else {
        return failed(WorkError::BadCode);
    };
    match code_of(&preimage) {
        None => return failed(WorkError::BadCode),
        Some(code) if code.len() as u64 > u64::from(constants.authorizer_code_bytes) => {
            return failed(WorkError::BigCode);
        }
        Some(_) => {}
    }
    let source = PackageSource { rules, constants, package, encoded: OnceCell::new(), refine: None };
    let program = Program {
        engine,
        rules,
        service,
        code_hash,
        preimage,
        entry: ENTRY_IS_AUTHORIZED,
        gas: constants.is_authorized_gas,
        arguments: core.to_le_bytes().to_vec(),
        max_output: constants.report_bytes.into(),
    };
    let (ended, _) = run(program, |heap| IsAuthorizedHost { service, source, heap }, observer)?;
    let gas_used = ended.gas_used;
    Ok(Authorized { result: work_result(ended), gas_used })
}

/// Serves is-authorized's host calls.
struct IsAuthorizedHost<'a> {
    service: ServiceId,
    source: PackageSource<'a>,
    heap: GrowingHeap,
}

impl Host for IsAuthorizedHost<'_> {
    const SETTING: Setting = Setting::IsAuthorized;

    fn service(&self) -> ServiceId {
        self.service
    }

    fn serve(&mut self, entry: &'static Entry, call: &mut Call<'_>) -> Result<(), Stop> {
        match entry.function {
            HostFunction::Gas => general::gas(call),
            HostFunction::GrowHeap => general::grow_heap(call, entry, &mut self.heap),
            HostFunction::Fetch => general::fetch(call, &self.source),
            other => Err(not_served(other)),
        }
    }
}
