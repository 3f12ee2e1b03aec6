//! The double of the object store: single objects, and S3 Select over lines of values for the few forms of SQL that a
//! rehearsal knows. It tells its callers by their access key; it does not check their signatures.

use async_trait::async_trait;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use flowctl_workflows::inject::{Failing, Protocol};
use sha2::{Digest, Sha256};

use super::door::{self, Answer, Reply, Request};
use super::patterns::compiled;
use super::world::{self, Shared, Stored};

/// What stands for a secret in a rehearsal begins so; a caller with another key is a stranger.
pub(super) const KEYS_BEGIN: &str = "rehearsal-of-";

/// The store.
pub(super) struct Double(pub(super) Shared);

#[async_trait]
impl door::Double for Double {
    fn protocol(&self) -> Protocol {
        Protocol::S3
    }

    async fn answer(&self, request: &Request) -> Answer {
        respond(&self.0, request).into()
    }

    fn failing(&self, failing: Failing, _: &Request) -> Answer {
        match failing {
            Failing::Unavailable => {
                refuse(503, "SlowDown", "Please reduce your request rate.").into()
            }
            Failing::Refused => refuse(403, "AccessDenied", "by the file of faults").into(),
            Failing::Reset => Answer::Silence,
        }
    }
}

fn respond(world: &Shared, request: &Request) -> Reply {
    let known = format!("AWS4-HMAC-SHA256 Credential={KEYS_BEGIN}");
    if !request.header("authorization").starts_with(&known) {
        return refuse(
            403,
            "InvalidAccessKeyId",
            "the access key is not known here",
        );
    }
    if request.header("x-amz-content-sha256") != hex(&Sha256::digest(&request.body)) {
        return refuse(
            400,
            "XAmzContentSHA256Mismatch",
            "the body is not what was signed",
        );
    }
    let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy();
    let Some((bucket, key)) = path.trim_start_matches('/').split_once('/') else {
        return refuse(
            501,
            "NotImplemented",
            "the rehearsal knows only single objects",
        );
    };
    let mut world = world::lock(world);
    let Some(objects) = world.store.buckets.get_mut(bucket) else {
        return refuse(404, "NoSuchBucket", "the bucket does not exist");
    };
    let missing = || refuse(404, "NoSuchKey", "the key does not exist");
    let plain = request.query.is_empty();
    match request.method.as_str() {
        "PUT" if plain => {
            let metadata = request.headers.iter().filter_map(|(name, value)| {
                let name = name.as_str().strip_prefix("x-amz-meta-")?;
                Some((name.to_owned(), value.to_str().ok()?.to_owned()))
            });
            let stored = Stored {
                content: request.body.clone(),
                metadata: metadata.collect(),
            };
            let reply = about(&stored, 200, Bytes::new());
            objects.insert(key.to_owned(), stored);
            reply
        }
        "GET" if plain => objects
            .get(key)
            .map_or_else(missing, |stored| about(stored, 200, stored.content.clone())),
        "HEAD" if plain => match objects.get(key) {
            Some(stored) => {
                let mut reply = about(stored, 200, Bytes::new());
                reply
                    .headers
                    .push(("content-length", stored.content.len().to_string()));
                reply
            }
            None => Reply {
                status: 404,
                headers: Vec::new(),
                body: Bytes::new(),
            },
        },
        "DELETE" if plain => {
            objects.remove(key);
            Reply::text(204, "")
        }
        "POST" if request.asked("select").is_some() => objects
            .get(key)
            .map_or_else(missing, |stored| select(&request.body, &stored.content)),
        _ => refuse(
            501,
            "NotImplemented",
            "the rehearsal does not know this request",
        ),
    }
}

fn about(stored: &Stored, status: u16, body: Bytes) -> Reply {
    let etag = format!("\"{}\"", &hex(&Sha256::digest(&stored.content))[..32]);
    let mut headers = vec![("etag", etag), ("x-amz-request-id", "rehearsal".to_owned())];
    for (name, value) in &stored.metadata {
        if name == "flowctl" {
            headers.push(("x-amz-meta-flowctl", value.clone()));
        }
    }
    Reply {
        status,
        headers,
        body,
    }
}

fn refuse(status: u16, code: &str, words: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{words}</Message><RequestId>rehearsal</RequestId></Error>"
    );
    Reply {
        status,
        headers: vec![("content-type", "application/xml".to_owned())],
        body: body.into(),
    }
}

