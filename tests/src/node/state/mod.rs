//! The state as a node stores it: values under 31-byte keys (GP D.1).

mod accounts;
mod dictionary;
mod key;
mod recode;

pub use accounts::StoredAccounts;
pub use dictionary::Dictionary;
pub use key::{Component, StateKey};
pub use recode::recode;
