//! The fingerprint of a result: the same for the same rows in any order.
//!
//! Floating-point numbers count to nine significant digits, because a sum that several threads make comes out
//! a little different each time.

use std::fmt::{self, Write as _};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Adds up the hashes of rows, so that neither their order matters nor must they be kept.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    sum: [u8; 32],
    rows: u64,
    /// The text of the row at hand; kept, so that a row needs no memory of its own.
    text: String,
}

impl Fingerprint {
    /// Takes one more row.
    pub fn add(&mut self, row: &[Value]) {
        let text = &mut self.text;
        text.clear();
        for value in row {
            write(text, value);
            text.push('\u{1f}');
        }
        // A sum and not an exclusive or: with the latter two equal rows would cancel each other.
        let mut carry = 0_u16;
        for (sum, byte) in self.sum.iter_mut().zip(Sha256::digest(text.as_bytes())) {
            carry += u16::from(*sum) + u16::from(byte);
            *sum = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        self.rows += 1;
    }

    /// The fingerprint in hexadecimal.
    #[must_use]
    pub fn finish(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.rows.to_le_bytes());
        hash.update(self.sum);
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Zero has two signs and one meaning.
            Some(float) if number.is_f64() => {
                let float = if float == 0.0 { 0.0 } else { float };
                print(text, format_args!("{float:.8e}"));
            }
            _ => print(text, format_args!("{number}")),
        },
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(text, item);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            // A map of Trino has no order.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, item) in fields {
                print(text, format_args!("{}:", Value::from(key.as_str())));
                write(text, item);
                text.push(',');
            }
            text.push('}');
        }
        other => print(text, format_args!("{other}")),
    }
}

fn print(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(rows: &[Value]) -> String {
        let mut fingerprint = Fingerprint::default();
        for row in rows {
            fingerprint.add(row.as_array().unwrap());
        }
        fingerprint.finish()
    }

    #[test]
    fn order_does_not_matter_and_content_does() {
        assert_eq!(
            of(&[json!([1, "a"]), json!([2, "b"])]),
            of(&[json!([2, "b"]), json!([1, "a"])])
        );
        assert_ne!(
            of(&[json!([1, "a"]), json!([2, "b"])]),
            of(&[json!([1, "b"]), json!([2, "a"])])
        );
    }

    #[test]
    fn equal_rows_count_each() {
        assert_ne!(of(&[json!([1]), json!([1])]), of(&[]));
        assert_ne!(of(&[json!([1]), json!([1])]), of(&[json!([1])]));
        assert_ne!(of(&[json!([1]), json!([1])]), of(&[json!([2]), json!([2])]));
    }

    #[test]
    fn the_last_digits_of_a_sum_do_not_matter() {
        assert_eq!(of(&[json!([0.1 + 0.2])]), of(&[json!([0.3])]));
        assert_eq!(of(&[json!([-0.0])]), of(&[json!([0.0])]));
        assert_ne!(of(&[json!([0.300_001])]), of(&[json!([0.3])]));
    }

    #[test]
    fn types_and_borders_matter() {
        assert_ne!(of(&[json!(["1"])]), of(&[json!([1])]));
        assert_ne!(of(&[json!([null])]), of(&[json!(["null"])]));
        assert_ne!(of(&[json!(["a", "b"])]), of(&[json!(["ab", ""])]));
        assert_ne!(of(&[json!([["a"], ["b"]])]), of(&[json!([["a", "b"], []])]));
        assert_eq!(
            of(&[json!([{"a": 1, "b": 2}])]),
            of(&[json!([{"b": 2, "a": 1}])])
        );
        assert_ne!(
            of(&[json!([9_007_199_254_740_993_i64])]),
            of(&[json!([9_007_199_254_740_992_i64])])
        );
    }
}
