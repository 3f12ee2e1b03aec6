//! Refuses templates that handlebars' parser cannot take: it recurses, and it counts the lines before each pair
//! of braces from the start of the text, so that its time grows with the square of the template's size.

use crate::expr::SyntaxError;

/// Blocks, or brackets in one pair of braces, inside each other.
const DEEPEST: usize = 16;
/// Pairs of braces in all.
const MOST: usize = 2_000;
/// Bytes of a text that has any.
const LONGEST: usize = 1 << 20;

pub(super) fn check(text: &str) -> Result<(), SyntaxError> {
    let too_deep = |offset| {
        Err(SyntaxError {
            message: format!("more than {DEEPEST} blocks or brackets inside each other"),
            offset,
        })
    };
    if text.len() > LONGEST {
        return Err(SyntaxError {
            message: format!(
                "a text with templates may have at most {} KiB",
                LONGEST >> 10
            ),
            offset: 0,
        });
    }
    let (mut blocks, mut pairs) = (0_usize, 0_usize);
    let mut rest = 0;
    while let Some(at) = text.get(rest..).and_then(|tail| tail.find("{{")) {
        let start = rest + at + 2;
        pairs += 1;
        if pairs > MOST {
            return Err(SyntaxError {
                message: format!("more than {MOST} templates in one text"),
                offset: start,
            });
        }
        let inside = text.get(start..).unwrap_or("");
        let inside = inside
            .get(..inside.find("}}").unwrap_or(inside.len()))
            .unwrap_or("");
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
