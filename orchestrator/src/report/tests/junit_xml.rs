//! `junit.xml` as those read it who count test results.

use super::*;

#[test]
fn nothing_unmeasured_counts_as_a_success() {
    let state = state(
        vec![step("a", &["c"], &[])],
        &["c", "d"],
        vec![
            start("a", 1),
            done("a", 1, vec![]),
            finished(RunOutcome::Succeeded),
        ],
    );
    let mut xml = Vec::new();
    junit(&build(&state), &mut xml).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    assert!(
        xml.contains(
            r#"<testsuite name="criteria" tests="2" skipped="1" errors="1" failures="0">"#
        ),
        "{xml}"
    );
}

/// What a reader of it reads, it would write to the byte.
#[test]
fn any_text_and_every_case_can_be_read_back() {
    let mut report = build(&rich());
    report.title = "a <b> & \"c\"".into();
    let text = "\u{1b}[31mred\u{1b}[0m <&\"'> \u{7}ü\n2".to_owned();
    report.criteria[0].text.clone_from(&text);
    report.criteria[0].reason.clone_from(&text);
    let empty = Report {
        criteria: vec![],
        steps: vec![],
        ..report.clone()
    };
    for report in [report, empty] {
        let mut xml = Vec::new();
        junit(&report, &mut xml).unwrap();
        let xml = String::from_utf8(xml).unwrap();
        let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        assert_eq!(read.to_string().unwrap(), xml);
        assert!(!xml.contains(['\u{1b}', '\u{7}']), "{xml}");
        let names: Vec<String> = read
            .test_suites
            .iter()
            .map(|suite| suite.name.to_string())
            .collect();
        assert_eq!(names, ["criteria", "steps"]);
        assert_eq!(read.test_suites[1].test_cases.len(), report.steps.len());
    }
}
