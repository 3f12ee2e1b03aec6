//! What is wrong in an author's file: message, stable code, help, and where. Says it to people (through
//! miette) and to programs (as JSON); decides nothing.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode};
use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::place::Place;

/// One mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Stable and searchable, for example `flowctl::lang::unknown_key`; see [`crate::code`].
    pub code: &'static str,
    /// What is wrong, in one sentence without full stop.
    pub message: String,
    /// What the author can do about it.
    pub help: Option<String>,
    /// Where it is; the first is the place of the mistake, the others are in the same file.
    pub labels: Vec<Label>,
    /// Other places that matter, in other files.
    pub elsewhere: Vec<Elsewhere>,
}

/// A marked range.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The range.
    pub place: Place,
    /// What it is; may be empty.
    pub text: String,
}

/// A marked range in another file than the mistake itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere(Label);

impl Diagnostic {
    /// A mistake that has no place in a file.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            labels: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        let label = Label {
            place,
            text: text.into(),
        };
        match self.labels.first() {
            Some(first) if first.place.source.name() != label.place.source.name() => {
                self.elsewhere.push(Elsewhere(label));
            }
            _ => self.labels.push(label),
        }
        self
    }

    /// The same with a line on what helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with help, if there is any.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The place of the mistake.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.labels.first().map(|label| &label.place)
    }
}

/// Sorts by file and line and drops what is there twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    let key = |d: &Diagnostic| {
        d.place()
            .map(|place| (place.source.name().to_owned(), place.offset))
    };
    diagnostics.sort_by_cached_key(|d| (key(d), d.code, d.message.clone()));
    diagnostics.dedup();
}

/// Draws diagnostics for people, each with file, line, column, snippet, code and help.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false);
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string fails only if a snippet cannot be read; the message alone still helps.
        if handler.render_report(&mut text, diagnostic).is_err() {
            text.push_str(&format!("{}: {}\n", diagnostic.code, diagnostic.message));
        }
    }
    text
}

fn spans(labels: &[Label]) -> impl Iterator<Item = LabeledSpan> + '_ {
    labels.iter().enumerate().map(|(index, label)| {
        let text = (!label.text.is_empty()).then(|| label.text.clone());
        if index == 0 {
            LabeledSpan::new_primary_with_span(text, (label.place.offset, label.place.length))
        } else {
            LabeledSpan::new(text, label.place.offset, label.place.length)
        }
    })
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place().map(|place| &*place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(spans(&self.labels)) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let related = self
            .elsewhere
            .iter()
            .map(|other| other as &dyn miette::Diagnostic);
        (!self.elsewhere.is_empty()).then(|| Box::new(related) as Box<dyn Iterator<Item = _>>)
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Elsewhere {}

impl miette::Diagnostic for Elsewhere {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.0.place.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(spans(std::slice::from_ref(&self.0))))
    }
}

/// `{file, line, column, code, message, help}`; the first three are null for a mistake in no file.
impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Diagnostic", 6)?;
        let place = self.place();
        object.serialize_field("file", &place.map(|place| place.source.name()))?;
        object.serialize_field("line", &place.map(Place::line))?;
        object.serialize_field("column", &place.map(Place::column))?;
        object.serialize_field("code", self.code)?;
        object.serialize_field("message", &self.message)?;
        object.serialize_field("help", &self.help)?;
        object.end()
    }
}

/// The name among `known` that `given` was probably meant to be.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong: enough for a slip, too little for another word.
    let allowed = (given.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.chars().count().abs_diff(given.chars().count()) <= allowed)
        .map(|name| (distance(given, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// `did you mean …?`, or the list of what there is when nothing is near and the list is short.
#[must_use]
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(given, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() || known.len() > 20 {
        return None;
    }
    Some(format!("known here: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::SourceText;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("tiemout", ["title", "timeout"]), Some("timeout"));
        assert_eq!(nearest("need", ["needs", "with"]), Some("needs"));
        assert_eq!(nearest("colour", ["needs", "with"]), None);
    }

    #[test]
    fn json_has_place_code_and_help() {
        let source = SourceText::new("a.yaml", "x: 1\nyy: 2\n");
        let diagnostic = Diagnostic::new("flowctl::lang::unknown_key", "no such key")
            .at(
                Place {
                    source,
                    offset: 5,
                    length: 2,
                },
                "here",
            )
            .help("drop it");
        let expected = serde_json::json!({
            "file": "a.yaml", "line": 2, "column": 1,
            "code": "flowctl::lang::unknown_key", "message": "no such key", "help": "drop it"
        });
        assert_eq!(serde_json::to_value(&diagnostic).unwrap(), expected);
    }
}
