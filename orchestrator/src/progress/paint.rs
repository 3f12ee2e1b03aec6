//! Colour, where it is wanted. Everything must be readable without it.

use super::narrative::Mood;

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether there is colour.
    pub color: bool,
}

impl Paint {
    /// The text in the colour of a mood.
    #[must_use]
    pub fn mood(self, mood: Mood, text: &str) -> String {
        match mood {
            Mood::Good => self.code("32", text),
            Mood::Bad => self.code("31", text),
            Mood::Doubt => self.code("33", text),
            Mood::Plain => text.to_owned(),
        }
    }

    /// The text, less prominent.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    /// The text, more prominent.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
