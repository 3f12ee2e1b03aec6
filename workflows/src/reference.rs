//! A name that an expression or a template mentions. Found by [`crate::expr`] and [`crate::template`],
//! judged by the checks.

use crate::context::display_path;

/// A name such as `steps.a.output.rows[0]`, and where in the text it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its parts: `["steps", "a", "output", "rows", "0"]`. Ends where the rest is only known at run time.
    pub path: Vec<String>,
    /// Byte offset in the text.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// Asked for by `has(…)`, so it need not be there.
    pub optional: bool,
}

impl Reference {
    /// The first part.
    #[must_use]
    pub fn root(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&display_path(&self.path))
    }
}
