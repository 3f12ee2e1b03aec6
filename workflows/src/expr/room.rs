//! Room on the stack for deep expressions. The compiler and the interpreter recurse, and in a debug build a
//! single pair of brackets can cost a fifth of a megabyte.

use std::panic::AssertUnwindSafe;

use super::SyntaxError;

/// Brackets inside each other.
const DEEPEST: usize = 24;
/// Operators, calls and indexes in all; `&&` and `||` cost nothing.
const MOST_OPERATORS: usize = 300;
/// What a small thread's stack surely holds.
const SMALL: Size = Size {
    depth: 2,
    operators: 12,
};
/// Enough for the largest expression that is allowed; untouched pages cost nothing.
const STACK: usize = 64 << 20;

/// How much an expression makes the compiler recurse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    depth: usize,
    operators: usize,
}

impl Size {
    /// Measures an expression.
    ///
    /// # Errors
    /// When it is larger than the stack is ready for.
    pub(super) fn of(text: &str) -> Result<Self, SyntaxError> {
        match Self::outside_of_texts(text)? {
            Some(size) => Ok(size),
            // Where the compiler ends such a text is not known here, and behind one that it refuses it reads on.
            None => Self::counted(text.char_indices()),
        }
    }

    /// Counts what stands outside of texts in quotes; `None` where it is not plain to see what that is.
    fn outside_of_texts(text: &str) -> Result<Option<Self>, SyntaxError> {
        let mut outside = Vec::new();
        let (mut quote, mut before) = (None, ' ');
        let mut characters = text.char_indices();
        while let Some((offset, character)) = characters.next() {
            match (quote, character) {
                (Some(_), '\\') => {
                    let escaped = characters.next();
                    if escaped.is_none_or(|(_, escaped)| !"abfnrtv\\?\"'`".contains(escaped)) {
                        return Ok(None);
                    }
                }
                (Some(_), '\n' | '\r') => return Ok(None),
                (Some(open), _) if open == character => quote = None,
                (Some(_), _) => {}
                // Behind a letter it may be raw, behind a quote it may be one of three.
                (None, '"' | '\'') if before.is_alphanumeric() || before == character => {
                    return Ok(None);
                }
                (None, '"' | '\'') => quote = Some(character),
                (None, '`') => return Ok(None),
                (None, '/') if before == '/' => return Ok(None),
                (None, _) => outside.push((offset, character)),
            }
            before = character;
        }
        match quote {
            Some(_) => Ok(None),
            None => Self::counted(outside.into_iter()).map(Some),
        }
    }

    fn counted(characters: impl Iterator<Item = (usize, char)>) -> Result<Self, SyntaxError> {
        let (mut depth, mut before) = (0_usize, ' ');
        let mut size = Size {
            depth: 0,
            operators: 0,
        };
        for (offset, character) in characters {
            match character {
                '(' | '[' | '{' => {
                    depth += 1;
                    size.operators += 1;
                    size.depth = size.depth.max(depth);
                }
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '?' | '.' => {
                    size.operators += 1;
                }
                // `in`, or a word that has it in it.
                'n' if before == 'i' => size.operators += 1,
                _ => {}
            }
            before = character;
            if size.depth > DEEPEST {
                return Err(SyntaxError {
                    message: format!("more than {DEEPEST} brackets inside each other"),
                    offset,
                });
            }
            if size.operators > MOST_OPERATORS {
                return Err(SyntaxError {
                    message: format!("more than {MOST_OPERATORS} operators"),
                    offset,
                });
            }
        }
        Ok(size)
    }

    /// Does `work` on a stack that is large enough.
    ///
    /// # Errors
    /// When the system gives no such stack, or `work` panics there.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> Result<T, String> {
        if self.depth <= SMALL.depth && self.operators <= SMALL.operators {
            return Ok(work());
        }
        // The same thread goes on there: starting another takes longer than most expressions.
        let work = || stacker::grow(STACK, work);
        std::panic::catch_unwind(AssertUnwindSafe(work))
            .map_err(|_| "the interpreter broke on this expression".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_operators_are_counted_outside_of_texts() {
        assert_eq!(
            Size::of("a[0] + b('((((')"),
            Ok(Size {
                depth: 1,
                operators: 3
            })
        );
        assert_eq!(
            Size::of(r#"a == "\"((""#),
            Ok(Size {
                depth: 0,
                operators: 2
            })
        );
        assert_eq!(Size::of(&"(".repeat(30)).unwrap_err().offset, DEEPEST);
        assert!(Size::of(&"a+".repeat(400)).is_err());
        assert!(Size::of(&"a in ".repeat(400)).is_err());
    }

    #[test]
    fn brackets_count_where_the_compiler_may_see_them_behind_a_text() {
        let deep = "(".repeat(134);
        for (before, behind) in [
            ("'", ""),
            ("'", "\n'"),
            (r#""\q"#, "\""),
            (r"'\xz", "'"),
            (r#"r"\""#, "\""),
            ("'''it's'''", "'"),
            ("// it's\n", "'"),
            ("`'`", "'"),
        ] {
            let text = format!("{before}{deep}{behind}");
            assert!(Size::of(&text).is_err(), "{text}");
        }
        assert!(Size::of(&format!("'{deep}'")).is_ok());
    }
}
