//! Opening the database, and judging what is found where it should be.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, FileControl, OpenFlags};

use crate::dir::Root;
use crate::{quarantine, sys};

/// The database.
pub(crate) const INDEX: &str = "index.sqlite";
/// What SQLite may put beside it.
const COMPANIONS: [&str; 3] = ["index.sqlite-wal", "index.sqlite-shm", "index.sqlite-journal"];
const LOCK: &str = "index.lock";

/// Marks the database as ours: "TVMC".
const APPLICATION_ID: i32 = 0x5456_4d43;
/// Version of the table below. A database of any other version is replaced.
const SCHEMA_VERSION: i32 = 1;
const SCHEMA: &str = "CREATE TABLE objects (
    key BLOB NOT NULL PRIMARY KEY, code_hash BLOB NOT NULL, format_version INTEGER NOT NULL, compiler BLOB NOT NULL,
    gp_version INTEGER NOT NULL, gas_model INTEGER NOT NULL, cpu_features INTEGER NOT NULL, container INTEGER NOT NULL,
    options INTEGER NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, boot BLOB NOT NULL, last_use INTEGER NOT NULL,
    checksum BLOB NOT NULL
) WITHOUT ROWID";
/// How long an operation waits for another process. Computing a digest of a large object takes no longer.
pub(super) const MAX_WAIT: Duration = Duration::from_millis(50);

pub(super) type SqlResult<T> = rusqlite::Result<T>;

/// An open database.
pub(super) struct Open {
    pub connection: Connection,
    /// Device and inode of the database: tells whether its name still means this file.
    pub file: (u64, u64),
    /// Whether this process has created the table.
    created: bool,
}

impl Drop for Open {
    /// Moves what this process has written from the log into the database, and empties the log: as long as there is
    /// something in it, everyone who opens the index has to read it all. Who has only read has nothing to do here, and
    /// in particular waits for no disk.
    fn drop(&mut self) {
        if self.created || self.connection.total_changes() > 0 {
            // Another process may be in the way; then the last one to close does it.
            let _still_in_use = self
                .connection
                .busy_timeout(Duration::ZERO)
                .and_then(|()| self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
    }
}

/// Why an operation was not carried out.
pub(super) enum Trouble {
    /// Another process is in the way, or the system does not let us.
    Unavailable,
    /// The database is not one this code can have written.
    Broken,
}

pub(super) fn in_transaction(connection: &Connection, work: impl Fn(&Connection) -> SqlResult<()>) -> SqlResult<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = work(connection).and_then(|()| connection.execute_batch("COMMIT"));
    if done.is_err() {
        // Fails when SQLite has rolled back by itself.
        let _rolled_back = connection.execute_batch("ROLLBACK");
    }
    done
}

/// What a failed operation says about the database. In doubt it is broken: replacing it costs digests, keeping a broken
/// one would cost them for ever.
pub(super) fn classify(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error() {
        Some(error) if error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ => Trouble::Broken,
        Some(error) => match error.code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed => Trouble::Unavailable,
            _ => Trouble::Broken,
        },
        None => Trouble::Broken,
    }
}

