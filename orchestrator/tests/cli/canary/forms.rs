//! The secrets that are planted, and how somebody may say them back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::MARKER;

/// A secret that nobody else has.
pub(super) struct Canary {
    pub(super) value: String,
}

impl Canary {
    /// One for each place where a secret comes in; some hold what encodings change.
    pub(super) fn all() -> Vec<Self> {
        let random = |length: usize| -> String {
            (0..length)
                .map(|_| {
                    char::from(
                        b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
                            [rand::random_range(0..56)],
                    )
                })
                .collect()
        };
        let odd = |end: &str| format!("{}+/\"q<&>{}{end}", random(14), random(10));
        vec![
            Self { value: odd("") },
            Self {
                value: odd("%41é")
            },
            Self { value: odd("=") },
            Self {
                value: format!("{}:{}", random(9), random(6)),
            },
            Self {
                value: format!("ey{}.{}.{}", random(20), random(60), random(30)),
            },
            Self {
                value: format!("AK{}", random(18)),
            },
            Self {
                value: format!("{}/+{}", random(20), random(18)),
            },
            Self { value: random(40) },
        ]
    }

    /// As it stands in an address.
    pub(super) fn percent(&self) -> String {
        self.value
            .bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    }

    /// Every form of it, with the form's name.
    pub(super) fn forms(&self) -> Vec<(&'static str, String)> {
        let value = &self.value;
        let json = serde_json::to_string(value).unwrap();
        let json = json[1..json.len() - 1].to_owned();
        let percent = self.percent();
        let hexadecimal: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        vec![
            ("plain", value.clone()),
            ("JSON", json.clone()),
            (
                "JSON of Go",
                json.replace('<', "\\u003c")
                    .replace('>', "\\u003e")
                    .replace('&', "\\u0026"),
            ),
            (
                "JSON in JSON",
                json.replace('\\', "\\\\").replace('"', "\\\""),
            ),
            ("percent", percent.clone()),
            ("percent in small letters", percent.to_lowercase_escapes()),
            ("base64", STANDARD.encode(value)),
            ("base64 with a user", STANDARD.encode(format!("me:{value}"))),
            (
                "base64 for URLs",
                URL_SAFE_NO_PAD.encode(format!("u{value}")),
            ),
            ("hexadecimal", hexadecimal),
            (
                "HTML",
                value
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    .replace('"', "&quot;"),
            ),
        ]
    }

    /// What of each form is found only where the secret is: base64 without the ends, which its neighbours change.
    pub(super) fn needles(&self) -> Vec<(&'static str, Vec<u8>)> {
        let core = |(name, form): (&'static str, String)| match name.starts_with("base64") {
            true => (name, form.as_bytes()[8..form.len() - 6].to_vec()),
            false => (name, form.into_bytes()),
        };
        let mut needles: Vec<_> = self.forms().into_iter().map(core).collect();
        // Two thirds of it are as good as all of it.
        needles.push((
            "cut",
            self.value.as_bytes()[..(self.value.len() * 2 / 3).max(16).min(self.value.len())]
                .to_vec(),
        ));
        needles
    }
}

trait Escapes {
    fn to_lowercase_escapes(&self) -> String;
}

impl Escapes for String {
    fn to_lowercase_escapes(&self) -> String {
        let pattern = regex::Regex::new("%[0-9A-F]{2}").unwrap();
        pattern
            .replace_all(self, |found: &regex::Captures<'_>| found[0].to_lowercase())
            .into_owned()
    }
}

/// Every form of every secret, each with the marker beside it, and the plain ones also over two lines.
pub(super) fn said(canaries: &[Canary]) -> String {
    let mut text = String::new();
    for canary in canaries {
        for (name, form) in canary.forms() {
            text.push_str(&format!("{MARKER} {name} {form} {MARKER}\n"));
        }
        let middle = (canary.value.len() / 2..)
            .find(|at| canary.value.is_char_boundary(*at))
            .unwrap();
        let (first, second) = canary.value.split_at(middle);
        text.push_str(&format!("{MARKER} {first}\n{second} {MARKER}\n"));
    }
    text
}

/// The same as an object: in names and values.
pub(super) fn said_as_json(canaries: &[Canary]) -> String {
    let fields = canaries.iter().map(|canary| {
        (
            format!("{MARKER} {}", canary.value),
            json!([said(&[Canary {
                value: canary.value.clone()
            }])]),
        )
    });
    serde_json::Value::Object(fields.collect()).to_string()
}
