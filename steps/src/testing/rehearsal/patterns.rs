//! Patterns of statements, each compiled once: a benchmark sends the same few statements hundreds of times.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;

/// A pattern, compiled at its first use. The patterns are the doubles' own, or made with a name out of a world of a few
/// tables, so that what is kept stays small. It is shared, not cloned: a cloned pattern makes its search caches anew.
///
/// # Errors
/// When the text is not a regular expression.
pub(super) fn compiled(pattern: &str) -> Result<Arc<Regex>, regex::Error> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.get(pattern) {
        return Ok(Arc::clone(regex));
    }
    let regex = Arc::new(Regex::new(pattern)?);
    known.insert(pattern.to_owned(), Arc::clone(&regex));
    Ok(regex)
}
