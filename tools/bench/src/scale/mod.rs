//! What grows with what.
//!
//! * [`size`]: compiling real programs, against their size;
//! * [`worst`]: compiling the programs that cost most per byte;
//! * [`threads`]: one and two threads in one process;
//! * [`cache`]: loads from caches with many objects;
//! * [`instances`]: many instances that live at the same time.

mod cache;
mod instances;
pub mod once;
mod size;
mod threads;
mod worst;

use crate::Options;
use crate::table::Table;

/// Measures everything.
pub fn measure(options: &Options) -> anyhow::Result<Vec<Table>> {
    Ok(vec![
        size::measure(options)?,
        worst::measure(options)?,
        threads::measure(options)?,
        cache::measure(options)?,
        instances::measure(options)?,
    ])
}
