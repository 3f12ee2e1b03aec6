//! What a process did to its files, in order, as `shim.c` wrote it down.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One change, sync or acknowledgement. Names are relative to the directory that was watched.
#[derive(Clone, PartialEq)]
pub(crate) enum Deed {
    /// A directory appeared.
    MakeDirectory { file: u64, name: PathBuf },
    /// A file appeared.
    Create { file: u64, name: PathBuf },
    /// A file that was there was opened.
    Open { file: u64, name: PathBuf },
    /// Bytes were written at a place.
    Write {
        file: u64,
        place: usize,
        bytes: Vec<u8>,
    },
    /// A file got this length.
    Resize { file: u64, length: usize },
    /// A file or a directory was made durable.
    Sync { file: u64, name: PathBuf },
    /// A name moved.
    Rename { from: PathBuf, to: PathBuf },
    /// A name went.
    Remove { name: PathBuf },
    /// The process said so on its standard output.
    Say(String),
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::MakeDirectory { name, .. } => write!(f, "make {}", name.display()),
            Deed::Create { file, name } => write!(f, "create {} as {file}", name.display()),
            Deed::Open { file, name } => write!(f, "open {} as {file}", name.display()),
            Deed::Write { file, place, bytes } => {
                write!(f, "write {} bytes at {place} of {file}", bytes.len())
            }
            Deed::Resize { file, length } => write!(f, "make {file} {length} bytes long"),
            Deed::Sync { name, .. } => write!(f, "sync {}", name.display()),
            Deed::Rename { from, to } => write!(f, "rename {} to {}", from.display(), to.display()),
            Deed::Remove { name } => write!(f, "remove {}", name.display()),
            Deed::Say(text) => write!(f, "say {text:?}"),
        }
    }
}

/// Compiles the shim into a directory. Without a C compiler the test fails: it proves nothing then.
pub(crate) fn compile_shim(into: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/power_loss/shim.c");
    let shim = into.join("shim.so");
    let compiled = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .args([&shim, &source])
        .arg("-lpthread")
        .status()
        .expect("a C compiler, `cc`, is needed to build tests/state/power_loss/shim.c");
    assert!(compiled.success(), "the shim does not compile: {compiled}");
    shim
}

/// Reads a record of deeds.
pub(crate) fn read(path: &Path) -> Vec<Deed> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut deeds = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_at(32);
        let number = |at: usize| u64::from_le_bytes(head[at * 8..at * 8 + 8].try_into().unwrap());
        let size = |number: u64| usize::try_from(number).unwrap();
        let (file, place) = (number(1), size(number(2)));
        let (content, after) = after.split_at(size(number(3)));
        rest = after;
        let text = || String::from_utf8(content.to_vec()).unwrap();
        let name = || PathBuf::from(text());
        deeds.push(match u8::try_from(number(0)).unwrap() {
            b'D' => Deed::MakeDirectory { file, name: name() },
            b'N' => Deed::Create { file, name: name() },
            b'O' => Deed::Open { file, name: name() },
            b'W' => Deed::Write {
                file,
                place,
                bytes: content.to_vec(),
            },
            b'T' => Deed::Resize {
                file,
                length: place,
            },
            b'S' => Deed::Sync { file, name: name() },
            b'R' => {
                let text = text();
                let (from, to) = text.split_once('\n').unwrap();
                Deed::Rename {
                    from: from.into(),
                    to: to.into(),
                }
            }
            b'U' => Deed::Remove { name: name() },
            b'A' => Deed::Say(text()),
            other => panic!(
                "the shim does not understand {}: {}",
                char::from(other),
                text()
            ),
        });
    }
    deeds
}
