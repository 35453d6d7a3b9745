//! `tvmc run`.

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::{Dir, Ran, expected, guest, raw_program};
use serde_json::{Value, json};

#[test]
fn both_engines_give_the_documented_output_at_the_same_gas() {
    let dir = Dir::new();
    let expected = expected();
    for name in ["sum", "fibonacci", "sieve", "sha256"] {
        for case in expected[name].as_array().unwrap().iter().filter(|case| case["case"] != "bench") {
            let args = format!("0x{}", case["args"].as_str().unwrap());
            let run = |engine| {
                dir.tvmc(["run", &guest(name), "--args", &args, "--engine", engine, "--json"]).expect(0).json()
            };
            let (compiled, interpreted) = (run("compiled"), run("interpreter"));
            assert_eq!(compiled["output"], format!("0x{}", case["output"].as_str().unwrap()), "{name} {case}");
            for field in ["output", "gas", "registers", "registers_exact", "pc", "outcome"] {
                assert_eq!(compiled[field], interpreted[field], "{field} of {name} {case}");
            }
            assert_eq!((&compiled["engine"], &interpreted["engine"]), (&json!("compiled"), &json!("interpreter")));
            assert_eq!(interpreted["cache"], "off");
        }
    }
}

#[test]
fn the_document_has_these_fields() {
    let dir = Dir::new();
    let ran = dir.tvmc(["run", &guest("sum"), "--json", "--gas", "1000000"]).expect(0).json();
    let fields: Vec<_> = ran.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "file",
        "gp",
        "container",
        "code_hash",
        "engine",
        "tier",
        "cache",
        "outcome",
        "pc",
        "gas",
        "output",
        "registers",
        "registers_exact",
        "time",
    ];
    assert_eq!(fields, expected);
    assert_eq!(ran["outcome"], json!({ "kind": "halt" }));
    assert_eq!(ran["output"], "0x0000000000000000");
    assert_eq!(ran["registers"].as_array().unwrap().len(), 13);
    let gas = |name: &str| ran["gas"][name].as_u64().unwrap();
    assert_eq!((gas("limit"), gas("used") + gas("left")), (1_000_000, 1_000_000));
    for part in ["open_ns", "load_ns", "set_up_ns", "run_ns"] {
        assert!(ran["time"][part].is_u64(), "{part}");
    }
}

#[test]
fn the_second_run_is_a_hit_unless_there_is_no_cache() {
    let dir = Dir::new();
    let cache = |args: &[&str]| {
        dir.tvmc(["run", &guest("sum"), "--json"].into_iter().chain(args.iter().copied())).expect(0).json()["cache"]
            .clone()
    };
    assert_eq!([cache(&[]), cache(&[])], ["miss", "hit"]);
    assert_eq!(cache(&["--no-cache"]), "off");
    assert_eq!([cache(&["--cache", "other"]), cache(&["--cache", "other"])], ["miss", "hit"]);
}

#[test]
fn running_does_not_depend_on_the_usual_cache_but_on_a_named_one() {
    let dir = Dir::new();
    dir.write("cache", b"a file where the cache should be");
    let ran = dir.tvmc(["run", &guest("sum"), "--json"]).expect(0);
    assert_eq!(ran.json()["cache"], "off");
    assert!(ran.stderr.contains("running without a cache"), "{}", ran.stderr);
    dir.tvmc(["run", &guest("sum"), "--cache", "cache"]).expect(4);
}

#[test]
fn a_damaged_object_is_compiled_again() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "--quiet"]).expect(0);
    let [object] = &dir.cached_objects()[..] else { panic!("one object") };
    let mut bytes = fs::read(object).unwrap();
    bytes[5000] ^= 1;
    fs::remove_file(object).unwrap();
    fs::write(object, &bytes).unwrap();
    let ran = dir.tvmc(["run", &guest("sum"), "--json"]).expect(0).json();
    assert_eq!((&ran["cache"], &ran["output"]), (&json!("miss"), &json!("0x0000000000000000")));
}

#[test]
fn arguments_come_from_files_too_and_output_goes_to_one() {
    let dir = Dir::new();
    let args: Vec<u8> = [1_u64, 2, u64::MAX].iter().flat_map(|n| n.to_le_bytes()).collect();
    dir.write("args", &args);
    let ran = dir.tvmc(["run", &guest("sum"), "--args-file", "args", "-o", "out"]).expect(0);
    assert!(ran.stdout.contains("0x0200000000000000 (8 bytes)"), "{}", ran.stdout);
    assert_eq!(fs::read(dir.path("out")).unwrap(), 2_u64.to_le_bytes());
    dir.tvmc(["run", &guest("sum"), "--args-file", "args", "--args", "0x00"]).expect(2);
    dir.tvmc(["run", &guest("sum"), "--args", "0x0"]).expect(2);
}

