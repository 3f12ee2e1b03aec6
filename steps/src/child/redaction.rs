//! Blots secrets out of a stream before anything is cut, so that no half of one survives a cap.

use crate::secret::Secrets;

/// Replaces the values of secrets in bytes that come in pieces.
#[derive(Debug, Clone)]
pub struct Redaction {
    /// The longest first, so that a secret that begins with another is blotted out whole.
    values: Vec<Hidden>,
    held: Vec<u8>,
}

#[derive(Clone)]
struct Hidden(Vec<u8>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Redaction {
    /// Of the secrets of a run; values too short to redact are the same as in [`Secrets::redact`].
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let mut values: Vec<Hidden> = secrets
            .names()
            .filter_map(|name| secrets.get(name).ok())
            .filter(|secret| secret.reveal().len() >= 4)
            .map(|secret| Hidden(secret.reveal().as_bytes().to_vec()))
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.0.len()));
        Self {
            values,
            held: Vec::new(),
        }
    }

    /// What can be said of the stream so far. An end that may be the start of a secret is held back.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.values.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        self.release(false)
    }

    /// What was still held back when the stream ended.
    pub fn end(&mut self) -> Vec<u8> {
        self.release(true)
    }

    fn release(&mut self, ended: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        let mut rest = &self.held[..];
        while let Some(first) = rest.first() {
            // A longer secret that may still complete itself goes before a shorter one that is complete.
            let longest = self.values.iter().find(|value| {
                value.0.first() == Some(first)
                    && (rest.starts_with(&value.0) || (!ended && value.0.starts_with(rest)))
            });
            match longest {
                Some(value) if rest.starts_with(&value.0) => {
                    out.extend_from_slice(b"***");
                    rest = &rest[value.0.len()..];
                }
                Some(_) => break,
                None => {
                    out.push(*first);
                    rest = &rest[1..];
                }
            }
        }
        self.held = rest.to_vec();
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
        for at in 0..text.len() {
            assert_eq!(
                redacted(&[&text[..at], &text[at..]]),
                "a *** b *** c *** d hunter xy",
                "cut at {at}"
            );
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(
            redacted(&bytes.iter().map(String::as_str).collect::<Vec<_>>()),
            "a *** b *** c *** d hunter xy"
        );
    }

    #[test]
    fn without_a_secret_nothing_is_held_back() {
        let mut redaction = Redaction::new(&Secrets::default());
        assert_eq!(redaction.push(b"abc"), b"abc");
        assert!(redaction.end().is_empty());
    }
}
