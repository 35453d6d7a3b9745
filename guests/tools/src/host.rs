//! The host functions a service needs to get going. Enough to see a guest run; no model of a chain.

use polkavm::{RawInstance, Reg};
use std::collections::BTreeMap;

const GAS: u32 = 0;
/// This and later calls moved up by one when 0.8.0 gave number 1 to `grow_heap`.
const FETCH: u32 = if cfg!(feature = "gp-0-8-0") { 2 } else { 1 };
const READ: u32 = FETCH + 2;
const LOG: u32 = 100;

const NONE: u64 = u64::MAX;
const WHAT: u64 = u64::MAX - 1;

/// The values `fetch` can find, by kind; the indices are ignored.
#[derive(Default)]
pub struct Host {
    pub fetched: BTreeMap<u64, Vec<u8>>,
}

impl Host {
    /// Serves one call; any number but the four above gets WHAT.
    pub fn serve(&self, instance: &mut RawInstance, number: u32) -> Result<(), String> {
        let result = match number {
            GAS => instance.gas() as u64,
            FETCH => self.fetch(instance)?,
            READ => NONE, // the storage is empty
            LOG => {
                let (text, len) = (instance.reg(Reg::A3) as u32, instance.reg(Reg::A4) as u32);
                let text = instance.read_memory(text, len).map_err(|e| e.to_string())?;
                eprintln!("log: {}", String::from_utf8_lossy(&text));
                WHAT
            }
            _ => WHAT,
        };
        instance.set_reg(Reg::A0, result);
        Ok(())
    }

    fn fetch(&self, instance: &mut RawInstance) -> Result<u64, String> {
        let [to, offset, len, kind] = [Reg::A0, Reg::A1, Reg::A2, Reg::A3].map(|r| instance.reg(r));
        let Some(value) = self.fetched.get(&kind) else {
            return Ok(NONE);
        };
        let full = value.len() as u64;
        let start = offset.min(full);
        let end = start + len.min(full - start);
        if start < end {
            let part = &value[start as usize..end as usize];
            instance.write_memory(to as u32, part).map_err(|e| format!("fetch: {e}"))?;
        }
        Ok(full)
    }
}
