//! The rules: which step runs next, is tried again, skipped, cancelled or undone, and when the run is
//! over. Pure: no async, no clock, no chance, no I/O. Time and chance come in with the [`Input`].
//!
//! [`decide`] says what has now happened, as events; [`todo()`] says what must be in flight, from the
//! state alone, so a restart needs no path of its own: nothing is in flight then, so all that is
//! missing is started. [`Frontier`] is what `decide` would otherwise count anew each time.

mod decide;
mod frontier;
mod input;
mod pending;
mod resume;
mod retry;
mod todo;

#[cfg(test)]
mod tests;

pub use decide::{Conditions, decide};
pub use frontier::Frontier;
pub use input::Input;
pub use pending::{pending_undos, to_undo};
pub use resume::{Refusal, Resume, check_replacement, is_forced, is_in_teardown, resumed};
pub use todo::{Command, todo, todo_for};