/// Opens the database, after creating it if need be. The caller holds the lock.
pub(super) fn open_or_create(root: &Root) -> Result<Open, Trouble> {
    match sys::metadata_at(&root.dir, INDEX.as_ref()) {
        Ok(metadata) if root.owns_file(&metadata) && companions_are_ours(root) => {}
        // Not there, or a link or somebody's file: what lies beside it belongs to no database of ours.
        _ => {
            remove_files(root)?;
            // Created here because SQLite would let the umask decide who may read it.
            drop(sys::create_file_at(&root.dir, INDEX).map_err(|_| Trouble::Unavailable)?);
        }
    }
    let file = file_now(root).ok_or(Trouble::Unavailable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let path = root.path().join(INDEX);
    let connection = Connection::open_with_flags(path, flags).map_err(|error| classify(&error))?;
    prepare(&connection).map_err(|error| classify(&error))?;
    let created = check_version(&connection)?;
    Ok(Open { connection, file, created })
}

/// Opens the database without locking or writing anything, not even shared memory. A row that another process is just
/// writing may be missed or read half; its checksum tells.
pub(super) fn open_read_only(root: &Root) -> Result<Open, Trouble> {
    let metadata = sys::metadata_at(&root.dir, INDEX.as_ref()).map_err(|_| Trouble::Unavailable)?;
    if !root.owns_file(&metadata) {
        return Err(Trouble::Unavailable);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_URI;
    let uri = immutable_uri(&root.path().join(INDEX));
    let connection = Connection::open_with_flags(uri, flags).map_err(|error| classify(&error))?;
    distrust(&connection).map_err(|error| classify(&error))?;
    Ok(Open { connection, file: (metadata.dev(), metadata.ino()), created: false })
}

/// The path as a URI for SQLite, everything but letters, digits and slashes escaped.
fn immutable_uri(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b'/' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let path: String = path.as_os_str().as_bytes().iter().map(escape).collect();
    format!("file:{path}?immutable=1")
}

fn prepare(connection: &Connection) -> SqlResult<()> {
    connection.busy_timeout(MAX_WAIT)?;
    distrust(connection)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    // Closing would otherwise empty and delete the log by its name, with two waits for the disk even if nothing was
    // written.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut keep = 1;
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut keep))
}

/// Switches off what a damaged database could use to surprise us.
fn distrust(connection: &Connection) -> SqlResult<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    // Without this a damaged column name in the schema would turn our column into a string constant.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.execute_batch("PRAGMA cell_size_check = ON")
}

/// Makes sure that the database is ours, creating the table in an empty one. Returns whether it did.
fn check_version(connection: &Connection) -> Result<bool, Trouble> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let found = || Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?));
    let fresh = || connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get::<_, bool>(0));
    match found().map_err(|error| classify(&error))? {
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(false),
        (0, 0) if fresh().map_err(|error| classify(&error))? => {
            let create =
                format!("{SCHEMA}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};");
            in_transaction(connection, |connection| connection.execute_batch(&create))
                .map_err(|error| classify(&error))?;
            Ok(true)
        }
        _ => Err(Trouble::Broken),
    }
}

/// SQLite could not open a link or directory in their place, and would not say that this is why.
fn companions_are_ours(root: &Root) -> bool {
    COMPANIONS.iter().all(|name| match sys::metadata_at(&root.dir, name.as_ref()) {
        Ok(metadata) => root.owns_file(&metadata),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Device and inode that the database's name means now.
pub(super) fn file_now(root: &Root) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(root.path().join(INDEX)).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Deletes the database first: a log without a database is deleted by the next one to open it, a database without its
/// log would be believed.
pub(super) fn remove_files(root: &Root) -> Result<(), Trouble> {
    for name in [INDEX].iter().chain(&COMPANIONS) {
        match sys::metadata_at(&root.dir, name.as_ref()) {
            Ok(metadata) if metadata.is_dir() => quarantine::put(root, &root.dir, name.as_ref()),
            Ok(_) => sys::unlink_at(&root.dir, name.as_ref()).or_else(ignore_missing)?,
            Err(error) => ignore_missing(error)?,
        }
    }
    Ok(())
}

fn ignore_missing(error: io::Error) -> Result<(), Trouble> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(Trouble::Unavailable) }
}

/// Holds off other processes that open or replace the index. The kernel releases it when the holder dies.
pub(super) fn take_lock(root: &Root) -> Result<File, Trouble> {
    let open = || sys::open_or_create_at(&root.dir, LOCK);
    let lock = match open() {
        // A link or a directory in its place would keep the index from being used for ever.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EISDIR)) => {
            quarantine::put(root, &root.dir, LOCK.as_ref());
            open()
        }
        other => other,
    };
    let lock = lock.map_err(|_| Trouble::Unavailable)?;
    let give_up = Instant::now() + MAX_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(Duration::from_millis(1)),
            Err(_) => return Err(Trouble::Unavailable),
        }
    }
}
