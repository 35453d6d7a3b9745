//! C(13): activity of validators, cores and services (GP 13).

use serde_json::Value;
use tvm_runtime::jam::types::ServiceId;

use crate::node::codec::{Codec, CodecError, Natural, PerCore, PerValidator, Reader, records};

records! {
    /// Statistics (GP: π).
    Statistics {
        /// Validators, this epoch so far.
        vals_curr: PerValidator<ValidatorActivity>,
        /// Validators, last epoch.
        vals_last: PerValidator<ValidatorActivity>,
        /// Cores, this block.
        cores: PerCore<CoreActivity>,
        /// Services, this block, ascending.
        services: Vec<ServiceStatistics>,
    }

    /// A validator's activity.
    ValidatorActivity {
        /// Blocks authored.
        blocks: u32,
        /// Tickets submitted.
        tickets: u32,
        /// Preimages brought in.
        pre_images: u32,
        /// Their size in bytes.
        pre_images_size: u32,
        /// Reports guaranteed.
        guarantees: u32,
        /// Assurances given.
        assurances: u32,
    }

    /// A core's activity.
    CoreActivity {
        /// Bytes written for availability.
        da_load: Natural,
        /// Validators that assured availability.
        popularity: Natural,
        /// Segments imported.
        imports: Natural,
        /// Extrinsics read.
        extrinsic_count: Natural,
        /// Their size in bytes.
        extrinsic_size: Natural,
        /// Segments exported.
        exports: Natural,
        /// Size of the bundles in bytes.
        bundle_size: Natural,
        /// Gas used.
        gas_used: Natural,
    }

    /// A service with its activity.
    ServiceStatistics {
        /// The service.
        id: ServiceId,
        /// What it did.
        record: ServiceActivity,
    }

    /// A service's activity.
    ServiceActivity {
        /// Preimages provided.
        provided_count: Natural,
        /// Their size in bytes.
        provided_size: Natural,
        /// Items refined.
        refinement_count: Natural,
        /// Gas they used.
        refinement_gas_used: Natural,
        /// Segments imported.
        imports: Natural,
        /// Extrinsics read.
        extrinsic_count: Natural,
        /// Their size in bytes.
        extrinsic_size: Natural,
        /// Segments exported.
        exports: Natural,
        /// Items accumulated.
        accumulate_count: Natural,
        /// Gas that took.
        accumulate_gas_used: Natural,
        /// On-transfer invocations, where the version has them.
        on_transfers: OnTransferActivity,
    }
}

/// Transfers a service's on-transfer entry received and the gas it used; only in versions that have that entry.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OnTransferActivity(pub Option<(u64, u64)>);

impl Codec for OnTransferActivity {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match from.spec().format.on_transfer {
            true => Ok(Self(Some((from.natural()?, from.natural()?)))),
            false => Ok(Self(None)),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        if let Some((count, gas)) = self.0 {
            Natural(count).encode(to);
            Natural(gas).encode(to);
        }
    }

    fn from_json(_: &Value) -> Result<Self, CodecError> {
        // The JSON vectors are of 0.7.2 only.
        Ok(Self(None))
    }
}
