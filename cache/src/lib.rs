//! The cache of compiled objects: files on disk, an SQLite index beside them, eviction, and the rules of trust.
//!
//! A cache is a directory of its own:
//!
//! ```text
//! objects/<first 2 hex digits>/<64 hex digits of the key>.o    object ‖ trailer, mode 0400
//! quarantine/                                                  the last few files that failed a check
//! index.sqlite, index.sqlite-wal, index.sqlite-shm             which files were checked, and when they were used
//! index.lock                                                   held while the index is opened or replaced
//! records                                                      the same as the index, where one read finds it
//! ```
//!
//! **Always a miss, never an error.** A missing, cut, flipped, foreign or replaced file makes [`Cache::lookup`] return
//! `None`; the caller compiles. Only opening a directory that must not be trusted at all, and writing, can fail.
//!
//! **Who is trusted.** The directory must be ours and closed to writing by others: whoever can write there can make us
//! run anything. Inside it nothing is taken on faith: every file carries its key and a digest over all of its bytes
//! (in a trailer at its end, where ELF tools ignore it). The digest is checked when a file is first met and again
//! whenever its identity (device, inode, size, mtime, ctime) is not the one that was checked; otherwise a lookup reads
//! none of the object, so its cost does not grow with the object's size. An identity counts only within the boot it was
//! seen in, unless the file was synced to disk ([`Durability::Synced`], [`Cache::sync`]). The directories on the way to a
//! file must be ours and closed to others, too, before its digest says anything; a file whose identity was checked is the
//! same whatever leads to it.
//!
//! **Index and records can be lost at any time.** A row of the index says "this identity was checked and holds this
//! key", protected by a checksum of its own. Such a statement stays true wherever the row comes from, so losing rows
//! costs time and resurrecting them costs nothing. A locked index is left alone, a broken one is replaced by an empty one
//! that fills up again as objects are used; [`Cache::rebuild_index`] fills it at once. A record is the same statement in a
//! slot of a plain file: a lookup reads it in a microsecond, and SQLite, which takes some hundred to open, is asked only
//! where there is none. Trust is the same: the same identity, the same rule about boots, the same kind of checksum, in a
//! file that must be ours.
//!
//! **Uses are noted late.** A lookup notes the time of use in memory, once in ten minutes for each object; the times are
//! written to the records when a thousand have come together, on [`Cache::flush`] and on drop, and from there to the
//! index by [`Cache::gc`] and [`Cache::ls`]. A process that is killed loses those it has not written; deleted records lose
//! those since the last such call. Either only makes objects look less recently used.
//!
//! **The first hit of a process** waits for pages of the program itself. What it needs is `#[inline]`, and so compiled into
//! the crate that uses it, where it lies together and not among what opens databases and compiles statements; programs
//! that are linked with runtime/start.ld have all of it in one place.
//!
//! **The limits of this.** The cache guards against accidents, and against other users of the machine. It does not
//! guard against its own user, who can as well replace the program that reads it; nor against a disk that changes bytes
//! without changing a time stamp, which [`Cache::verify`] finds. Like all users of SQLite's log mode it must not have its
//! `-shm` file cut short while it is mapped: deleting the index is safe at any time, truncating that file is not.
//!
//! ```
//! use tvm_cache::{Cache, KeyParts, hash};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("cache");
//! let cache = Cache::open(&path)?;
//! let parts = KeyParts {
//!     code_hash: hash(b"the program"),
//!     format_version: 1,
//!     compiler: hash(b"the compiler's build"),
//!     gp_version: 1,
//!     gas_model: 1,
//!     cpu_features: 0,
//!     container: 2,
//!     options: 0,
//! };
//! assert!(cache.lookup(&parts.key()).is_none());
//! cache.publish(&parts, b"the object")?;
//! assert_eq!(cache.lookup(&parts.key()).unwrap().object_len, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod admit;
mod boot;
mod cache;
mod clock;
mod dir;
mod error;
mod fault;
mod flight;
mod gc;
mod identity;
mod index;
mod key;
mod location;
mod lookup;
mod maintain;
mod memo;
mod publish;
mod quarantine;
mod records;
mod row;
mod scan;
mod stats;
mod sys;
mod trailer;

pub use cache::{Cache, Durability, Options};
pub use clock::{Clock, SystemClock, UnixSecs};
pub use error::CacheError;
pub use fault::Fault;
pub use flight::{Outcome, Source};
pub use gc::{GcReport, Policy};
pub use key::{Key, KeyParts, ParseKeyError, hash};
pub use location::default_dir;
pub use lookup::{Hit, Verified};
pub use maintain::{Entry, Repair, Report};
pub use quarantine::MAX_QUARANTINED;
pub use stats::Stats;
pub use trailer::{MAX_OBJECT_LEN, TRAILER_LEN};
