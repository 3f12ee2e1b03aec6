//! Which series a PromQL expression reads. Pure: it only finds the selectors; whether an expression is right is the
//! server's to say.
//!
//! Needed because an expression over a metric that does not exist is no error: it is empty, for ever.

use std::collections::BTreeSet;

/// A selector as it stands in an expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// For example `up{job="trino-worker"}`, without range and offset.
    pub text: String,
    /// The metric's name, where the selector gives one.
    pub metric: Option<String>,
    /// It stands inside `absent()`, so that it is meant to have no series.
    pub may_be_absent: bool,
}

/// Words that stand between expressions.
const OPERATORS: &[&str] = &[
    "and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end",
];
/// Words after which a list of labels may stand.
const GROUPINGS: &[&str] = &[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Aggregations may have their labels before their parentheses, so a parenthesis does not tell them from metrics.
const AGGREGATIONS: &[&str] = &[
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];

/// The selectors of an expression, each once, in the order of their texts.
#[must_use]
pub fn selectors(expression: &str) -> Vec<Selector> {
    let mut reader = Reader {
        text: expression,
        at: 0,
        absent: Vec::new(),
        found: BTreeSet::new(),
    };
    reader.read();
    reader.found.into_iter().collect()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// For each parenthesis that is open, whether it is one of `absent` or inside of one.
    absent: Vec<bool>,
    found: BTreeSet<Selector>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(next) = self.peek() {
            match next {
                '#' => self.skip_while(|c| c != '\n'),
                '"' | '\'' | '`' => self.skip_string(),
                // Ranges and subqueries hold durations only.
                '[' => {
                    self.skip_while(|c| c != ']');
                    self.skip(1);
                }
                '{' => self.selector(self.at, None),
                '(' => {
                    let inside = self.inside_absent();
                    self.open(inside);
                }
                ')' => {
                    self.absent.pop();
                    self.skip(1);
                }
                c if c.is_ascii_digit() => {
                    self.skip_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
                }
                c if starts_name(c) => self.word(),
                c => self.skip(c.len_utf8()),
            }
        }
    }

    fn word(&mut self) {
        let begin = self.at;
        self.skip_while(|c| starts_name(c) || c.is_ascii_digit());
        let word = &self.text[begin..self.at];
        let lower = word.to_ascii_lowercase();
        self.skip_space();
        if GROUPINGS.contains(&lower.as_str()) {
            if self.peek() == Some('(') {
                self.skip_while(|c| c != ')');
                self.skip(1);
            }
        } else if OPERATORS.contains(&lower.as_str()) || AGGREGATIONS.contains(&lower.as_str()) {
        } else if self.peek() == Some('(') {
            let absent = matches!(lower.as_str(), "absent" | "absent_over_time");
            let inside = absent || self.inside_absent();
            self.open(inside);
        } else {
            self.selector(begin, Some(word.to_owned()));
        }
    }

    /// Takes the braces, if any, into the selector that began at `begin`.
    fn selector(&mut self, begin: usize, name: Option<String>) {
        let mut metric = name;
        let mut end = begin + metric.as_ref().map_or(0, String::len);
        if self.peek() == Some('{') {
            let braces = self.at;
            while self.peek().is_some_and(|c| c != '}') {
                if matches!(self.peek(), Some('"' | '\'' | '`')) {
                    self.skip_string();
                } else {
                    self.skip(1);
                }
            }
            self.skip(1);
            end = self.at;
            metric = metric.or_else(|| name_within(&self.text[braces..end]));
        }
        self.found.insert(Selector {
            text: self.text[begin..end].to_owned(),
            metric,
            may_be_absent: self.inside_absent(),
        });
    }

    fn inside_absent(&self) -> bool {
        self.absent.last().copied().unwrap_or(false)
    }

    fn open(&mut self, absent: bool) {
        self.absent.push(absent);
        self.skip(1);
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    fn skip_while(&mut self, so: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !so(c)).unwrap_or(rest.len());
    }

    fn skip_space(&mut self) {
        self.skip_while(char::is_whitespace);
    }

    fn skip_string(&mut self) {
        let Some(quote) = self.peek() else { return };
        self.skip(1);
        while let Some(c) = self.peek() {
            self.skip(c.len_utf8());
            if c == quote {
                return;
            }
            if c == '\\' && quote != '`' {
                self.skip(1);
            }
        }
    }
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

/// The name in braces: `{__name__="x", …}` or, as newer versions write it, `{"x", …}`.
fn name_within(braces: &str) -> Option<String> {
    let inner = braces.trim_start_matches('{').trim_start();
    let quoted = if inner.starts_with(['"', '\'']) {
        inner
    } else {
        let rest = &inner[inner.find("__name__")? + "__name__".len()..];
        rest.trim_start()
            .strip_prefix('=')
            .filter(|rest| !rest.starts_with('~'))?
            .trim_start()
    };
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, rest) = quoted[1..].split_once(quote)?;
    // `{"job"="x"}` is a label in quotes.
    (!rest.trim_start().starts_with(['=', '!'])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(expression: &str) -> Vec<String> {
        selectors(expression).into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn what_is_read_is_found_and_nothing_else() {
        for (expression, expected) in [
            ("up", vec!["up"]),
            (
                r#"up{job="trino-worker"} == 0"#,
                vec![r#"up{job="trino-worker"}"#],
            ),
            ("(a:b / c) > 0.9", vec!["a:b", "c"]),
            ("rate(x_total[5m]) * 1e3 offset 5m", vec!["x_total"]),
            ("x offset 1h30m @ start() > bool 0x1F", vec!["x"]),
            (
                "sum by (job, y) (z) / on (w) group_left (v) avg(q) without (a)",
                vec!["q", "z"],
            ),
            ("SUM(x) BY (y) OR z UNLESS on () w", vec!["w", "x", "z"]),
            (
                r#"x{a="}", b='it\'s', c=`\`} and y"#,
                vec![r#"x{a="}", b='it\'s', c=`\`}"#, "y"],
            ),
            (
                "max_over_time(rate(a[1m])[10m:30s]) # b\n + c",
                vec!["a", "c"],
            ),
            (r#"label_replace(x, "dst", "$1", "src", "(.*)")"#, vec!["x"]),
            (
                r#"histogram_quantile(0.95, sum by (le) (rate(h_bucket{q="µ"}[5m])))"#,
                vec![r#"h_bucket{q="µ"}"#],
            ),
            ("quantile(0.5, x) + topk(3, y) - Inf + NaN", vec!["x", "y"]),
            ("time() - 5", vec![]),
            ("vector(1)", vec![]),
            ("", vec![]),
            ("x{", vec!["x{"]),
        ] {
            assert_eq!(texts(expression), expected, "{expression}");
        }
    }

    #[test]
    fn names_are_read_where_they_stand() {
        for (expression, metric) in [
            ("x{a=\"b\"}", Some("x")),
            (r#"{__name__="x.y", a="b"}"#, Some("x.y")),
            (r#"{"x.y", a="b"}"#, Some("x.y")),
            (r#"{"job"="b"}"#, None),
            (r#"{__name__=~"x.*"}"#, None),
            (r#"{a="b"}"#, None),
        ] {
            let found = selectors(expression);
            assert_eq!(found.len(), 1, "{expression}");
            assert_eq!(found[0].metric.as_deref(), metric, "{expression}");
        }
    }

    #[test]
    fn what_absent_asks_for_need_not_be_there() {
        let found = selectors("absent(sum(a)) or absent_over_time(b[5m]) or (c == 0)");
        let absent: Vec<(&str, bool)> = found
            .iter()
            .map(|s| (s.text.as_str(), s.may_be_absent))
            .collect();
        assert_eq!(absent, [("a", true), ("b", true), ("c", false)]);
    }
}
