//! What stands under `with:` of a select.

use serde::Deserialize;

use super::plain::Condition;
use crate::clients::s3::{HeaderLine, Input, Place};
use crate::kinds::trino_benchmark::Proves;
use crate::kinds::trino_query::Bounds;

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The bucket.
    pub bucket: String,
    /// The object's key in it.
    pub key: String,
    /// What the gateway is asked, in its own SQL. Ceph takes whole requests of at most 4096 bytes.
    pub sql: String,
    /// What the object is.
    #[serde(default = "csv")]
    pub input: Input,
    /// The same question to the whole object, answered here. Exactly one of `plain` and `probe: true`.
    #[serde(default)]
    pub plain: Option<Plain>,
    /// Only ask whether the gateway can do this: a refusal is then an answer, `supported: false`, for the conditions
    /// of later steps. Exactly one of `plain` and `probe: true`.
    #[serde(default)]
    pub probe: bool,
    /// How many rows there must be. Left out: at least one, for none is no evidence.
    #[serde(default)]
    pub rows: Option<Bounds>,
    /// How many timed selects, and as many timed plain GETs between them, after one of each that does not count.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    pub runs: u32,
    /// How much of the transfer the select must save.
    #[serde(default)]
    pub saves: Option<Saves>,
    /// How much faster the select must be.
    #[serde(default)]
    pub speedup: Option<Speedup>,
    /// How many rows the output keeps; all are counted.
    #[serde(default = "hundred")]
    pub max_rows: usize,
}

fn csv() -> Input {
    Input::Csv {
        header: HeaderLine::default(),
        delimiter: ',',
    }
}

fn five() -> u32 {
    5
}

fn hundred() -> usize {
    100
}

/// The question to the whole object.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// A CEL expression over `col`, which has each value as text by its name: `col._2 == 'a' && double(col._4) > 9.5`.
    /// Columns are `_1`, `_2`, …, and with `header: use` also what the first line calls them. Left out: every row.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
    /// The columns of the answer, in its order. Left out: all of them.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The answer is one row with the number of rows, as of `SELECT count(*)`.
    #[serde(default)]
    pub count: bool,
}

/// How much of the transfer must be saved.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saves {
    /// At least this share of the plain GET's bytes, between 0 and 1.
    pub share: f64,
    /// The criteria that it proves; left out: those of the step.
    #[serde(default)]
    pub proves: Proves,
}

/// How much faster it must be.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Speedup {
    /// The median of the plain GETs is at least so many times that of the selects.
    pub factor: f64,
    /// The criteria that it proves; left out: those of the step.
    #[serde(default)]
    pub proves: Proves,
}

impl Params {
    /// Says what the schema cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        self.place()?;
        if self.sql.trim().is_empty() {
            return Err("`sql:` is empty".to_owned());
        }
        match (&self.plain, self.probe) {
            (Some(_), true) | (None, false) => {
                return Err("give exactly one of `plain:` and `probe: true`".to_owned());
            }
            (None, true)
                if self.saves.is_some() || self.speedup.is_some() || self.rows.is_some() =>
            {
                return Err(
                    "a probe compares nothing: leave out `rows:`, `saves:` and `speedup:`"
                        .to_owned(),
                );
            }
            (None, true) => return Ok(()),
            (Some(plain), false) => {
                let Input::Csv { delimiter, .. } = self.input else {
                    return Err("only CSV can be compared here; ask with `probe: true`".to_owned());
                };
                if !delimiter.is_ascii() {
                    return Err("`delimiter:` must be one ASCII character".to_owned());
                }
                Condition::compile(plain)?;
            }
        }
        if let Some(rows) = self.rows {
            rows.check("rows")?;
        }
        if let Some(saves) = &self.saves
            && !(saves.share > 0.0 && saves.share < 1.0)
        {
            return Err("`saves.share:` lies between 0 and 1".to_owned());
        }
        if let Some(speedup) = &self.speedup
            && !(speedup.factor > 0.0 && speedup.factor.is_finite())
        {
            return Err("`speedup.factor:` is a number above 0".to_owned());
        }
        Ok(())
    }

    /// Where the object is.
    pub(super) fn place(&self) -> Result<Place, String> {
        Place::new(&self.bucket, &self.key)
    }
}
