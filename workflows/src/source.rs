//! Where files are read from: a directory, or a copy in memory. Reads only below its root, give or take a
//! few parents; never writes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many directories above its root a workflow may reach, so that manifests and scripts can stand beside
/// the workflows.
const PARENTS: usize = 3;

/// A tree of files with `/` between the parts of a path.
pub trait Source: Send + Sync {
    /// At most `limit + 1` bytes of a file, so that a file over the limit is known without reading it whole.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read(&self, path: &str, limit: usize) -> io::Result<Vec<u8>>;

    /// The paths of all files below a folder, sorted, relative to the root.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be read.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// What diagnostics call a file.
    fn display(&self, path: &str) -> String;

    /// Where the files are on disk, if they are.
    fn directory(&self) -> Option<&Path>;
}

/// Files below a directory.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    shown: PathBuf,
}

impl Disk {
    /// Files below `root`. Diagnostics show paths as `root` was given.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let shown: PathBuf = root.into();
        let root = if shown.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            shown.clone()
        };
        Self { root, shown }
    }
}

impl Source for Disk {
    fn read(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(self.root.join(path))?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(self.root.join(&folder))? {
                let entry = entry?;
                // A name that is not UTF-8 cannot be written in a workflow; hidden files are editors' and git's.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                // A link to a folder could lead back up, so it is not followed.
                if entry.file_type()?.is_dir() {
                    open.push(path);
                } else if !entry.path().is_dir() {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn display(&self, path: &str) -> String {
        self.shown.join(path).to_string_lossy().into_owned()
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

/// Files in memory: the copy inside the binary, or a test's.
#[derive(Clone, Default)]
pub struct Memory {
    files: Arc<BTreeMap<String, Vec<u8>>>,
    prefix: String,
    root: String,
}

impl Memory {
    /// Takes files by path. Diagnostics show `prefix` before each path.
    pub fn new<P: Into<String>, B: Into<Vec<u8>>>(
        prefix: impl Into<String>,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Self {
        let files = files
            .into_iter()
            .map(|(path, bytes)| (path.into(), bytes.into()))
            .collect();
        Self {
            files: Arc::new(files),
            prefix: prefix.into(),
            root: String::new(),
        }
    }

    /// The same files seen from a folder of theirs.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        let root = normalize("", &join(&self.root, folder)).unwrap_or_default();
        Self {
            files: Arc::clone(&self.files),
            prefix: self.prefix.clone(),
            root,
        }
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn key(&self, path: &str) -> Option<String> {
        normalize("", &join(&self.root, path)).filter(|key| !key.starts_with("../"))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({} files, root {:?})",
            self.files.len(),
            self.root
        )
    }
}

impl Source for Memory {
    fn read(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let bytes = self.key(path).and_then(|key| self.files.get(&key));
        let bytes = bytes.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))?;
        Ok(bytes[..bytes.len().min(limit.saturating_add(1))].to_vec())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let not_found = || io::Error::new(io::ErrorKind::NotFound, "no such folder");
        let key = self.key(folder).ok_or_else(not_found)?;
        let start = if key.is_empty() {
            String::new()
        } else {
            format!("{key}/")
        };
        let below = |path: &&String| path.starts_with(&start);
        let found: Vec<String> = self
            .files
            .keys()
            .filter(below)
            .map(|path| join(folder, &path[start.len()..]))
            .collect();
        if found.is_empty() {
            Err(not_found())
        } else {
            Ok(found)
        }
    }

    fn display(&self, path: &str) -> String {
        format!(
            "{}{}",
            self.prefix,
            self.key(path).unwrap_or_else(|| path.to_owned())
        )
    }

    fn directory(&self) -> Option<&Path> {
        None
    }
}

fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

/// `path` as seen from the root, when a file in `folder` mentions it: without `.` and with `..` resolved.
/// `None` for an absolute path and for one that climbs too high.
#[must_use]
pub fn normalize(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let climbs = parts.iter().take_while(|part| **part == "..").count();
    (climbs <= PARENTS).then(|| parts.join("/"))
}

/// The folder of a path, empty for the root.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_against_the_file_that_mentions_them() {
        assert_eq!(
            normalize("parts", "sql/a.sql").as_deref(),
            Some("parts/sql/a.sql")
        );
        assert_eq!(
            normalize("parts", "../sql/./a.sql").as_deref(),
            Some("sql/a.sql")
        );
        assert_eq!(
            normalize("", "../../deploy/a").as_deref(),
            Some("../../deploy/a")
        );
        assert_eq!(normalize("", "../../../../etc/passwd"), None);
        assert_eq!(normalize("", "/etc/passwd"), None);
    }

    #[test]
    fn memory_reads_lists_and_stays_inside() {
        let memory = Memory::new(
            "embedded:",
            [("a/b.yaml", "x"), ("a/sql/1.sql", "y"), ("c.yaml", "z")],
        );
        let a = memory.below("a");
        assert_eq!(a.read("b.yaml", 10).unwrap(), b"x");
        assert_eq!(a.read("../c.yaml", 10).unwrap(), b"z");
        assert_eq!(a.list("sql").unwrap(), ["sql/1.sql"]);
        assert_eq!(a.display("b.yaml"), "embedded:a/b.yaml");
        assert!(a.read("../../c.yaml", 10).is_err());
        assert!(a.list("nothing").is_err());
    }
}
