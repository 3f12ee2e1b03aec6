//! Names that lead from one part of a workflow to another: objectives, criteria, locks; and the schedule.

use std::str::FromStr;

use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::ids::CriterionId;
use crate::kinds::KindCatalog;
use crate::load::{Draft, DraftStep};
use crate::yaml::{Content, Node};

/// Checks them and fills in what the steps prove.
pub(super) fn check(draft: &mut Draft, kinds: &dyn KindCatalog, problems: &mut Vec<Diagnostic>) {
    schedule(draft, problems);
    for (name, (size, place)) in &draft.locks {
        if *size == 0 {
            let problem = Diagnostic::new(
                code::BAD_LOCK_COUNT,
                format!("nobody could ever hold the lock `{name}` of size 0"),
            );
            problems.push(
                problem
                    .at(place.clone(), "here")
                    .help("give it a size of at least 1"),
            );
        }
    }
    let objectives: Vec<String> = draft
        .objectives
        .iter()
        .map(|(objective, _)| objective.id.clone())
        .collect();
    let criteria: Vec<String> = draft
        .criteria
        .iter()
        .map(|(criterion, _)| criterion.id.to_string())
        .collect();
    for (criterion, place) in &draft.criteria {
        if let Some(objective) = criterion
            .objective
            .as_ref()
            .filter(|objective| !objectives.contains(objective))
        {
            problems.push(
                unknown(code::UNKNOWN_OBJECTIVE, "objective", objective, &objectives)
                    .at(place.clone(), "of this criterion"),
            );
        }
    }
    let mut steps = std::mem::take(&mut draft.steps);
    let known: std::collections::HashSet<&str> = criteria.iter().map(String::as_str).collect();
    for step in &mut steps {
        if let Some(objective) = step
            .spec
            .objective
            .as_ref()
            .filter(|objective| !objectives.contains(objective))
        {
            let problem = unknown(code::UNKNOWN_OBJECTIVE, "objective", objective, &objectives);
            problems.push(problem.at(step.at(&["objective"]), "here"));
        }
        for (number, name) in std::mem::take(&mut step.proves).into_iter().enumerate() {
            match CriterionId::new(name.as_str()) {
                Ok(id) if known.contains(name.as_str()) => step.spec.proves.push(id),
                _ => {
                    let problem = unknown(code::UNKNOWN_CRITERION, "criterion", &name, &criteria);
                    problems
                        .push(problem.at(step.at(&["proves", &number.to_string()]), "proved here"));
                }
            }
        }
        if let Some(with) = step.node.get("with") {
            inner_proves(with, step, &known, &criteria, problems);
        }
        proof(step, kinds, problems);
        locks(step, draft, problems);
    }
    draft.steps = steps;
}

fn unknown(code: &'static str, what: &str, name: &str, known: &[String]) -> Diagnostic {
    let problem = Diagnostic::new(code, format!("there is no {what} `{name}`"));
    problem.maybe_help(suggest(name, known.iter().map(String::as_str)))
}

/// Some kinds let parts of their parameters prove criteria of their own, always under the key `proves`.
fn inner_proves(
    node: &Node,
    step: &DraftStep,
    known: &std::collections::HashSet<&str>,
    criteria: &[String],
    problems: &mut Vec<Diagnostic>,
) {
    for entry in node.entries() {
        let values =
            std::iter::once(&*entry.value).chain(entry.value.items().iter().map(|item| &**item));
        if &*entry.key == "proves" {
            for value in values {
                let Some(name) = value
                    .text()
                    .filter(|name| !crate::template::is_template(name))
                else {
                    continue;
                };
                if !known.contains(name) {
                    let problem = unknown(code::UNKNOWN_CRITERION, "criterion", name, criteria);
                    problems.push(problem.at(value.spot.place(&step.source), "proved here"));
                }
            }
        } else {
            inner_proves(&entry.value, step, known, criteria, problems);
        }
    }
    if let Content::List(items) = &node.content {
        for item in items {
            inner_proves(item, step, known, criteria, problems);
        }
    }
}

