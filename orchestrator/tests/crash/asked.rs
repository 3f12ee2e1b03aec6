//! `flowctl undo` of a run that was killed, killed itself at each of its points, and asked for again.

use std::sync::Mutex;

use flowctl_state::run_state::UndoState;

use crate::check::{Findings, Part};
use crate::death::{has_records, holds_shown};
use crate::expected::{fold, is_in_order};
use crate::flowctl::{Ended, Place};
use crate::points::{all, on_all_cores, undisturbed};
use crate::shape::{ORIGINAL, Shape};

const SHAPE: Shape = Shape::Undo;
/// How many points the plain suite takes, spread over the undo.
const SAMPLE: u64 = 6;

/// A run that died when it had just made its second change.
fn changed_and_killed(at: u64) -> Place {
    let place = Place::new(SHAPE, 0, None);
    assert!(place.flowctl(&["run", "w.yaml"], Some(at)).died);
    place
}

fn look(place: &Place, ended: &Ended, findings: &mut Findings) {
    let events = place.events();
    holds_shown(&ended.shown, &events, findings);
    has_records(place, SHAPE, &events, findings);
}

#[test]
fn an_undo_that_was_killed_goes_on_when_it_is_asked_for_again() {
    let change = (1..)
        .zip(undisturbed(SHAPE, 0).points)
        .filter(|(_, point)| point == "EffectDone")
        .nth(1)
        .map(|(at, _)| at)
        .expect("a second effect");
    let count = {
        let place = changed_and_killed(change);
        let before = place.points().len();
        place.flowctl(&["undo"], None);
        (place.points().len() - before) as u64
    };
    let stride = if all() { 1 } else { count.div_ceil(SAMPLE) };
    let deaths: Vec<u64> = (1..=count).filter(|at| at % stride == 0).collect();
    let amiss = Mutex::new(String::new());
    on_all_cores(&deaths, |at| {
        let mut findings = Findings::default();
        let place = changed_and_killed(change);
        let killed = place.flowctl(&["undo"], Some(*at));
        findings.expect(Part::Same, killed.died, || "it was not killed".to_owned());
        look(&place, &killed, &mut findings);
        let again = place.flowctl(&["undo"], None);
        look(&place, &again, &mut findings);
        findings.expect(Part::Same, again.code == Some(0), || {
            format!("it ended with {:?}: {}", again.code, again.stderr)
        });
        is_in_order(SHAPE, &place.effects(), &mut findings);
        for (step, value) in place.values() {
            findings.expect(Part::Same, value == ORIGINAL, || {
                format!("the value of {step} is {value} in the end")
            });
        }
        if let Some(state) = fold(&place.events(), &mut findings) {
            // One that died after its last undo leaves only `finally:`, which a resume or a cancel runs.
            for step in ["first", "second"] {
                let undo = state.record(step).map(|record| record.undo.clone());
                findings.expect(
                    Part::Same,
                    matches!(undo, Some(UndoState::Done { .. })),
                    || format!("the undo of {step} is {undo:?}"),
                );
            }
        }
        if !findings.0.is_empty() {
            let text = format!("undo, dead at {at}:\n{findings}");
            amiss.lock().expect("the list").push_str(&text);
        }
    });
    println!("flowctl undo, killed at {} of {count} points", deaths.len());
    let amiss = amiss.into_inner().expect("the list");
    assert!(amiss.is_empty(), "{amiss}");
}
