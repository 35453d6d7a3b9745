//! Measures what a warm lookup costs, in a release build: `cargo run --release -p tvm-cache --example lookup_cost`.
//!
//! Prints medians over many runs. The claim to check is that no line but the last two depends on the object's size.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tvm_cache::{Cache, KeyParts, Verified, hash};

const RUNS: usize = 2000;
const SETTLING: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn Error>> {
    println!("object        open+lookup+drop   open+drop   lookup, open cache   publish, open cache   digest alone");
    for len in [2 << 10, 1 << 20] {
        let temp = tempfile::tempdir()?;
        let path = temp.path().join("cache");
        let parts = KeyParts {
            code_hash: hash(&[1]),
            format_version: 1,
            compiler: hash(b"compiler"),
            gp_version: 1,
            gas_model: 1,
            container: 2,
            cpu_features: 0,
            options: 0,
        };
        let (key, object) = (parts.key(), vec![7; len]);
        Cache::open(&path)?.publish(&parts, &object)?;
        std::thread::sleep(SETTLING);
        Cache::open(&path)?.lookup(&key).ok_or("published, but not found")?;

        let whole = median(|| {
            let hit = Cache::open(&path).ok().and_then(|cache| cache.lookup(&key));
            assert_eq!(hit.map(|hit| hit.verified), Some(Verified::ByIndex));
        });
        let empty = median(|| drop(black_box(Cache::open(&path))));
        let cache = Cache::open(&path)?;
        let warm = median(|| drop(black_box(cache.lookup(&key))));
        let publish = median(|| drop(black_box(cache.publish(&parts, &object))));
        let digest = median(|| assert_ne!(hash(black_box(&object)), [0; 32]));
        println!("{len:>7} bytes {whole:>17.1?} {empty:>11.1?} {warm:>20.1?} {publish:>21.1?} {digest:>14.1?}");
    }
    Ok(())
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}
