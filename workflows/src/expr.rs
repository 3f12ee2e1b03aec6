//! CEL expressions in `when:`, `expect:` and `foreach:`. Compiles, lists the names that are mentioned, and
//! evaluates against a [`Context`]; never does I/O.
//!
//! An expression sees the names that [`crate::context`] lists, the operators of CEL (`==`, `<`, `&&`, `!`, `in`,
//! `?:`, `+` …), its macros (`has`, `all`, `exists`, `exists_one`, `map`, `filter`) and its functions (`size`,
//! `contains`, `startsWith`, `endsWith`, `matches`, `int`, `double`, `string`, `timestamp`, `duration` …).
//!
//! JSON has one kind of number, CEL several. An integer compares with a float by value (`2 == 2.0`); arithmetic
//! between them needs `double(x)` or `int(x)`. A name that does not exist is an error, never `null` or `false`;
//! ask with `has(x.y)` first where that is meant. What would be too much work, macros inside each other above all, is
//! refused before it is begun.

use cel::{Env, Program, Value as CelValue};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::context::Context;
use crate::reference::Reference;

mod effort;
mod evaluate;
mod names;
mod room;

use room::Size;

/// Longer expressions are refused: they are no longer read by anyone.
const LONGEST: usize = 10_000;

/// A compiled expression.
pub struct Expression {
    text: String,
    size: Size,
    program: Program,
    references: Vec<Reference>,
}

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Byte offset in the expression.
    pub offset: usize,
}

/// An expression that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluationError {
    /// A name that does not exist.
    #[error("in `{expression}`: {missing}")]
    Missing {
        /// The expression.
        expression: String,
        /// The name, and what there is instead.
        missing: crate::context::MissingName,
    },
    /// Anything else that CEL refuses: types that do not fit, an index out of bounds.
    #[error("in `{expression}`: {reason}")]
    Refused {
        /// The expression.
        expression: String,
        /// Why.
        reason: String,
    },
    /// Another type of result than asked for.
    #[error("`{expression}` gives {given}, expected {expected}")]
    WrongType {
        /// The expression.
        expression: String,
        /// What came out.
        given: String,
        /// What is needed.
        expected: &'static str,
    },
}

impl Expression {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`SyntaxError`] with the place in the text.
    pub fn compile(text: &str) -> Result<Self, SyntaxError> {
        if text.trim().is_empty() {
            return Err(SyntaxError {
                message: "the expression is empty".to_owned(),
                offset: 0,
            });
        }
        if text.len() > LONGEST {
            let message = format!("the expression is longer than {LONGEST} bytes");
            return Err(SyntaxError { message, offset: 0 });
        }
        let size = Size::of(text)?;
        let compiled = size.run(|| {
            let program = environment()
                .compile(text)
                .map_err(|errors| names::syntax_error(text, &errors))?;
            let references = names::references(&program, text)?;
            let hopeless = effort::check(program.expression(), &Context::default());
            hopeless.map_err(|message| SyntaxError { message, offset: 0 })?;
            Ok((program, references))
        });
        let (program, references) =
            compiled.unwrap_or_else(|message| Err(SyntaxError { message, offset: 0 }))?;
        Ok(Self {
            text: text.to_owned(),
            size,
            program,
            references,
        })
    }

    /// The text that it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it mentions.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Its value as JSON.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn evaluate(&self, context: &Context) -> Result<Value, EvaluationError> {
        let value = self.run(context)?;
        value
            .json()
            .map_err(|_| self.wrong_type(&value, "a value that JSON has"))
    }

    /// Its value, which must be `true` or `false`.
    ///
    /// # Errors
    /// [`EvaluationError`]; no other value is taken for either.
    pub fn evaluate_bool(&self, context: &Context) -> Result<bool, EvaluationError> {
        match self.run(context)? {
            CelValue::Bool(value) => Ok(value),
            other => Err(self.wrong_type(&other, "true or false")),
        }
    }

    /// Its value, which must be a list.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn evaluate_list(&self, context: &Context) -> Result<Vec<Value>, EvaluationError> {
        match self.evaluate(context)? {
            Value::Array(items) => Ok(items),
            other => Err(EvaluationError::WrongType {
                expression: self.text.clone(),
                given: evaluate::kind_of_json(&other).to_owned(),
                expected: "a list",
            }),
        }
    }

    fn run(&self, context: &Context) -> Result<CelValue, EvaluationError> {
        let refused = |reason| EvaluationError::Refused {
            expression: self.text.clone(),
            reason,
        };
        let executed = self.size.run(|| {
            effort::check(self.program.expression(), context)?;
            let scope = evaluate::scope(context, &self.references, environment());
            Ok(self.program.execute(&scope))
        });
        executed
            .and_then(|done| done)
            .map_err(refused)?
            .map_err(|error| {
                // CEL names the last part only; the whole name, and what is there instead, say more.
                let missing = self
                    .references
                    .iter()
                    .filter(|reference| !reference.optional);
                let missing = missing
                    .filter_map(|reference| context.lookup(&reference.path).err())
                    .next();
                match missing.filter(|_| evaluate::is_missing_name(&error)) {
                    Some(missing) => EvaluationError::Missing {
                        expression: self.text.clone(),
                        missing,
                    },
                    None => refused(evaluate::reason(&error)),
                }
            })
    }

    fn wrong_type(&self, value: &CelValue, expected: &'static str) -> EvaluationError {
        EvaluationError::WrongType {
            expression: self.text.clone(),
            given: evaluate::describe(value),
            expected,
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// Built once: it holds the whole standard library.
fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| Arc::new(Env::stdlib()))
}

#[cfg(test)]
mod tests;
