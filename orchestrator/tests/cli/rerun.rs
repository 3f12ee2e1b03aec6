//! What a resume runs again, what it reuses, and that `explain` says why.

use crate::support::Place;

/// Each step writes its name into `did`; `a` is probed by the file `there`.
const WORKFLOW: &str = "params: {word: {type: string, default: one}}
steps:
  - id: a
    uses: shell
    with: {run: \"echo a >> did; touch there\"}
    verify: {uses: shell, with: {run: \"test -e there\"}}
  - {id: b, uses: shell, needs: [a], with: {run: \"echo b {{ params.word }} >> did\"}}
  - {id: c, uses: shell, needs: [b], with: {run: \"echo c >> did; test -e go\"}}
  - {id: d, uses: shell, with: {run: \"echo d >> did\"}}
";

fn failed() -> Place {
    let place = Place::new();
    place.workflow("w", WORKFLOW);
    assert_eq!(place.run(&["run", "w", "--quiet", "--jobs", "1"]).code(), 1);
    done(&place);
    place.write("go", "");
    place
}

/// What was done since it was last asked.
fn done(place: &Place) -> Vec<String> {
    let path = place.path().join("did");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(path, "").unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn resume(place: &Place, arguments: &[&str]) -> Vec<String> {
    let ran = place.run(&[&["resume", "--quiet"], arguments].concat());
    assert_eq!(ran.code(), 0, "{}", ran.transcript());
    done(place)
}

fn story(place: &Place, step: &str) -> String {
    place.run(&["explain", "latest", step]).stdout()
}

#[test]
fn what_is_gone_from_the_platform_runs_again_with_what_was_built_on_it() {
    let place = failed();
    std::fs::remove_file(place.path().join("there")).unwrap();
    assert_eq!(resume(&place, &[]), ["a", "b one", "c"]);
    for (step, why) in [
        ("a", "no longer holds"),
        ("b", "it was built on a, which runs again"),
        ("c", "it was built on b"),
        (
            "d",
            "it had succeeded, and has no `verify:` to probe it by, so it is reused",
        ),
    ] {
        assert!(
            story(&place, step).contains(why),
            "{step}: {}",
            story(&place, step)
        );
    }
}

#[test]
fn what_is_trusted_is_not_probed() {
    let place = failed();
    std::fs::remove_file(place.path().join("there")).unwrap();
    assert_eq!(resume(&place, &["--trust"]), ["c"]);
    assert!(
        story(&place, "a").contains("--trust"),
        "{}",
        story(&place, "a")
    );
    assert!(
        story(&place, "c").contains("it had failed"),
        "{}",
        story(&place, "c")
    );
}

#[test]
fn from_a_step_runs_it_and_all_that_depends_on_it() {
    let place = failed();
    assert_eq!(resume(&place, &["--from", "b"]), ["b one", "c"]);
    assert!(
        story(&place, "a").contains("was probed and still holds"),
        "{}",
        story(&place, "a")
    );
    assert!(
        story(&place, "b").contains("`--from` or `--only` named it"),
        "{}",
        story(&place, "b")
    );
    // Also of a run that has succeeded; without it there is nothing to do.
    assert_eq!(place.run(&["resume", "latest"]).code(), 2);
    assert_eq!(resume(&place, &["latest", "--from", "c"]), ["c"]);
    assert_eq!(place.run(&["resume", "latest", "--from", "x"]).code(), 2);
}

#[test]
fn only_a_step_runs_and_the_rest_is_left_as_it_is() {
    let place = failed();
    std::fs::remove_file(place.path().join("there")).unwrap();
    let ran = place.run(&["resume", "--only", "d", "--quiet"]);
    assert_eq!(ran.code(), 1, "`c` is still failed: {}", ran.transcript());
    assert_eq!(done(&place), ["d"]);
    assert_eq!(
        resume(&place, &[]),
        ["a", "b one", "c"],
        "a plain resume is one of all steps again"
    );
}

#[test]
fn an_edited_workflow_runs_what_has_changed() {
    let place = failed();
    let edited = WORKFLOW
        .replace("echo c >> did", "echo c edited >> did")
        .replace(
            "  - {id: d,",
            "  - {id: new, uses: shell, needs: [a], with: {run: \"echo new >> did\"}}\n  - {id: e,",
        );
    place.workflow("w", &edited);
    assert_eq!(
        resume(&place, &["--with-current"]),
        ["c edited", "d", "new"],
        "`e` is `d` under a new name"
    );
    assert!(
        story(&place, "new").contains("this step is new in it"),
        "{}",
        story(&place, "new")
    );
    assert!(
        story(&place, "a").contains("still holds"),
        "{}",
        story(&place, "a")
    );
    assert_eq!(
        place.run(&["explain", "latest", "d"]).code(),
        2,
        "the run has no such step any more"
    );

    // A parameter goes where it is named, and to what depends on that; the rest stays.
    assert_eq!(
        resume(&place, &["latest", "--with-current", "--param", "word=two"]),
        ["b two", "c edited"]
    );
    let b = story(&place, "b");
    assert!(b.contains("it is not what it ran as (params.word)"), "{b}");
    assert_eq!(
        place.run(&["resume", "latest", "--with-current"]).code(),
        2,
        "nothing has changed since"
    );
    assert_eq!(place.run(&["state", "check"]).code(), 0);
}

#[test]
fn an_edited_workflow_is_refused_while_a_step_that_it_lacks_is_not_put_back() {
    let place = Place::new();
    let with = |undo: &str| {
        format!(
            "steps:\n  - id: change\n    uses: shell\n    with: {{run: \"true\"}}\n    undo: {{on: always, with: {{run: \"{undo}\"}}}}\n  - {{id: other, uses: noop}}\n"
        )
    };
    place.workflow("w", &with("test -e may"));
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    place.workflow("w", "steps: [{id: other, uses: noop}]\n");
    let refused = place.run(&["resume", "latest", "--with-current"]);
    assert_eq!(refused.code(), 2);
    assert!(
        refused.stderr().contains("flowctl undo"),
        "{}",
        refused.stderr()
    );
    place.write("may", "");
    assert_eq!(place.run(&["undo", "--quiet"]).code(), 0);
    assert_eq!(
        place
            .run(&["resume", "latest", "--with-current", "--quiet"])
            .code(),
        0
    );
}
