//! Refine (GP B.3, Ψ_R).

use std::cell::OnceCell;

use tvm_isa::Gas;
use tvm_isa::codec::encode_natural;

use super::program::{Ended, Output, Program, code_of, run};
use super::{Chain, ENTRY_REFINE, InvocationEnd};
use crate::engine::Engine;
use crate::error::Error;
use crate::jam::general::{PackageSource, RefineSource};
use crate::jam::observer::Observer;
use crate::jam::refine::{Exports, Machines, RefineHost, available_preimage};
use crate::jam::types::{Bytes, Hash, WorkError, WorkPackage, WorkResult};
use crate::jam::version::JamRules;

/// What refine is given (GP: c, i, p, r, i, ς).
#[derive(Clone, Copy, Debug)]
pub struct RefineInput<'a> {
    /// The chain; accounts of any state in which the lookup anchor's preimages can be looked up.
    pub chain: Chain<'a>,
    /// The core that refines.
    pub core: u16,
    /// The work package.
    pub package: &'a WorkPackage,
    /// Which of its items is refined.
    pub item: usize,
    /// What the authorizer returned.
    pub auth_trace: &'a [u8],
    /// For each item of the package, the segments it imports.
    pub imports: &'a [Vec<Bytes>],
    /// For each item of the package, the data that came along.
    pub extrinsics: &'a [Vec<Bytes>],
    /// Segments that earlier items of the package export.
    pub export_offset: u64,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refined {
    /// The output, or why there is none. An output of more than W_R octets, which no report has room for, is
    /// [`WorkError::Oversize`] without being copied.
    pub result: WorkResult,
    /// The exported segments, of 4104 octets each; none after a panic or out of gas.
    pub exports: Vec<Bytes>,
    /// Gas used.
    pub gas_used: Gas,
}

/// Refines an item of a work package (GP Ψ_R).
///
/// # Errors
/// When the package has no such item, the node's state could not be read, or the machine failed.
pub fn refine(engine: &Engine, input: &RefineInput<'_>, observer: Option<&mut dyn Observer>) -> Result<Refined, Error> {
    let RefineInput { chain, core, package, item: index, auth_trace, imports, extrinsics, export_offset } = *input;
    let Chain { version, constants, accounts } = chain;
    let rules = JamRules::of(version);
    let Some(item) = package.items.get(index) else {
        let found = package.items.len();
        return Err(Error::Host(format!("item {index} of a work package with {found} items cannot be refined").into()));
    };
    let anchor_slot = package.context.lookup_anchor_slot;
    let preimage = available_preimage(accounts, item.service, anchor_slot, &item.code_hash).map_err(Error::Host)?;
    let Some(preimage) = preimage.filter(|preimage| code_of(preimage).is_some()) else {
        return Ok(Refined::failed(WorkError::BadCode));
    };
    // The text compares the whole preimage here, and the code after the metadata in accumulate.
    if preimage.len() as u64 > u64::from(constants.service_code_bytes) {
        return Ok(Refined::failed(WorkError::BigCode));
    }

    let refine = Some(RefineSource { auth_trace, item: index, imports, extrinsics });
    let source = PackageSource { rules, constants, package, encoded: OnceCell::new(), refine };
    let mut arguments = Vec::new();
    if rules.refine_takes_core {
        encode_natural(core.into(), &mut arguments);
    }
    for number in [index as u64, item.service.0.into(), item.payload.len() as u64] {
        encode_natural(number, &mut arguments);
    }
    arguments.extend_from_slice(&item.payload);
    arguments.extend_from_slice(&Hash::of(source.encoded()).0);

    let program = Program {
        engine,
        rules,
        service: item.service,
        code_hash: item.code_hash,
        preimage,
        entry: ENTRY_REFINE,
        gas: item.refine_gas,
        arguments,
        max_output: constants.report_bytes.into(),
    };
    let exports = Exports { offset: export_offset, limit: constants.package_exports.into(), segments: Vec::new() };
    let machines = Machines::new(engine, version);
    let service = item.service;
    let (ended, host) =
        run(program, |heap| RefineHost { service, accounts, anchor_slot, source, heap, exports, machines }, observer)?;
    let gas_used = ended.gas_used;
    let exports = if ended.end == InvocationEnd::Halt { host.exports.segments } else { Vec::new() };
    Ok(Refined { result: work_result(ended), exports, gas_used })
}

/// The result of a run in a work report.
pub(super) fn work_result(ended: Ended) -> WorkResult {
    match (ended.end, ended.output) {
        (InvocationEnd::Halt, Output::Bytes(bytes)) => Ok(bytes.into()),
        (InvocationEnd::Halt, Output::TooLong) => Err(WorkError::Oversize),
        (InvocationEnd::OutOfGas, _) => Err(WorkError::OutOfGas),
        (InvocationEnd::Panic, _) => Err(WorkError::Panic),
        (InvocationEnd::NotRun, _) => Err(WorkError::BadCode),
    }
}

impl Refined {
    fn failed(error: WorkError) -> Self {
        Self { result: Err(error), exports: Vec::new(), gas_used: Gas(0) }
    }
}
