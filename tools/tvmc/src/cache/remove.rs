//! `tvmc cache rm` and `clear`.

use std::io::{self, Write};

use serde::Serialize;
use tvm_cache::{Cache, Key, hash};

use crate::args::RmArgs;
use crate::failure::{Failure, Outcome, Status};
use crate::output::{Output, Report};
use crate::program_file;
use crate::quantity::counted;

/// Fewest digits that stand for a key: fewer are more likely a slip than a key.
const MIN_KEY_DIGITS: usize = 8;

/// Removes the objects that are named.
pub fn rm(cache: &Cache, args: &RmArgs, output: &Output) -> Outcome {
    let RmArgs { keys, program } = args;
    let all: Vec<Key> = cache.ls().iter().map(|entry| entry.key).collect();
    // All names are resolved before anything is removed: a slip must not leave half of the work done.
    let keys = keys.iter().map(|name| resolve(&all, name)).collect::<Result<Vec<_>, _>>()?;
    let hashes =
        program.iter().map(|path| Ok(hash(&program_file::read(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut removed = 0;
    for key in keys {
        removed += u64::from(cache.remove(&key)?);
    }
    for code_hash in hashes {
        removed += cache.remove_code(&code_hash)?;
    }
    output.show(&Removed { removed })?;
    Ok(Status::Done)
}

/// Removes everything.
pub fn clear(cache: &Cache, output: &Output) -> Outcome {
    let removed = cache.clear()?;
    output.show(&Removed { removed })?;
    Ok(Status::Done)
}

/// The key that `name` is or begins. A whole key is taken even if `ls` does not show it: its file may be damaged.
fn resolve(all: &[Key], name: &str) -> Result<Key, Failure> {
    if let Ok(key) = name.parse() {
        return Ok(key);
    }
    if name.len() < MIN_KEY_DIGITS {
        return Err(Failure::usage(format_args!(
            "`{name}` is too short: expected at least {MIN_KEY_DIGITS} digits of a key"
        )));
    }
    let mut matching = all.iter().filter(|key| key.to_string().starts_with(name));
    match (matching.next(), matching.next()) {
        (Some(key), None) => Ok(*key),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format_args!("several keys start with `{name}`: expected more digits")))
        }
        (None, _) => Err(Failure::usage(format_args!("no key starts with `{name}`: `tvmc cache ls` shows the keys"))),
    }
}

#[derive(Serialize, Debug)]
struct Removed {
    removed: u64,
}

impl Report for Removed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "removed {}", counted(self.removed, "object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_a_beginning_that_is_long_enough_and_unique() {
        let key = |last: u8| {
            let mut bytes = [0xab; 32];
            (bytes[4], bytes[31]) = (last, last);
            Key::from_bytes(bytes)
        };
        let all = [key(1), key(2)];
        assert_eq!(resolve(&all, "abababab01").unwrap(), key(1));
        assert_eq!(resolve(&all, &key(3).to_string()).unwrap(), key(3));
        assert!(resolve(&all, "abababab").is_err());
        assert!(resolve(&all, "abababa").is_err());
        assert!(resolve(&all, "abababab03").is_err());
    }
}
