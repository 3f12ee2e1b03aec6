//! Where the workflow of a name is: `./workflows/` first, then the copy inside the binary.

use std::path::{Path, PathBuf};

use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::source::{Disk, Memory, Source, folder_of};

/// Where workflows are looked for.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// A directory of workflows, usually `workflows`; it need not exist.
    pub directory: PathBuf,
    /// The copy inside the binary, with paths as in that directory.
    pub embedded: Memory,
}

/// A workflow's file, ready for [`crate::load()`].
pub struct Found {
    /// Its directory.
    pub source: Box<dyn Source>,
    /// Its file in that directory.
    pub path: String,
}

/// Finds the workflow called `name`, or the file, if `name` has a `/` or ends in `.yaml`.
///
/// # Errors
/// When there is none, or more than one in the same place.
pub fn find(name: &str, roots: &Roots) -> Result<Found, Box<Diagnostic>> {
    if name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
        let path = Path::new(name);
        let file = path
            .file_name()
            .and_then(|file| file.to_str())
            .unwrap_or("");
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        return Ok(Found {
            source: Box::new(Disk::new(directory)),
            path: file.to_owned(),
        });
    }
    let on_disk = candidates_on_disk(&roots.directory);
    if let Some(path) = the_one(
        name,
        on_disk.iter().map(String::as_str),
        &roots.directory.to_string_lossy(),
    )? {
        let directory = roots.directory.join(folder_of(path));
        return Ok(Found {
            source: Box::new(Disk::new(directory)),
            path: format!("{name}.yaml"),
        });
    }
    if let Some(path) = the_one(name, roots.embedded.paths(), "the copy inside flowctl")? {
        let source = roots.embedded.below(folder_of(path));
        return Ok(Found {
            source: Box::new(source),
            path: format!("{name}.yaml"),
        });
    }
    let known = names(roots);
    let problem = Diagnostic::new(
        code::WORKFLOW_NOT_FOUND,
        format!("there is no workflow `{name}`"),
    )
    .help(format!(
        "looked in `{}` and in the copy inside flowctl; a file is given by its path",
        roots.directory.display()
    ))
    .maybe_help(suggest(name, known.iter().map(String::as_str)));
    Err(Box::new(problem))
}

/// The names that [`find`] may find: files that are called as their folder, and those in no folder.
#[must_use]
pub fn names(roots: &Roots) -> Vec<String> {
    let on_disk = candidates_on_disk(&roots.directory);
    let paths = on_disk
        .iter()
        .map(String::as_str)
        .chain(roots.embedded.paths());
    let mut names: Vec<String> = paths
        .filter_map(|path| {
            let name = path.rsplit('/').next()?.strip_suffix(".yaml")?;
            let folder = folder_of(path);
            (folder.is_empty() || folder == name).then(|| name.to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The only path that is `NAME.yaml` or `FOLDER/NAME.yaml`.
fn the_one<'a>(
    name: &str,
    paths: impl Iterator<Item = &'a str>,
    place: &str,
) -> Result<Option<&'a str>, Box<Diagnostic>> {
    let file = format!("{name}.yaml");
    let matches = |path: &&str| {
        path.rsplit('/').next() == Some(file.as_str()) && path.matches('/').count() <= 1
    };
    let found: Vec<&str> = paths.filter(matches).collect();
    match found[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => {
            let message = format!("`{name}` may be any of {} in {place}", found.join(", "));
            Err(Box::new(
                Diagnostic::new(code::AMBIGUOUS_WORKFLOW, message)
                    .help("give the path of one of them"),
            ))
        }
    }
}

/// Files in the directory and in its folders, sorted. What cannot be read is not there.
fn candidates_on_disk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries(directory) {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if entry.path().is_dir() {
            let inner =
                entries(&entry.path()).filter_map(|inner| inner.file_name().into_string().ok());
            found.extend(inner.map(|inner| format!("{name}/{inner}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Roots {
        let files = [
            "phase3/phase3.yaml",
            "phase3/3.1.yaml",
            "lab/lab.yaml",
            "a/twin.yaml",
            "b/twin.yaml",
            "top.yaml",
            "x/y/deep.yaml",
        ];
        Roots {
            directory: PathBuf::from("no-such-directory"),
            embedded: Memory::new("", files.map(|path| (path, ""))),
        }
    }

    #[test]
    fn a_name_is_found_once_or_explained() {
        let found = find("phase3", &roots()).unwrap();
        assert_eq!(
            (
                found.path.as_str(),
                found.source.read("phase3.yaml", 1).is_ok()
            ),
            ("phase3.yaml", true)
        );
        assert!(find("top", &roots()).is_ok());
        let error = |name| find(name, &roots()).map(|_| ()).unwrap_err();
        assert_eq!(error("twin").code, code::AMBIGUOUS_WORKFLOW);
        assert!(error("twin").message.contains("a/twin.yaml, b/twin.yaml"));
        assert_eq!(error("deep").code, code::WORKFLOW_NOT_FOUND);
        assert_eq!(
            error("phas3").help.as_deref(),
            Some("did you mean `phase3`?")
        );
        assert_eq!(names(&roots()), ["lab", "phase3", "top"]);
    }

    #[test]
    fn a_path_is_a_file() {
        let found = find("some/dir/w.yaml", &roots()).unwrap();
        assert_eq!(found.path, "w.yaml");
        assert_eq!(found.source.display("w.yaml"), "some/dir/w.yaml");
    }
}
