//! The index: rows in SQLite. Nothing outside this module knows that it is SQLite.
//!
//! Every operation may find the index locked, broken or gone. Locked or unreadable: it is left alone for a while and the
//! operation does nothing. Broken: it is replaced by an empty one. Replaced by another process, or deleted: it is opened
//! anew. No operation waits longer than [`database::MAX_WAIT`], and none can fail in a way that its caller has to handle, because
//! a [`Row`] that is not there is only ever a digest to compute.
//!
//! What is removed while another process has it open stays harmless: that process goes on with files that have no name
//! any more, until it sees that the name means another file. `index.lock` is held while the index is opened or replaced,
//! so that nobody opens half of it; and SQLite is told to leave its log in place when it closes, since it would delete
//! by name a log that belongs to the next index.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Statement, params};

use database::{Open, SqlResult, Trouble, file_now, in_transaction};

use crate::boot::BootId;
use crate::clock::UnixSecs;
use crate::dir::Root;
use crate::identity::FileIdentity;
use crate::key::{Key, KeyParts};
use crate::row::{CHECKSUM_LEN, Row};
use crate::stats::Counters;

mod database;

pub(crate) use database::INDEX;

const COLUMNS: &str = "key, code_hash, format_version, compiler, gp_version, gas_model, cpu_features, container, \
    options, dev, ino, size, mtime_ns, ctime_ns, boot, last_use, checksum";
const INSERT: &str = "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// How long the index is left alone after it could not be used, so that not every lookup waits.
const BACKOFF: Duration = Duration::from_secs(1);

/// The index of one cache. Opened when first needed.
#[derive(Default)]
pub(crate) struct Index {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Until when the index is left alone.
    resume_at: Option<Instant>,
}

impl Index {
    /// The row of `key`, if there is one and its checksum is right.
    pub(crate) fn get(&self, root: &Root, counters: &Counters, key: &Key) -> Option<Row> {
        let row = self.run(root, counters, |connection| {
            let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM objects WHERE key = ?"))?;
            select.query_row([key.as_bytes()], |row| Ok(decode(row))).optional()
        });
        row.flatten().flatten().filter(|(found, _)| found == key).map(|(_, row)| row)
    }

    /// All rows whose checksums are right. Where some are not, the index is rewritten without them.
    pub(crate) fn all(&self, root: &Root, counters: &Counters) -> BTreeMap<Key, Row> {
        let rows = self.run(root, counters, |connection| {
            let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM objects"))?;
            select.query_map([], |row| Ok(decode(row)))?.collect::<SqlResult<Vec<_>>>()
        });
        let rows = rows.unwrap_or_default();
        let read = rows.len();
        let good: BTreeMap<Key, Row> = rows.into_iter().flatten().collect();
        if good.len() < read && self.reset(root, counters) {
            self.put(root, counters, good.values());
        }
        good
    }

