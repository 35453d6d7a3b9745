//! The cache as its users hold it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::{Clock, SystemClock};
use crate::dir::Root;
use crate::error::CacheError;
use crate::flight::Flights;
use crate::index::Index;
use crate::memo::Memo;
use crate::records::Records;
use crate::stats::Counters;

/// How hard [`Cache::publish`] tries to make an object survive a crash of the machine. A crash of the process loses
/// nothing either way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Durability {
    /// Leave writing to the system. After a crash of the machine the object may be gone or damaged; it is then a miss,
    /// because after every restart the first use of a file checks its digest.
    #[default]
    Buffered,
    /// Wait until the object is on the disk: some milliseconds per object. Its first use after a restart is then as
    /// fast as any other.
    Synced,
}

/// How a cache behaves. The default is right for everything but tests and special disks.
#[derive(Clone)]
pub struct Options {
    /// Whether objects are synced to the disk.
    pub durability: Durability,
    /// Where last-use times come from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    #[inline]
    fn default() -> Self {
        Self { durability: Durability::default(), clock: Arc::new(SystemClock) }
    }
}

/// An open cache directory. Any number of threads and processes may use one directory at the same time.
///
/// Dropping it writes the last-use times it has collected; so does [`flush`](Self::flush).
pub struct Cache {
    /// Replaced when the directory was deleted under us and has to be made again.
    root: RwLock<Arc<Root>>,
    pub(crate) index: Index,
    pub(crate) records: Records,
    pub(crate) memo: Memo,
    pub(crate) flights: Flights,
    pub(crate) counters: Counters,
    pub(crate) options: Options,
}

impl Cache {
    /// Opens the cache directory at `path`, creating it if it is not there. See [`default_dir`](crate::default_dir) for
    /// the usual place.
    ///
    /// A directory that this process cannot write, or that belongs to root, is opened read-only: objects in it are
    /// found, none are added, removed or put into quarantine.
    ///
    /// # Errors
    /// When the path is not a directory, others can write it, it belongs to somebody else, or cannot be created.
    #[inline]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path, Options::default())
    }

    /// Like [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[inline]
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, CacheError> {
        let root = Root::open(path.as_ref())?;
        Ok(Self {
            root: RwLock::new(Arc::new(root)),
            index: Index::default(),
            records: Records::default(),
            memo: Memo::default(),
            flights: Flights::default(),
            counters: Counters::default(),
            options,
        })
    }

    /// The cache directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root().path().to_owned()
    }

    /// Whether this process can only look.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.root().is_read_only()
    }

    /// Writes the collected last-use times to the objects' records, or to the index for objects without one. Times that
    /// can be written to neither are lost, which can only make an object look less recently used.
    pub fn flush(&self) {
        let uses = self.memo.take_uses();
        if !uses.is_empty() {
            self.note_uses(&self.root(), uses);
        }
    }

    #[inline]
    pub(crate) fn root(&self) -> Arc<Root> {
        Arc::clone(&self.root.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the directory anew, after somebody has deleted it.
    pub(crate) fn reopen(&self, gone: &Root) -> Result<Arc<Root>, CacheError> {
        let root = Arc::new(Root::open(&gone.named)?);
        *self.root.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&root);
        Ok(root)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("path", &self.root().named).finish_non_exhaustive()
    }
}
