//! Blocks and state components of the Gray Paper, as far as a node that executes services reads them.

mod block;
mod chain;
mod report;
mod service;
mod statistics;

pub use block::{
    Assurance, Block, Culprit, Disputes, EpochMark, EpochMarkKeys, Extrinsic, Fault, Guarantee, GuaranteeSignature,
    Header, Judgement, Preimage, TicketBody, TicketEnvelope, Verdict,
};
pub use chain::{
    AlwaysAccumulate, AuthPools, AuthQueues, BlockInfo, DisputeRecords, Entropy, LastOutput, PendingReport,
    PendingReports, Privileges, ReadyRecord, RecentBlocks, Registrar, ReportedPackage, Safrole, SealKeys,
    ValidatorKeys,
};
pub use report::{PackageSpec, RefineContext, RefineLoad, SegmentRoot, WorkDigest, WorkReport};
pub use service::{ServiceRecord, VersionByte};
pub use statistics::{
    CoreActivity, OnTransferActivity, ServiceActivity, ServiceStatistics, Statistics, ValidatorActivity,
};
