//! Where the nanoseconds of calls and instances go: from a loaded module to a guest's first result and the next one.
//!
//!     cargo run --release -p tvm-runtime --example calls [ROUNDS]
//!
//! Each line is one step, timed in batches: the best batch and the median one, in nanoseconds. What a step does to the
//! memory is what the next round of it finds, as in a node.

use std::time::Instant;

use tvm_isa::codec::encode_natural;
use tvm_isa::{Container, Gas, GpVersion, Pc};
use tvm_runtime::{
    Engine, EngineConfig, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module, StopAtHostCalls, Tiers,
};

/// Steps timed together.
const BATCH: u32 = 200;

/// Host calls in a run of the guest that makes them.
const HOST_CALLS: u64 = 20_000;

/// Arguments as long as those that accumulate gets.
const ARGUMENTS: [u8; 12] = [7; 12];

type Error = Box<dyn std::error::Error>;

/// What a guest has and does.
struct Case {
    name: &'static str,
    /// Bytes of read-write data, and zeroed pages behind it.
    rw: (usize, u16),
    stack: u32,
    code: &'static [&'static [u8]],
}

/// `jump_ind ra`: halts.
const HALT: &[u8] = &[50, 0];
/// `store_ind_u64 a0, sp, -8`: the top of the stack.
const STORE_TOP: &[u8] = &[123, 0x17, 0xf8];
/// `store_u64 a0, 0x20000`: the first page of read-write data where there is no read-only data.
const STORE_DATA: &[u8] = &[62, 0x07, 0x00, 0x00, 0x02];
/// `store_ind_u64 a0, sp, -0x8000`: deep in a stack of 64 KiB.
const STORE_DEEP: &[u8] = &[123, 0x17, 0x00, 0x80];
/// `load_imm a2, 0x2000; sbrk a1, a2; store_ind_u64 a0, a1, 0`: two pages of heap, the first one used.
const GROW: [&[u8]; 3] = [&[51, 9, 0x00, 0x20], &[101, 0x98], &[123, 0x87]];

const CASES: [Case; 5] = [
    Case { name: "halts at once, one page of stack", rw: (0, 0), stack: 4096, code: &[HALT] },
    Case {
        name: "uses stack and data: 10 KB data, 8 KiB stack",
        rw: (10_000, 0),
        stack: 8192,
        code: &[STORE_TOP, STORE_DATA, HALT],
    },
    Case {
        name: "uses stack and data: 18 heap pages, 64 KiB stack",
        rw: (16, 18),
        stack: 65536,
        code: &[STORE_TOP, STORE_DATA, HALT],
    },
    Case {
        name: "also deep in the stack",
        rw: (16, 18),
        stack: 65536,
        code: &[STORE_TOP, STORE_DEEP, STORE_DATA, HALT],
    },
    Case {
        name: "also grows its heap by two pages",
        rw: (40, 2),
        stack: 8192,
        code: &[STORE_TOP, STORE_DATA, GROW[0], GROW[1], GROW[2], HALT],
    },
];

fn main() -> Result<(), Error> {
    let rounds = std::env::args().nth(1).map_or(Ok(200), |text| text.parse())?;
    let engine = Engine::new(EngineConfig { tiers: Tiers::Fast, ..EngineConfig::default() })?;
    for case in &CASES {
        println!("\n{}", case.name);
        measure(&engine, &load(&engine, case)?, rounds)?;
    }
    println!("\nhost calls, no registers used, the loop's two instructions included");
    host_calls(&engine, rounds)?;
    println!("\ninstantiate, call and drop, all threads together");
    for threads in [1, 2] {
        let case = &CASES[1];
        println!("  {threads} threads, {}: {:.0} per ms", case.name, throughput(&engine, case, threads, rounds)?);
    }
    Ok(())
}

fn measure(engine: &Engine, module: &Module, rounds: usize) -> Result<(), Error> {
    let mut instance = Instance::standard(engine, module, &ARGUMENTS)?;
    let mut samples: [(&str, Vec<f64>); 7] = [
        "call",
        "reset, nothing used",
        "reset and call",
        "reset and call, more and less arguments",
        "instantiate and drop",
        "instantiate, call and drop",
        "instantiate, call and drop, no arguments",
    ]
    .map(|name| (name, Vec::new()));
    for _ in 0..rounds {
        let mut step = 0;
        let mut time = |work: &mut dyn FnMut()| {
            let start = Instant::now();
            (0..BATCH).for_each(|_| work());
            samples[step].1.push(start.elapsed().as_nanos() as f64 / f64::from(BATCH));
            step += 1;
        };
        time(&mut || call(&mut instance));
        time(&mut || instance.reset(&ARGUMENTS).expect("resets"));
        time(&mut || {
            instance.reset(&ARGUMENTS).expect("resets");
            call(&mut instance);
        });
        let mut long = [7; 4097].as_slice();
        time(&mut || {
            instance.reset(long).expect("resets");
            call(&mut instance);
            long = if long.len() > 12 { &ARGUMENTS } else { &[7; 4097] };
        });
        let new = |arguments: &[u8]| Instance::standard(engine, module, arguments).expect("an instance");
        time(&mut || drop(new(&ARGUMENTS)));
        time(&mut || call(&mut new(&ARGUMENTS)));
        time(&mut || call(&mut new(&[])));
    }
    samples.into_iter().for_each(|(name, times)| print(name, times));
    Ok(())
}

