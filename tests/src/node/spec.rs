//! What a chain's formats depend on: its sizes, and the Gray Paper version of its state.

use tvm_isa::GpVersion;

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
pub const TINY: Spec = Spec { name: "tiny", cores: 2, validators: 6, epoch: 12, format: FORMAT_0_7_2 };

/// The same chain at GP 0.7.0.
pub const TINY_0_7_0: Spec = Spec { format: FORMAT_0_7_0, ..TINY };

/// The full-size chain, GP 0.7.2.
pub const FULL: Spec = Spec { name: "full", cores: 341, validators: 1023, epoch: 600, format: FORMAT_0_7_2 };

impl Spec {
    /// Validators that make a super-majority: more than two thirds.
    #[must_use]
    pub fn super_majority(&self) -> u16 {
        self.validators * 2 / 3 + 1
    }
}
