//! Where the crash suite stops the process, and the ways in which it makes the program wrong.
//!
//! Owns the names of both. Without the feature `crash-points`, which that suite alone turns on, every
//! function here is empty, and nothing of it is in the program.

#[cfg(feature = "crash-points")]
mod armed;

#[cfg(feature = "crash-points")]
pub use armed::{is, reached};

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!(
    "`crash-points` lets the environment stop the program; it is for the crash suite's debug build only"
);

/// A moment in which the process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// An append was asked for, and nothing of it is written.
    Asked,
    /// It is in the store's memory.
    Applied,
    /// It is durable, and nobody was told.
    Durable,
    /// An effect is about to happen.
    EffectDue,
    /// It has happened, and nobody was told.
    EffectDone,
}

/// A way to be wrong. Each is caught by a part of the crash suite, or that part is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An attempt starts while its `StepStarted` is being written.
    ActBeforePersist,
    /// What happens is shown while it is being written.
    ShowBeforePersist,
    /// An append is acknowledged when it is in the store's memory.
    DropFlush,
    /// An attempt goes on although the name or the original that it wrote down is not durable.
    ChangeBeforeOriginal,
    /// A resumed attempt does not get what it wrote down.
    ForgetHandle,
    /// The name of an effect is another one after each resume.
    RenameEffect,
    /// A step is tried once more than its policy says.
    OneRetryTooMany,
    /// Each try counts twice.
    CountTriesTwice,
    /// A resume counts the tries of a step anew.
    ForgetTries,
    /// A resume runs finished steps again.
    RerunFinished,
    /// A resume of a run that was in its teardown runs again what was put back, although all had succeeded.
    RerunPutBack,
    /// A resume does not take up an undo that was under way.
    ForgetUndo,
    /// Undos run in the order of the plan.
    UndoForwards,
    /// `finally:` runs beside the undos, not after them.
    FinallyBeforeUndos,
}

/// The process dies here if it was told to.
#[cfg(not(feature = "crash-points"))]
pub const fn reached(_: Point) {}

/// Whether the program was told to be wrong in this way.
#[cfg(not(feature = "crash-points"))]
#[must_use]
pub const fn is(_: Mutant) -> bool {
    false
}
