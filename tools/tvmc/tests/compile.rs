//! `tvmc compile`.

mod common;

use std::fs;
use std::process::Command;

use common::{Dir, guest, guest_of};

#[test]
fn compiling_twice_is_a_hit() {
    let dir = Dir::new();
    let first = dir.tvmc(["compile", &guest("sum"), "--json"]).expect(0).json();
    let second = dir.tvmc(["compile", &guest("sum"), "--json"]).expect(0).json();
    assert_eq!(first["files"][0]["cache"], "miss");
    assert_eq!(second["files"][0]["cache"], "hit");
    for field in ["key", "code_hash", "container", "code_bytes", "object_bytes"] {
        assert_eq!(first["files"][0][field], second["files"][0][field], "{field}");
        assert!(!first["files"][0][field].is_null(), "{field}");
    }
    assert_eq!(second["totals"]["hits"], 1);
    assert_eq!(second["totals"]["compiled"], 0);
}

#[test]
fn what_is_compiled_is_what_run_looks_for() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum")]).expect(0);
    assert_eq!(dir.tvmc(["run", &guest("sum"), "--json"]).expect(0).json()["cache"], "hit");
}

#[test]
fn run_prefers_best_code_that_is_there() {
    let dir = Dir::new();
    let run = |more: &[&str]| {
        let ran = dir.tvmc(["run", &guest("sum"), "--json"].iter().chain(more).copied()).expect(0).json();
        (ran["tier"].as_str().unwrap().to_owned(), ran["cache"].as_str().unwrap().to_owned(), ran["gas"].clone())
    };
    let found = |tier: &str, cache: &str| (tier.to_owned(), cache.to_owned());
    let (tier, cache, gas) = run(&[]);
    assert_eq!((tier, cache), found("fast", "miss"));
    let compiled = dir.tvmc(["compile", &guest("sum"), "--json"]).expect(0).json();
    assert_eq!((&compiled["tier"], &compiled["files"][0]["cache"]), (&"best".into(), &"miss".into()));
    for (more, expected) in [
        (&[][..], found("best", "hit")),
        (&["--tier", "fast"], found("fast", "hit")),
        (&["--tier", "best"], found("best", "hit")),
        (&["--tier", "best", "--no-cache"], found("best", "off")),
        (&["--no-cache"], found("fast", "off")),
    ] {
        let (tier, cache, used) = run(more);
        assert_eq!(((tier, cache), &used), (expected, &gas), "{more:?}");
    }
    dir.tvmc(["compile", &guest("sum"), "--tier", "fast", "--json"]).expect(0).json();
    let listing = dir.tvmc(["cache", "ls", "--json"]).expect(0).json();
    let mut tiers: Vec<_> =
        listing["objects"].as_array().unwrap().iter().map(|o| o["tier"].as_str().unwrap()).collect();
    tiers.sort_unstable();
    assert_eq!(tiers, ["best", "fast"]);
    dir.tvmc(["run", &guest("sum"), "--tier", "fast", "--engine", "interpreter"]).expect(2);
}

#[test]
fn versions_and_targets_are_different_objects() {
    let dir = Dir::new();
    let blob = guest("fibonacci");
    for args in [&["--gp", "0.7.0"][..], &["--gp", "0.7.2"], &["--target", "x86-64"], &["--container", "jam"]] {
        dir.tvmc(["compile", &blob, "--quiet"].into_iter().chain(args.iter().copied())).expect(0);
    }
    let objects = dir.tvmc(["cache", "ls", "--json"]).expect(0).json()["objects"].as_array().unwrap().len();
    // The container that was named is the one that was found; a machine without BMI2 has one target only.
    assert!(objects == 3 || objects == 2, "{objects}");
}

#[test]
fn prewarming_is_compiling_for_another_version() {
    let dir = Dir::new();
    let ran = dir.tvmc(["prewarm", &guest_of("0.8.0", "sum"), "--gp", "0.8.0", "--json"]).expect(0).json();
    assert_eq!((&ran["gp"], &ran["files"][0]["cache"]), (&"0.8.0".into(), &"miss".into()));
}

