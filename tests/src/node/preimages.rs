//! Preimages that services asked for: from a block's extrinsic, and from other services (GP 12.3, 12.4).

use tvm_runtime::jam::types::{Hash, ServiceId, TimeSlot, Timeline};

use crate::node::codec::CodecError;
use crate::node::model::Preimage;
use crate::node::spec::Spec;
use crate::node::state::{Dictionary, StateKey};

/// Why a block with these preimages is invalid.
#[derive(Debug, thiserror::Error)]
pub enum PreimageError {
    /// They are not ascending, or one comes twice.
    #[error("preimages are not sorted, or not unique")]
    Order,
    /// A service did not ask for one, or has it already.
    #[error("service {0} does not need one of the preimages")]
    Unneeded(ServiceId),
    /// The state does not decode.
    #[error(transparent)]
    State(#[from] CodecError),
}

/// Checks the extrinsic against the state before the block.
///
/// # Errors
/// When the block is invalid because of it.
pub fn check(prior: &Dictionary, preimages: &[Preimage], spec: &Spec) -> Result<(), PreimageError> {
    let key = |preimage: &Preimage| (preimage.requester, preimage.blob.clone());
    if !preimages.is_sorted_by(|a, b| key(a) < key(b)) {
        return Err(PreimageError::Order);
    }
    for preimage in preimages {
        let Preimage { requester, blob } = preimage;
        let hash = Hash::of(blob);
        let wanted = wants(prior, *requester, &hash, blob.len(), spec)?;
        if !wanted || prior.get(&StateKey::preimage(*requester, &hash)).is_some() {
            return Err(PreimageError::Unneeded(*requester));
        }
    }
    Ok(())
}

/// Gives a service a preimage, if it still wants it; its footprint counts it already (GP 12.2, P).
///
/// # Errors
/// When the state does not decode.
pub fn provide(
    state: &mut Dictionary,
    service: ServiceId,
    blob: &[u8],
    slot: TimeSlot,
    spec: &Spec,
) -> Result<(), CodecError> {
    let hash = Hash::of(blob);
    if let (true, Ok(len)) = (wants(state, service, &hash, blob.len(), spec)?, u32::try_from(blob.len())) {
        state.set_timeline(service, (hash, len), Timeline::Available(slot));
        state.set(StateKey::preimage(service, &hash), blob.to_vec());
    }
    Ok(())
}

/// Whether the service asked for the preimage and never had it. An ejected service has no requests left.
fn wants(state: &Dictionary, service: ServiceId, hash: &Hash, len: usize, spec: &Spec) -> Result<bool, CodecError> {
    let Ok(len) = u32::try_from(len) else { return Ok(false) };
    Ok(state.timeline(service, hash, len, spec)? == Some(Timeline::Requested))
}
