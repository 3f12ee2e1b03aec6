//! `flowctl verify`: a report that was not touched agrees, and each way to touch it is named.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use flowctl_state::codec;
use flowctl_state::event::Event;
use flowctl_state::evidence::EvidenceStore;
use serde_json::Value;

use crate::support::{Place, Ran};

/// A service that answers one question with this body.
fn answers_once(body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let length = body.len();
        write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    });
    port
}

const WORKFLOW: &str = r#"
params:
  port: {type: integer}
criteria:
  - {id: answers, text: "The service answers"}
  - {id: counts, text: "It has four rows"}
  - {id: unmeasured, text: "Nobody measures this"}
steps:
  - id: service
    uses: http.check
    with: {url: "http://127.0.0.1:{{ params.port }}/ready", body: {contains: ready}}
    proves: [answers]
  - id: rows
    uses: shell
    needs: [service]
    with: {run: 'echo "{\"rows\": 4}"'}
    expect: json.rows == 4
    proves: [counts]
  - {id: nothing, uses: noop, needs: [rows]}
"#;

/// A report of a run of its own.
struct Reported {
    place: Place,
    folder: PathBuf,
}

impl Reported {
    fn new() -> Self {
        let place = Place::new();
        place.workflow("w", WORKFLOW);
        let port = answers_once(r#"{"state": "ready"}"#);
        let ran = place.run(&[
            "run",
            "w",
            "--param",
            &format!("port={port}"),
            "--output",
            "json",
        ]);
        assert_eq!(ran.code(), 3, "{}", ran.transcript());
        let folder = PathBuf::from(ran.json()["report"].as_str().unwrap());
        Self { place, folder }
    }

    fn verify(&self) -> Ran {
        let folder = self.folder.to_str().unwrap();
        self.place.run(&["verify", folder, "--output", "json"])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn change(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}: {text}");
        std::fs::write(self.path(name), text.replacen(from, to, 1)).unwrap();
    }

    /// The one record of this name.
    fn record(&self, name: &str) -> PathBuf {
        let report: Value =
            serde_json::from_slice(&std::fs::read(self.path("report.json")).unwrap()).unwrap();
        let kept = report["steps"].as_array().unwrap().iter();
        let hash = kept
            .flat_map(|step| step["evidence"].as_array().unwrap())
            .find(|evidence| evidence["name"] == name)
            .unwrap()["sha256"]
            .as_str()
            .unwrap()
            .to_owned();
        self.path("evidence").join(hash)
    }

    /// Verifies; it must disagree. What it says, one line for each place.
    fn disagreements(&self) -> Vec<String> {
        let verified = self.verify();
        assert_eq!(verified.code(), 1, "{}", verified.transcript());
        let found = verified.json();
        assert_eq!(found["verdict"], "disagrees");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found["disagreements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let rests: Vec<String> = one["rests"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect();
                format!(
                    "{} {}: {} -> {} | {} | {}",
                    text(&one["file"]),
                    text(&one["place"]),
                    text(&one["expected"]),
                    text(&one["found"]),
                    text(&one["means"]),
                    rests.join(", ")
                )
            })
            .collect()
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The only line, which must begin and hold these.
fn only(lines: &[String], begins: &str, holds: &[&str]) {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with(begins), "{lines:#?}");
    for text in holds {
        assert!(lines[0].contains(text), "no {text} in {lines:#?}");
    }
}

#[test]
fn a_report_that_nobody_touched_agrees_and_says_what_it_rests_on() {
    let report = Reported::new();
    let verified = report.verify();
    assert_eq!(verified.code(), 0, "{}", verified.transcript());
    let found = verified.json();
    assert_eq!(found["verdict"], "agrees");
    assert_eq!(found["numbers"]["judged_again"], 1, "{found:#}");
    assert_eq!(found["numbers"]["by_hash_only"], 0, "{found:#}");
    assert_eq!(found["numbers"]["kinds"][0]["kind"], "shell", "{found:#}");
    for check in found["checks"].as_array().unwrap() {
        assert!(check["checked"].as_u64() > Some(0), "{check}");
    }
    let folder = report.folder.to_str().unwrap();
    let told = report.place.run(&["verify", folder]).stdout();
    assert!(told.contains("All that was checked agrees."), "{told}");
    assert!(
        told.contains("This cannot exclude that somebody rewrote all of it"),
        "{told}"
    );
    assert!(
        told.contains(found["events"]["sha256"].as_str().unwrap()),
        "{told}"
    );
    assert!(
        told.contains("Numbers worked out again from raw records: 1 (findings: 1)"),
        "{told}"
    );
    // It needs no state, and makes none.
    let elsewhere = Place::new();
    let alone = elsewhere.run(&["verify", folder]);
    assert_eq!(alone.code(), 0, "{}", alone.transcript());
    assert!(!elsewhere.state().exists());
}

#[test]
fn rendered_again_it_is_the_same_to_the_last_byte() {
    let report = Reported::new();
    let files = || {
        let mut all = Vec::new();
        for folder in [report.folder.clone(), report.path("evidence")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    all.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        all.sort();
        all
    };
    let before = files();
    assert!(before.len() >= 7, "five documents and the records");
    std::fs::remove_dir_all(&report.folder).unwrap();
    assert_eq!(report.place.run(&["report"]).code(), 0);
    assert_eq!(files(), before);
}

#[test]
fn a_changed_number_is_found_in_each_document() {
    let report = Reported::new();
    let text = std::fs::read_to_string(report.path("report.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let answer = value["criteria"][0]["findings"][0]["numbers"][0]["value"].to_string();
    report.change("report.json", &answer, "0.001");
    let lines = report.disagreements();
    only(
        &lines,
        "report.json criteria[answers].findings[",
        &[".numbers[answer].value", &answer, "-> 0.001"],
    );
    std::fs::write(report.path("report.json"), text).unwrap();

    for (document, from, to) in [
        ("report.md", "answer = ", "answer = 9"),
        ("report.html", "HTTP 200 in ", "HTTP 200 in 9"),
        ("junit.xml", "tests=\"3\"", "tests=\"2\""),
    ] {
        let before = std::fs::read(report.path(document)).unwrap();
        report.change(document, from, to);
        let lines = report.disagreements();
        only(
            &lines,
            &format!("{document} line "),
            &["changed after it was written"],
        );
        std::fs::write(report.path(document), before).unwrap();
    }
    assert_eq!(report.verify().code(), 0);
}

#[test]
fn a_changed_verdict_and_a_removed_criterion_are_named() {
    let report = Reported::new();
    let text = std::fs::read_to_string(report.path("report.json")).unwrap();
    report.change(
        "report.json",
        "\"verdict\": \"NOT RUN\"",
        "\"verdict\": \"PASS\"",
    );
    only(
        &report.disagreements(),
        "report.json criteria[unmeasured].verdict: \"NOT RUN\" -> \"PASS\"",
        &["the run's events say otherwise"],
    );
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["criteria"].as_array_mut().unwrap().remove(2);
    let without = serde_json::to_string_pretty(&value).unwrap() + "\n";
    std::fs::write(report.path("report.json"), without).unwrap();
    only(
        &report.disagreements(),
        "report.json criteria[unmeasured]",
        &["-> nothing"],
    );

    let more = text.replacen(
        "\"exit_code\": 3",
        "\"exit_code\": 0,\n  \"audited\": true",
        1,
    );
    std::fs::write(report.path("report.json"), more).unwrap();
    let lines = report.disagreements().join("\n");
    assert!(lines.contains("report.json exit_code: 3 -> 0"), "{lines}");
    assert!(
        lines.contains("what the schema of a report allows -> Additional properties"),
        "{lines}"
    );
    let respaced = text.replacen("{\n", "{ \n", 1);
    std::fs::write(report.path("report.json"), respaced).unwrap();
    only(&report.disagreements(), "report.json line 1", &[]);
    std::fs::write(report.path("report.json"), &text[..text.len() / 2]).unwrap();
    let lines = report.disagreements().join("\n");
    assert!(lines.contains("no JSON"), "{lines}");
}

#[test]
fn every_way_to_touch_a_raw_record_is_told_apart() {
    let report = Reported::new();
    let (answer, printed) = (report.record("answer.json"), report.record("stdout.txt"));
    let kept = [&answer, &printed].map(|path| std::fs::read(path).unwrap());
    let restore = || {
        std::fs::write(&answer, &kept[0]).unwrap();
        std::fs::write(&printed, &kept[1]).unwrap();
    };
    let file = format!("evidence/{}", name(&answer));
    let rests = "criterion answers, step service";

    std::fs::remove_file(&answer).unwrap();
    only(
        &report.disagreements(),
        &file,
        &["-> nothing", "cannot be shown", rests],
    );
    restore();

    std::fs::write(&answer, &kept[0][..kept[0].len() / 2]).unwrap();
    only(
        &report.disagreements(),
        &file,
        &["it was cut off, or changed", rests],
    );
    restore();

    let mut flipped = kept[0].clone();
    flipped[10] ^= 1;
    std::fs::write(&answer, flipped).unwrap();
    only(&report.disagreements(), &file, &["it was changed", rests]);
    restore();

    std::fs::write(&answer, &kept[1]).unwrap();
    std::fs::write(&printed, &kept[0]).unwrap();
    let lines = report.disagreements();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for line in &lines {
        assert!(
            line.contains("another record of this report lies in its place"),
            "{line}"
        );
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("which is that of stdout.txt"))
    );
    restore();

    for extra in [
        report.path("evidence").join("more"),
        report.path("notes.txt"),
    ] {
        std::fs::write(&extra, "x").unwrap();
        only(
            &report.disagreements(),
            extra
                .strip_prefix(&report.folder)
                .unwrap()
                .to_str()
                .unwrap(),
            &["a file that the report does not name"],
        );
        std::fs::remove_file(extra).unwrap();
    }
    assert_eq!(report.verify().code(), 0);
}

#[test]
fn the_events_are_followed_and_the_state_is_the_last_witness() {
    let report = Reported::new();
    let text = std::fs::read_to_string(report.path("events.jsonl")).unwrap();
    report.change(
        "events.jsonl",
        "\"verdict\":\"PASS\"",
        "\"verdict\":\"FAIL\"",
    );
    let lines = report.disagreements().join("\n");
    assert!(
        lines.contains("events.jsonl line ") && lines.contains("checksum does not match"),
        "{lines}"
    );
    let cut: Vec<&str> = text.lines().collect();
    std::fs::write(
        report.path("events.jsonl"),
        cut[..cut.len() - 1].join("\n") + "\n",
    )
    .unwrap();
    let lines = report.disagreements().join("\n");
    assert!(lines.contains("report.json events.count"), "{lines}");
    std::fs::remove_file(report.path("events.jsonl")).unwrap();
    let lines = report.disagreements().join("\n");
    assert!(
        lines.contains("events.jsonl : the file -> nothing"),
        "{lines}"
    );
    std::fs::write(report.path("events.jsonl"), &text).unwrap();

    // With the state there is one who rewrote nothing.
    let folder = report.folder.to_str().unwrap().to_owned();
    let state = report.place.state();
    let with_state = |state: &Path| {
        let arguments = [
            "--state",
            state.to_str().unwrap(),
            "verify",
            &folder,
            "--output",
            "json",
        ];
        report.place.run(&arguments)
    };
    let compared = with_state(&state);
    assert_eq!(compared.code(), 0, "{}", compared.transcript());
    assert_eq!(compared.json()["compared_with_state"], true);
    assert_eq!(compared.json()["cannot_exclude"], Value::Null);
    let other = Reported::new();
    let strange = with_state(&other.place.state());
    assert_ne!(strange.code(), 0, "{}", strange.transcript());
}

/// The run of a report with a changed event, its chain made whole again and all its documents rendered from that, in a state
/// of its own.
fn forged(report: &Reported, change: impl Fn(&mut Event)) -> Reported {
    let text = std::fs::read_to_string(report.path("events.jsonl")).unwrap();
    let (mut forged, mut prev) = (Vec::new(), String::new());
    for line in text.lines() {
        let mut envelope = codec::decode(line.as_bytes()).unwrap();
        change(&mut envelope.event);
        envelope.prev = prev;
        let record = codec::encode(&envelope).unwrap();
        prev = codec::sha256(&record);
        forged.extend(record);
        forged.push(b'\n');
    }
    assert_ne!(forged, text.as_bytes(), "nothing was changed");
    let place = Place::new();
    std::fs::write(place.path().join("forged.jsonl"), forged).unwrap();
    let imported = place.run(&["state", "import", "forged.jsonl"]);
    assert_eq!(imported.code(), 0, "{}", imported.transcript());
    let store = EvidenceStore::open(&place.state().join("evidence")).unwrap();
    for entry in std::fs::read_dir(report.path("evidence")).unwrap() {
        store
            .put(&std::fs::read(entry.unwrap().path()).unwrap())
            .unwrap();
    }
    let rendered = place.run(&["report"]);
    assert_eq!(rendered.code(), 0, "{}", rendered.transcript());
    let folder = PathBuf::from(rendered.stdout().trim());
    Reported { place, folder }
}

#[test]
fn a_run_that_was_rewritten_consistently_is_contradicted_by_its_records_and_by_the_state() {
    let report = Reported::new();
    let faster = forged(&report, |event| {
        if let Event::StepSucceeded { findings, .. } = event {
            for number in findings.iter_mut().flat_map(|finding| &mut finding.numbers) {
                number.value = 0.001;
            }
        }
    });
    only(
        &faster.disagreements(),
        "events.jsonl step service: findings[",
        &["numbers[answer].value", "-> 0.001", "criterion answers"],
    );
    // The records of a shell step hold no number, but what `expect:` says of its output must be true of it.
    let passing = forged(&report, |event| {
        if let Event::StepSucceeded { output, step, .. } = event
            && step.as_str() == "rows"
        {
            output["json"]["rows"] = 5.into();
        }
    });
    let lines = passing.disagreements();
    let place = "events.jsonl step rows: findings[json.rows == 4]";
    only(
        &lines[..1],
        &format!("{place}.verdict: \"FAIL\" -> \"PASS\""),
        &["criterion counts"],
    );
    assert!(
        lines.iter().all(|line| line.starts_with(place)),
        "{lines:#?}"
    );
    // What only the state knows: an event in which nothing is measured.
    let slower = forged(&report, |event| {
        if let Event::RunStarted { jobs, .. } = event {
            *jobs += 1;
        }
    });
    assert_eq!(slower.verify().code(), 0);
    let (state, folder) = (report.place.state(), slower.folder.to_str().unwrap());
    let compared = slower
        .place
        .run(&["--state", state.to_str().unwrap(), "verify", folder]);
    assert_eq!(compared.code(), 1, "{}", compared.transcript());
    assert!(
        compared
            .stdout()
            .contains("the report is not of the run that this state has")
    );
}

#[test]
fn what_is_no_report_and_what_an_earlier_flowctl_wrote_are_told_apart() {
    let report = Reported::new();
    let empty = report.place.path().to_str().unwrap().to_owned();
    let nothing = report.place.run(&["verify", &empty]);
    assert_eq!(nothing.code(), 2);
    assert!(
        nothing.stderr().contains("holds no report"),
        "{}",
        nothing.stderr()
    );

    let text = std::fs::read_to_string(report.path("report.json")).unwrap();
    report.change("report.json", "\"format\": 2", "\"format\": 9");
    let newer = report.verify();
    assert_eq!(newer.code(), 2);
    assert!(
        newer.stderr().contains("newer flowctl"),
        "{}",
        newer.stderr()
    );

    // Format 1 had no events: nothing disagrees, and it says plainly what could not be checked.
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["format"] = 1.into();
    for later in ["events", "rehearsal"] {
        value.as_object_mut().unwrap().shift_remove(later);
    }
    let old = serde_json::to_string_pretty(&value).unwrap() + "\n";
    std::fs::write(report.path("report.json"), old).unwrap();
    std::fs::remove_file(report.path("events.jsonl")).unwrap();
    let verified = report.verify();
    assert_eq!(verified.code(), 3, "{}", verified.transcript());
    let found = verified.json();
    assert_eq!(found["verdict"], "incomplete");
    let why = found["not_checked"][0].as_str().unwrap();
    assert!(
        why.contains("before flowctl put the run's events beside it"),
        "{why}"
    );
    // The rest is checked all the same.
    std::fs::remove_file(report.record("answer.json")).unwrap();
    assert_eq!(report.verify().code(), 1);
}
