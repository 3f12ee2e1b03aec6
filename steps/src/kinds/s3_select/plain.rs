//! What the rows must be: the object's own lines, read as CSV, kept or dropped by an expression. Knows nothing of the
//! gateway's SQL, so that the two can disagree.

use std::collections::BTreeMap;
use std::io::Read;

use flowctl_workflows::context::Context;
use flowctl_workflows::expr::Expression;
use serde_json::{Map, Value};

use super::Plain;
use crate::clients::s3::HeaderLine;
use crate::clients::trino::rows::Fingerprint;

/// How many rows of a result are kept to show where two results differ.
pub(super) const KEPT: usize = 1000;

/// The condition, compiled, and the columns.
#[derive(Debug)]
pub(super) struct Condition {
    expression: Option<Expression>,
    columns: Vec<String>,
    count: bool,
}

/// Rows without their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// How many.
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: Vec<Vec<String>>,
    sum: Fingerprint,
    /// The fingerprint that a record says, when the rows themselves are not there any more.
    recorded: Option<String>,
}

impl Rows {
    pub(super) fn add(&mut self, row: Vec<String>) {
        let values: Vec<Value> = row
            .iter()
            .map(|value| Value::from(value.as_str()))
            .collect();
        self.sum.add(&values);
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(row);
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        match &self.recorded {
            Some(recorded) => recorded.clone(),
            None => self.sum.finish(),
        }
    }

    /// Rows as a record says that they were, with the first of them.
    pub(super) fn of_record(count: u64, fingerprint: String, first: Vec<Vec<String>>) -> Self {
        Self {
            count,
            first,
            sum: Fingerprint::default(),
            recorded: Some(fingerprint),
        }
    }

    /// The first row that is here and not, or not as often, there; looked for among the rows that are kept.
    pub(super) fn beyond(&self, other: &Self) -> Option<&Vec<String>> {
        let mut left: BTreeMap<&Vec<String>, i64> = BTreeMap::new();
        for row in &other.first {
            *left.entry(row).or_default() += 1;
        }
        self.first.iter().find(|row| {
            let left = left.entry(row).or_default();
            *left -= 1;
            *left < 0
        })
    }

    /// Reads the rows of a select's answer.
    ///
    /// # Errors
    /// In words, when they are no CSV.
    pub(super) fn of_records(records: &[u8]) -> Result<Self, String> {
        let mut rows = Self::default();
        for record in reader(records, b',').records() {
            let record = record.map_err(|error| error.to_string())?;
            rows.add(record.iter().map(str::to_owned).collect());
        }
        Ok(rows)
    }
}

/// What the plain object holds under the condition.
#[derive(Debug)]
pub(super) struct Expected {
    /// Lines of the object, without its header.
    pub(super) lines: u64,
    /// How many of them the condition keeps.
    pub(super) matching: u64,
    /// These, with the columns asked for, or their number.
    pub(super) rows: Rows,
}

impl Condition {
    /// # Errors
    /// In words.
    pub(super) fn compile(plain: &Plain) -> Result<Self, String> {
        let expression = plain
            .condition
            .as_deref()
            .map(|text| {
                let expression = Expression::compile(text)
                    .map_err(|error| format!("`plain.where:` is no expression: {error}"))?;
                match expression
                    .references()
                    .iter()
                    .find(|name| name.root() != "col")
                {
                    Some(other) => Err(format!("`plain.where:` knows `col` alone, not `{other}`")),
                    None => Ok(expression),
                }
            })
            .transpose()?;
        if plain.count && !plain.columns.is_empty() {
            return Err("`plain:` has either `count: true` or `columns:`".to_owned());
        }
        Ok(Self {
            expression,
            columns: plain.columns.clone(),
            count: plain.count,
        })
    }

    /// Reads the object to its end.
    ///
    /// # Errors
    /// In words: an object that is no CSV, a column that is not there, a condition that does not apply.
    pub(super) fn expect(
        &self,
        object: impl Read,
        header: HeaderLine,
        delimiter: u8,
    ) -> Result<Expected, String> {
        let mut expected = Expected {
            lines: 0,
            matching: 0,
            rows: Rows::default(),
        };
        let mut names: Option<Vec<String>> = None;
        for (number, record) in reader(object, delimiter).records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            if number == 0 && header != HeaderLine::None {
                if header == HeaderLine::Use {
                    names = Some(record.iter().map(str::to_owned).collect());
                }
                continue;
            }
            expected.lines += 1;
            let at = |reason: String| format!("line {} of the object: {reason}", number + 1);
            let row = Row {
                record: &record,
                names: names.as_deref().unwrap_or_default(),
            };
            if !self.holds(&row).map_err(at)? {
                continue;
            }
            expected.matching += 1;
            if !self.count {
                expected.rows.add(row.pick(&self.columns).map_err(at)?);
            }
        }
        if self.count {
            expected.rows.add(vec![expected.matching.to_string()]);
        }
        Ok(expected)
    }

    fn holds(&self, row: &Row<'_>) -> Result<bool, String> {
        match &self.expression {
            None => Ok(true),
            Some(expression) => expression
                .evaluate_bool(&Context::default().with("col", row.named()))
                .map_err(|error| error.to_string()),
        }
    }
}

