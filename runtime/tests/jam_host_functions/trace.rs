//! Traces as text.

use tvm_isa::Gas;
use tvm_isa::GpVersion;
use tvm_runtime::jam::trace::TraceWriter;
use tvm_runtime::jam::types::Hash;
use tvm_runtime::jam::{AccumulateInput, accumulate};

use crate::support::{GuestCode, NOWHERE, RO, RW, SELF, World};

/// The text of these guests' accumulations.
fn trace(blobs: &[Vec<u8>], gas: u64) -> String {
    let mut writer = TraceWriter::new(Vec::new());
    for blob in blobs {
        let mut world = World::new(GpVersion::V0_7_2);
        world.install(blob);
        let input = AccumulateInput {
            chain: world.chain(),
            privileges: &world.privileges,
            slot: world.slot,
            entropy: world.entropy,
            service: SELF,
            gas: Gas(gas),
            inputs: &[],
        };
        accumulate(&world.engine, &input, Some(&mut writer)).unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

#[test]
fn a_run_that_halts() {
    let guest = GuestCode::new().with(RO, b"key").call(3, &[u64::MAX, RO, 3, RW, 0, 9]);
    let blob = guest.call(1, &[RW, 0, 2, 0]).call(100, &[1, 0, 0, RO, 3]).halt(RO, 0);
    let expected = format!(
        "program blake2b-256=0x{}\n\
         memwrite 0xfeff0000 len=4 <- 0x6483e800\n\
         start pc=5 gas=5000 r00=0xffff0000 r01=0xfefe0000 r07=0xfeff0000 r08=0x4\n\
         ecalli=3 pc=75 gas=4992 r00=0xffff0000 r01=0xfefe0000 r07=0xffffffffffffffff r08=0x10000 r09=0x3 r10=0x30000 r12=0x9\n\
         memread 0x00010000 len=3 -> 0x6b6579\n\
         setreg r07 <- 0xffffffffffffffff\n\
         setgas <- 4982\n\
         ecalli=1 pc=120 gas=4977 r00=0xffff0000 r01=0xfefe0000 r07=0x30000 r09=0x2 r12=0x9\n\
         memwrite 0x00030000 len=2 <- 0x0a00\n\
         setreg r07 <- 0x86\n\
         setgas <- 4967\n\
         ecalli=100 pc=175 gas=4961 r00=0xffff0000 r01=0xfefe0000 r07=0x1 r10=0x10000 r11=0x3 r12=0x9\n\
         memread 0x00010000 len=3 -> 0x6b6579\n\
         setreg r07 <- 0xfffffffffffffffe\n\
         setgas <- 4951\n\
         HALT pc=200 gas=4948 r00=0xffff0000 r01=0xfefe0000 r07=0x10000 r10=0x10000 r11=0x3 r12=0x9\n",
        Hash::of(&blob)
    );
    assert_eq!(trace(&[blob], 5000), expected);
}

#[test]
fn runs_that_panic_or_run_out_of_gas() {
    let lines = |blob: Vec<u8>, gas| {
        let text = trace(&[blob], gas);
        text.lines().skip(3).map(|line| line.split(" r0").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let in_a_call = GuestCode::new().call(25, &[NOWHERE]);
    let expected = ["ecalli=25 pc=25 gas=997", "setgas <- 987", "PANIC=25 pc=25 gas=987"];
    assert_eq!(lines(in_a_call.clone().halt(0, 0), 1000), expected);
    assert_eq!(lines(in_a_call.halt(0, 0), 11), ["ecalli=25 pc=25 gas=8", "setgas <- 0", "OOG pc=25 gas=0"]);
    assert_eq!(lines(GuestCode::new().trap(), 1000), ["PANIC=0 pc=15 gas=998"]);
    assert_eq!(lines(GuestCode::new().trap(), 1), ["OOG pc=15 gas=0"]);
}

#[test]
fn invocations_are_separated_by_an_empty_line() {
    let blob = GuestCode::new().trap();
    let text = trace(&[blob.clone(), blob], 10);
    let [first, second] = text.split("\n\n").collect::<Vec<_>>()[..] else { panic!("two invocations:\n{text}") };
    assert_eq!(first, second.trim_end());
}

#[test]
fn an_error_of_the_file_is_told_at_the_end() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut writer = TraceWriter::new(Full);
    let mut world = World::new(GpVersion::V0_7_2);
    world.install(&GuestCode::new().trap());
    let input = AccumulateInput {
        chain: world.chain(),
        privileges: &world.privileges,
        slot: world.slot,
        entropy: world.entropy,
        service: SELF,
        gas: Gas(5),
        inputs: &[],
    };
    accumulate(&world.engine, &input, Some(&mut writer)).unwrap();
    assert_eq!(writer.finish().err().map(|error| error.kind()), Some(std::io::ErrorKind::StorageFull));
}
