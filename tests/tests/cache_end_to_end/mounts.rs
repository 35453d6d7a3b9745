//! Caches on file systems that are read-only, full, or forbid execution. They are mounted in a namespace of the child's
//! own, which needs rights that not every machine gives: without them these tests say so and do nothing.

use std::path::Path;
use std::process::Command;

use super::child;
use super::directory;
use super::subject::Subject;
use tvm_runtime::Origin;
use tvm_tests::engines;

/// Runs the child behind a shell command that changes mounts. `None` where that is not allowed.
fn run_mounted(mount: &str, directory: &Path, rounds: usize) -> Option<Vec<String>> {
    let flags = namespace()?;
    let quoted: Vec<String> = child::command().iter().map(|word| format!("'{word}'")).collect();
    let script = format!("{mount} && exec {}", quoted.join(" "));
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", &script]);
    command.env(child::DIRECTORY_VARIABLE, directory).env(child::ROUNDS_VARIABLE, rounds.to_string());
    let output = command.output().expect("unshare was found before");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script}:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(text.lines().filter_map(|line| line.strip_prefix("loaded ")).map(str::to_owned).collect())
}

/// Flags with which `unshare` lets us mount: as root without, as others with a user namespace.
fn namespace() -> Option<&'static str> {
    let allowed = |flags: &&str| {
        let script = "mount -t tmpfs none /mnt";
        Command::new("unshare").args([*flags, "sh", "-c", script]).output().is_ok_and(|output| output.status.success())
    };
    let found = ["-m", "-rm"].into_iter().find(|flags| allowed(flags));
    if found.is_none() {
        eprintln!("nothing tested: mounting is not allowed here");
    }
    found
}

#[test]
fn where_execution_is_forbidden_code_runs_from_memory() {
    let directory = directory();
    let mount = format!("mount -t tmpfs -o noexec,mode=0700 none '{}'", directory.path().display());
    let Some(rounds) = run_mounted(&mount, directory.path(), 3) else { return };
    assert_eq!(rounds, ["Compiled from memory", "CacheHit from memory", "CacheHit from memory"]);
}

#[test]
fn a_read_only_cache_is_read() {
    let directory = directory();
    assert_eq!(Subject::small().run(&engines::cached(directory.path())), Origin::Compiled);
    let path = directory.path().display();
    let mount = format!("mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}'");
    let Some(rounds) = run_mounted(&mount, directory.path(), 2) else { return };
    assert_eq!(rounds, ["CacheHit from a file", "CacheHit from a file"]);
}

#[test]
fn an_empty_read_only_cache_is_no_obstacle() {
    let directory = directory();
    let path = directory.path().display();
    let mount = format!("mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}'");
    let Some(rounds) = run_mounted(&mount, directory.path(), 2) else { return };
    assert_eq!(rounds, ["Compiled from memory", "Compiled from memory"]);
}

/// The file system fills up at various steps: at the first file, within the object, within the index.
#[test]
fn a_full_file_system_is_no_obstacle() {
    let directory = directory();
    for pages in [1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 1000] {
        let size = pages * 4096;
        let mount = format!("mount -t tmpfs -o size={size},mode=0700 none '{}'", directory.path().display());
        let Some(rounds) = run_mounted(&mount, directory.path(), 3) else { return };
        assert_eq!(rounds.len(), 3);
        assert!(rounds[0].starts_with("Compiled"), "{pages} pages: {rounds:?}");
        // Once it fits, it is there.
        if pages == 1000 {
            assert_eq!(rounds[1..], ["CacheHit from a file", "CacheHit from a file"]);
        }
    }
}

/// Nor are file systems without room for another file.
#[test]
fn a_file_system_without_inodes_is_no_obstacle() {
    let directory = directory();
    for inodes in 1..9 {
        let mount = format!("mount -t tmpfs -o nr_inodes={inodes},mode=0700 none '{}'", directory.path().display());
        let Some(rounds) = run_mounted(&mount, directory.path(), 2) else { return };
        assert!(rounds.len() == 2 && rounds[0].starts_with("Compiled"), "{inodes} inodes: {rounds:?}");
    }
}
