//! Where in a file something stands. Owns the file's text for as long as anything points into it.

use std::fmt;
use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A file's name and text, with its line starts.
pub struct SourceText {
    name: String,
    text: Arc<str>,
    /// Byte offset of the first character of every line.
    lines: Vec<usize>,
}

impl SourceText {
    /// Takes a text under the name that diagnostics show.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Arc<Self> {
        let text: Arc<str> = text.into();
        let mut lines = vec![0];
        lines.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at + 1),
        );
        Arc::new(Self {
            name: name.into(),
            text,
            lines,
        })
    }

    /// The name that diagnostics show.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }

    /// The byte range of `line` (from 1), with its line break.
    fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self.lines.get(line - 1).copied().unwrap_or(self.text.len());
        start..self.lines.get(line).copied().unwrap_or(self.text.len())
    }
}

impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceText({:?}, {} bytes)", self.name, self.text.len())
    }
}

// Own, because miette's implementation for strings walks the text from its start for each diagnostic:
// a thousand diagnostics of a megabyte would take seconds.
impl SourceCode for SourceText {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span
            .offset()
            .checked_add(span.len())
            .filter(|end| *end <= self.text.len());
        let end = end.ok_or(MietteError::OutOfBounds)?;
        let (line, column) = self.line_column(span.offset());
        let (last, _) = self.line_column(if span.is_empty() { end } else { end - 1 });
        let first = line.saturating_sub(before).max(1);
        let start = self.line_range(first).start;
        let stop = self.line_range((last + after).min(self.lines.len())).end;
        let data = self
            .text
            .as_bytes()
            .get(start..stop)
            .ok_or(MietteError::OutOfBounds)?;
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            data,
            SourceSpan::new(start.into(), stop - start),
            first - 1,
            if first == line { column - 1 } else { 0 },
            self.lines.len(),
        );
        Ok(Box::new(contents))
    }
}

/// A range of a file.
#[derive(Clone)]
pub struct Place {
    /// The file.
    pub source: Arc<SourceText>,
    /// Byte offset.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
}

impl Place {
    /// The line from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.line_column(self.offset).0
    }

    /// The column in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.source.line_column(self.offset).1
    }

    /// The text at this place.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source
            .text()
            .get(self.offset..self.offset + self.length)
            .unwrap_or("")
    }

    /// The part of this place at which bytes `offset..offset + length` of `value` stand, `value` being what
    /// the scalar at this place was read as. Quotes, folding and indentation may have changed it on the way,
    /// so the line around it is looked for; when nothing fits, it is the whole place.
    #[must_use]
    pub fn within(&self, value: &str, offset: usize, length: usize) -> Place {
        let raw = self.text();
        // A whole file is its own value; looking for it in itself thousands of times would take minutes.
        if std::ptr::eq(raw, value) {
            return Place {
                source: Arc::clone(&self.source),
                offset: self.offset + offset,
                length,
            };
        }
        let found = raw
            .find(value)
            .filter(|_| !value.is_empty())
            .map(|at| at + offset)
            .or_else(|| {
                let start = value.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
                let end = value
                    .get(offset..)?
                    .find('\n')
                    .map_or(value.len(), |at| at + offset);
                let line = value.get(start..end)?.trim_end();
                if line.trim().is_empty() {
                    return None;
                }
                raw.find(line).map(|at| at + (offset - start))
            });
        match found {
            Some(at)
                if at + length <= self.length
                    && raw.is_char_boundary(at)
                    && raw.is_char_boundary(at + length) =>
            {
                Place {
                    source: Arc::clone(&self.source),
                    offset: self.offset + at,
                    length,
                }
            }
            _ => self.clone(),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.source.name == other.source.name
            && self.offset == other.offset
            && self.length == other.length
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `file:line:column`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.offset);
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = SourceText::new("a.yaml", "é: 1\nbb: 2\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(3), (1, 3));
        assert_eq!(source.line_column(6), (2, 1));
        assert_eq!(source.line_column(999), (3, 1));
    }

    #[test]
    fn a_part_of_a_value_is_found_in_an_indented_block() {
        let text = "sql: |\n    SELECT {{ a }}\n    FROM {{ b }}\n";
        let place = Place {
            source: SourceText::new("a", text),
            offset: 5,
            length: text.len() - 5,
        };
        let value = "SELECT {{ a }}\nFROM {{ b }}\n";
        let at = value.find("{{ b").unwrap();
        assert_eq!(place.within(value, at, 7).text(), "{{ b }}");
        assert_eq!(place.within("something else", 3, 2), place);
    }

    #[test]
    fn a_snippet_has_its_lines() {
        let source = SourceText::new("a", "1\n22\n333\n4444\n");
        let contents = source
            .read_span(&SourceSpan::new(5.into(), 3), 1, 1)
            .unwrap();
        assert_eq!(contents.data(), b"22\n333\n4444\n");
        assert_eq!(contents.line(), 1);
        assert!(
            source
                .read_span(&SourceSpan::new(14.into(), 3), 0, 0)
                .is_err()
        );
    }
}
