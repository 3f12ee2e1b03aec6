//! Room on the stack for deep expressions. The compiler and the interpreter recurse, and in a debug build a
//! single pair of brackets can cost a fifth of a megabyte.

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
        let (mut depth, mut size) = (
            0_usize,
            Size {
                depth: 0,
                operators: 0,
            },
        );
        let mut quote = None;
        let mut characters = text.char_indices();
        while let Some((offset, character)) = characters.next() {
            match (quote, character) {
                (Some(_), '\\') => {
                    characters.next();
                }
                (Some(open), _) if open == character => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(character),
                (None, '(' | '[' | '{') => {
                    depth += 1;
                    size.operators += 1;
                    size.depth = size.depth.max(depth);
                }
                (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
                (None, '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '?' | '.') => {
                    size.operators += 1
                }
                (None, _) => {}
            }
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
    /// When the system gives no thread.
    pub(super) fn run<T: Send>(self, work: impl FnOnce() -> T + Send) -> Result<T, String> {
        if self.depth <= SMALL.depth && self.operators <= SMALL.operators {
            return Ok(work());
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work);
            let thread =
                thread.map_err(|error| format!("no thread for a deep expression: {error}"))?;
            thread
                .join()
                .map_err(|_| "the interpreter broke on this expression".to_owned())
        })
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
    }
}
