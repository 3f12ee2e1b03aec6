//! Each drawing is made of its data: a mark with a title for each datum, and none without data.

use regex::Regex;

use super::*;

/// How many marks of this class a part has; each must have its title.
fn marks(part: &str, element: &str, class: &str) -> usize {
    let mark = format!("<{element} class=\"{class}\"");
    let lines: Vec<&str> = part.lines().collect();
    let found: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with(&mark))
        .collect();
    for at in &found {
        assert!(
            lines[at + 1].starts_with("<title>"),
            "{} {}",
            lines[*at],
            lines[at + 1]
        );
    }
    found.len()
}

#[test]
fn without_data_there_is_no_drawing_but_a_sentence() {
    let page = page(&rich(), &[]);
    for (id, words) in [
        ("latency", "No benchmark of this run has samples"),
        ("experiments", "compared nothing with anything"),
        ("alerts", "No alert was watched"),
        ("load", "No load of this run was sampled"),
    ] {
        assert!(section(&page, id).contains(words), "{id}");
        assert!(!section(&page, id).contains("<svg"), "{id}");
    }
    // A record that is gone, or of another shape, is no data.
    let run = measured(
        "trino.benchmark",
        json!({}),
        vec![],
        vec![record("benchmark-q.json", "00")],
    );
    for (records, words) in [
        (vec![], "missing or of another shape"),
        (
            vec![("00", json!({"samples": 3}))],
            "missing or of another shape",
        ),
        (
            vec![("00", json!({"name": "q", "samples": []}))],
            "No run of this query counts",
        ),
    ] {
        let page = super::page(&run, &records);
        assert!(section(&page, "latency").contains(words), "{words}");
        assert!(!section(&page, "latency").contains("<svg"));
    }
}

#[test]
fn every_step_is_a_box_and_every_need_a_line() {
    let mut second = step("b", &["d"], &[]);
    second.needs = vec![flowctl_workflows::plan::PlanNeed {
        step: 0,
        is: vec![],
    }];
    let events = vec![
        start("a", 1),
        failed("a", 1, ErrorClass::Transient, Some(10)),
        start("a", 2),
        done("a", 2, vec![]),
        start("b", 1),
        failed("b", 1, ErrorClass::Permanent, None),
        finished(RunOutcome::Failed),
    ];
    let run = state(
        vec![step("a", &["c"], &[]), second, step("never", &[], &[])],
        &["c", "d"],
        events,
    );
    let page = page(&run, &[]);
    let graph = section(&page, "graph");
    assert_eq!(marks(graph, "rect", "box succeeded"), 1);
    assert_eq!(marks(graph, "rect", "box failed"), 1);
    assert_eq!(marks(graph, "rect", "box waiting"), 1);
    assert_eq!(marks(graph, "path", "edge"), 1);
    let timeline = section(&page, "timeline");
    assert_eq!(marks(timeline, "rect", "bar succeeded"), 1);
    assert_eq!(marks(timeline, "rect", "bar failed"), 1);
    assert_eq!(marks(timeline, "line", "failure"), 2);
    assert!(timeline.contains("One step was never started"));
}

#[test]
fn too_many_steps_are_not_drawn() {
    let steps = (0..401)
        .map(|number| step(&format!("s{number}"), &[], &[]))
        .collect();
    let page = page(&state(steps, &[], vec![]), &[]);
    assert!(section(&page, "graph").contains("401 steps are too many"));
    assert!(!section(&page, "graph").contains("<svg"));
}

#[test]
fn every_run_of_a_benchmark_is_a_dot_and_every_target_a_line() {
    let mut found = finding(&[], Verdict::Pass, "fast");
    found.about = "q".into();
    found.numbers = vec![
        number("p95", "ms", Some((1.0, 40.0)), "< 50 ms"),
        number("rows", "rows", None, ">= 1"),
    ];
    let run = measured(
        "trino.benchmark",
        json!({}),
        vec![found],
        vec![record("benchmark-q.json", "00")],
    );
    let sample = |round: u32, counts: bool| {
        json!({"round": round, "counts": counts, "query_id": format!("id{round}"), "run_time_millis": 10 * round,
            "queued_millis": 1, "client_wall_millis": 12, "row_count": 1, "fingerprint": "f", "stats": {}})
    };
    let samples = json!({"name": "q", "samples": [sample(1, false), sample(2, true), sample(3, true), sample(4, true)]});
    let page = page(&run, &[("00", samples)]);
    let latency = section(&page, "latency");
    assert_eq!(marks(latency, "circle", "sample"), 3);
    assert_eq!(marks(latency, "circle", "warmup"), 1);
    // Once among the samples, once beside the interval.
    assert_eq!(marks(latency, "line", "target"), 2);
    assert_eq!(marks(latency, "circle", "dot-a"), 1);
    assert_eq!(marks(latency, "line", "estimate"), 3);
    assert!(latency.contains("query id3"));
    assert!(latency.contains("p95 &lt; 50 ms"));
    assert!(latency.contains("href=\"evidence/00\""));
}

