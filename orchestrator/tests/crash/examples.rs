//! Plain examples of what happens in which order and how often: wrong in the same way with and without a death is
//! wrong all the same.

use crate::flowctl::{Effects, Place, binary};
use crate::shape::Shape;

fn effects(shape: Shape, failing: u32, mutant: Option<&str>) -> Effects {
    let place = Place::new(shape, failing, mutant);
    place.flowctl(&["run", "w.yaml"], None);
    place.effects()
}

#[test]
fn a_chain_runs_in_its_order_and_each_step_as_often_as_it_fails_and_once_more() {
    assert_eq!(
        effects(Shape::Chain, 2, None),
        [
            "a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "c/1", "c/2", "c/3"
        ]
    );
}

#[test]
fn what_was_changed_is_put_back_in_reverse_and_then_finally_runs() {
    assert_eq!(effects(Shape::Undo, 1, None), UNDO);
    assert_eq!(
        effects(Shape::PutBack, 0, None),
        [
            "first/1",
            "second/1",
            "last/1",
            "undo second/1",
            "undo first/1",
            "clean/1"
        ]
    );
}

const UNDO: [&str; 12] = [
    "first/1",
    "first/2",
    "second/1",
    "second/2",
    "breaks/1",
    "breaks/2",
    "breaks/3",
    "undo breaks/1",
    "undo second/1",
    "undo first/1",
    "clean/1",
    "clean/2",
];

/// These mutants are wrong in the same way whether or not they are killed.
#[test]
fn the_examples_see_what_is_wrong_without_any_death() {
    for mutant in [
        "OneRetryTooMany",
        "CountTriesTwice",
        "UndoForwards",
        "FinallyBeforeUndos",
    ] {
        assert_ne!(effects(Shape::Undo, 1, Some(mutant)), UNDO, "{mutant}");
    }
}

/// The other half of a test of the program that people get, which must not hold these names.
#[test]
fn this_build_can_be_stopped() {
    for name in ["FLOWCTL_CRASH_AT", "FLOWCTL_MUTANT"] {
        let found = std::process::Command::new("grep")
            .args(["--text", "--quiet", "--fixed-strings", name])
            .arg(binary())
            .status()
            .expect("grep starts");
        assert_eq!(found.code(), Some(0), "{name} is not in the program");
    }
}