/// The text of an element of a request.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&apos;", "'").replace("&quot;", "\"");
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

fn select(body: &Bytes, object: &Bytes) -> Reply {
    let xml = String::from_utf8_lossy(body);
    let sql = element(&xml, "Expression").unwrap_or_default();
    if !xml.contains("<CSV>") {
        return refuse(
            400,
            "InvalidTextEncoding",
            "the rehearsal selects from lines of values only",
        );
    }
    let delimiter = element(&xml, "FieldDelimiter").unwrap_or_else(|| ",".to_owned());
    let skipped = usize::from(element(&xml, "FileHeaderInfo").as_deref() != Some("NONE"));
    let text = String::from_utf8_lossy(object);
    let Some(rows) = selected(&sql, text.lines().skip(skipped), &delimiter) else {
        return refuse(
            400,
            "s3select-Syntax-Error",
            "the rehearsal does not know this statement",
        );
    };
    let stats = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Stats><BytesScanned>{size}</BytesScanned><BytesProcessed>{size}</BytesProcessed><BytesReturned>{}</BytesReturned></Stats>",
        rows.len(),
        size = object.len()
    );
    let events = [
        ("Records", rows.as_bytes()),
        ("Stats", stats.as_bytes()),
        ("End", b"".as_slice()),
    ];
    let frames = events
        .iter()
        .filter(|(kind, payload)| *kind != "Records" || !payload.is_empty())
        .flat_map(|(kind, payload)| event(kind, payload));
    Reply {
        status: 200,
        headers: vec![("x-amz-request-id", "rehearsal".to_owned())],
        body: frames.collect(),
    }
}

/// The rows of `SELECT count(*) …` or `SELECT s._1, … [WHERE s._n = 'text']`; `None` for other SQL.
fn selected<'a>(
    sql: &str,
    lines: impl Iterator<Item = &'a str>,
    delimiter: &str,
) -> Option<String> {
    let form = r"(?i)^SELECT (count\(\*\)|\*|(?:(?:s\.)?_\d+(?:, ?)?)+) FROM S3Object(?: s)?(?: WHERE (?:s\.)?_(\d+) ?= ?'([^']*)')?$";
    let found = compiled(form).ok()?.captures(sql.trim())?;
    let wanted = found.get(1)?.as_str().to_lowercase();
    let place = |text: &str| {
        text.trim()
            .trim_start_matches("s.")
            .trim_start_matches('_')
            .parse::<usize>()
            .ok()?
            .checked_sub(1)
    };
    let column = match found.get(2) {
        Some(column) => Some(place(column.as_str())?),
        None => None,
    };
    let value = found.get(3).map_or("", |value| value.as_str());
    let rows = lines
        .map(|line| line.split(delimiter).collect::<Vec<&str>>())
        .filter(|row| column.is_none_or(|column| row.get(column) == Some(&value)));
    if wanted == "count(*)" {
        return Some(format!("{}\n", rows.count()));
    }
    let columns: Option<Vec<usize>> = match wanted.as_str() {
        "*" => None,
        list => Some(list.split(',').map(place).collect::<Option<_>>()?),
    };
    let mut text = String::new();
    for row in rows {
        let line = match &columns {
            Some(columns) => columns
                .iter()
                .map(|at| row.get(*at).copied().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(","),
            None => row.join(","),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Some(text)
}

fn event(kind: &'static str, payload: &[u8]) -> Vec<u8> {
    let text = |value: &'static str| HeaderValue::String(value.into());
    let message = Message::new(payload.to_vec())
        .add_header(Header::new(":message-type", text("event")))
        .add_header(Header::new(":event-type", text(kind)));
    let mut bytes = Vec::new();
    // It only fails for headers longer than a frame.
    let _ = write_message_to(&message, &mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_really_selected_and_other_sql_is_not_taken_for_any() {
        let lines = ["1,a,x", "2,b,y", "3,a,z"];
        let of = |sql: &str| selected(sql, lines.into_iter(), ",");
        assert_eq!(of("SELECT count(*) FROM S3Object").unwrap(), "3\n");
        assert_eq!(
            of("SELECT s._1, s._3 FROM S3Object s WHERE s._2 = 'a'").unwrap(),
            "1,x\n3,z\n"
        );
        assert_eq!(of("SELECT * FROM S3Object WHERE _2 = 'c'").unwrap(), "");
        assert_eq!(of("SELECT sum(_1) FROM S3Object"), None);
    }
}