#[test]
fn every_sample_of_an_experiment_is_a_dot_and_its_effect_has_its_interval() {
    let mut found = finding(&[], Verdict::Inconclusive, "wide");
    found.numbers = vec![number("speedup", "", Some((0.9, 4.0)), ">= 2.5")];
    let run = measured(
        "experiment",
        json!({}),
        vec![found],
        vec![record("samples.json", "00")],
    );
    let trial = |variant: &str, time: f64, warmup: bool| json!({"order": 1, "block": 2, "variant": variant, "values": {"time": time}, "warm_up": warmup, "result": 1, "evidence": []});
    let samples = json!({
        "variants": {"a": "off", "b": "on"},
        "units": {"time": "ms"},
        "samples": [trial("a", 10.0, true), trial("a", 11.0, false), trial("b", 4.0, false), trial("b", 6.0, false)],
    });
    let page = page(&run, &[("00", samples)]);
    let part = section(&page, "experiments");
    assert_eq!(marks(part, "circle", "sample"), 3);
    assert_eq!(marks(part, "circle", "warmup"), 1);
    assert!(part.contains("b: on, median: 5"), "{part}");
    assert_eq!(marks(part, "circle", "dot-a"), 1);
    assert_eq!(marks(part, "line", "target"), 1);
}

#[test]
fn a_select_is_drawn_beside_its_plain_reads() {
    let run = measured(
        "s3.select",
        json!({}),
        vec![finding(&[], Verdict::Pass, "same")],
        vec![record("select.json", "00")],
    );
    let page = page(
        &run,
        &[(
            "00",
            json!({"select_ms": [1.0, 2.0], "plain_ms": [5.0, 6.0, 7.0]}),
        )],
    );
    let part = section(&page, "experiments");
    assert_eq!(marks(part, "circle", "sample"), 5);
    assert!(part.contains("plain GET, median: 6"));
}

#[test]
fn every_stage_of_an_alert_is_a_mark_on_one_row() {
    let at = |second: u32| format!("2026-11-23T12:00:{second:02}Z");
    // The second step goes on from where the first one ended, and saw the firing again.
    let seen = [
        json!({"alert": "WorkerDown", "times": {"inactive": at(0), "pending": at(7), "firing": at(13), "receiver": at(15)}}),
        json!({"alert": "WorkerDown", "times": {"firing": at(13), "inactive_again": at(30), "resolved_received": at(34)}}),
        json!({"alert": "Other", "times": {"firing": at(5)}}),
        json!({"alert": "Nothing", "times": {}}),
    ];
    let ids = ["a", "b", "d", "e"];
    let mut events = Vec::new();
    for (name, output) in ids.iter().zip(seen) {
        events.push(start(name, 1));
        events.push(Event::StepSucceeded {
            step: id(name),
            attempt: 1,
            output,
            findings: vec![],
            evidence: vec![],
        });
    }
    let steps = ids.map(|name| {
        let mut one = step(name, &[], &[]);
        one.role = flowctl_workflows::plan::Role::Kind("alert.fires".into());
        one
    });
    let page = page(&state(steps.to_vec(), &[], events), &[]);
    let part = section(&page, "alerts");
    for (state, count) in [
        ("inactive", 1),
        ("pending", 1),
        ("firing", 2),
        ("resolved", 1),
    ] {
        assert_eq!(
            marks(part, "rect", &format!("bar {state}")),
            count,
            "{state}"
        );
    }
    assert_eq!(marks(part, "line", "estimate"), 2);
    assert!(
        part.contains("pending after 7.0 s, firing after 13.0 s, at the receiver after 15.0 s"),
        "{part}"
    );
    assert_eq!(part.matches("<strong>WorkerDown").count(), 1);
    assert!(part.contains("saw no stage"));
}

#[test]
fn every_reading_of_a_load_is_a_dot_on_its_line() {
    let reading = |at: u32, running: u32, queued: u32| json!({"at_millis": at, "states": {"RUNNING": running, "QUEUED": queued}, "memory_bytes": at * 1000});
    let load = json!({"samples_of_the_server": [reading(0, 1, 0), reading(1000, 5, 15), reading(2000, 5, 3)]});
    let run = measured(
        "trino.load",
        json!({}),
        vec![],
        vec![record("load.json", "00")],
    );
    let page = page(&run, &[("00", load)]);
    let part = section(&page, "load");
    assert_eq!(marks(part, "polyline", "series-a"), 2);
    assert_eq!(marks(part, "polyline", "series-b"), 1);
    assert_eq!(
        marks(part, "polyline", "series-c"),
        0,
        "nothing was blocked"
    );
    assert_eq!(marks(part, "circle", "dot-b"), 3);
    assert!(part.contains("15 QUEUED after 1 s"));
    let empty = super::page(&run, &[("00", json!({"samples_of_the_server": []}))]);
    assert!(section(&empty, "load").contains("never asked"));
}

#[test]
fn every_place_is_a_number_inside_its_drawing() {
    let (run, records) = super::everything::everything();
    let page = page(&run, &records);
    assert!(!page.contains("NaN") && !page.contains("\"inf"), "{page}");
    let places = Regex::new(r#" c?[xy][12]?="([^"]*)""#).unwrap();
    let mut seen = 0;
    for place in places.captures_iter(&page) {
        let value: f64 = place[1].parse().unwrap();
        assert!((0.0..=2000.0).contains(&value), "{}", &place[0]);
        seen += 1;
    }
    assert!(seen > 300, "{seen} places");
    for id in [
        "graph",
        "timeline",
        "latency",
        "experiments",
        "alerts",
        "load",
    ] {
        assert!(section(&page, id).contains("<svg"), "{id}");
    }
}
