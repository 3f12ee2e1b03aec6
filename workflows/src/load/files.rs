//! The files of one workflow: each is read once, within a budget, and kept with its hash.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::model::SourceFile;
use crate::place::{Place, SourceText};
use crate::source::{Source, folder_of};

/// A file of more bytes is refused.
pub(crate) const LARGEST_FILE: usize = 16 << 20;
/// All files of a workflow together.
const LARGEST_WORKFLOW: usize = 64 << 20;

/// What was read so far.
pub(crate) struct Files<'a> {
    source: &'a dyn Source,
    texts: BTreeMap<String, Arc<SourceText>>,
    unreadable: HashMap<String, Diagnostic>,
    bytes: usize,
}

impl<'a> Files<'a> {
    pub(crate) fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            texts: BTreeMap::new(),
            unreadable: HashMap::new(),
            bytes: 0,
        }
    }

    /// The text of a file, from the root. `mention` is where it is asked for.
    ///
    /// # Errors
    /// Why it cannot be had, at the place that asks for it.
    pub(crate) fn read(
        &mut self,
        path: &str,
        mention: Option<&Place>,
    ) -> Result<Arc<SourceText>, Box<Diagnostic>> {
        if let Some(text) = self.texts.get(path) {
            return Ok(Arc::clone(text));
        }
        let problem = match self.unreadable.get(path) {
            Some(problem) => problem.clone(),
            None => match self.read_new(path) {
                Ok(text) => return Ok(text),
                Err(problem) => {
                    self.unreadable.insert(path.to_owned(), (*problem).clone());
                    *problem
                }
            },
        };
        Err(Box::new(match mention {
            Some(place) => problem.at(place.clone(), "asked for here"),
            None => problem,
        }))
    }

    fn read_new(&mut self, path: &str) -> Result<Arc<SourceText>, Box<Diagnostic>> {
        let name = self.source.display(path);
        let bytes = self.source.read(path, LARGEST_FILE).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            Diagnostic::new(
                code::MISSING_FILE,
                format!("`{name}` cannot be read: {reason}"),
            )
            .maybe_help(self.similar(path))
        })?;
        if bytes.len() > LARGEST_FILE {
            let message = format!("`{name}` is larger than {} MiB", LARGEST_FILE >> 20);
            return Err(Box::new(
                Diagnostic::new(code::FILE_TOO_BIG, message).help("split the file"),
            ));
        }
        self.bytes += bytes.len();
        if self.bytes > LARGEST_WORKFLOW {
            let message = format!(
                "the files of this workflow are larger than {} MiB in all",
                LARGEST_WORKFLOW >> 20
            );
            return Err(Box::new(
                Diagnostic::new(code::FILE_TOO_BIG, message)
                    .help("take fewer files with `folder:`"),
            ));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error
                .as_bytes()
                .iter()
                .take(at)
                .filter(|byte| **byte == b'\n')
                .count();
            let message = format!(
                "`{name}` is not UTF-8: the byte at offset {at}, line {line}, cannot be read"
            );
            Diagnostic::new(code::NOT_UTF8, message).help("save the file as UTF-8")
        })?;
        let text = SourceText::new(name, text);
        self.texts.insert(path.to_owned(), Arc::clone(&text));
        Ok(text)
    }

    /// The files below a folder, from the root, sorted.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn list(
        &self,
        folder: &str,
        mention: &Place,
    ) -> Result<Vec<String>, Box<Diagnostic>> {
        match self.source.list(folder) {
            Ok(paths) if !paths.is_empty() => Ok(paths),
            Ok(_) | Err(_) => {
                let message = format!("`{}` is no folder with files", self.source.display(folder));
                Err(Box::new(
                    Diagnostic::new(code::MISSING_FILE, message)
                        .at(mention.clone(), "asked for here"),
                ))
            }
        }
    }

    fn similar(&self, path: &str) -> Option<String> {
        let folder = folder_of(path);
        let paths = self.source.list(folder).ok()?;
        let names = paths
            .iter()
            .filter(|path| folder_of(path) == folder)
            .map(|path| &path[path.rfind('/').map_or(0, |at| at + 1)..]);
        suggest(&path[path.rfind('/').map_or(0, |at| at + 1)..], names)
    }

    /// Everything that was read, sorted by path.
    pub(crate) fn sources(&self) -> Vec<SourceFile> {
        let file = |(path, text): (&String, &Arc<SourceText>)| SourceFile {
            path: path.clone(),
            sha256: sha256(text.text().as_bytes()),
            text: Arc::clone(text.text()),
        };
        self.texts.iter().map(file).collect()
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
