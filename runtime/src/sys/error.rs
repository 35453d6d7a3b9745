//! What the operating system refused.

/// A system call failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {source}")]
pub struct SysError {
    /// What TVM tried to do.
    pub operation: &'static str,
    /// The system's reason.
    pub source: std::io::Error,
}

impl SysError {
    /// The error of the system call that failed last on this thread.
    #[must_use]
    pub fn last(operation: &'static str) -> Self {
        Self { operation, source: std::io::Error::last_os_error() }
    }

    /// Whether the process has as many mappings as it may have (`vm.max_map_count`), or no memory for one more.
    pub(crate) fn is_out_of_mappings(&self) -> bool {
        self.source.raw_os_error() == Some(libc::ENOMEM)
    }
}
