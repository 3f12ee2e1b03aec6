//! The forms in which a secret may stand in somebody's answer, beside those that [`super::view`] reads back: base64 at each
//! of its three alignments, hexadecimal, and its lines when it has several.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::view::View;

/// Shorter secrets are left: they would blot out half of every text.
pub(super) const SHORTEST: usize = 4;
/// A line of a secret that is shorter than this is no secret by itself.
const SHORTEST_LINE: usize = 8;
/// The same for a piece of base64, of which the first and the last character may be missing.
const SHORTEST_CODED: usize = 6;

/// All forms of these secrets, without line breaks, each once.
pub(super) fn forms<'a>(secrets: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
        let lines = secret.lines().map(str::trim);
        let lines = lines.filter(|line| line.len() >= SHORTEST_LINE);
        for text in [secret, secret.trim()].into_iter().chain(lines) {
            plain(text, &mut forms);
            coded(text.as_bytes(), &mut forms);
        }
    }
    forms
        .into_iter()
        .filter(|form| form.len() >= SHORTEST)
        .collect()
}

fn plain(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let whole = View::of(text.as_bytes());
    // What reads an encoded secret back also reads back what only looks encoded in the secret itself.
    if let Some(decoded) = whole.decoded() {
        forms.insert(decoded.bytes().to_vec());
    }
    forms.insert(whole.bytes().to_vec());
    // A form in a URL writes blanks so.
    forms.insert(text.replace(' ', "+").into_bytes());
}

fn coded(secret: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for engine in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            let text = engine.encode([vec![0; before], secret.to_vec()].concat());
            // Characters that hold bits of what stands before or after it are not the secret's alone.
            let (first, last) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
            if let Some(own) = text.as_bytes().get(first..last)
                && own.len() >= SHORTEST_CODED
            {
                forms.insert(own.to_vec());
            }
        }
    }
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    forms.insert(hexadecimal.to_ascii_uppercase().into_bytes());
    forms.insert(hexadecimal.into_bytes());
}
