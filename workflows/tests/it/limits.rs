//! Inputs that are too much: refused by budget, with a diagnostic. And inputs that are merely large: fine.

use flowctl_workflows::source::Source;
use flowctl_workflows::{code, load};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{HEAD, Kinds, load_body, load_files, summary};

/// A file without end, which counts how much of it is asked for.
struct Endless(AtomicUsize);

impl Source for Endless {
    fn read(&self, _: &str, limit: usize) -> io::Result<Vec<u8>> {
        self.0.fetch_add(limit + 1, Ordering::Relaxed);
        Ok(vec![b'#'; limit + 1])
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn display(&self, path: &str) -> String {
        path.to_owned()
    }

    fn directory(&self) -> Option<&Path> {
        None
    }
}

#[test]
fn a_huge_file_is_not_read_to_its_end() {
    let endless = Endless(AtomicUsize::new(0));
    let problems = load(&endless, "w.yaml", &Kinds).unwrap_err();
    assert_eq!(problems[0].code, code::FILE_TOO_BIG);
    assert!(endless.0.into_inner() <= (16 << 20) + 1);
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let files =
        flowctl_workflows::source::Memory::new("", [("w.yaml", b"a: 1\nb: \xff\n".as_slice())]);
    let problems = load(&files, "w.yaml", &Kinds).unwrap_err();
    assert_eq!(problems[0].code, code::NOT_UTF8);
    assert!(
        problems[0].message.contains("offset 8, line 2"),
        "{}",
        problems[0].message
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb =
        String::from("params:\n  a0: &a0 {type: list, default: [x, x, x, x, x, x, x, x, x, x]}\n");
    for level in 1..40 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("  a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(
        load_body(&bomb).unwrap_err()[0].code,
        code::TOO_MANY_ALIASES
    );
    let deep = format!("params: {}{}\n", "[".repeat(120), "]".repeat(120));
    assert_eq!(load_body(&deep).unwrap_err()[0].code, code::TOO_COMPLEX);
}

#[test]
fn ten_thousand_steps_load_in_any_shape() {
    let step = |at: usize, needs: String| {
        let earlier = at.saturating_sub(at / 2 + 1);
        format!(
            "  - {{id: s{at}, uses: shell, needs: [{needs}], with: {{run: 'echo {{{{ steps.s{earlier}.output.x }}}}'}}, when: 'params.n < {at}'}}\n"
        )
    };
    let chain: String = (1..10_000)
        .map(|at| step(at, format!("s{}", at - 1)))
        .collect();
    let body = format!(
        "params: {{n: {{type: integer, default: 1}}}}\nsteps:\n  - {{id: s0, uses: noop}}\n{chain}"
    );
    let workflow = load_body(&body).unwrap();
    assert_eq!(workflow.steps.len(), 10_000);
    // The same, but the step in the middle hangs in the air: all that look over it are told so.
    let broken = body.replace("needs: [s4999]", "needs: []");
    let problems = load_body(&broken).unwrap_err();
    assert!(
        problems.len() > 1_000
            && problems
                .iter()
                .all(|problem| problem.code == code::NOT_UPSTREAM),
        "{}",
        problems.len()
    );
    let circle = body.replace(
        "{id: s0, uses: noop}",
        "{id: s0, uses: noop, needs: [s9999]}",
    );
    assert!(
        load_body(&circle)
            .unwrap_err()
            .iter()
            .any(|problem| problem.code == code::CYCLE)
    );
}

#[test]
fn large_files_are_fine_and_each_mistake_in_them_is_shown() {
    let workflow = format!(
        "{HEAD}params: {{n: {{type: integer, default: 1}}}}\nsteps:\n  - {{id: a, uses: query, with: {{file: big.sql}}}}\n"
    );
    let plain = "SELECT 1;\n".repeat(200_000);
    assert!(load_files(&[("w.yaml", &workflow), ("big.sql", &plain)]).is_ok());
    let unknown = "SELECT {{ params.m }};\n".repeat(300);
    let problems = load_files(&[("w.yaml", &workflow), ("big.sql", &unknown)]).unwrap_err();
    assert_eq!(
        summary(&problems)[299],
        ("unknown_parameter".to_owned(), 300)
    );
}
