//! Searches bytes for secrets, in whatever form and over whatever line breaks.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde_json::Value;

use super::MARKER;
use super::forms::Canary;

/// What was searched, and what was found.
pub(super) struct Scan {
    needles: Vec<(String, Vec<u8>)>,
    /// Which needles begin with two bytes: there is much to search, and most of it begins none.
    starting: Vec<Vec<usize>>,
    found: Vec<String>,
    searched: Vec<(String, bool)>,
}

impl Scan {
    pub(super) fn new(canaries: &[Canary]) -> Self {
        let needles = canaries.iter().enumerate().flat_map(|(number, canary)| {
            let needles = canary.needles().into_iter();
            needles.map(move |(form, needle)| (format!("canary {number} in {form}"), needle))
        });
        let needles: Vec<(String, Vec<u8>)> = needles.collect();
        let mut starting = vec![Vec::new(); 1 << 16];
        for (number, (_, needle)) in needles.iter().enumerate() {
            starting[pair(needle)].push(number);
        }
        Self {
            needles,
            starting,
            found: Vec::new(),
            searched: Vec::new(),
        }
    }

    /// Searches these bytes, as they are and without their line breaks.
    pub(super) fn take(&mut self, name: &str, bytes: &[u8]) {
        let joined: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\n' | b'\r'))
            .collect();
        let without = String::from_utf8_lossy(&joined)
            .replace("\\n", "")
            .into_bytes();
        let mut seen = BTreeSet::new();
        for bytes in [bytes, &joined, &without] {
            for at in 0..bytes.len().saturating_sub(1) {
                let here = &bytes[at..];
                let begun = self.starting[pair(here)].iter().copied();
                seen.extend(begun.filter(|number| here.starts_with(&self.needles[*number].1)));
            }
        }
        let seen = seen.into_iter();
        self.found
            .extend(seen.map(|number| format!("{}: {name}", self.needles[number].0)));
        self.searched
            .push((name.to_owned(), holds(bytes, MARKER.as_bytes())));
    }

    /// Searches every file below a folder, and what is compressed in it.
    pub(super) fn folder(&mut self, name: &str, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{name}/{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() {
                self.folder(&name, &path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                self.take(&name, &bytes);
                if bytes.starts_with(&[0x1f, 0x8b]) {
                    let mut content = Vec::new();
                    flate2::read::MultiGzDecoder::new(&bytes[..])
                        .read_to_end(&mut content)
                        .unwrap();
                    self.take(&name, &content);
                }
            }
        }
    }

    pub(super) fn nothing_found(&self) {
        assert!(
            self.found.is_empty(),
            "{} times a secret:\n{}",
            self.found.len(),
            self.found.join("\n")
        );
    }

    /// Whether the marker is in something whose name begins so.
    pub(super) fn has_marker(&self, name: &str) -> bool {
        self.searched
            .iter()
            .any(|(searched, marker)| *marker && searched.starts_with(name))
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.searched
            .iter()
            .filter(|(_, marker)| *marker)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The first two bytes.
fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Reads a pipe to its end in a thread of its own.
pub(super) fn drained(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// The same once it has begun: whoever is at the other end is there.
pub(super) fn begun(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    let mut first = [0];
    pipe.read_exact(&mut first).unwrap();
    let rest = drained(pipe);
    std::thread::spawn(move || [&first[..], &rest.join().unwrap()].concat())
}

/// Reads events up to the one that is wanted, and the rest in a thread; gives all of them in the end.
pub(super) fn until(
    pipe: impl Read + Send + 'static,
    wanted: impl Fn(&Value) -> bool,
) -> JoinHandle<Vec<u8>> {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        assert!(
            pipe.read_until(b'\n', &mut line).unwrap() > 0,
            "the run ended early: {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&line);
        if wanted(&serde_json::from_slice(&line).unwrap()) {
            break;
        }
    }
    std::thread::spawn(move || {
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// The socket of whoever holds a state, spoken to without flowctl.
pub(super) struct Socket(PathBuf);

impl Socket {
    pub(super) fn of(state: &Path) -> Self {
        Self(state.join("flowctl.sock"))
    }

    /// Asks for a path below `/v1/`; the answer can be read until the other end closes it.
    pub(super) fn open(&self, path: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.0).unwrap();
        let asked =
            format!("GET /v1/{path} HTTP/1.1\r\nHost: flowctl\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).unwrap();
        stream
    }

    /// The whole answer, with its head.
    pub(super) fn ask(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open(path).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// The JSON in an answer, between its first and its last brace.
pub(super) fn body(answer: &[u8]) -> Value {
    let text = std::str::from_utf8(answer).unwrap();
    let (first, last) = (text.find('{').unwrap(), text.rfind('}').unwrap());
    serde_json::from_str(&text[first..=last]).unwrap()
}

/// The command line of a process.
pub(super) fn command_line(process: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{process}/cmdline")).unwrap()
}
