//! A text as it reads without line breaks and without one layer of escapes (JSON, percent, HTML), with the way back to where
//! each byte of it stands in the text itself.

use std::borrow::Cow;
use std::ops::Range;

/// A text that was read so.
pub(super) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// One for each layer, the outermost first.
    layers: Vec<Vec<Edit>>,
}

/// A piece of a text that reads otherwise: `from` stands for what is at `at`, in whole.
struct Edit {
    at: Range<usize>,
    from: Range<usize>,
}

impl<'a> View<'a> {
    /// The text without its line breaks: whoever wraps a text cuts words in two.
    pub(super) fn of(text: &'a [u8]) -> Self {
        if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return Self {
                bytes: Cow::Borrowed(text),
                layers: Vec::new(),
            };
        }
        let read = |rest: &[u8]| matches!(rest[0], b'\n' | b'\r').then_some((Read::Nothing, 1));
        let (bytes, edits) = edited(text, read);
        Self {
            bytes: Cow::Owned(bytes),
            layers: vec![edits],
        }
    }

    /// The same with one layer of escapes less; `None`: there is none.
    pub(super) fn decoded(&self) -> Option<Self> {
        if !self
            .bytes
            .iter()
            .any(|byte| matches!(byte, b'\\' | b'%' | b'&'))
        {
            return None;
        }
        let (bytes, edits) = edited(&self.bytes, escape);
        if edits.is_empty() {
            return None;
        }
        let mut layers: Vec<Vec<Edit>> = Vec::new();
        for layer in &self.layers {
            let copy = layer.iter().map(|edit| Edit {
                at: edit.at.clone(),
                from: edit.from.clone(),
            });
            layers.push(copy.collect());
        }
        layers.push(edits);
        Some(Self {
            bytes: Cow::Owned(bytes),
            layers,
        })
    }

    /// What it reads like.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where this part of it stands in the text.
    pub(super) fn in_text(&self, part: Range<usize>) -> Range<usize> {
        self.layers.iter().rev().fold(part, |part, edits| {
            start(edits, part.start)..end(edits, part.end)
        })
    }
}

/// The edit that a position lies in or comes after.
fn last_before(edits: &[Edit], position: usize) -> Option<&Edit> {
    let after = edits.partition_point(|edit| edit.at.start <= position);
    after.checked_sub(1).and_then(|last| edits.get(last))
}

fn start(edits: &[Edit], position: usize) -> usize {
    match last_before(edits, position) {
        Some(edit) if edit.at.contains(&position) => edit.from.start,
        Some(edit) => edit.from.end + (position - edit.at.end),
        None => position,
    }
}

fn end(edits: &[Edit], position: usize) -> usize {
    // The place after the last byte of it, not the place of the next one: a line break between them is not part of it.
    let Some(last) = position.checked_sub(1) else {
        return 0;
    };
    match last_before(edits, last) {
        Some(edit) if edit.at.contains(&last) => edit.from.end,
        Some(edit) => edit.from.end + (last - edit.at.end) + 1,
        None => position,
    }
}

/// What an escape stands for.
enum Read {
    Nothing,
    Byte(u8),
    Char(char),
}

/// Reads a text by a rule that says of what begins here what it stands for and how long it is.
fn edited(text: &[u8], rule: impl Fn(&[u8]) -> Option<(Read, usize)>) -> (Vec<u8>, Vec<Edit>) {
    let (mut bytes, mut edits) = (Vec::with_capacity(text.len()), Vec::new());
    let mut at = 0;
    while let Some(first) = text.get(at) {
        let Some((read, length)) = rule(&text[at..]) else {
            bytes.push(*first);
            at += 1;
            continue;
        };
        let from = bytes.len();
        match read {
            Read::Nothing => {}
            Read::Byte(byte) => bytes.push(byte),
            Read::Char(char) => bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        edits.push(Edit {
            at: from..bytes.len(),
            from: at..at + length,
        });
        at += length;
    }
    (bytes, edits)
}

fn escape(rest: &[u8]) -> Option<(Read, usize)> {
    match (rest[0], rest.get(1)?) {
        (b'%', _) => Some((
            Read::Byte(u8::try_from(hexadecimal(rest.get(1..3)?)?).ok()?),
            3,
        )),
        (b'\\', b'n' | b'r') => Some((Read::Nothing, 2)),
        (b'\\', b't') => Some((Read::Byte(b'\t'), 2)),
        (b'\\', byte @ (b'"' | b'\\' | b'/' | b'\'')) => Some((Read::Byte(*byte), 2)),
        (b'\\', b'x') => Some((
            Read::Byte(u8::try_from(hexadecimal(rest.get(2..4)?)?).ok()?),
            4,
        )),
        (b'\\', b'u') => unicode(rest),
        (b'&', _) => entity(rest),
        _ => None,
    }
}

fn unicode(rest: &[u8]) -> Option<(Read, usize)> {
    let first = hexadecimal(rest.get(2..6)?)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((Read::Char(char::from_u32(first)?), 6));
    }
    let second = rest.get(6..12).filter(|next| next.starts_with(b"\\u"))?;
    let second = hexadecimal(&second[2..])?
        .checked_sub(0xdc00)
        .filter(|low| *low < 0x400)?;
    let char = char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)?;
    Some((Read::Char(char), 12))
}

fn entity(rest: &[u8]) -> Option<(Read, usize)> {
    const LONGEST: usize = 10;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let char = match &rest[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hexadecimal(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((Read::Char(char), end + 1))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
