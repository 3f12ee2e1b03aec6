//! What is written down in order to be put back later, with the names of secrets in the place of their values: it must come
//! back as it was, so nothing in it can be blotted out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Secrets;
use crate::error::StepError;

/// Private characters of Unicode around what stands for a value, so that no text of a platform is taken for one.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';
const PLAIN: &str = "secret:";
const CODED: &str = "base64:";

impl Secrets {
    /// Puts names in the place of values, plain or in base64.
    ///
    /// # Errors
    /// Permanent, `secret.not_storable`, when a secret stands in it in another form: it could not come back.
    pub fn seal(&self, value: &mut Value) -> Result<(), StepError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, secret) in self.values.iter() {
            let secret = secret.reveal();
            if secret.len() >= super::forms::SHORTEST {
                pairs.push((secret.to_owned(), format!("{OPEN}{PLAIN}{name}{CLOSE}")));
                pairs.push((
                    STANDARD.encode(secret),
                    format!("{OPEN}{CODED}{name}{CLOSE}"),
                ));
            }
        }
        // The longest first, and then by name: one value may hold another, or stand under two names.
        pairs.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.1.cmp(&b.1)));
        each_text(value, &mut |text| {
            for (secret, name) in &pairs {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), name);
                }
            }
            Ok(())
        })?;
        let mut without = value.clone();
        self.redact_value(&mut without);
        if without != *value {
            return Err(StepError::permanent(
                "secret.not_storable",
                "what is there before the change holds a secret in a form that cannot be written down and put back",
            )
            .help("let the object refer to a Kubernetes Secret instead of holding the value"));
        }
        Ok(())
    }

    /// Puts the values back.
    ///
    /// # Errors
    /// Permanent, `secret.unknown`, when a name means nothing any more.
    pub fn unseal(&self, value: &mut Value) -> Result<(), StepError> {
        each_text(value, &mut |text| {
            while let Some(at) = text.find(OPEN) {
                let Some(length) = text[at..].find(CLOSE) else {
                    break;
                };
                let inner = &text[at + OPEN.len_utf8()..at + length];
                let value = match (inner.strip_prefix(PLAIN), inner.strip_prefix(CODED)) {
                    (Some(name), _) => self.get(name)?.reveal().to_owned(),
                    (None, Some(name)) => STANDARD.encode(self.get(name)?.reveal()),
                    (None, None) => break,
                };
                text.replace_range(at..at + length + CLOSE.len_utf8(), &value);
            }
            Ok(())
        })
    }
}

fn each_text(
    value: &mut Value,
    change: &mut impl FnMut(&mut String) -> Result<(), StepError>,
) -> Result<(), StepError> {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields
            .values_mut()
            .try_for_each(|field| each_text(field, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    fn secrets() -> Secrets {
        let secret = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        Secrets::with_nameless(
            HashMap::from([
                secret("KEY", "hunter2-and-more"),
                secret("SHORT", "hunter2"),
            ]),
            &[Secret::new("of the kubeconfig")],
        )
    }

    #[test]
    fn what_is_written_down_has_no_secret_in_it_and_comes_back_as_it_was() {
        let before = json!({"env": [{"name": "A", "value": "x hunter2-and-more y hunter2"}],
            "data": {"k": STANDARD.encode("hunter2-and-more")}, "n": 1, "odd": "\u{e000}secret:"});
        let mut value = before.clone();
        secrets().seal(&mut value).unwrap();
        assert!(!value.to_string().contains("hunter2"), "{value}");
        assert!(!value.to_string().contains("aHVudGVy"), "{value}");
        secrets().unseal(&mut value).unwrap();
        assert_eq!(value, before);
    }

    #[test]
    fn what_could_not_come_back_is_not_written_down() {
        for bad in [
            json!("https://u:h%75nter2@host"),
            json!({"hunter2-and-more": 1}),
            json!("of the kubeconfig"),
        ] {
            let error = secrets().seal(&mut bad.clone()).unwrap_err();
            assert_eq!(error.code, "secret.not_storable", "{bad}");
            assert!(!error.message.contains("hunter2"));
        }
    }

    #[test]
    fn a_name_that_means_nothing_any_more_is_an_error() {
        let mut value = json!("hunter2");
        secrets().seal(&mut value).unwrap();
        let error = Secrets::default().unseal(&mut value).unwrap_err();
        assert!(error.message.contains("SHORT"), "{error}");
    }
}
