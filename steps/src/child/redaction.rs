//! Blots secrets out of a stream before anything is cut, so that no half of one survives a cap.

use std::sync::Arc;

use crate::secret::{Blotter, Secrets};

/// A line that does not end is let go of in pieces of this length.
const LONGEST_LINE: usize = 64 << 10;

/// Takes the secrets out of bytes that come in pieces. Lets go of whole lines, so that a secret is seen whole however it was
/// cut or encoded; one that goes on in the next line is known by its first third.
#[derive(Clone)]
pub struct Redaction {
    blotter: Arc<Blotter>,
    /// How much of what was let go of is looked at again, for a secret that goes on in what follows.
    look_back: usize,
    /// The end of what was let go of, as it came.
    before: Vec<u8>,
    held: Vec<u8>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction(***)")
    }
}

impl Redaction {
    /// Of the secrets of a run; values too short to redact are the same as in [`Secrets::redact`].
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let blotter = Arc::clone(secrets.blotter());
        Self {
            // Escapes make a secret up to six times as long.
            look_back: (blotter.longest() * 6).min(LONGEST_LINE / 2),
            blotter,
            before: Vec::new(),
            held: Vec::new(),
        }
    }

    /// What can be said of the stream so far.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.blotter.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        let lines = self.held.iter().rposition(|byte| *byte == b'\n');
        match lines {
            Some(last) => self.release(last + 1),
            None if self.held.len() > LONGEST_LINE => {
                self.release(self.held.len() - self.look_back)
            }
            None => Vec::new(),
        }
    }

    /// What was still held back when the stream ended.
    pub fn end(&mut self) -> Vec<u8> {
        self.release(self.held.len())
    }

    fn release(&mut self, length: usize) -> Vec<u8> {
        let old = self.before.len();
        let text = [self.before.as_slice(), &self.held].concat();
        let mut found = self.blotter.find(&text);
        if text[..old + length].ends_with(b"\n") {
            found.extend(self.blotter.beginning_at_end(&text[..old + length]));
            found = crate::secret::merged(&text, found);
        }
        let out = crate::secret::blotted(&text, &found, old..old + length);
        self.held = text[old + length..].to_vec();
        self.before = text[(old + length).saturating_sub(self.look_back)..old + length].to_vec();
        out
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::secret::Secret;

    fn redacted(parts: &[&str]) -> String {
        let mut redaction = Redaction::new(&Secrets::new(HashMap::from([
            ("A".to_owned(), Secret::new("hunter2")),
            ("B".to_owned(), Secret::new("hunter2-more")),
            ("C".to_owned(), Secret::new("line one\nline two")),
            ("D".to_owned(), Secret::new("xy")),
        ])));
        let mut out: Vec<u8> = parts
            .iter()
            .flat_map(|part| redaction.push(part.as_bytes()))
            .collect();
        out.extend(redaction.end());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_found_wherever_the_pipe_cut_it() {
        let text = "a hunter2 b hunter2-more c line one\nline two d hunter xy";
        let clean = "a *** b *** c ***\n*** d hunter xy";
        for at in 0..text.len() {
            assert_eq!(redacted(&[&text[..at], &text[at..]]), clean, "cut at {at}");
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(
            redacted(&bytes.iter().map(String::as_str).collect::<Vec<_>>()),
            clean
        );
    }

    #[test]
    fn a_secret_that_goes_on_in_the_next_line_is_found_in_both() {
        assert_eq!(redacted(&["a hunter2-\n", "more b\n"]), "a ***\n*** b\n");
        assert_eq!(
            redacted(&["a hunter\n", "2-mo\n", "re b\n"]),
            "a ***\n***\n*** b\n"
        );
        // Of a few letters nobody knows what they will be, but the rest is known by them.
        assert_eq!(redacted(&["a hun\n", "ter2-more b\n"]), "a hun\n*** b\n");
    }

    #[test]
    fn a_line_that_does_not_end_is_let_go_of_in_pieces_without_secrets() {
        let mut redaction = Redaction::new(&Secrets::new(HashMap::from([(
            "A".to_owned(),
            Secret::new("hunter2"),
        )])));
        let text = "x".repeat(1000) + "hunter2";
        let mut out = Vec::new();
        for part in text.repeat(400).as_bytes().chunks(997) {
            out.extend(redaction.push(part));
            assert!(redaction.held.len() <= LONGEST_LINE + 997);
        }
        out.extend(redaction.end());
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("hunter2"));
        assert_eq!(out.matches('x').count(), 400_000);
    }

    #[test]
    fn without_a_secret_nothing_is_held_back() {
        let mut redaction = Redaction::new(&Secrets::default());
        assert_eq!(redaction.push(b"abc"), b"abc");
        assert!(redaction.end().is_empty());
    }
}
