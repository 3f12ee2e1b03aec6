//! What the parts of a workflow must be to each other. Fills in what depends on it: `needs`, `proves`, paths.

mod graph;
mod links;
mod names;
mod params;
mod scope;
mod uses;

pub(crate) use params::convert as convert_param;
pub(crate) use params::{has_type, is_choice};

use crate::diagnostic::Diagnostic;
use crate::kinds::KindCatalog;
use crate::load::{Draft, Files};

/// Checks everything; each check goes on where another found mistakes.
pub(crate) fn check(
    draft: &mut Draft,
    files: &mut Files<'_>,
    kinds: &dyn KindCatalog,
    problems: &mut Vec<Diagnostic>,
) {
    let graph = graph::build(draft, problems);
    links::check(draft, kinds, problems);
    params::check_defaults(draft, problems);
    let held = uses::check(draft, files, kinds, problems);
    names::check(draft, &graph, &held, kinds, problems);
}
