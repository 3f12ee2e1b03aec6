//! Finds secrets in a text: plain, encoded, wrapped over lines, and cut off at either end.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::forms::forms;
use super::view::View;

/// A piece of a secret of this length is blotted out too: errors and excerpts are cut before anybody looks for secrets in
/// them. Shorter pieces are words that a secret may share with any text.
const PIECE: usize = 16;
/// What is looked for to find a piece: any piece holds at least one of these whole.
const ANCHOR: usize = PIECE / 2;
/// How many layers of escapes are looked under: JSON in JSON in a URL.
const LAYERS: usize = 3;
/// What stands in the place of a secret.
const BLOT: &[u8] = b"***";

/// Blots out the secrets of a run.
#[derive(Default)]
pub(crate) struct Blotter {
    forms: Vec<Vec<u8>>,
    /// Which form each pattern of `search` is of, and where in it.
    anchors: Vec<(usize, usize)>,
    search: Option<AhoCorasick>,
}

impl Blotter {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let forms = forms(secrets);
        let mut anchors = Vec::new();
        let mut patterns: Vec<&[u8]> = Vec::new();
        for (number, form) in forms.iter().enumerate() {
            if form.len() < PIECE {
                anchors.push((number, 0));
                patterns.push(form);
                continue;
            }
            for at in (0..=form.len() - ANCHOR).step_by(ANCHOR) {
                anchors.push((number, at));
                patterns.push(&form[at..at + ANCHOR]);
            }
        }
        let search = (!patterns.is_empty())
            .then(|| AhoCorasick::new(&patterns).ok())
            .flatten();
        Self {
            forms,
            anchors,
            search,
        }
    }

    /// Whether there is nothing to blot out.
    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The length of the longest form.
    pub(crate) fn longest(&self) -> usize {
        self.forms.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The same bytes without secrets.
    pub(crate) fn blot<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(blotted(text, &found, 0..text.len()))
    }

    /// Where secrets stand, in order and apart from each other.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let Some(search) = &self.search else {
            return found;
        };
        let mut view = View::of(text);
        for _ in 0..=LAYERS {
            self.look(search, &view, &mut found);
            match view.decoded() {
                Some(next) => view = next,
                None => break,
            }
        }
        merged(text, found)
    }

    fn look(&self, search: &AhoCorasick, view: &View<'_>, found: &mut Vec<Range<usize>>) {
        let bytes = view.bytes();
        for hit in search.find_overlapping_iter(bytes) {
            let Some((form, at)) = self.anchors.get(hit.pattern().as_usize()) else {
                continue;
            };
            let form = &self.forms[*form];
            let (before, after) = (&form[..*at], &form[at + hit.len()..]);
            let left = common(before.iter().rev(), bytes[..hit.start()].iter().rev());
            let right = common(after.iter(), bytes[hit.end()..].iter());
            if left + hit.len() + right >= PIECE.min(form.len()) {
                found.push(view.in_text(hit.start() - left..hit.end() + right));
            }
        }
    }

    /// Where the beginning of a secret stands at the end of a text whose next line is not there yet: at least a third of it.
    pub(crate) fn beginning_at_end(&self, text: &[u8]) -> Option<Range<usize>> {
        const SHORTEST: usize = 4;
        let view = View::of(text);
        let bytes = view.bytes();
        let longest = self.forms.iter().filter_map(|form| {
            let least = SHORTEST.max(form.len() / 3);
            (least..form.len())
                .rev()
                .find(|length| bytes.ends_with(&form[..*length]))
        });
        let longest = longest.max()?;
        Some(view.in_text(bytes.len() - longest..bytes.len()))
    }
}

fn common<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}

/// In order, joined where they touch, and never ending inside of a character.
pub(crate) fn merged(text: &[u8], mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    for range in &mut found {
        while inside(range.start) && range.start > 0 {
            range.start -= 1;
        }
        while inside(range.end) {
            range.end += 1;
        }
    }
    found.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// A part of a text with each of these blotted out. Line breaks stay, also within a secret: they are how people and
/// programs find their way in the text.
pub(crate) fn blotted(text: &[u8], found: &[Range<usize>], part: Range<usize>) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut at = part.start;
    for range in found {
        let (start, end) = (range.start.max(at), range.end.min(part.end));
        if start >= end {
            continue;
        }
        out.extend_from_slice(&text[at..start]);
        for piece in text[start..end].split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (word, line_break) = match piece.split_last() {
                Some((b'\n' | b'\r', word)) => (word, &piece[word.len()..]),
                _ => (piece, &[][..]),
            };
            if !word.is_empty() {
                out.extend_from_slice(BLOT);
            }
            out.extend_from_slice(line_break);
        }
        at = end;
    }
    out.extend_from_slice(&text[at..part.end]);
    out
}

#[cfg(test)]
mod tests;