/// A step that proves something must look at something, and one that asks whether it applies must prove it.
fn proof(step: &DraftStep, kinds: &dyn KindCatalog, problems: &mut Vec<Diagnostic>) {
    let spec = &step.spec;
    if spec.inapplicable.is_some() && step.node.get("proves").is_none() {
        let message = format!(
            "`{}` says when its criteria are INAPPLICABLE, and has none",
            spec.id
        );
        let problem = Diagnostic::new(code::PROVES_NOTHING, message)
            .at(step.at(&["inapplicable"]), "of which criteria?")
            .help("name them with `proves:`, or use `when:` to skip steps");
        problems.push(problem);
    }
    if spec.proves.is_empty()
        || !spec.expect.is_empty()
        || spec.inapplicable.is_some()
        || kinds.measures(&spec.uses)
        || kinds.params_schema(&spec.uses).is_none()
    {
        return;
    }
    let message = format!(
        "`{}` proves a criterion, but `{}` measures nothing",
        spec.id, spec.uses
    );
    let problem = Diagnostic::new(code::PROVES_NOTHING, message)
        .at(step.at(&["proves"]), "on what evidence?")
        .help("say what its output must be with `expect:`, or use a kind that measures");
    problems.push(problem);
}

fn locks(step: &DraftStep, draft: &Draft, problems: &mut Vec<Diagnostic>) {
    for (number, (name, count)) in step.spec.locks.iter().enumerate() {
        // A list has numbers, a mapping names.
        let place = match step.node.get("locks").map(|locks| locks.entry(name)) {
            Some(Some(entry)) => entry.spot.place(&step.source),
            _ => step.at(&["locks", &number.to_string()]),
        };
        let Some((size, declared)) = draft.locks.get(name) else {
            let problem = Diagnostic::new(
                code::UNKNOWN_LOCK,
                format!("the lock `{name}` is not declared"),
            )
            .help("declare it at the top: `locks: {NAME: SIZE}`")
            .maybe_help(suggest(name, draft.locks.keys().map(String::as_str)));
            problems.push(problem.at(place, "held here"));
            continue;
        };
        if *count == 0 || (*count > *size && *size > 0) {
            let message = format!(
                "`{}` asks for {count} of the lock `{name}`, which has {size}",
                step.spec.id
            );
            let problem =
                Diagnostic::new(code::BAD_LOCK_COUNT, message).at(place, "asked for here");
            problems.push(
                problem
                    .at(declared.clone(), "declared here")
                    .help(format!("ask for 1 to {size}")),
            );
        }
    }
}

fn schedule(draft: &Draft, problems: &mut Vec<Diagnostic>) {
    let Some((schedule, cron, timezone)) = &draft.schedule else {
        return;
    };
    let reason = match croner::Cron::from_str(&schedule.cron) {
        _ if schedule.cron.split_whitespace().count() != 5 => {
            Some("five fields are needed".to_owned())
        }
        Err(error) => Some(
            error
                .to_string()
                .to_lowercase()
                .trim_end_matches('.')
                .to_owned(),
        ),
        Ok(_) => None,
    };
    if let Some(reason) = reason {
        let problem = Diagnostic::new(
            code::BAD_CRON,
            format!("`{}` is not a cron expression: {reason}", schedule.cron),
        )
        .at(cron.clone(), "here")
        .help("minute hour day-of-month month day-of-week, for example `30 4 * * 1-5`");
        problems.push(problem);
    }
    if jiff::tz::TimeZone::get(&schedule.timezone).is_err() {
        let problem = Diagnostic::new(
            code::BAD_TIMEZONE,
            format!("there is no time zone `{}`", schedule.timezone),
        )
        .at(timezone.clone(), "here")
        .help("use an IANA name, for example `Europe/Zurich`, or `UTC`");
        problems.push(problem);
    }
}
