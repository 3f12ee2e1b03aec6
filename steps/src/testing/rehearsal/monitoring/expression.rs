//! PromQL, as far as phase 3 asks: selectors with equal labels, a few functions and aggregations, comparisons, arithmetic,
//! `or`. Pure; whatever is not known is an error that shows the expression, never an empty answer.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    /// A metric, and the labels that its series must have.
    Selector {
        name: String,
        labels: Vec<(String, String)>,
    },
    Call {
        function: Function,
        of: Option<Box<Expression>>,
        /// Seconds, where the argument has a range.
        range: Option<f64>,
    },
    Binary {
        operator: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
}

/// What takes an argument in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Time,
    Vector,
    Timestamp,
    LastOverTime,
    Count,
    Sum,
    Min,
    Max,
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
    Plus,
    Minus,
    Times,
    By,
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("time", Function::Time),
    ("vector", Function::Vector),
    ("timestamp", Function::Timestamp),
    ("last_over_time", Function::LastOverTime),
    ("count", Function::Count),
    ("sum", Function::Sum),
    ("min", Function::Min),
    ("max", Function::Max),
];

/// By how tightly they bind, the loosest first. A longer sign stands before its beginning.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("or", Operator::Or)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (">", Operator::Above),
        ("<", Operator::Below),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::By)],
];

/// Reads an expression.
///
/// # Errors
/// In words, when it is not known.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut reader = Reader { rest: text.trim() };
    let parsed = reader.level(0).filter(|_| reader.rest.is_empty());
    parsed.ok_or_else(|| format!("the rehearsal does not know this expression: {text}"))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Takes a text away, and the blanks after it.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.map_or(self.rest, str::trim_start);
        rest.is_some()
    }

    /// Takes letters, digits and the like away, and the blanks after them.
    fn word(&mut self, more: &[char]) -> String {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && !more.contains(&c))
            .unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.rest = self.rest[end..].trim_start();
        word
    }

    fn level(&mut self, level: usize) -> Option<Expression> {
        let Some(operators) = LEVELS.get(level) else {
            return self.single();
        };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            left = Expression::Binary {
                operator: *operator,
                left: Box::new(left),
                right: Box::new(self.level(level + 1)?),
            };
        }
        Some(left)
    }

    fn single(&mut self) -> Option<Expression> {
        if self.take("(") {
            let inner = self.level(0)?;
            return self.take(")").then_some(inner);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.word(&['.']).parse().ok().map(Expression::Number);
        }
        let name = self.word(&[':']);
        if self.take("(") {
            return self.call(&name);
        }
        self.selector(name)
    }

    fn call(&mut self, name: &str) -> Option<Expression> {
        let (_, function) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
        let of = match function {
            Function::Time => None,
            _ => Some(Box::new(self.level(0)?)),
        };
        let range = match function {
            Function::LastOverTime => Some(self.range()?),
            _ => None,
        };
        self.take(")").then_some(Expression::Call {
            function: *function,
            of,
            range,
        })
    }

    /// `[90s]`, in seconds.
    fn range(&mut self) -> Option<f64> {
        self.take("[").then_some(())?;
        let span: flowctl_workflows::policy::Span = self.word(&[]).parse().ok()?;
        self.take("]").then(|| span.duration().as_secs_f64())
    }

    fn selector(&mut self, name: String) -> Option<Expression> {
        let (mut name, mut labels) = (name, Vec::new());
        if self.take("{") {
            while !self.take("}") {
                let label = self.word(&[]);
                let value = self.take("=").then(|| self.string())??;
                match label.as_str() {
                    "" => return None,
                    "__name__" => name = value,
                    _ => labels.push((label, value)),
                }
                if !self.take(",") && !self.rest.starts_with('}') {
                    return None;
                }
            }
        }
        (!name.is_empty()).then_some(Expression::Selector { name, labels })
    }

    /// A text in double quotes.
    fn string(&mut self) -> Option<String> {
        let inner = self.rest.strip_prefix('"')?;
        let (mut text, mut letters) = (String::new(), inner.char_indices());
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = inner[at + 1..].trim_start();
                    return Some(text);
                }
                '\\' => text.push(letters.next()?.1),
                letter => text.push(letter),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_phase3_asks_is_read() {
        for known in [
            "time()",
            "up",
            r#"count({__name__="up"})"#,
            r#"time() - max(timestamp(up{job="trino-worker"}))"#,
            r#"max(last_over_time(ALERTS_FOR_STATE{alertname="A", severity="x"}[12s]))"#,
            r#"m{quantile="0.95"} > 300000"#,
            "a:b / c > 0.9",
            r#"(count(up{job="trino-worker"} == 1) or vector(0)) < 2"#,
            r#"sum(rgw_requests_total{op="select"} or rgw_requests_total * 0)"#,
        ] {
            assert!(parse(known).is_ok(), "{known}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for unknown in [
            "",
            "sum(",
            "rate(up[5m])",
            "up[5m]",
            "sum by (job) (up)",
            r#"up{job!="a"}"#,
            r#"up{job=~"a.*"}"#,
            r#"{job="a"}"#,
            "up and up",
            "up offset 5m",
            "up up",
            "absent(up)",
            "1 +",
        ] {
            let error = parse(unknown).unwrap_err();
            assert!(error.starts_with("the rehearsal does not know this expression:"));
            assert!(error.ends_with(unknown), "{error}");
        }
    }

    #[test]
    fn signs_bind_as_in_promql() {
        let Expression::Binary { operator, left, .. } = parse("a / b + c * 2 > 3 or d").unwrap()
        else {
            panic!("it is no single expression");
        };
        assert_eq!(operator, Operator::Or);
        let Expression::Binary { operator, left, .. } = *left else {
            panic!("a comparison stands before `or`");
        };
        assert_eq!(operator, Operator::Above);
        assert!(matches!(
            *left,
            Expression::Binary {
                operator: Operator::Plus,
                ..
            }
        ));
    }
}
