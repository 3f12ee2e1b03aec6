//! Refuses templates that would exhaust the stack of handlebars' recursive parser.

use crate::expr::SyntaxError;

/// Blocks, or brackets in one pair of braces, inside each other.
const DEEPEST: usize = 16;

pub(super) fn check(text: &str) -> Result<(), SyntaxError> {
    let too_deep = |offset| {
        Err(SyntaxError { message: format!("more than {DEEPEST} blocks or brackets inside each other"), offset })
    };
    let mut blocks = 0_usize;
    let mut rest = 0;
    while let Some(at) = text.get(rest..).and_then(|tail| tail.find("{{")) {
        let start = rest + at + 2;
        let inside = text.get(start..).unwrap_or("");
        let inside = inside.get(..inside.find("}}").unwrap_or(inside.len())).unwrap_or("");
        match inside.trim_start_matches(['{', '~']).bytes().next() {
            Some(b'#') => blocks += 1,
            Some(b'/') => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        let mut brackets = 0_usize;
        for byte in inside.bytes() {
            match byte {
                b'(' | b'[' | b'{' => brackets += 1,
                b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            if brackets > DEEPEST {
                return too_deep(start);
            }
        }
        if blocks > DEEPEST {
            return too_deep(start);
        }
        rest = start + inside.len();
    }
    Ok(())
}
