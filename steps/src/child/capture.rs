//! What a child prints, kept within bounds: its beginning, its end, and how much fell out between.

use std::collections::VecDeque;

/// Keeps the first and the last half of at most `keep` bytes.
#[derive(Debug)]
pub struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Capture {
    /// An empty capture of at most `keep` bytes.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self {
            half: (keep / 2).max(1),
            head: Vec::new(),
            tail: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Takes in what the child printed next.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.half - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        // Only the last `half` of what comes can stay, so the rest is not copied at all.
        let skipped = rest.len().saturating_sub(self.half);
        self.tail.extend(&rest[skipped..]);
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
        self.dropped += (skipped + over) as u64;
    }

    /// How many bytes fell out.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All that was kept, with a line that says how much is missing where it is missing.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if self.dropped > 0 {
            bytes
                .extend_from_slice(format!("\n[{} bytes dropped here]\n", self.dropped).as_bytes());
        }
        bytes.extend(&self.tail);
        bytes
    }

    /// The last `limit` bytes as text, from the start of a line where there is one.
    #[must_use]
    pub fn end(&self, limit: usize) -> String {
        let bytes = self.bytes();
        let end = &bytes[bytes.len().saturating_sub(limit)..];
        let whole = match end.iter().position(|byte| *byte == b'\n') {
            Some(at) if end.len() < bytes.len() && at + 1 < end.len() => &end[at + 1..],
            _ => end,
        };
        String::from_utf8_lossy(whole).trim_end().to_owned()
    }
}

/// Cuts what a child prints into lines. A line without end is passed on in bounded form: its first
/// [`Lines::LONGEST`] bytes and how many followed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    beyond: u64,
}

impl Lines {
    const LONGEST: usize = 4096;

    /// Takes in what came next and calls `each` for every line that it completes.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..at]);
            self.finish(&mut each);
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes);
    }

    /// Calls `each` for a last line that no line break ended.
    pub(super) fn end(&mut self, mut each: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.finish(&mut each);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(Self::LONGEST - self.line.len());
        self.line.extend_from_slice(&bytes[..kept]);
        self.beyond += (bytes.len() - kept) as u64;
    }

    fn finish(&mut self, each: &mut impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if self.beyond > 0 {
            each(&format!("{line} [{} bytes more]", self.beyond));
        } else {
            each(line);
        }
        self.line.clear();
        self.beyond = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(keep: usize, parts: &[&str]) -> Capture {
        let mut capture = Capture::new(keep);
        for part in parts {
            capture.push(part.as_bytes());
        }
        capture
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let capture = captured(10, &["abc", "def", "ghij"]);
        assert_eq!(
            (capture.bytes(), capture.dropped()),
            (b"abcdefghij".to_vec(), 0)
        );
    }

    #[test]
    fn the_middle_falls_out_and_is_counted() {
        for parts in [
            &["abcdefghijklmno"][..],
            &["abcd", "efghijk", "l", "mno"],
            &["abcde", "fghijklmno"],
        ] {
            let capture = captured(6, parts);
            assert_eq!(
                String::from_utf8(capture.bytes()).unwrap(),
                "abc\n[9 bytes dropped here]\nmno",
                "{parts:?}"
            );
        }
    }

    #[test]
    fn a_megabyte_costs_no_more_than_the_cap() {
        let mut capture = Capture::new(1000);
        capture.push(&vec![b'x'; 1 << 20]);
        assert_eq!(capture.dropped(), (1 << 20) - 1000);
        assert!(capture.tail.capacity() <= 4096 && capture.head.capacity() <= 4096);
    }

    #[test]
    fn the_end_starts_with_a_whole_line() {
        let capture = captured(1000, &["first\nsecond\nthird\n"]);
        assert_eq!(capture.end(9), "third");
        assert_eq!(capture.end(100), "first\nsecond\nthird");
    }

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for part in parts {
            lines.push(part, |line| seen.push(line.to_owned()));
        }
        lines.end(|line| seen.push(line.to_owned()));
        seen
    }

    #[test]
    fn lines_are_cut_wherever_the_pipe_cut_them() {
        assert_eq!(
            lines(&[b"a\nb", b"c\r\n", b"\nlast"]),
            ["a", "bc", "", "last"]
        );
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let long = vec![b'x'; 10_000];
        let seen = lines(&[&long, b"yy\nnext\n"]);
        assert_eq!(seen[0], format!("{} [5906 bytes more]", "x".repeat(4096)));
        assert_eq!(seen[1], "next");
    }
}
