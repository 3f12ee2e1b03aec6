//! Each way in which a secret comes back, and what must stay as it is.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const KEY: &str = "p4ss/w0rd+\"q<u>&é\\%41=";
const LONG: &str = "Zm9vYmFyLXNlY3JldC1rZXktMTIzNDU2Nzg5MA";

fn blot(text: &str) -> String {
    let blotter = Blotter::new([KEY, LONG, "xy"].into_iter());
    String::from_utf8(blotter.blot(text.as_bytes()).into_owned()).unwrap()
}

fn percent(text: &str, keep: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[test]
fn a_secret_is_found_in_every_form_that_somebody_writes_it_in() {
    let json = serde_json::to_string(KEY).unwrap();
    let go = json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let html = KEY
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&#62;")
        .replace('"', "&quot;");
    for (what, form) in [
        ("plain", KEY.to_owned()),
        ("json", json.trim_matches('"').to_owned()),
        (
            "json twice",
            serde_json::to_string(&json)
                .unwrap()
                .trim_matches('"')
                .trim_matches(['\\', '"'])
                .to_owned(),
        ),
        ("json of Go", go.trim_matches('"').to_owned()),
        (
            "json in ASCII",
            json.trim_matches('"')
                .replace('é', "\\u00e9")
                .replace('/', "\\/"),
        ),
        ("html", html),
        ("percent", percent(KEY, "-._~")),
        (
            "percent in small letters",
            percent(KEY, "").replace("%2F", "%2f"),
        ),
        (
            "percent but for what paths may have",
            percent(KEY, "-._~!$&'()*+,;=:@/"),
        ),
        ("percent twice", percent(&percent(KEY, ""), "")),
        ("percent in json", percent(&json, "")),
    ] {
        let clean = blot(&format!("before {form} after"));
        assert!(
            clean.starts_with("before ") && clean.ends_with(" after"),
            "{what}: {clean}"
        );
        assert!(
            clean.contains("***") && !clean.contains("w0rd"),
            "{what}: {form} became {clean}"
        );
    }
}

#[test]
fn base64_is_found_at_every_alignment_and_in_hexadecimal() {
    for before in ["", "u", "us", "user:"] {
        for engine in [
            &STANDARD,
            &URL_SAFE_NO_PAD as &base64::engine::GeneralPurpose,
        ] {
            let text = engine.encode(format!("{before}{KEY}: and more"));
            let clean = blot(&format!("Basic {text}"));
            assert!(clean.contains("***"), "{clean}");
            // What is left decodes to nothing of it but its neighbours' bits.
            let own = engine.encode(format!("{before}{KEY}"));
            let middle = &own[before.len() * 8 / 6 + 3..own.len() - 4];
            assert!(!clean.contains(middle), "{clean} holds {middle}");
        }
    }
    let hexadecimal: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(blot(&hexadecimal), "***");
}

#[test]
fn a_secret_over_several_lines_is_found_and_the_lines_stay() {
    let (first, second) = LONG.split_at(11);
    assert_eq!(
        blot(&format!("a {first}\r\n{second} b\n")),
        "a ***\r\n*** b\n"
    );
    let json = format!("{{\"a\": \"{first}\\n{second}\"}}");
    assert_eq!(blot(&json), "{\"a\": \"***\"}");
    let wrapped: Vec<String> = STANDARD
        .encode(format!("{LONG}{LONG}"))
        .as_bytes()
        .chunks(20)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let clean = blot(&wrapped.join("\n"));
    assert_eq!(clean.lines().count(), wrapped.len());
    assert!(
        wrapped[1..wrapped.len() - 1]
            .iter()
            .all(|line| !clean.contains(line)),
        "{clean}"
    );
}

#[test]
fn a_secret_that_was_cut_is_found_by_what_is_left() {
    assert_eq!(blot(&format!("error: {}…", &LONG[..20])), "error: ***…");
    assert_eq!(blot(&format!("…{} was", &LONG[15..])), "…*** was");
    assert_eq!(blot(&LONG[5..25]), "***");
    // A few letters in common are no secret.
    assert_eq!(blot(&LONG[..12]), &LONG[..12]);
    assert_eq!(blot("p4ss/w0rd"), "p4ss/w0rd");
}

#[test]
fn other_texts_stay_as_they_are() {
    for text in [
        "",
        "xy",
        "100 % of 5\\d &c; é \\u12",
        "%",
        "\\",
        "&#xffffffff;",
        "%zz \\ud800\\u0041",
    ] {
        assert_eq!(blot(text), text);
    }
    assert!(Blotter::new(["", "abc"].into_iter()).is_empty());
    let blotter = Blotter::new([KEY].into_iter());
    let bytes = [&[0xff, 0xfe], KEY.as_bytes(), &[0xfe]].concat();
    assert_eq!(*blotter.blot(&bytes), [0xff, 0xfe, b'*', b'*', b'*', 0xfe]);
}

#[test]
fn no_character_is_cut_in_two() {
    // They share their first byte with what the secret goes on with.
    let blotter = Blotter::new(["0123456789abcdefé and more"].into_iter());
    let clean = blotter.blot("0123456789abcdefè".as_bytes()).into_owned();
    assert!(String::from_utf8(clean).is_ok());
}

#[test]
fn every_line_of_a_key_is_one_by_itself() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";
    let blotter = Blotter::new([key].into_iter());
    assert_eq!(*blotter.blot(b"x hkiG9w0BAQEFAASC y"), *b"x *** y");
}

#[test]
fn a_beginning_at_the_end_of_a_line_is_known_as_one() {
    let blotter = Blotter::new([LONG].into_iter());
    let text = format!("a {}\n", &LONG[..14]);
    assert_eq!(blotter.beginning_at_end(text.as_bytes()), Some(2..16));
    assert_eq!(
        blotter.beginning_at_end(format!("a {}\n", &LONG[..5]).as_bytes()),
        None
    );
}
