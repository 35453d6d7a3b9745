//! Where the cache is when nobody says.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::CacheError;

/// The cache directory the environment asks for: `$TVM_CACHE`, else `$XDG_CACHE_HOME/tvm`, else `$HOME/.cache/tvm`.
/// Variables that are empty count as unset, and so does a relative `XDG_CACHE_HOME`, as its specification demands.
///
/// # Errors
/// [`CacheError::NoDefaultDir`] when none of them is set.
pub fn default_dir() -> Result<PathBuf, CacheError> {
    default_dir_from(|name| env::var_os(name))
}

fn default_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, CacheError> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |name| path(name).filter(|path| path.is_absolute());
    path("TVM_CACHE")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|base| base.join("tvm")))
        .or_else(|| absolute("HOME").map(|home| home.join(".cache/tvm")))
        .ok_or(CacheError::NoDefaultDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_variable_wins() {
        let dir = |cache: &str, xdg: &str, home: &str| {
            let value = |name: &str| match name {
                "TVM_CACHE" => cache,
                "XDG_CACHE_HOME" => xdg,
                _ => home,
            };
            default_dir_from(|name| Some(value(name).into())).ok().map(|path| path.display().to_string())
        };
        assert_eq!(dir("/a", "/b", "/c").as_deref(), Some("/a"));
        assert_eq!(dir("here", "/b", "/c").as_deref(), Some("here"));
        assert_eq!(dir("", "/b", "/c").as_deref(), Some("/b/tvm"));
        assert_eq!(dir("", "b", "/c").as_deref(), Some("/c/.cache/tvm"));
        assert_eq!(dir("", "", "/c").as_deref(), Some("/c/.cache/tvm"));
        assert_eq!(dir("", "", ""), None);
        assert!(matches!(default_dir_from(|_| None), Err(CacheError::NoDefaultDir)));
    }
}
