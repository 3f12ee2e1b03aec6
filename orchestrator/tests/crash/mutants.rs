//! The test of the test: the program made wrong on purpose, in one way after the other. Each way must be seen by the
//! part of the suite that is there for it.

use std::fmt::Write as _;
use std::sync::Mutex;

use crate::check::{Findings, Part};
use crate::points::{Undisturbed, all, on_all_cores, stopped, undisturbed};
use crate::shape::Shape;
use crate::table::publish;

/// A way to be wrong, the workflow in which it shows, and the part that must see it.
struct Mutant {
    name: &'static str,
    shape: Shape,
    failing: u32,
    seen_by: Part,
    /// It shows only where an effect and its record meet.
    at_effects: bool,
}

const fn mutant(name: &'static str, shape: Shape, failing: u32, seen_by: Part) -> Mutant {
    Mutant {
        name,
        shape,
        failing,
        seen_by,
        at_effects: false,
    }
}

const fn at_effects(mutant: Mutant) -> Mutant {
    Mutant {
        at_effects: true,
        ..mutant
    }
}

/// The names are those of `flowctl_state::crash::Mutant`.
const MUTANTS: &[Mutant] = &[
    at_effects(mutant("ActBeforePersist", Shape::Chain, 0, Part::Record)),
    mutant("ShowBeforePersist", Shape::Chain, 0, Part::Record),
    mutant("DropFlush", Shape::Chain, 0, Part::Record),
    at_effects(mutant("ChangeBeforeOriginal", Shape::Undo, 0, Part::Record)),
    at_effects(mutant("ForgetHandle", Shape::Undo, 0, Part::Same)),
    mutant("RenameEffect", Shape::Chain, 0, Part::Same),
    mutant("RerunFinished", Shape::Chain, 0, Part::Same),
    mutant("RerunPutBack", Shape::PutBack, 0, Part::Same),
    mutant("ForgetTries", Shape::Undo, 0, Part::Same),
    mutant("ForgetUndo", Shape::Undo, 0, Part::Same),
    mutant("OneRetryTooMany", Shape::Undo, 0, Part::Same),
    mutant("CountTriesTwice", Shape::Chain, 2, Part::Same),
    mutant("UndoForwards", Shape::Undo, 0, Part::Rules),
    mutant("FinallyBeforeUndos", Shape::Undo, 0, Part::Rules),
];

/// How many of its points a mutant is killed at in the plain suite, spread over the run, until it is seen.
const TRIES: u64 = 8;

/// What the three parts say of a mutant: how many of its runs each of them complained about.
#[derive(Default)]
struct Seen {
    runs: usize,
    by: [usize; 3],
    first: Option<String>,
}

impl Seen {
    fn count(&mut self, findings: &Findings) {
        self.runs += 1;
        for (part, by) in [Part::Record, Part::Same, Part::Rules]
            .iter()
            .zip(&mut self.by)
        {
            *by += usize::from(findings.by(*part));
        }
        self.first = self
            .first
            .take()
            .or_else(|| Some(findings.0.first()?.what.clone()));
    }

    fn is_seen_by(&self, part: Part) -> bool {
        self.by[part as usize] > 0
    }
}

/// Where the mutant is killed: everywhere, or at some points spread over the run, or around its first effects.
fn deaths(mutant: &Mutant, undisturbed: &Undisturbed) -> Vec<u64> {
    let points = &undisturbed.points;
    let count = points.len() as u64;
    if all() {
        return (1..=count).collect();
    }
    if !mutant.at_effects {
        let stride = count.div_ceil(TRIES);
        return (1..=count).filter(|at| at % stride == 0).collect();
    }
    let effects = (1..)
        .zip(points)
        .filter(|(_, point)| *point == "EffectDone")
        .take(2);
    // An append has four points and an effect two.
    effects
        .flat_map(|(at, _)| (0..6).map(move |back| at - back))
        .collect()
}

/// The beginning of a long text.
fn shown(text: &str) -> &str {
    text.split(" [").next().unwrap_or(text)
}

fn killed(mutant: &Mutant, undisturbed: &Undisturbed) -> Seen {
    let mut seen = Seen::default();
    for at in deaths(mutant, undisturbed) {
        if !all() && seen.is_seen_by(mutant.seen_by) {
            break;
        }
        let (_, findings) = stopped(
            mutant.shape,
            mutant.failing,
            &[at],
            undisturbed,
            Some(mutant.name),
        );
        seen.count(&findings);
    }
    seen
}

#[test]
fn each_mutant_is_seen() {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let unseen = Mutex::new(Vec::new());
    let lines = Mutex::new(&mut rows);
    on_all_cores(MUTANTS, |mutant| {
        let undisturbed = undisturbed(mutant.shape, mutant.failing);
        let seen = killed(mutant, &undisturbed);
        let line = format!(
            "| {} | {}, {} failing | {} | {} | {} | {} | {} |",
            mutant.name,
            mutant.shape.name(),
            mutant.failing,
            seen.runs,
            seen.by[0],
            seen.by[1],
            seen.by[2],
            seen.first.as_deref().map_or("", shown)
        );
        if !seen.is_seen_by(mutant.seen_by) {
            unseen
                .lock()
                .expect("the list")
                .push(format!("{} by `{}`", mutant.name, mutant.seen_by));
        }
        lines.lock().expect("the rows").push((mutant.name, line));
    });
    let mut text = String::from(
        "| mutant | workflow | runs killed | seen by record | seen by same | seen by rules | first seen as |\n|---|---|---|---|---|---|---|\n",
    );
    for mutant in MUTANTS {
        if let Some((_, line)) = rows.iter().find(|(name, _)| *name == mutant.name) {
            let _ = writeln!(text, "{line}");
        }
    }
    print!("{text}");
    publish("mutants", &text);
    let unseen = unseen.into_inner().expect("the list");
    assert!(unseen.is_empty(), "not seen: {}", unseen.join(", "));
}
