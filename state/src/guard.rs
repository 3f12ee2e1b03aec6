//! Calls of a store that may panic on a file that was tampered with, where it should return an error.
//!
//! Owns the catching, and the word for the program's panic hook that such a panic is no bug of flowctl's.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, would be caught and told as damage of the store.
#[must_use]
pub fn is_catching() -> bool {
    CATCHING.get()
}

/// What `act` returns; `None` if it panicked.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Option<T> {
    let before = CATCHING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(act)).ok();
    CATCHING.set(before);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_known_as_such() {
        assert!(!is_catching());
        assert_eq!(caught(is_catching), Some(true));
        assert_eq!(caught(|| caught(|| panic!("a test")).unwrap_or(3)), Some(3));
        assert!(!is_catching());
    }
}
