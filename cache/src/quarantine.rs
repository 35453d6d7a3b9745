//! Where files go that failed a check: out of the way, but still there for whoever wants to know what happened.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixSecs;
use crate::dir::Root;
use crate::identity::{FileIdentity, now_ns};
use crate::sys;

const QUARANTINE: &str = "quarantine";

/// How many bad files are kept; the oldest make room for new ones.
pub const MAX_QUARANTINED: usize = 16;

/// A file in quarantine.
#[derive(Debug)]
pub(crate) struct Quarantined {
    name: std::ffi::OsString,
    is_dir: bool,
    /// Size in bytes.
    pub size: u64,
    /// When it was put there: moving a file sets its ctime.
    pub since: UnixSecs,
    order: i64,
}

/// Moves `name` out of `dir` into quarantine. Where that cannot be done the file stays, and is met as a miss again.
pub(crate) fn put(root: &Root, dir: &File, name: &OsStr) {
    if root.is_read_only() {
        return;
    }
    let Some(quarantine) = open_or_create(root) else { return };
    let mut held = list(root);
    held.sort_by_key(|file| file.order);
    let excess = (held.len() + 1).saturating_sub(MAX_QUARANTINED);
    for oldest in &held[..excess] {
        remove(root, oldest);
    }
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    // Foreign names may be anything; only what we could have given is worth keeping in the new name.
    let stem =
        name.to_str().and_then(|name| name.strip_suffix(".o")).filter(|stem| stem.len() == 64).unwrap_or("stray");
    let _missed =
        sys::rename_at(dir, name, &quarantine, &format!("{stem}.{}-{count}-{}", std::process::id(), now_ns()));
}

/// All files in quarantine, in no order.
pub(crate) fn list(root: &Root) -> Vec<Quarantined> {
    let Ok(Some(dir)) = root.sub_dir(&root.dir, QUARANTINE) else { return Vec::new() };
    let names = sys::list(&dir).unwrap_or_default();
    let held = names.into_iter().filter_map(|name| {
        let metadata = sys::metadata_at(&dir, &name).ok()?;
        let identity = FileIdentity::of(&metadata);
        let since = UnixSecs(u64::try_from(metadata.ctime()).unwrap_or(0));
        Some(Quarantined { name, is_dir: metadata.is_dir(), size: identity.size, since, order: identity.ctime_ns })
    });
    held.collect()
}

/// Deletes a file in quarantine.
pub(crate) fn remove(root: &Root, file: &Quarantined) {
    let Ok(Some(dir)) = root.sub_dir(&root.dir, QUARANTINE) else { return };
    let _missed = if file.is_dir {
        // Safe against links by the standard library's promise; the quarantine itself was just seen to be a directory.
        fs::remove_dir_all(root.path().join(QUARANTINE).join(&file.name))
    } else {
        sys::unlink_at(&dir, &file.name)
    };
}

fn open_or_create(root: &Root) -> Option<File> {
    match sys::make_dir_at(&root.dir, QUARANTINE) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => None,
        _ => root.sub_dir(&root.dir, QUARANTINE).ok().flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(root: &Root, count: usize) {
        for i in 0..count {
            fs::write(root.path().join("bad"), vec![0; i]).unwrap();
            put(root, &root.dir, "bad".as_ref());
        }
    }

    #[test]
    fn holds_the_limit_and_then_the_youngest() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(&temp.path().join("c")).unwrap();
        fill(&root, MAX_QUARANTINED);
        assert_eq!(list(&root).len(), MAX_QUARANTINED);
        fill(&root, MAX_QUARANTINED + 1);
        let mut sizes: Vec<_> = list(&root).iter().map(|file| file.size).collect();
        sizes.sort_unstable();
        assert_eq!(sizes.len(), MAX_QUARANTINED);
        assert_eq!(sizes.last(), Some(&(MAX_QUARANTINED as u64)));
    }

    #[test]
    fn takes_directories_and_strange_names_and_gives_them_up_again() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(&temp.path().join("c")).unwrap();
        fs::create_dir_all(root.path().join("x/y")).unwrap();
        put(&root, &root.dir, "x".as_ref());
        assert!(!root.path().join("x").exists());
        list(&root).iter().for_each(|file| remove(&root, file));
        assert_eq!(list(&root).len(), 0);
    }
}
