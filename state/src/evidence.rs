//! Raw records by the hash of their content.
//!
//! Owns the files below `evidence/`: each is written once, whole, and never changed. How much a step
//! may keep is the caller's matter, and so is that no secret gets in.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::codec::sha256;
use crate::disk::{put_in_place, sync_directory};
use crate::error::LogError;
use crate::exchange::entries;

/// Keeps raw records.
#[derive(Debug)]
pub struct EvidenceStore {
    root: PathBuf,
}

/// A record that is kept, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The hash of its content.
    pub sha256: String,
    /// Its file.
    pub path: PathBuf,
    /// What that takes on the disk, in bytes.
    pub bytes: u64,
}

impl EvidenceStore {
    /// Opens the store in a directory, which is made if need be.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open(root: &Path) -> Result<Self, LogError> {
        if make_directory(root)? {
            root.parent().map_or(Ok(()), sync_directory)?;
        }
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Keeps a record and returns its SHA-256. It is durable then, so an event may refer to it.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn put(&self, content: &[u8]) -> Result<String, LogError> {
        Ok(self.put_all(&[content])?.pop().unwrap_or_default())
    }

    /// Keeps several records, which share the waits for the directories.
    ///
    /// # Errors
    /// [`LogError::Io`]; some of the records may be kept then, which does no harm.
    pub fn put_all(&self, contents: &[&[u8]]) -> Result<Vec<String>, LogError> {
        let mut hashes = Vec::with_capacity(contents.len());
        let mut directories = BTreeSet::new();
        for content in contents {
            let hash = sha256(content);
            let path = self.path(&hash);
            let directory = path.parent().unwrap_or(&self.root).to_path_buf();
            if make_directory(&directory)? {
                directories.insert(self.root.clone());
            }
            // A damaged file of that name is written anew.
            if self.get(&hash).is_err() {
                write(&path, &directory, content)?;
            }
            // Also when the file was there: whoever wrote it may have been killed before this.
            directories.insert(directory);
            hashes.push(hash);
        }
        for directory in directories.iter().rev() {
            sync_directory(directory)?;
        }
        Ok(hashes)
    }

    /// A record, whose content was checked against its hash.
    ///
    /// # Errors
    /// [`LogError::EvidenceMissing`], [`LogError::EvidenceDamaged`] or [`LogError::Io`].
    pub fn get(&self, hash: &str) -> Result<Vec<u8>, LogError> {
        let missing = || LogError::EvidenceMissing {
            sha256: hash.to_owned(),
        };
        let damaged = |what: String| LogError::EvidenceDamaged {
            sha256: hash.to_owned(),
            what,
        };
        if !is_hash(hash) {
            return Err(missing());
        }
        let path = self.path(hash);
        let compressed = std::fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => LogError::io("read", &path, error),
        })?;
        let mut content = Vec::new();
        GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut content)
            .map_err(|error| damaged(format!("it cannot be decompressed: {error}")))?;
        let found = sha256(&content);
        if found == hash {
            Ok(content)
        } else {
            Err(damaged(format!("its content has the hash {found}")))
        }
    }

    /// All records that are kept, unread.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn list(&self) -> Result<Vec<Stored>, LogError> {
        let mut stored = Vec::new();
        for directory in entries(&self.root)? {
            for path in entries(&directory)? {
                let part = |path: &Path| {
                    path.file_stem()
                        .map(|name| name.to_string_lossy().into_owned())
                };
                let (Some(first), Some(rest)) = (part(&directory), part(&path)) else {
                    continue;
                };
                let sha256 = first + &rest;
                if self.path(&sha256) == path && is_hash(&sha256) {
                    let about = std::fs::metadata(&path)
                        .map_err(|error| LogError::io("look at", &path, error))?;
                    let bytes = about.blocks() * 512;
                    stored.push(Stored {
                        sha256,
                        path,
                        bytes,
                    });
                }
            }
        }
        Ok(stored)
    }

    /// The file of the record with this hash: two digits name the directory.
    fn path(&self, hash: &str) -> PathBuf {
        let (directory, name) = hash.split_at_checked(2).unwrap_or((hash, ""));
        self.root.join(directory).join(format!("{name}.gz"))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes a directory for this user only; says whether it was not there.
fn make_directory(path: &Path) -> Result<bool, LogError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(LogError::io("create", path, error)),
    }
}

fn write(path: &Path, directory: &Path, content: &[u8]) -> Result<(), LogError> {
    let failed = |error: io::Error| LogError::io("write", path, error);
    let file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    let mut compressed = GzEncoder::new(file, Compression::default());
    compressed.write_all(content).map_err(failed)?;
    let file = compressed.finish().map_err(failed)?;
    file.as_file().sync_data().map_err(failed)?;
    put_in_place(file, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, EvidenceStore) {
        let parent = tempfile::tempdir().unwrap();
        let store = EvidenceStore::open(&parent.path().join("evidence")).unwrap();
        (parent, store)
    }

    #[test]
    fn a_record_is_found_by_the_hash_of_its_content() {
        let (parent, store) = store();
        let hash = store.put(b"abc").unwrap();
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(store.get(&hash).unwrap(), b"abc");
        assert!(
            parent
                .path()
                .join("evidence/ba")
                .join(format!("{}.gz", &hash[2..]))
                .is_file()
        );
    }

    #[test]
    fn a_record_put_twice_is_one_file_and_nothing_else_lies_about() {
        let (parent, store) = store();
        let hashes = store.put_all(&[b"abc", b"", b"abc"]).unwrap();
        assert_eq!(hashes[0], hashes[2]);
        assert_eq!(store.get(&hashes[1]).unwrap(), b"");
        let files = |directory: &str| {
            std::fs::read_dir(parent.path().join("evidence").join(directory))
                .unwrap()
                .count()
        };
        assert_eq!((files("."), files("ba"), files("e3")), (2, 1, 1));
    }

    #[test]
    fn a_changed_record_is_found_out_and_mended_by_putting_it_again() {
        let (_parent, store) = store();
        let hash = store.put(&[7; 1000]).unwrap();
        let other = store.put(b"other").unwrap();
        for damage in [
            std::fs::read(store.path(&other)).unwrap(),
            b"no gzip".to_vec(),
            Vec::new(),
        ] {
            std::fs::write(store.path(&hash), damage).unwrap();
            let error = store.get(&hash).unwrap_err();
            assert!(matches!(error, LogError::EvidenceDamaged { .. }), "{error}");
        }
        store.put(&[7; 1000]).unwrap();
        assert_eq!(store.get(&hash).unwrap(), [7; 1000]);
    }

    #[test]
    fn what_is_not_there_or_no_hash_is_missing() {
        let (_parent, store) = store();
        for hash in [
            "",
            "ab",
            "../../../etc/passwd",
            &"é".repeat(32),
            &"0".repeat(64),
        ] {
            let error = store.get(hash).unwrap_err();
            assert!(
                matches!(error, LogError::EvidenceMissing { .. }),
                "{hash}: {error}"
            );
        }
    }
}
