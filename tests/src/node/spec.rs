//! What a chain's formats depend on: its sizes, and the Gray Paper version of its state.

use tvm_isa::GpVersion;
use tvm_runtime::jam::constants::ChainConstants;

/// Sizes and formats of one chain.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name, as the vectors' directories use it.
    pub name: &'static str,
    /// Cores (GP: C).
    pub cores: u16,
    /// Validators (GP: V).
    pub validators: u16,
    /// Slots in an epoch (GP: E).
    pub epoch: u32,
    /// All constants, these among them.
    pub constants: fn() -> ChainConstants,
    /// What the state's encoding contains.
    pub format: Format,
}

/// Parts of the state's encoding that not every version has.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The version whose format this is.
    pub version: GpVersion,
    /// Account records begin with a version byte (0.7.1 and later).
    pub account_version: bool,
    /// The privileges name a registrar (0.7.1 and later).
    pub registrar: bool,
    /// Service statistics count on-transfer invocations (0.7.0 and earlier).
    pub on_transfer: bool,
}

/// GP 0.7.0.
pub const FORMAT_0_7_0: Format =
    Format { version: GpVersion::V0_7_0, account_version: false, registrar: false, on_transfer: true };

/// GP 0.7.2.
pub const FORMAT_0_7_2: Format =
    Format { version: GpVersion::V0_7_2, account_version: true, registrar: true, on_transfer: false };

/// The six-validator chain of the vectors, GP 0.7.2.
pub const TINY: Spec =
    Spec { name: "tiny", cores: 2, validators: 6, epoch: 12, constants: ChainConstants::tiny, format: FORMAT_0_7_2 };

/// The same chain at GP 0.7.0.
pub const TINY_0_7_0: Spec = Spec { constants: tiny_0_7_0, format: FORMAT_0_7_0, ..TINY };

/// Largest work-package bundle in GP 0.7.0, in bytes (GP: W_B).
const BUNDLE_BYTES_0_7_0: u32 = 13_794_305;

fn tiny_0_7_0() -> ChainConstants {
    ChainConstants { bundle_bytes: BUNDLE_BYTES_0_7_0, ..ChainConstants::tiny() }
}

/// The full-size chain, GP 0.7.2.
pub const FULL: Spec = Spec {
    name: "full",
    cores: 341,
    validators: 1023,
    epoch: 600,
    constants: ChainConstants::full,
    format: FORMAT_0_7_2,
};

impl Spec {
    /// Validators that make a super-majority: more than two thirds.
    #[must_use]
    pub fn super_majority(&self) -> u16 {
        self.validators * 2 / 3 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_constants() {
        for spec in [TINY, TINY_0_7_0, FULL] {
            let constants = (spec.constants)();
            assert_eq!(spec.cores, constants.cores);
            assert_eq!(spec.validators, constants.validators);
            assert_eq!(spec.epoch, constants.epoch_slots);
        }
        assert_eq!([TINY, FULL].map(|spec| spec.super_majority()), [5, 683]);
    }
}
