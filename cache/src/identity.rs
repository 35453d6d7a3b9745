//! What tells a file from every other file, and from itself before a change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fault::Fault;
use crate::trailer::{MAX_OBJECT_LEN, TRAILER_LEN};

/// How much older than the check a file's last change must be for the identity to be worth remembering: two ticks of
/// the slowest kernel clock (HZ=100). Within one tick, some kernels give two changes the same time.
const SETTLE_NS: i64 = 20_000_000;

/// A file's identity. As long as it stays the same, so do the file's bytes: no program can set a ctime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileIdentity {
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
}

impl FileIdentity {
    #[inline]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change made from `now_ns` on is sure to get another ctime. `now_ns` must be taken before the check
    /// whose result is to be remembered. A clock that was set back makes this false, which costs time only.
    pub(crate) fn is_settled(&self, now_ns: i64) -> bool {
        now_ns.saturating_sub(self.ctime_ns) >= SETTLE_NS
    }

    /// The time of the last write, in seconds.
    pub(crate) fn modified_secs(&self) -> u64 {
        u64::try_from(self.mtime_ns / 1_000_000_000).unwrap_or(0)
    }

    /// Length of the object in a file of this size that has passed [`check`].
    #[inline]
    pub(crate) fn object_len(&self) -> u64 {
        self.size.saturating_sub(TRAILER_LEN)
    }
}

/// The system's clock in the unit of file times.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[inline]
fn nanos(secs: i64, nanos: i64) -> i64 {
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Checks all that can be said about a cache file without reading it.
#[inline]
pub(crate) fn check(metadata: &Metadata, owner: u32) -> Result<FileIdentity, Fault> {
    if !metadata.is_file() {
        return Err(Fault::NotRegular);
    }
    if metadata.uid() != owner {
        return Err(Fault::ForeignOwner { found: metadata.uid(), expected: owner });
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Fault::Writable { found: metadata.mode() & 0o7777 });
    }
    match metadata.nlink() {
        1 => {}
        // Replaced or evicted between opening and looking.
        0 => return Err(Fault::Changed),
        found => return Err(Fault::HardLinked { found }),
    }
    let (found, min, max) = (metadata.size(), TRAILER_LEN, MAX_OBJECT_LEN + TRAILER_LEN);
    if !(min..=max).contains(&found) {
        return Err(Fault::Size { found, min, max });
    }
    Ok(FileIdentity::of(metadata))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn sizes_are_checked_at_both_limits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::create(&path).unwrap();
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        let owner = file.metadata().unwrap().uid();
        let check_len = |len| {
            file.set_len(len).unwrap();
            check(&file.metadata().unwrap(), owner)
        };
        let (min, max) = (TRAILER_LEN, TRAILER_LEN + MAX_OBJECT_LEN);
        assert_eq!(check_len(min).map(|i| i.object_len()), Ok(0));
        assert_eq!(check_len(max).map(|i| i.object_len()), Ok(MAX_OBJECT_LEN));
        assert_eq!(check_len(min - 1), Err(Fault::Size { found: min - 1, min, max }));
        assert_eq!(check_len(max + 1), Err(Fault::Size { found: max + 1, min, max }));
        assert_eq!(
            check(&file.metadata().unwrap(), owner + 1),
            Err(Fault::ForeignOwner { found: owner, expected: owner + 1 })
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(check(&file.metadata().unwrap(), owner), Err(Fault::Changed));
        assert_eq!(check(&fs::metadata(dir.path()).unwrap(), owner), Err(Fault::NotRegular));
    }

    #[test]
    fn young_files_and_files_from_the_future_are_not_settled() {
        let identity = FileIdentity { dev: 0, ino: 0, size: 0, mtime_ns: 0, ctime_ns: 1_000_000_000 };
        assert!(identity.is_settled(1_000_000_000 + SETTLE_NS));
        assert!(!identity.is_settled(1_000_000_000 + SETTLE_NS - 1));
        assert!(!identity.is_settled(0));
    }
}
