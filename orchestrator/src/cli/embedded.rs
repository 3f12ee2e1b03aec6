//! The workflows that the binary carries, for machines without a checkout.
//!
//! The lab is not among them: it works with the scripts that stand beside it.

use flowctl_workflows::source::Memory;
use include_dir::{Dir, include_dir};

static PHASE3: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../workflows/phase3");

/// All of them, with paths as in `workflows/`.
pub(super) fn workflows() -> Memory {
    let mut files = Vec::new();
    collect(&PHASE3, &mut files);
    let files = files
        .into_iter()
        .map(|(path, bytes)| (format!("phase3/{path}"), bytes));
    Memory::new("embedded:", files)
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
    fn phase3_is_found_and_valid_without_a_checkout() {
        let roots = Roots {
            directory: "no-such-directory".into(),
            embedded: workflows(),
        };
        let found = find("phase3", &roots).unwrap();
        let catalog = Catalog(crate::kinds::registry());
        let workflow = load(found.source.as_ref(), &found.path, &catalog).unwrap();
        assert!(workflow.criteria.len() > 30);
        assert_eq!(workflow.directory, None);
    }
}
