//! The way to the first result.
//!
//! * [`compile`]: programs that were never seen before, to something that can be called;
//! * [`warm`]: programs whose objects are on disk, in a new process and in one that runs already;
//! * [`calls`]: instances, and what crosses between them and their host.

mod calls;
mod compile;
pub mod warm;

use crate::Options;
use crate::goals::Figures;
use crate::programs::Pool;
use crate::table::Table;

#[cfg(feature = "peers")]
pub use calls::{CALLS, CallTimes, Calls, Counted, HOST_CALLS, check_sum};
pub use calls::{arguments, sum};
#[cfg(feature = "peers")]
pub use compile::Compiler;

/// Code sizes of the programs, in bytes.
pub const SIZES: [usize; 4] = [2 << 10, 32 << 10, 256 << 10, 1 << 20];

/// Everything about starting.
pub fn measure(options: &Options) -> anyhow::Result<(Vec<Table>, Figures)> {
    let pool = Pool::of_guests(&options.guests)?;
    let mut figures = Figures::new();
    let (compiled, polkavm) = compile::measure(&pool, options, &mut figures)?;
    let mut tables = vec![compiled];
    tables.extend(warm::measure(&pool, options, polkavm, &mut figures)?);
    tables.push(calls::measure(&pool, options, &mut figures)?);
    Ok((tables, figures))
}
