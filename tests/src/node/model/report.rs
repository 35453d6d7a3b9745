//! Work reports (GP 11.1).

use serde_json::Value;
use tvm_isa::Gas;
use tvm_runtime::jam::types::{Bytes, Hash, ServiceId, TimeSlot, WorkError, WorkResult};

use crate::node::codec::{Codec, CodecError, Natural, Reader, json, records};

records! {
    /// A work report (GP: R).
    WorkReport {
        /// What the package is and how it is kept available.
        package_spec: PackageSpec,
        /// The chain's state the package was refined against.
        context: RefineContext,
        /// The core that did the work.
        core_index: Natural,
        /// Hash of the authorizer.
        authorizer_hash: Hash,
        /// Gas the authorizer used.
        auth_gas_used: Natural,
        /// The authorizer's output (GP: authorization trace).
        auth_output: Bytes,
        /// Segment roots of the packages that segments were imported from.
        segment_root_lookup: Vec<SegmentRoot>,
        /// One digest for each work item.
        results: Vec<WorkDigest>,
    }

    /// Availability specification of a package (GP: Y).
    PackageSpec {
        /// Hash of the work package.
        hash: Hash,
        /// Length of the bundle in bytes.
        length: u32,
        /// Root of the erasure-coded pieces.
        erasure_root: Hash,
        /// Root of the exported segments.
        exports_root: Hash,
        /// Number of exported segments.
        exports_count: u16,
    }

    /// Refinement context (GP: C).
    RefineContext {
        /// Hash of the anchor block's header.
        anchor: Hash,
        /// State root after the anchor block.
        state_root: Hash,
        /// Accumulation output log's super-peak at the anchor block.
        beefy_root: Hash,
        /// Hash of the lookup anchor's header.
        lookup_anchor: Hash,
        /// Slot of the lookup anchor.
        lookup_anchor_slot: TimeSlot,
        /// Hashes of packages that must be accumulated before.
        prerequisites: Vec<Hash>,
    }

    /// A package and the root of the segments it exported.
    SegmentRoot {
        /// Hash of the work package.
        work_package_hash: Hash,
        /// Root of its exported segments.
        segment_tree_root: Hash,
    }

    /// What refinement made of one work item (GP: D).
    WorkDigest {
        /// The service the item is for.
        service_id: ServiceId,
        /// The service's code hash when the item was refined.
        code_hash: Hash,
        /// Hash of the item's payload.
        payload_hash: Hash,
        /// Gas limit for accumulating it.
        accumulate_gas: Gas,
        /// Output or failure of refinement.
        result: WorkResult,
        /// What refinement took.
        refine_load: RefineLoad,
    }

    /// Resources one item's refinement took.
    RefineLoad {
        /// Gas used.
        gas_used: Natural,
        /// Segments imported.
        imports: Natural,
        /// Extrinsics read.
        extrinsic_count: Natural,
        /// Their size in bytes.
        extrinsic_size: Natural,
        /// Segments exported.
        exports: Natural,
    }
}

/// The ways refinement fails, with their names in JSON.
const FAILURES: [(WorkError, &str); 6] = [
    (WorkError::OutOfGas, "out_of_gas"),
    (WorkError::Panic, "panic"),
    (WorkError::BadExports, "bad_exports"),
    (WorkError::Oversize, "output_oversize"),
    (WorkError::BadCode, "bad_code"),
    (WorkError::BigCode, "code_oversize"),
];

impl Codec for WorkResult {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let tag = u8::decode(from)?;
        if tag == 0 {
            return Bytes::decode(from).map(Ok);
        }
        match FAILURES.iter().find(|(failure, _)| *failure as u8 == tag) {
            Some((failure, _)) => Ok(Err(*failure)),
            None => Err(CodecError::new(format!("expected a work result's tag 0 to 6, found {tag}"))),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Ok(output) => {
                to.push(0);
                output.encode(to);
            }
            Err(failure) => to.push(*failure as u8),
        }
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        match json::choice(json)? {
            ("ok", output) => Bytes::from_json(output).map(Ok),
            (found, _) => match FAILURES.iter().find(|(_, name)| *name == found) {
                Some((failure, _)) => Ok(Err(*failure)),
                None => Err(json::unexpected("a work result", json)),
            },
        }
    }
}

impl WorkReport {
    /// The gas limits of its digests added up.
    #[must_use]
    pub fn accumulate_gas(&self) -> Gas {
        Gas(self.results.iter().fold(0, |sum: u64, digest| sum.saturating_add(digest.accumulate_gas.0)))
    }

    /// Hash of the work package.
    #[must_use]
    pub fn package(&self) -> Hash {
        self.package_spec.hash
    }

    /// Hash of the report itself.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }
}