    /// Adds rows, each replacing the one of the same key. Returns whether they are in the index now.
    pub(crate) fn put<'a>(
        &self,
        root: &Root,
        counters: &Counters,
        rows: impl Iterator<Item = &'a Row> + Clone,
    ) -> bool {
        let put = |connection: &Connection| {
            let mut insert = connection.prepare(INSERT)?;
            rows.clone().try_for_each(|row| insert_row(&mut insert, row))
        };
        !root.is_read_only() && self.run(root, counters, |connection| in_transaction(connection, put)).is_some()
    }

    /// Notes when objects were last used; objects without a row are skipped.
    pub(crate) fn touch(&self, root: &Root, counters: &Counters, uses: &BTreeMap<Key, UnixSecs>) -> bool {
        let touch = |connection: &Connection| {
            let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM objects WHERE key = ?"))?;
            let mut insert = connection.prepare(INSERT)?;
            for (key, used) in uses {
                let row = select.query_row([key.as_bytes()], |row| Ok(decode(row))).optional()?.flatten();
                // The checksum covers the time, so the row is written anew; a broken one is left to be found missing.
                if let Some((_, row)) = row.filter(|(found, row)| found == key && row.last_use < *used) {
                    insert_row(&mut insert, &Row { last_use: *used, ..row })?;
                }
            }
            Ok(())
        };
        !root.is_read_only() && self.run(root, counters, |connection| in_transaction(connection, touch)).is_some()
    }

    /// Removes the rows of `keys`.
    pub(crate) fn delete(&self, root: &Root, counters: &Counters, keys: &[Key]) {
        if root.is_read_only() || keys.is_empty() {
            return;
        }
        let delete = |connection: &Connection| {
            let mut delete = connection.prepare("DELETE FROM objects WHERE key = ?")?;
            keys.iter().try_for_each(|key| delete.execute([key.as_bytes()]).map(drop))
        };
        self.run(root, counters, |connection| in_transaction(connection, delete));
    }

    /// Replaces the index by an empty one. Returns whether that was possible.
    pub(crate) fn reset(&self, root: &Root, counters: &Counters) -> bool {
        let mut state = self.lock();
        let done = !root.is_read_only() && state.replace(root).is_ok();
        if done {
            counters.index_resets.add_one();
        }
        done
    }

    /// Runs `operation` on the open index; `None` if there is none to be had. A broken index is replaced, and the
    /// operation tried once more on the empty one.
    fn run<T>(&self, root: &Root, counters: &Counters, operation: impl Fn(&Connection) -> SqlResult<T>) -> Option<T> {
        let mut state = self.lock();
        if state.resume_at.is_some_and(|time| Instant::now() < time) {
            counters.index_unavailable.add_one();
            return None;
        }
        state.resume_at = None;
        let mut result = state.attempt(root, &operation);
        if matches!(result, Err(Trouble::Broken)) && !root.is_read_only() {
            counters.index_resets.add_one();
            result = state.replace(root).and_then(|()| state.attempt(root, &operation));
        }
        if result.is_err() {
            counters.index_unavailable.add_one();
            state.open = None;
            state.resume_at = Some(Instant::now() + BACKOFF);
        }
        result.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside cannot leave a wrong row behind: SQLite rolls back, and rows carry checksums.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn attempt<T>(&mut self, root: &Root, operation: &impl Fn(&Connection) -> SqlResult<T>) -> Result<T, Trouble> {
        if !root.is_read_only() && self.open.as_ref().is_some_and(|open| Some(open.file) != file_now(root)) {
            self.open = None;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None if root.is_read_only() => database::open_read_only(root)?,
            None => {
                let _lock = database::take_lock(root)?;
                database::open_or_create(root)?
            }
        };
        let result = operation(&open.connection);
        self.open = Some(open);
        result.map_err(|error| database::classify(&error))
    }

    /// Deletes the index and creates an empty one, unless another process has just done so.
    fn replace(&mut self, root: &Root) -> Result<(), Trouble> {
        let seen = self.open.take().map(|open| open.file);
        let _lock = database::take_lock(root)?;
        if seen.is_none() || seen == file_now(root) {
            database::remove_files(root)?;
        }
        self.open = Some(database::open_or_create(root)?);
        Ok(())
    }
}

fn insert_row(insert: &mut Statement<'_>, row: &Row) -> SqlResult<()> {
    let key = row.parts.key();
    let checksum = row.checksum(&key);
    let Row { parts, identity, boot, last_use } = row;
    let KeyParts { code_hash, format_version, compiler, gp_version, gas_model, container, cpu_features, options } =
        parts;
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = identity;
    let signed = |number: &u64| number.cast_signed();
    insert.execute(params![
        key.as_bytes(),
        code_hash,
        format_version,
        compiler,
        gp_version,
        gas_model,
        signed(cpu_features),
        container,
        signed(options),
        signed(dev),
        signed(ino),
        signed(size),
        mtime_ns,
        ctime_ns,
        boot.0,
        signed(&last_use.0),
        checksum,
    ])?;
    Ok(())
}

/// The row, unless a value has the wrong type or the checksum is wrong: then something changed it, and it is no row.
fn decode(row: &rusqlite::Row<'_>) -> Option<(Key, Row)> {
    let unsigned = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let read = || -> SqlResult<(Key, Row, [u8; CHECKSUM_LEN])> {
        let parts = KeyParts {
            code_hash: row.get(1)?,
            format_version: row.get(2)?,
            compiler: row.get(3)?,
            gp_version: row.get(4)?,
            gas_model: row.get(5)?,
            cpu_features: unsigned(6)?,
            container: row.get(7)?,
            options: unsigned(8)?,
        };
        let (mtime_ns, ctime_ns) = (row.get(12)?, row.get(13)?);
        let identity = FileIdentity { dev: unsigned(9)?, ino: unsigned(10)?, size: unsigned(11)?, mtime_ns, ctime_ns };
        let decoded = Row { parts, identity, boot: BootId(row.get(14)?), last_use: UnixSecs(unsigned(15)?) };
        Ok((Key::from_bytes(row.get(0)?), decoded, row.get(16)?))
    };
    let (key, row, checksum) = read().ok()?;
    (row.checksum(&key) == checksum && row.parts.key() == key).then_some((key, row))
}
