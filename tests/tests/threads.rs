//! Many guests at once: on many threads, within each other's host calls, and beside hosts that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Op};
use tvm_runtime::memory::Access;
use tvm_runtime::{Engine, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module, StopAtHostCalls};
use tvm_tests::assemble::{Assembler, Inst};
use tvm_tests::engines::{self, Calls};

const THREADS: u64 = 8;
const ROUNDS: u64 = 200;

/// Counts down register 7 while adding to register 8, calls the host, and stores to the address in register 9.
fn worker(step: i64) -> Vec<u8> {
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    let start = asm.here();
    asm.push(Inst::two(Op::AddImm64, 8, 8, step));
    asm.push(Inst::two(Op::AddImm64, 7, 7, -1));
    asm.push(Inst::imm(Op::BranchNeImm, 7, 0).to(start));
    asm.ecalli(step);
    asm.push(Inst::two(Op::StoreIndU64, 8, 9, 0));
    asm.push(Inst::two(Op::LoadIndU64, 10, 9, 0));
    asm.op(Op::Trap);
    asm.blob()
}

fn module(engine: &Engine, step: i64) -> Module {
    engines::load(engine, GpVersion::V0_7_2, Container::Raw, &worker(step))
}

/// Runs a worker through its fault to the end, and checks everything it computes. `within` runs in its host call.
fn work(engine: &Engine, module: &Module, step: u64, salt: u64, within: &mut dyn FnMut()) {
    let rounds = 1 + salt % 50;
    let page = 0x100 + (salt % 1000) as u32;
    let address = u64::from(page) * 4096 + salt % 4088;
    let mut instance = Instance::bare(engine, module).expect("an instance");
    let state = instance.state_mut();
    state.gas = Gas(1 << 40);
    (state.regs[7], state.regs[8], state.regs[9]) = (rounds, salt, address);
    state.regs[12] = !salt;
    let sum = salt + rounds * step;

    let mut calls = Calls(|id, guest: Guest<'_>| {
        assert_eq!((id, guest.state.regs[8], guest.state.regs[12]), (step, sum, !salt));
        assert_eq!(guest.state.gas, Gas((1 << 40) - 3 * rounds - 1));
        within();
        guest.state.regs[11] = salt ^ 0x55;
        HostAction::Resume
    });
    let fault = GuestExit::PageFault(GuestAddr(page << 12));
    assert_eq!(instance.run(&mut calls).expect("TVM runs"), fault);
    // A worker that reaches into the next page has it missing as well.
    instance.memory_mut().set_access(page, 2, Access::Write).expect("rights can be given");
    assert_eq!(instance.run(&mut calls).expect("TVM runs"), GuestExit::Panic);
    let state = instance.state();
    assert_eq!((state.regs[10], state.regs[11], state.regs[12]), (sum, salt ^ 0x55, !salt));
    assert_eq!(state.gas, Gas((1 << 40) - 3 * rounds - 1 - 4));
    assert_eq!(instance.memory().read(address, 8).expect("written"), sum.to_le_bytes());
}

#[test]
fn many_threads_share_engine_and_modules() {
    let engine = engines::compiled(Tier::Best);
    let modules: Vec<(u64, Module)> = (1..=5).map(|step| (step, module(&engine, step as i64))).collect();
    let barrier = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, modules, barrier) = (&engine, &modules, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    let (step, module) = &modules[(thread + round) as usize % modules.len()];
                    work(engine, module, *step, thread * 1_000_003 + round * 7919, &mut || {});
                }
            });
        }
    });
}

/// All threads ask for one program at the same moment: it is loaded once, and all of them run it.
#[test]
fn a_program_is_loaded_once() {
    for round in 0..20 {
        let engine = engines::compiled(Tier::ALL[round as usize % 2]);
        let barrier = Barrier::new(THREADS as usize);
        let blob = worker(100 + round);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (engine, barrier, blob, asked) = (&engine, &barrier, &blob, &asked);
                scope.spawn(move || {
                    barrier.wait();
                    let module = engine
                        .load(GpVersion::V0_7_2, Container::Raw, tvm_cache::hash(blob), || {
                            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            Ok(blob)
                        })
                        .expect("a valid program");
                    work(engine, &module, 100 + round as u64, thread, &mut || {});
                });
            }
        });
        assert_eq!(asked.into_inner(), 1);
    }
}

