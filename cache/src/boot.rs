//! Which boot of the machine something was seen in.

use std::fs::File;
use std::io::{self, Read};
use std::sync::LazyLock;

use crate::key::{array, hash};

/// A boot of the machine, as index rows name it.
///
/// A crash can keep a file's size and times but lose its data, if the data was not synced. A row that vouches for such
/// a file is believed only while the machine has not been restarted since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BootId(pub [u8; 16]);

impl BootId {
    /// For files whose data was synced before the row was written: any boot will do.
    pub(crate) const ANY: Self = Self([0; 16]);

    /// The running boot.
    pub(crate) fn current() -> Self {
        static CURRENT: LazyLock<BootId> = LazyLock::new(|| {
            // Without /proc no boot equals another, not even itself in another process: files are then checked by digest.
            let id = read_boot_id()
                .unwrap_or_else(|_| format!("{}-{:?}", std::process::id(), std::time::SystemTime::now()).into_bytes());
            BootId(array(&hash(&id)))
        });
        *CURRENT
    }

    /// Whether a row written in this boot can be believed now.
    #[inline]
    pub(crate) fn is_valid_now(self) -> bool {
        self == Self::ANY || self == Self::current()
    }
}

/// The kernel's name for this boot: a line of 37 bytes, read in one piece because the first hit of a process waits for
/// it.
fn read_boot_id() -> io::Result<Vec<u8>> {
    let mut line = [0; 64];
    let len = File::open("/proc/sys/kernel/random/boot_id")?.read(&mut line)?;
    Ok(line[..len].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_boot_and_any_boot_count() {
        assert_ne!(BootId::current(), BootId::ANY);
        assert!(BootId::current().is_valid_now() && BootId::ANY.is_valid_now());
        assert!(!BootId([1; 16]).is_valid_now());
    }
}
