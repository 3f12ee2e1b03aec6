//! A file of faults: read, held against the schema, checked.

use super::alone::{self, Alone};
use crate::code;
use crate::diagnostic::{Diagnostic, sort};
use crate::inject::{Fault, Inject};
use crate::schema;
use crate::source::Source;

/// Reads a file of faults. `path` is relative to the root of `source`.
///
/// # Errors
/// Every mistake in it.
pub fn load_inject(source: &dyn Source, path: &str) -> Result<Inject, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let inject = read(source, path, &mut problems);
    match inject {
        Some(inject) if problems.is_empty() => Ok(inject),
        _ => {
            sort(&mut problems);
            Err(problems)
        }
    }
}

fn read(source: &dyn Source, path: &str, problems: &mut Vec<Diagnostic>) -> Option<Inject> {
    let Alone { text, node, value } = alone::read(source, path, schema::inject(), problems)?;
    // Each by itself: a mistake in one does not hide those in others.
    for (at, fault) in value["faults"].as_array().into_iter().flatten().enumerate() {
        // What cannot be read was reported by the schema.
        let Ok(fault) = serde_json::from_value::<Fault>(fault.clone()) else {
            continue;
        };
        for (path, problem) in flaws(&fault) {
            let at = at.to_string();
            let path = ["faults", at.as_str()].into_iter().chain(path);
            let place = node.follow(path).spot.place(&text);
            problems.push(problem.at(place, "here"));
        }
    }
    serde_json::from_value(value).ok()
}

/// What the schema cannot say of a fault.
fn flaws(fault: &Fault) -> Vec<(Vec<&'static str>, Diagnostic)> {
    let mut flaws = Vec::new();
    let mut flaw = |path: &[&'static str], message: &str, help: &str| {
        let problem = Diagnostic::new(code::BAD_VALUE, message).help(help);
        flaws.push((path.to_vec(), problem));
    };
    if fault.latency.is_none()
        && fault.fail.is_none()
        && !fault.lose_answer
        && fault.change.is_none()
    {
        flaw(
            &[],
            "this fault does nothing",
            "add `latency:`, `fail:`, `lose_answer: true` or `change:`",
        );
    }
    if fault.fail.is_some() && fault.lose_answer {
        flaw(
            &["lose_answer"],
            "a request that fails has no effect whose answer could be lost",
            "drop `fail:` or `lose_answer:`",
        );
    }
    if fault.on.nth.contains(&0) {
        flaw(
            &["on", "nth"],
            "requests are counted from 1",
            "write `nth: [1]` for the first",
        );
    }
    if fault
        .on
        .share
        .is_some_and(|share| !(0.0..=1.0).contains(&share))
    {
        flaw(
            &["on", "share"],
            "a share lies between 0 and 1",
            "write `0.1` for one in ten",
        );
    }
    flaws
}