/// An instance within an instance's host call, several deep: each faults, in its own memory, and each goes on.
#[test]
fn guests_run_within_host_calls() {
    let engine = engines::compiled(Tier::Best);
    let modules: Vec<Module> = (1..=4).map(|step| module(&engine, step)).collect();
    let mut innermost = 0;
    nest(&engine, &modules, 1, 77, &mut innermost);
    // Each level is entered once from each outer run's host call.
    assert_eq!(innermost, 1);
}

fn nest(engine: &Engine, modules: &[Module], level: u64, salt: u64, innermost: &mut u32) {
    let Some((module, inner)) = modules.split_first() else {
        *innermost += 1;
        return;
    };
    work(engine, module, level, salt, &mut || nest(engine, inner, level + 1, salt * 3 + 1, innermost));
}

/// The same instance's engine, also while it is compiling: host calls may load programs.
#[test]
fn a_host_call_may_load_a_program() {
    let engine = engines::compiled(Tier::Best);
    let outer = module(&engine, 1);
    work(&engine, &outer, 1, 5, &mut || {
        let inner = module(&engine, 50);
        work(&engine, &inner, 50, 6, &mut || engine.unload_idle());
    });
}

#[test]
fn a_panic_of_a_host_call_reaches_the_caller_and_harms_nothing() {
    let engine = engines::compiled(Tier::Best);
    let outer = module(&engine, 3);
    for level in 0..3 {
        let mut depth = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| panic_at(&engine, &outer, level, &mut depth)));
        let message = caught.expect_err("the panic goes on").downcast::<String>().expect("its message");
        assert_eq!((*message, depth), (format!("no host at level {level}"), level + 1));
        // Nothing is left behind: not the segment base, not the state of the signal handler, not the engine's locks.
        work(&engine, &outer, 3, 10, &mut || {});
    }
}

/// Guests within guests; the host panics in the innermost one.
fn panic_at(engine: &Engine, module: &Module, level: u32, depth: &mut u32) {
    let at = *depth;
    *depth += 1;
    work(engine, module, 3, u64::from(at) + 40, &mut || {
        if at == level {
            panic!("no host at level {at}");
        }
        panic_at(engine, module, level, depth);
    });
}

/// The instance itself is not spoilt either: it can be reset, or go on from a state that the host sets.
#[test]
fn an_instance_survives_a_panic_of_its_host() {
    let engine = engines::compiled(Tier::Best);
    let module = module(&engine, 3);
    let mut instance = Instance::bare(&engine, &module).expect("an instance");
    instance.state_mut().gas = Gas(1000);
    instance.state_mut().regs[7] = 1;
    let mut calls = Calls(|_, _: Guest<'_>| -> HostAction { panic!("no host") });
    catch_unwind(AssertUnwindSafe(|| instance.run(&mut calls))).expect_err("the panic goes on");
    instance.reset(&[]).expect("a reset");
    instance.state_mut().gas = Gas(1000);
    instance.state_mut().regs[7] = 4;
    assert_eq!(instance.run(&mut StopAtHostCalls).expect("TVM runs"), GuestExit::HostCall(3));
    assert_eq!((instance.state().regs[8], instance.state().gas), (12, Gas(1000 - 13)));
}

/// An error of the host ends the run as an error, never as an outcome of the guest.
#[test]
fn an_error_of_a_host_call_is_no_outcome() {
    struct Failing;
    impl HostCalls for Failing {
        fn host_call(&mut self, id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
            Err(format!("no database at call {id}").into())
        }
    }
    for engine in engines::all() {
        let module = module(&engine, 7);
        let mut instance = Instance::bare(&engine, &module).expect("an instance");
        instance.state_mut().gas = Gas(1000);
        instance.state_mut().regs[7] = 1;
        let error = instance.run(&mut Failing).expect_err("the host failed");
        assert!(matches!(error, tvm_runtime::Error::Host(_)), "{error}");
        assert_eq!(error.to_string(), "the host failed: no database at call 7");
    }
}
