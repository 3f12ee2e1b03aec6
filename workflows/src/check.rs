//! What the parts of a workflow must be to each other. Fills in what depends on it: `needs`, `proves`, paths.

mod graph;
mod links;
mod names;
mod params;
mod scope;
mod texts;
mod uses;

pub(crate) use params::convert as convert_param;
pub(crate) use params::{has_type, is_choice};

use texts::Texts;

use crate::diagnostic::Diagnostic;
use crate::load::{Draft, Files, Kinds};

/// Checks everything; each check goes on where another found mistakes.
pub(crate) fn check(
    draft: &mut Draft,
    files: &mut Files<'_>,
    kinds: &Kinds<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let graph = graph::build(draft, problems);
    links::check(draft, kinds.catalog(), problems);
    params::check_defaults(draft, problems);
    // Before the kinds are asked for, which another thread makes ready meanwhile.
    let texts = Texts::of(&draft.steps);
    let held = uses::check(draft, files, kinds, problems);
    names::check(draft, &graph, &held, texts, kinds.catalog(), problems);
}
