//! Which files the command line means.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Endings of file names that are taken for programs in a folder.
pub const PROGRAM_EXTENSIONS: [&str; 4] = ["jam", "pvm", "spi", "bin"];

/// Deepest nesting of folders that is searched.
pub const MAX_FOLDER_DEPTH: usize = 64;

/// A program to compile.
#[derive(Debug)]
pub struct Input(PathBuf);

impl Input {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// The files that are named, and the programs in the folders that are named, by name. A file named twice is taken once.
pub fn collect(named: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut found = Vec::new();
    for path in named {
        let metadata = fs::metadata(path).map_err(|error| Failure::unreadable(path, error))?;
        if metadata.is_dir() {
            let before = found.len();
            search(path, 0, &mut found)?;
            if found.len() == before {
                let endings = PROGRAM_EXTENSIONS.join(", .");
                return Err(Failure::usage(format_args!("{} holds no programs (.{endings})", path.display())));
            }
        } else {
            found.push(path.clone());
        }
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found.into_iter().map(Input).collect())
}

/// Adds the programs in `folder`. Symbolic links to folders are not followed, so that the search ends.
fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| Failure::unreadable(folder, error);
    if depth > MAX_FOLDER_DEPTH {
        return Err(Failure::usage(format_args!(
            "{} is nested deeper than {MAX_FOLDER_DEPTH} folders",
            folder.display()
        )));
    }
    let mut entries =
        fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>()).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            search(&path, depth + 1, found)?;
        } else if is_program_name(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn is_program_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| PROGRAM_EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[Input], root: &Path) -> Vec<String> {
        inputs.iter().map(|i| i.path().strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn folders_are_searched_in_order_and_links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        fs::create_dir_all(root.join("b/inner")).unwrap();
        for name in ["z.jam", "a.bin", "b/inner/x.pvm", "README.md", "b/no-ending"] {
            fs::write(root.join(name), b"").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        let inputs = collect(&[root.to_owned(), root.join("z.jam"), root.join("README.md")]).unwrap();
        assert_eq!(names(&inputs, root), ["a.bin", "b/inner/x.pvm", "z.jam", "README.md"]);
    }

    #[test]
    fn folders_without_programs_and_missing_files_are_errors() {
        let temp = tempfile::tempdir().unwrap();
        assert!(collect(&[temp.path().to_owned()]).is_err());
        assert!(collect(&[temp.path().join("nothing.jam")]).is_err());
    }

    #[test]
    fn nesting_is_limited() {
        let temp = tempfile::tempdir().unwrap();
        let nested = |depth: usize| {
            let root = temp.path().join(depth.to_string());
            let inner = (0..depth).fold(root.clone(), |path, _| path.join("d"));
            fs::create_dir_all(&inner).unwrap();
            fs::write(inner.join("x.jam"), b"").unwrap();
            collect(&[root])
        };
        assert_eq!(nested(MAX_FOLDER_DEPTH).unwrap().len(), 1);
        assert!(nested(MAX_FOLDER_DEPTH + 1).is_err());
    }
}
