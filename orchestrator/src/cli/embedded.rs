//! The workflows that the binary carries, for machines without a checkout.
//!
//! The lab is not among them: it works with the scripts that stand beside it.

use flowctl_workflows::source::Memory;
use include_dir::{Dir, include_dir};

static PHASE3: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../workflows/phase3");
static DIAGNOSE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../workflows/diagnose");

/// All of them, with paths as in `workflows/`.
pub(super) fn workflows() -> Memory {
    let mut all = Vec::new();
    for (folder, directory) in [("phase3", &PHASE3), ("diagnose", &DIAGNOSE)] {
        let mut files = Vec::new();
        collect(directory, &mut files);
        let files = files.into_iter();
        all.extend(files.map(|(path, bytes)| (format!("{folder}/{path}"), bytes)));
    }
    Memory::new("embedded:", all)
}

fn collect(directory: &Dir<'static>, files: &mut Vec<(String, &'static [u8])>) {
    for file in directory.files() {
        files.push((file.path().to_string_lossy().into_owned(), file.contents()));
    }
    directory.dirs().for_each(|inner| collect(inner, files));
}

#[cfg(test)]
mod tests {
    use flowctl_workflows::find::Roots;
    use flowctl_workflows::{find, load};

    use super::*;
    use crate::cli::catalog::Catalog;

    #[test]
    fn each_is_found_and_valid_without_a_checkout() {
        let roots = Roots {
            directory: "no-such-directory".into(),
            embedded: workflows(),
        };
        let catalog = Catalog(crate::kinds::registry());
        for (name, criteria) in [("phase3", 41), ("diagnose", 8)] {
            let found = find(name, &roots).unwrap();
            let workflow = load(found.source.as_ref(), &found.path, &catalog).unwrap();
            assert_eq!(workflow.criteria.len(), criteria, "{name}");
            assert_eq!(workflow.directory, None);
        }
    }
}
