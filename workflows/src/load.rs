//! Files to a [`Workflow`]: read, hold against the schema, join, check. Finds every mistake that can be found
//! without a target; a mistake in one part does not hide those in others.

mod alone;
mod draft;
mod files;
mod inject;
mod kinds;
mod parts;
mod prune;
mod shape;
mod target;
mod words;

pub(crate) use draft::{Draft, DraftStep};
pub(crate) use files::Files;
pub use inject::load_inject;
pub(crate) use kinds::{Kind, Kinds};
pub(crate) use shape::Subject;
pub use target::{Lookup, TargetFile, load_target};

use crate::check;
use crate::diagnostic::{Diagnostic, sort};
use crate::kinds::KindCatalog;
use crate::model::Workflow;
use crate::source::Source;

/// Reads a workflow. `path` is relative to the root of `source`; the file's folder is the workflow's directory.
///
/// # Errors
/// Every mistake in every file, in the order of the files.
pub fn load(
    source: &dyn Source,
    path: &str,
    kinds: &dyn KindCatalog,
) -> Result<Workflow, Vec<Diagnostic>> {
    let mut files = Files::new(source);
    let mut problems = Vec::new();
    let kinds = Kinds::of(kinds);
    let workflow = std::thread::scope(|scope| {
        let (ahead, names) = kinds::ahead();
        let kinds = &kinds;
        // Where no thread is to be had, all of it is made when it is asked for.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
            parts::make_shapes();
            names.iter().for_each(|name| drop(kinds.get(&name)));
        });
        let parts = parts::read(path, &mut files, ahead, &mut problems)?;
        let mut draft = draft::assemble(parts, &mut problems);
        check::check(&mut draft, &mut files, kinds, &mut problems);
        draft.finish(source.directory(), &files)
    });
    match workflow {
        Some(workflow) if problems.is_empty() => Ok(workflow),
        _ => {
            sort(&mut problems);
            Err(problems)
        }
    }
}
