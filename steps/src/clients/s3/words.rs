//! What requests and answers are made of: the place of an object, and the few words of the protocol's XML.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::Reader;
use quick_xml::escape::{partial_escape, resolve_predefined_entity};
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};

/// What stands in a path as it is; the signature is over exactly this encoding, so that a looser one is refused.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A bucket and a key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    bucket: String,
    key: String,
}

impl Place {
    /// A place, if such names can be asked for.
    ///
    /// # Errors
    /// In words: a bucket that no store accepts, or a key that an HTTP client would change on the way.
    pub fn new(bucket: &str, key: &str) -> Result<Self, String> {
        let good =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(good) || bucket.contains("..") {
            return Err(format!(
                "`{bucket}` is no name of a bucket: 3 to 63 of a-z, 0-9, `-` and `.`"
            ));
        }
        if key.is_empty() || key.len() > 1024 {
            return Err("a key has 1 to 1024 bytes".to_owned());
        }
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(format!(
                "the key `{key}` has an empty part, `.` or `..`, which would lead to another place"
            ));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Path of the request, encoded, without a leading slash.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.bucket, utf8_percent_encode(&self.key, KEPT))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// What the first line of a CSV object is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HeaderLine {
    /// A row like any other.
    #[default]
    None,
    /// The names of the columns; the SQL uses them.
    Use,
    /// The names of the columns; the SQL uses `_1`, `_2`, …
    Ignore,
}

impl HeaderLine {
    /// As the protocol has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Use => "USE",
            Self::Ignore => "IGNORE",
        }
    }
}

/// `<NAME>text</NAME>`. Only what must be escaped is: gateways have read these texts with less than a whole parser.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", partial_escape(text))
}

/// An answer in XML: its root's name, and the text of each element in it, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) root: String,
    pub(super) texts: BTreeMap<String, String>,
}

impl Document {
    /// Reads an answer; `None` when it is no whole XML.
    pub(super) fn read(xml: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(xml);
        let mut open: Vec<String> = Vec::new();
        let mut root = None;
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let mut add = |open: &[String], text: &str| {
            if let [_, .., name] = open {
                texts.entry(name.clone()).or_default().push_str(text);
            }
        };
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let name = String::from_utf8(start.local_name().as_ref().to_vec()).ok()?;
                    root.get_or_insert_with(|| name.clone());
                    open.push(name);
                }
                Event::End(_) => {
                    open.pop()?;
                }
                Event::Text(text) => add(&open, &text.decode().ok()?),
                Event::CData(text) => add(&open, &text.decode().ok()?),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(character) => add(&open, character.encode_utf8(&mut [0; 4])),
                    None => add(&open, resolve_predefined_entity(&reference.decode().ok()?)?),
                },
                Event::Eof if open.is_empty() => {
                    return Some(Self { root: root?, texts });
                }
                Event::Eof => return None,
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
    }

    /// The text of an element, without blanks round it; empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", |text| text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_encoded_as_the_signature_wants_it() {
        let place = Place::new("lakehouse", "a b/ü+(1)~.csv").unwrap();
        assert_eq!(place.path(), "lakehouse/a%20b/%C3%BC%2B%281%29~.csv");
        assert_eq!(place.to_string(), "s3://lakehouse/a b/ü+(1)~.csv");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (bucket, key) in [
            ("ab", "k"),
            ("Upper", "k"),
            ("a/b", "k"),
            ("a..b", "k"),
            ("good", ""),
            ("good", "/k"),
            ("good", "a//b"),
            ("good", "a/../b"),
            ("good", "./b"),
        ] {
            assert!(Place::new(bucket, key).is_err(), "{bucket} {key}");
        }
    }

    #[test]
    fn an_answer_is_read_with_its_escapes() {
        let xml = b"<?xml version=\"1.0\"?><Error xmlns=\"x\"><Code>A</Code><Message>a &lt; b &#38; <![CDATA[c>d]]></Message></Error>";
        let document = Document::read(xml).unwrap();
        assert_eq!(document.root, "Error");
        assert_eq!(document.text("Code"), "A");
        assert_eq!(document.text("Message"), "a < b & c>d");
        assert_eq!(document.text("Resource"), "");
    }

    #[test]
    fn what_is_no_whole_xml_is_no_answer() {
        for text in [
            "",
            "plain",
            "<Error><Code>A</Code>",
            "<Error><Code></Error>",
            "{\"a\": 1}",
            "<a>&nope;</a>",
        ] {
            assert_eq!(Document::read(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Document::read(&bytes);
        }

        #[test]
        fn what_was_escaped_is_read_back(text in "[ -~]{0,60}") {
            let xml = format!("<a>{}</a>", element("b", &text));
            let document = Document::read(xml.as_bytes()).unwrap();
            proptest::prop_assert_eq!(document.text("b"), text.trim());
        }
    }

    #[test]
    fn only_what_breaks_xml_is_escaped() {
        assert_eq!(
            element("E", "a < 'b' && c > \"d\""),
            "<E>a &lt; 'b' &amp;&amp; c &gt; \"d\"</E>"
        );
    }
}