#[test]
fn folders_are_compiled_on_several_threads_in_a_fixed_order() {
    let dir = Dir::new();
    for name in ["sum", "fibonacci", "sieve"] {
        dir.write(&format!("in/deep/{name}.jam"), &fs::read(guest(name)).unwrap());
    }
    dir.write("in/notes.txt", b"no program");
    let ran = dir.tvmc(["compile", "in", "--jobs", "3", "--json"]).expect(0).json();
    let files: Vec<_> = ran["files"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["in/deep/fibonacci.jam", "in/deep/sieve.jam", "in/deep/sum.jam"]);
}

#[test]
fn the_table_has_a_line_for_each_file() {
    let dir = Dir::new();
    let bad = dir.write("bad.jam", b"\xff\xff not a program");
    let ran = dir.tvmc(["compile", &guest("sum"), bad.to_str().unwrap()]).expect(3);
    assert!(ran.stdout.starts_with("FILE"), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 files: 1 compiled, 0 in the cache, 1 failed"), "{}", ran.stdout);
    assert!(ran.stderr.contains("bad.jam is malformed"), "{}", ran.stderr);
    // Nobody watches: no progress bar.
    assert!(!ran.stderr.contains('\r') && !ran.stderr.contains('\x1b'), "{}", ran.stderr);
}

#[test]
fn the_gravest_failure_is_the_exit_code() {
    let dir = Dir::new();
    let bad = dir.write("bad.jam", b"\xff\xff not a program");
    let ran = dir.tvmc(["compile", bad.to_str().unwrap(), "--json"]).expect(3);
    let file = &ran.json()["files"][0];
    assert_eq!((&file["cache"], &file["error"]["kind"]), (&"failed".into(), &"malformed".into()));
    // A cache that cannot be made is the system's failure.
    dir.write("file", b"");
    dir.tvmc(["compile", &guest("sum"), "--cache", "file"]).expect(4);
}

#[test]
fn missing_files_and_empty_folders_are_named() {
    let dir = Dir::new();
    let ran = dir.tvmc(["compile", "nowhere.jam"]).expect(2);
    assert!(ran.stderr.contains("nowhere.jam cannot be read"), "{}", ran.stderr);
    assert!(ran.stderr.contains("caused by: No such file"), "{}", ran.stderr);
    fs::create_dir(dir.path("empty")).unwrap();
    let ran = dir.tvmc(["compile", "empty"]).expect(2);
    assert!(ran.stderr.contains("empty holds no programs"), "{}", ran.stderr);
}

#[test]
fn an_object_in_a_file_uses_no_cache_and_is_the_same_every_time() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "-o", "a.o"]).expect(0);
    dir.tvmc(["compile", &guest("sum"), "-o", "b.o"]).expect(0);
    assert!(!dir.path("cache").exists());
    let (a, b) = (fs::read(dir.path("a.o")).unwrap(), fs::read(dir.path("b.o")).unwrap());
    assert!(a.starts_with(b"\x7fELF") && a == b);
    assert_eq!(fs::read_dir(dir.path("")).unwrap().count(), 2, "no temporary files are left");
    dir.tvmc(["compile", &guest("sum"), &guest("sieve"), "-o", "c.o"]).expect(2);
    dir.tvmc(["compile", &guest("sum"), "-o", "no/such/folder.o"]).expect(4);
}

#[test]
fn stock_tools_read_the_object() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "-o", "sum.o"]).expect(0);
    for tool in [&["objdump", "-dr", "sum.o"][..], &["readelf", "-aW", "sum.o"], &["nm", "sum.o"]] {
        let Ok(output) = Command::new(tool[0]).args(&tool[1..]).current_dir(dir.path("")).output() else { continue };
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && stderr.is_empty(), "{tool:?}: {stderr}");
        assert!(stdout.contains("pc_0") && stdout.contains("tvm_stub_") || tool[0] == "objdump", "{tool:?}: {stdout}");
        assert!(stdout.contains("<pc_0>:") || tool[0] != "objdump", "{stdout}");
    }
}
