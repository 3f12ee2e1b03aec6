//! What Helm keeps of a release: the values that it was given, the chart's templates and what they
//! rendered. Pure decoding; the release's Secret holds it as JSON, zipped, in base64 twice.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::clients::kube::object;

/// A record that unpacks to more than this is refused: charts are far smaller.
const MOST_BYTES: u64 = 64 << 20;

/// A release as Helm recorded it.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The values that it was given.
    pub(super) values: Value,
    /// `deployed`, `failed`, …
    pub(super) status: String,
    /// The chart's templates, as text.
    pub(super) templates: Vec<String>,
    /// The names under which values go to subcharts, whose templates are not among these.
    pub(super) subcharts: Vec<String>,
    /// What was rendered.
    pub(super) objects: Vec<Value>,
}

/// The name of the Secret that holds a revision.
pub(super) fn secret_name(release: &str, revision: i64) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// Reads the release out of its Secret.
pub(super) fn decode(secret: &Value) -> Result<Recorded, String> {
    let outer = secret
        .pointer("/data/release")
        .and_then(Value::as_str)
        .ok_or("the Secret has no key `release`")?;
    let inner = STANDARD.decode(outer).map_err(|error| error.to_string())?;
    let zipped = STANDARD.decode(inner).map_err(|error| error.to_string())?;
    let mut json = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(zipped.as_slice()).take(MOST_BYTES);
    reader
        .read_to_end(&mut json)
        .map_err(|error| error.to_string())?;
    let release: Value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let chart = &release["chart"];
    let templates = object::list(chart, "/templates")
        .iter()
        .filter_map(|template| STANDARD.decode(template["data"].as_str()?).ok())
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .collect();
    let subcharts = object::list(chart, "/metadata/dependencies")
        .iter()
        .flat_map(|dependency| [dependency["name"].as_str(), dependency["alias"].as_str()])
        .flatten()
        .map(str::to_owned)
        .collect();
    let rendered = object::text(&release, "/manifest");
    let objects = serde_saphyr::from_multiple::<Value>(rendered)
        .map_err(|error| format!("what was rendered is not YAML: {error}"))?;
    Ok(Recorded {
        values: release["config"].clone(),
        status: object::text(&release, "/info/status").to_owned(),
        templates,
        subcharts,
        objects: objects.into_iter().filter(Value::is_object).collect(),
    })
}

/// The values of the manifest that the release was not given as they are, by path.
pub(super) fn not_given(wanted: &Value, given: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    compare(wanted, given, String::new(), &mut missing);
    missing
}

fn compare(wanted: &Value, given: &Value, path: String, missing: &mut Vec<String>) {
    match (wanted, given) {
        (Value::Object(wanted), Value::Object(given)) => {
            for (key, value) in wanted {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(
                    value,
                    given.get(key).unwrap_or(&Value::Null),
                    below,
                    missing,
                );
            }
        }
        (wanted, given) if same(wanted, given) => {}
        _ => missing.push(path),
    }
}

/// Equal, whatever way a number is written.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    /// A Secret as Helm writes it.
    pub(crate) fn secret_of(release: &Value) -> Value {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(release.to_string().as_bytes()).unwrap();
        let inner = STANDARD.encode(zip.finish().unwrap());
        json!({"data": {"release": STANDARD.encode(inner)}})
    }

    #[test]
    fn a_release_is_read_from_its_secret() {
        let release = json!({"name": "web", "config": {"replicas": 2}, "info": {"status": "deployed"}, "version": 3,
            "manifest": "---\n# Source: x\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n",
            "chart": {"metadata": {"name": "web", "dependencies": [{"name": "postgresql", "alias": "db"}]},
                "templates": [{"name": "templates/a.yaml", "data": STANDARD.encode("{{ .Values.replicas }}")}]}});
        let read = decode(&secret_of(&release)).unwrap();
        assert_eq!(
            (read.status.as_str(), &read.values),
            ("deployed", &json!({"replicas": 2}))
        );
        assert_eq!(read.templates, ["{{ .Values.replicas }}"]);
        assert_eq!(read.subcharts, ["postgresql", "db"]);
        assert_eq!(read.objects.len(), 1);
        assert_eq!(secret_name("web", 3), "sh.helm.release.v1.web.v3");
    }

    #[test]
    fn what_is_no_release_is_said_to_be_none() {
        assert!(decode(&json!({"data": {}})).unwrap_err().contains("no key"));
        assert!(decode(&json!({"data": {"release": "!"}})).is_err());
    }

    #[test]
    fn values_that_did_not_arrive_are_named() {
        let wanted = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x", "e": 2});
        assert_eq!(
            not_given(
                &wanted,
                &json!({"a": {"b": 1, "c": [1]}, "e": 2.0, "more": 1})
            ),
            ["a.c", "d"]
        );
        assert!(not_given(&wanted, &wanted).is_empty());
    }
}