fn print(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    println!("  {name:45} {:9.1} {:9.1}", times[0], times[times.len() / 2]);
}

fn call(instance: &mut Instance) {
    let state = instance.state_mut();
    (state.pc, state.gas) = (Pc(0), Gas(1000));
    (state.regs[0], state.regs[1], state.charged) = (0xffff_0000, 0xfefe_0000, false);
    assert!(matches!(instance.run(&mut StopAtHostCalls), Ok(GuestExit::Halt)));
}

struct Resume;

impl HostCalls for Resume {
    fn host_call(&mut self, _id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Resume)
    }
}

/// Reads and writes what a host function typically does.
struct Answer;

impl HostCalls for Answer {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        guest.state.regs[8] = guest.state.regs[9].wrapping_add(id);
        guest.state.gas.0 -= 10;
        Ok(HostAction::Resume)
    }
}

fn host_calls(engine: &Engine, rounds: usize) -> Result<(), Error> {
    // ecalli 0; add_imm_64 a0, a0, -1; branch_ne_imm a0, 0, to the start; trap
    let code: [&[u8]; 4] = [&[10], &[149, 0x77, 0xff], &[82, 0x07, 0xfc], &[0]];
    let blob = program(&code);
    let module = engine.load(GpVersion::V0_7_2, Container::Raw, tvm_cache::hash(&blob), || Ok(&blob))?;
    let mut instance = Instance::bare(engine, &module)?;
    let mut run = |calls: &mut dyn HostCalls| {
        let state = instance.state_mut();
        (state.pc, state.gas, state.regs[7]) = (Pc(0), Gas(1 << 40), HOST_CALLS);
        let start = Instant::now();
        let exit = instance.run(calls).expect("TVM runs");
        let time = start.elapsed().as_nanos() as f64 / HOST_CALLS as f64;
        assert_eq!((exit, instance.state().regs[7]), (GuestExit::Panic, 0));
        time
    };
    let (mut resume, mut answer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        resume.push(run(&mut Resume));
        answer.push(run(&mut Answer));
    }
    print("does nothing", resume);
    print("reads and writes registers and gas", answer);
    Ok(())
}

/// Instances that each thread makes in a round: so many that starting threads does not count.
const PER_THREAD: u32 = 100_000;

/// Instances a millisecond, over the median of the rounds.
fn throughput(engine: &Engine, case: &Case, threads: usize, rounds: usize) -> Result<f64, Error> {
    let module = load(engine, case)?;
    let mut rates: Vec<f64> = (0..rounds.div_ceil(20))
        .map(|_| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..PER_THREAD {
                            call(&mut Instance::standard(engine, &module, &ARGUMENTS).expect("an instance"));
                        }
                    });
                }
            });
            f64::from(PER_THREAD) * threads as f64 / (start.elapsed().as_secs_f64() * 1000.0)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    Ok(rates[rates.len() / 2])
}

fn load(engine: &Engine, case: &Case) -> Result<Module, Error> {
    let blob = program(case.code);
    let (rw, heap_pages) = case.rw;
    let three = |len: usize| (len as u32).to_le_bytes()[..3].to_vec();
    let mut code = [three(0), three(rw), heap_pages.to_le_bytes().to_vec(), three(case.stack as usize)].concat();
    code.extend(vec![0x5a; rw]);
    code.extend((blob.len() as u32).to_le_bytes());
    code.extend(blob);
    Ok(engine.load(GpVersion::V0_7_2, Container::Standard, tvm_cache::hash(&code), || Ok(&code))?)
}

/// A program blob of these instructions, with a jump table of one entry.
fn program(instructions: &[&[u8]]) -> Vec<u8> {
    let code = instructions.concat();
    let mut mask = vec![0_u8; code.len().div_ceil(8)];
    let mut at = 0;
    for instruction in instructions {
        mask[at / 8] |= 1 << (at % 8);
        at += instruction.len();
    }
    let mut blob = vec![1, 1];
    encode_natural(code.len() as u64, &mut blob);
    blob.push(0);
    blob.extend(code);
    blob.extend(mask);
    blob
}