/// A line of the object.
struct Row<'a> {
    record: &'a csv::StringRecord,
    names: &'a [String],
}

impl Row<'_> {
    fn named(&self) -> Value {
        let mut named = Map::new();
        for (number, value) in self.record.iter().enumerate() {
            named.insert(format!("_{}", number + 1), Value::from(value));
        }
        for (name, value) in self.names.iter().zip(self.record) {
            named.insert(name.clone(), Value::from(value));
        }
        Value::Object(named)
    }

    fn pick(&self, columns: &[String]) -> Result<Vec<String>, String> {
        if columns.is_empty() {
            return Ok(self.record.iter().map(str::to_owned).collect());
        }
        columns
            .iter()
            .map(|column| {
                let by_name = self.names.iter().position(|name| name == column);
                let by_number = || {
                    column
                        .strip_prefix('_')?
                        .parse::<usize>()
                        .ok()?
                        .checked_sub(1)
                };
                by_name
                    .or_else(by_number)
                    .and_then(|at| self.record.get(at))
                    .map(str::to_owned)
                    .ok_or_else(|| format!("it has no column `{column}`"))
            })
            .collect()
    }
}

fn reader<R: Read>(source: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "id,name,value\n1,a,10.5\n2,\"b,c\",9\n3,a,8\n3,a,8\n";

    fn plain(condition: Option<&str>, columns: &[&str], count: bool) -> Plain {
        Plain {
            condition: condition.map(str::to_owned),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            count,
        }
    }

    fn rows(plain: &Plain, header: HeaderLine) -> Result<Vec<Vec<String>>, String> {
        let condition = Condition::compile(plain)?;
        let expected = condition.expect(OBJECT.as_bytes(), header, b',')?;
        Ok(expected.rows.first)
    }

    #[test]
    fn the_condition_keeps_rows_and_the_columns_cut_them() {
        let by_number = plain(
            Some("col._2 == 'a' && double(col._3) > 9.0"),
            &["_3", "_1"],
            false,
        );
        assert_eq!(
            rows(&by_number, HeaderLine::Ignore).unwrap(),
            [["10.5", "1"]]
        );
        let by_name = plain(Some("col.name == 'b,c'"), &["value", "_1"], false);
        assert_eq!(rows(&by_name, HeaderLine::Use).unwrap(), [["9", "2"]]);
        assert_eq!(
            rows(&plain(None, &[], false), HeaderLine::None)
                .unwrap()
                .len(),
            5
        );
        assert_eq!(
            rows(&plain(None, &[], true), HeaderLine::Ignore).unwrap(),
            [["4"]]
        );
    }

    #[test]
    fn a_question_that_does_not_fit_the_object_names_the_line() {
        for (plain, reason) in [
            (
                plain(None, &["_9"], false),
                "line 2 of the object: it has no column `_9`",
            ),
            (
                plain(Some("double(col._2) > 1.0"), &[], false),
                "line 2 of the object",
            ),
            (plain(Some("col.nope == 'a'"), &[], false), "nope"),
        ] {
            let error = rows(&plain, HeaderLine::Ignore).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(
            Condition::compile(&plain(Some("params.x == 1"), &[], false))
                .unwrap_err()
                .contains("params")
        );
        assert!(Condition::compile(&plain(Some("col._1 =="), &[], false)).is_err());
        assert!(Condition::compile(&plain(None, &["_1"], true)).is_err());
    }

    #[test]
    fn rows_are_equal_in_any_order_and_only_as_often() {
        let of = |text: &str| Rows::of_records(text.as_bytes()).unwrap();
        assert_eq!(
            of("1,a\n2,b\n").fingerprint(),
            of("2,b\n1,a\n").fingerprint()
        );
        assert_ne!(of("1,a\n1,a\n").fingerprint(), of("1,a\n").fingerprint());
        assert_ne!(of("1,ab\n").fingerprint(), of("1a,b\n").fingerprint());
        let (twice, once) = (of("1,a\n1,a\n"), of("1,a\n"));
        assert_eq!(
            twice.beyond(&once),
            Some(&vec!["1".to_owned(), "a".to_owned()])
        );
        assert_eq!(once.beyond(&twice), None);
        assert_eq!(of("\"a,b\",\n").first, [["a,b", ""]]);
    }
}
