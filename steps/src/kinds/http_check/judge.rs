//! Pure: which parameters make sense, and what is wrong with an answer.

use http::{HeaderName, HeaderValue};

use serde_json::Value;

use super::ask::Answer;
use super::{Method, Params};
use crate::secret::Text;

/// Says why these parameters can never check anything.
pub(super) fn validate(params: &Params) -> Result<(), String> {
    match (&params.url, params.endpoint) {
        (Some(url), None) => match reqwest::Url::parse(url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
                return Err("`url` must begin with http:// or https://".to_owned());
            }
            Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
                return Err(
                    "`url` holds credentials; give them as a header with a secret".to_owned(),
                );
            }
            Ok(_) => {}
            Err(error) => return Err(format!("`url` is no URL: {error}")),
        },
        (None, Some(_)) => {}
        (None, None) => return Err("one of `url` and `endpoint` is needed".to_owned()),
        (Some(_), Some(_)) => return Err("`url` and `endpoint` exclude each other".to_owned()),
    }
    match &params.path {
        Some(_) if params.endpoint.is_none() => {
            return Err("`path` goes with `endpoint` only".to_owned());
        }
        Some(path) if !path.starts_with('/') => return Err("`path` must begin with `/`".to_owned()),
        _ => {}
    }
    if params.endpoint.is_some() && params.ca_file.is_some() {
        return Err("with `endpoint` the target has the `ca_file`".to_owned());
    }
    if params.status.is_empty()
        || params
            .status
            .iter()
            .any(|status| !(100..=599).contains(status))
    {
        return Err("`status` needs statuses from 100 to 599".to_owned());
    }
    if params.method == Method::Head
        && (params.body.contains.is_some() || !params.body.json.is_empty())
    {
        return Err("an answer to HEAD has no body to check".to_owned());
    }
    if params.method != Method::Post && params.send.is_some() {
        return Err("`send` goes with `method: POST` only".to_owned());
    }
    if params.body.contains.as_deref() == Some("") {
        return Err("`body.contains` is empty, which every body holds".to_owned());
    }
    if let Some(pointer) = params
        .body
        .json
        .keys()
        .find(|key| !key.is_empty() && !key.starts_with('/'))
    {
        return Err(format!(
            "`{pointer}` is no JSON pointer: it begins with `/`"
        ));
    }
    if params.every.duration().is_zero() || params.answer_within.duration().is_zero() {
        return Err("`every` and `answer_within` must be longer than nothing".to_owned());
    }
    headers(params)
}

fn headers(params: &Params) -> Result<(), String> {
    for (name, value) in &params.headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("`{name}` is no name of a header"));
        }
        if let Text::Plain(value) = value
            && HeaderValue::from_str(value).is_err()
        {
            return Err(format!(
                "the value of the header `{name}` holds a control character"
            ));
        }
    }
    Ok(())
}

/// All that is wrong with an answer; empty: it is as expected.
pub(super) fn complaints(params: &Params, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    if !params.status.contains(&answer.status) {
        let expected: Vec<String> = params.status.iter().map(u16::to_string).collect();
        wrong.push(format!(
            "HTTP {} instead of {}",
            answer.status,
            expected.join(" or ")
        ));
    }
    let body = &params.body;
    if let Some(text) = &body.contains
        && !String::from_utf8_lossy(&answer.body).contains(text.as_str())
    {
        wrong.push(format!("the body does not contain `{text}`"));
    }
    if !body.json.is_empty() {
        match answer.json() {
            None if answer.truncated => {
                wrong.push("the body is too long to be read as JSON".to_owned())
            }
            None => wrong.push("the body is not JSON".to_owned()),
            Some(json) => {
                // Judged as it came, shown without secrets: what is shortened could no longer be redacted.
                let clean: Value = serde_json::from_str(&answer.clean).unwrap_or_default();
                wrong.extend(body.json.iter().filter_map(|(pointer, expected)| {
                    match json.pointer(pointer) {
                        Some(value) if value == expected => None,
                        Some(_) => {
                            let shown = clean
                                .pointer(pointer)
                                .map_or_else(|| "something else".to_owned(), Value::to_string);
                            Some(format!(
                                "{pointer} is {} instead of {expected}",
                                shortened(&shown)
                            ))
                        }
                        None => Some(format!("{pointer} is not there")),
                    }
                }));
            }
        }
    }
    wrong
}

fn shortened(text: &str) -> String {
    if text.chars().count() > 200 {
        text.chars().take(200).chain(['…']).collect()
    } else {
        text.to_owned()
    }
}
