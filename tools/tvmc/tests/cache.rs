//! `tvmc cache`.

mod common;

use std::fs;

use common::{Dir, guest};
use serde_json::json;

/// A directory with two programs compiled into the cache.
fn with_two_objects() -> Dir {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), &guest("sieve"), "--quiet"]).expect(0);
    dir
}

fn keys(dir: &Dir) -> Vec<String> {
    let listing = dir.tvmc(["cache", "ls", "--json"]).expect(0).json();
    listing["objects"].as_array().unwrap().iter().map(|o| o["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_path_is_told_whether_or_not_it_exists() {
    let dir = Dir::new();
    let path = dir.path("cache").display().to_string();
    assert_eq!(dir.tvmc(["cache", "path"]).expect(0).stdout, format!("{path}\n"));
    assert_eq!(dir.tvmc(["cache", "--cache", "/x/y", "path", "--json"]).expect(0).json(), json!({ "path": "/x/y" }));
    assert!(!dir.path("cache").exists());
}

#[test]
fn looking_at_a_cache_does_not_make_one() {
    let dir = Dir::new();
    for command in ["ls", "stat", "verify", "gc", "clear", "rebuild"] {
        let ran = dir.tvmc(["cache", command]).expect(2);
        assert!(ran.stderr.contains("there is no cache at"), "{}", ran.stderr);
    }
    assert!(!dir.path("cache").exists());
}

#[test]
fn objects_are_listed_and_counted() {
    let dir = with_two_objects();
    let listing = dir.tvmc(["cache", "ls", "--json"]).expect(0).json();
    let object = &listing["objects"][0];
    assert_eq!(
        (&object["gp"], &object["container"], &object["this_compiler"]),
        (&json!("0.7.2"), &json!("jam"), &json!(true))
    );
    assert_eq!(object["gas_model"], "per-instruction");
    let text = dir.tvmc(["cache", "ls"]).expect(0).stdout;
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains(&keys(&dir)[0][..16]), "{text}");
    let stat = dir.tvmc(["cache", "stat", "--json"]).expect(0).json();
    assert_eq!((&stat["objects"], &stat["by_this_compiler"], &stat["quarantined"]), (&json!(2), &json!(2), &json!(0)));
}

#[test]
fn a_flipped_byte_is_found_and_put_away() {
    let dir = with_two_objects();
    let report = dir.tvmc(["cache", "verify", "--json"]).expect(0).json();
    assert_eq!((&report["good"], &report["code_verified"]), (&json!(2), &json!(2)));
    let bad = dir.cached_objects().remove(0);
    let mut bytes = fs::read(&bad).unwrap();
    bytes[4100] ^= 0x10;
    fs::remove_file(&bad).unwrap();
    fs::write(&bad, bytes).unwrap();
    let report = dir.tvmc(["cache", "verify", "--json"]).expect(1).json();
    assert_eq!((&report["good"], report["bad"].as_array().unwrap().len()), (&json!(1), 1));
    assert!(report["bad"][0]["path"].as_str().unwrap().ends_with(bad.file_name().unwrap().to_str().unwrap()));
    let text = dir.tvmc(["cache", "verify"]).expect(1).stdout;
    assert!(text.contains("1 good file, machine code verified in 1, 1 bad"), "{text}");
    dir.tvmc(["cache", "verify", "--repair"]).expect(1);
    dir.tvmc(["cache", "verify"]).expect(0);
    assert_eq!(dir.tvmc(["cache", "stat", "--json"]).expect(0).json()["quarantined"], 1);
}

#[test]
fn objects_are_removed_by_key_by_its_beginning_and_by_program() {
    let dir = with_two_objects();
    let keys_before = keys(&dir);
    dir.tvmc(["cache", "rm", &keys_before[0][..12]]).expect(0);
    assert_eq!(keys(&dir), keys_before[1..]);
    dir.tvmc(["cache", "rm", &keys_before[1]]).expect(0);
    assert!(keys(&dir).is_empty());
    dir.tvmc(["compile", &guest("sum"), &guest("sieve"), "--quiet"]).expect(0);
    let ran = dir.tvmc(["cache", "rm", "--program", &guest("sum"), "--json"]).expect(0);
    assert_eq!(ran.json(), json!({ "removed": 1 }));
    assert_eq!(keys(&dir).len(), 1);
    dir.tvmc(["cache", "rm"]).expect(2);
    dir.tvmc(["cache", "rm", "0000"]).expect(2);
    dir.tvmc(["cache", "rm", "not-a-key"]).expect(2);
}

#[test]
fn limits_are_kept() {
    let dir = with_two_objects();
    let kept = dir.tvmc(["cache", "gc", "--json"]).expect(0).json();
    assert_eq!((&kept["removed"], &kept["kept"]), (&json!(0), &json!(2)));
    let kept = dir.tvmc(["cache", "gc", "--only-this-compiler", "--max-age", "1h", "--json"]).expect(0).json();
    assert_eq!(kept["kept"], 2);
    let one = dir.cached_objects().iter().map(|path| fs::metadata(path).unwrap().len()).max().unwrap();
    let kept = dir.tvmc(["cache", "gc", "--max-bytes", &one.to_string(), "--json"]).expect(0).json();
    assert_eq!(kept["kept"], 1);
    let kept = dir.tvmc(["cache", "gc", "--max-bytes", "0", "--json"]).expect(0).json();
    assert_eq!((&kept["removed"], &kept["kept"]), (&json!(1), &json!(0)));
}

#[test]
fn clearing_and_rebuilding() {
    let dir = with_two_objects();
    fs::remove_file(dir.path("cache/index.sqlite")).unwrap();
    // Files of the last few milliseconds are not vouched for yet: a change of them might not show in their times.
    let indexed = dir.tvmc(["cache", "rebuild", "--json"]).expect(0).json()["indexed"].as_u64().unwrap();
    assert!(indexed <= 2, "{indexed}");
    assert!(dir.path("cache/index.sqlite").exists());
    assert_eq!(dir.tvmc(["run", &guest("sum"), "--json"]).expect(0).json()["cache"], "hit");
    assert_eq!(dir.tvmc(["cache", "clear", "--json"]).expect(0).json(), json!({ "removed": 2 }));
    assert!(keys(&dir).is_empty());
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = with_two_objects();
    fs::set_permissions(dir.path("cache"), fs::Permissions::from_mode(0o777)).unwrap();
    let ran = dir.tvmc(["cache", "ls"]).expect(4);
    assert!(ran.stderr.contains("expected 0700"), "{}", ran.stderr);
}
