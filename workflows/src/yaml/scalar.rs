//! What a plain scalar means: the core schema of YAML 1.2, so `no`, `on` and `1:30` are text.

use serde_json::Number;

use super::node::Content;

/// The value of an unquoted scalar.
pub(super) fn resolve(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        _ => {}
    }
    match number(text) {
        Some(number) => Content::Number(number),
        None => Content::String(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(value) = text.parse::<i64>() {
            return Some(value.into());
        }
        if let Ok(value) = text.parse::<u64>() {
            return Some(value.into());
        }
    }
    // Rust reads the same floats as the core schema, and more: `.5e1` and `5.` yes, `inf`, `1_0` and `0x1p` no.
    let shape =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if unsigned.bytes().all(shape) {
        text.parse().ok().and_then(Number::from_f64)
    } else {
        None
    }
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, number) in [
            ("0", 0),
            ("-12", -12),
            ("+3", 3),
            ("0x1F", 31),
            ("0o17", 15),
            ("007", 7),
        ] {
            assert_eq!(resolve(text), Content::Number(number.into()), "{text}");
        }
        for (text, number) in [("1.5", 1.5), ("-1e3", -1000.0), (".5", 0.5), ("2.0", 2.0)] {
            assert_eq!(
                resolve(text),
                Content::Number(Number::from_f64(number).unwrap()),
                "{text}"
            );
        }
        for text in [
            "no", "on", "yes", "1:30", "1s", "1_000", "-", ".", "0x", "e5", "1.2.3", ".inf",
            "-.nan", "1e999",
        ] {
            assert_eq!(resolve(text), Content::String(text.to_owned()), "{text}");
        }
        assert_eq!(resolve("~"), Content::Null);
        assert_eq!(resolve("False"), Content::Bool(false));
        assert_eq!(
            resolve("18446744073709551615"),
            Content::Number(u64::MAX.into())
        );
    }
}