#[test]
fn programs_come_from_standard_input_too() {
    let dir = Dir::new();
    let mut command = dir.command(["run", "-", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(guest("sum")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let ran: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&ran["container"], &ran["outcome"]["kind"]), (&json!("jam"), &json!("halt")));
}

/// Runs bare code on both engines, which must agree.
fn raw(code: &[u8], marked: &[usize], args: &[&str], code_expected: i32) -> (Value, Ran) {
    let dir = Dir::new();
    dir.write("raw.pvm", &raw_program(code, marked));
    let run = |engine| {
        let args = ["run", "raw.pvm", "--json", "--engine", engine].into_iter().chain(args.iter().copied());
        let ran = dir.tvmc(args).expect(code_expected);
        (ran.json(), ran)
    };
    let ((compiled, ran), (interpreted, _)) = (run("compiled"), run("interpreter"));
    for field in ["outcome", "pc", "gas", "registers", "registers_exact", "output"] {
        assert_eq!(compiled[field], interpreted[field], "{field}");
    }
    (compiled, ran)
}

#[test]
fn outcomes_other_than_halt_end_with_code_1() {
    // trap
    let (ran, _) = raw(&[0], &[0], &[], 1);
    assert_eq!(ran["outcome"], json!({ "kind": "panic" }));
    // fallthrough, then a jump back to it: for ever.
    let (ran, _) = raw(&[1, 40, 0xff], &[0, 1], &["--gas", "100"], 1);
    assert_eq!(ran["outcome"], json!({ "kind": "out-of-gas" }));
    assert_eq!((&ran["gas"]["used"], &ran["gas"]["left"]), (&json!(100), &json!(0)));
    // load_u8 a0, 0x20000
    let (ran, _) = raw(&[52, 7, 0, 0, 2], &[0], &[], 1);
    assert_eq!(ran["outcome"], json!({ "kind": "page-fault", "address": "0x00020000" }));
    assert!(ran["output"].is_null());
}

#[test]
fn gas_of_zero_and_of_2_to_the_64_less_1() {
    let (ran, _) = raw(&[1, 0], &[0, 1], &["--gas", "0"], 1);
    assert_eq!(
        (&ran["outcome"]["kind"], &ran["pc"], &ran["gas"]["used"]),
        (&json!("out-of-gas"), &json!(0), &json!(0))
    );
    let (ran, _) = raw(&[1, 0], &[0, 1], &["--gas", "18446744073709551615"], 1);
    assert_eq!((&ran["outcome"]["kind"], &ran["pc"], &ran["gas"]["used"]), (&json!("panic"), &json!(1), &json!(2)));
}

#[test]
fn entry_points_are_honoured() {
    let (ran, _) = raw(&[1, 0], &[0, 1], &["--entry", "1"], 1);
    assert_eq!((&ran["pc"], &ran["gas"]["used"]), (&json!(1), &json!(1)));
    let dir = Dir::new();
    // load_imm a0, 7; trap
    dir.write("raw.pvm", &raw_program(&[51, 7, 7, 0], &[0, 3]));
    let ran = dir.tvmc(["run", "raw.pvm", "--gp", "0.8.0", "--entry", "1"]).expect(2);
    assert!(ran.stderr.contains("no instruction starts there"), "{}", ran.stderr);
}

#[test]
fn host_calls_are_served_or_answered_with_what() {
    let what = format!("{:#x}", u64::MAX - 1);
    // ecalli 0 (gas); trap
    let (ran, _) = raw(&[10, 0, 0], &[0, 2], &["--gas", "1000"], 1);
    assert_eq!(ran["registers"][7], format!("{:#x}", 1000 - 1 - 10));
    assert_eq!(ran["gas"]["used"], 12);
    // ecalli 5 (nothing here); trap
    let (ran, _) = raw(&[10, 5, 0], &[0, 2], &["--gas", "1000"], 1);
    assert_eq!((&ran["registers"][7], &ran["gas"]["used"]), (&json!(what), &json!(12)));
    // The same with too little gas for the answer.
    let (ran, _) = raw(&[10, 5, 0], &[0, 2], &["--gas", "10"], 1);
    assert_eq!((&ran["outcome"]["kind"], &ran["gas"]["left"]), (&json!("out-of-gas"), &json!(0)));
    // ecalli 100 (log) with nothing in the registers: an empty message.
    let (ran, text) = raw(&[10, 100, 0], &[0, 2], &["--gas", "1000"], 1);
    assert_eq!((&ran["registers"][7], &ran["gas"]["used"]), (&json!(what), &json!(12)));
    assert!(text.stderr.contains("[fatal] "), "{}", text.stderr);
}

#[test]
fn a_run_can_stop_at_host_calls() {
    let (ran, _) = raw(&[1, 10, 5, 0], &[0, 1, 3], &["--stop-at-host-calls"], 1);
    assert_eq!(ran["outcome"], json!({ "kind": "host-call", "host_call": 5 }));
    assert_eq!((&ran["pc"], &ran["gas"]["used"]), (&json!(1), &json!(2)));
}

#[test]
fn bare_programs_take_no_arguments() {
    let dir = Dir::new();
    dir.write("raw.pvm", &raw_program(&[0], &[0]));
    let ran = dir.tvmc(["run", "raw.pvm", "--args", "0x00"]).expect(2);
    assert!(ran.stderr.contains("takes no arguments"), "{}", ran.stderr);
}

#[test]
fn malformed_and_missing_files() {
    let dir = Dir::new();
    dir.write("bad.jam", b"\xff\xff not a program");
    let ran = dir.tvmc(["run", "bad.jam", "--json"]).expect(3);
    assert_eq!(ran.json()["error"]["kind"], "malformed");
    assert!(ran.stderr.starts_with("tvmc: bad.jam is malformed\n  caused by: "), "{}", ran.stderr);
    let mut cut = fs::read(guest("sum")).unwrap();
    cut.pop();
    dir.write("cut.jam", &cut);
    dir.tvmc(["run", "cut.jam", "--container", "jam"]).expect(3);
    let ran = dir.tvmc(["run", "nowhere.jam", "--json"]).expect(2);
    assert_eq!(ran.json()["error"]["message"], "nowhere.jam cannot be read");
    // Undefined opcodes are refused from 0.8.0 on.
    dir.write("undefined.pvm", &raw_program(&[255, 0], &[0, 1]));
    dir.tvmc(["run", "undefined.pvm", "--gp", "0.8.0"]).expect(3);
    dir.tvmc(["run", "undefined.pvm", "--gp", "0.7.2"]).expect(1);
}

#[test]
fn quiet_is_quiet() {
    let dir = Dir::new();
    let ran = dir.tvmc(["run", &guest("sum"), "--quiet"]).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn host_calls_are_traced_line_by_line() {
    let dir = Dir::new();
    // a1 = 1; ecalli 5 (nothing here); ecalli 0 (gas); trap
    let blob = raw_program(&[51, 8, 1, 10, 5, 10, 0, 0], &[0, 3, 5, 7]);
    dir.write("raw.pvm", &blob);
    let hash: String = tvm_cache::hash(&blob).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        format!("program blake2b-256=0x{hash}"),
        "start pc=0 gas=100".to_owned(),
        "ecalli=5 pc=3 gas=98 r08=0x1".to_owned(),
        format!("setreg r07 <- {:#x}", u64::MAX - 1),
        "setgas <- 88".to_owned(),
        format!("ecalli=0 pc=5 gas=87 r07={:#x} r08=0x1", u64::MAX - 1),
        "setreg r07 <- 0x4d".to_owned(),
        "setgas <- 77".to_owned(),
        "PANIC=0 pc=7 gas=76 r07=0x4d r08=0x1".to_owned(),
    ];
    for engine in ["compiled", "interpreter"] {
        let ran = dir.tvmc(["trace", "raw.pvm", "--gas", "100", "--engine", engine]).expect(1);
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{engine}");
    }
    let document = dir.tvmc(["trace", "raw.pvm", "--gas", "100", "--json"]).expect(1).json();
    assert_eq!(document["trace"], json!(expected));
    assert_eq!(document["outcome"]["kind"], "panic");
    let ran = dir.tvmc(["trace", "raw.pvm", "--gas", "100", "--quiet"]).expect(1);
    assert_eq!(ran.stdout, "");
}

#[test]
fn arguments_and_logged_text_are_traced() {
    let dir = Dir::new();
    let ran = dir.tvmc(["trace", &guest("sum"), "--args", "0x01"]).expect(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[1], "memwrite 0xfeff0000 len=1 <- 0x01");
    assert!(lines[2].starts_with("start pc=0 gas=10000000000 r00=0xffff0000 "), "{}", lines[2]);
    assert!(lines[3].starts_with("HALT pc="), "{}", lines[3]);
}
