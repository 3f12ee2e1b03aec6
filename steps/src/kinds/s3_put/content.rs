//! What an object is made of. A table is the same each time that it is made, so that what is measured on it can be
//! measured again.

use std::fmt::Write as _;

use serde::Deserialize;

use super::Params;
use crate::context::StepContext;
use crate::error::StepError;

/// The largest object that is written in one piece.
const MOST: usize = 256 << 20;

/// A CSV table with the columns `id`, `category`, `status`, `value` and `note`, under a line with these names unless `header: false`.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// How many rows.
    #[schemars(range(min = 1, max = 2000000))]
    pub rows: u32,
    /// How many different categories, `category_0` and so on, each as often as the others.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1))]
    pub categories: u32,
    /// Whether the first line has the names of the columns.
    #[serde(default = "yes")]
    pub header: bool,
}

fn yes() -> bool {
    true
}

fn twenty() -> u32 {
    20
}

pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
}

impl Content {
    /// # Errors
    /// When the workflow has no such file, or the object would be too large for one piece.
    pub(super) fn of(params: &Params, cx: &StepContext) -> Result<Self, StepError> {
        let bytes = match (&params.text, &params.file, params.table) {
            (Some(text), _, _) => text.clone().into_bytes(),
            (None, Some(file), _) => cx.files.text(file)?.into_bytes(),
            (None, None, Some(table)) => table.csv().into_bytes(),
            (None, None, None) => Vec::new(),
        };
        if bytes.len() > MOST {
            return Err(StepError::permanent(
                "s3.too_large",
                format!(
                    "{} bytes are more than the {MOST} of one piece",
                    bytes.len()
                ),
            ));
        }
        Ok(Self { bytes })
    }
}

impl Table {
    fn csv(self) -> String {
        let mut text = String::new();
        if self.header {
            text.push_str("id,category,status,value,note\n");
        }
        // Numbers that look drawn and are not: a multiplicative sequence over a prime.
        let mut drawn = 1_u64;
        for id in 1..=self.rows {
            drawn = drawn * 48_271 % 2_147_483_647;
            let category = id % self.categories.max(1);
            let status = drawn % 5;
            let value = drawn % 1_000_000;
            let _ = writeln!(
                text,
                "{id},category_{category},status_{status},{}.{:02},row {id} of a table for S3 Select",
                value / 100,
                value % 100
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_same_each_time_and_has_what_it_says() {
        let table = Table {
            rows: 1000,
            categories: 20,
            header: true,
        };
        let text = table.csv();
        assert_eq!(text, table.csv());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1001);
        assert_eq!(
            lines[1],
            "1,category_1,status_1,482.71,row 1 of a table for S3 Select"
        );
        assert!(lines[1..].iter().all(|line| line.split(',').count() == 5));
        let third = lines.iter().filter(|line| line.contains(",category_3,"));
        assert_eq!(third.count(), 50);
        let bare = Table {
            header: false,
            ..table
        };
        assert_eq!(bare.csv().lines().next(), Some(lines[1]));
    }
}
