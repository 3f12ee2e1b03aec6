//! The picture, drawn on a terminal in memory.

use std::time::Duration;

use flowctl_state::event::{Envelope, Event, FORMAT, RunOutcome, SkipReason};
use flowctl_state::run_state::RunState;
use flowctl_workflows::plan::{Plan, PlanStep, Role};
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Failure, Outcome};
use flowctl_workflows::{RunId, StepId, WorkflowName};
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use jiff::Timestamp;

use super::{Human, Paint, narrative};
use crate::executor::{Live, Reporter};

/// A run and the picture of it.
struct Scene {
    state: RunState,
    human: Human,
    terminal: InMemoryTerm,
}

fn id(name: &str) -> StepId {
    StepId::new(name).unwrap()
}

fn envelope(seq: u64, event: Event) -> Envelope {
    Envelope {
        format: FORMAT,
        run: RunId::new("w-1").unwrap(),
        seq,
        epoch: 1,
        at: Timestamp::UNIX_EPOCH,
        prev: String::new(),
        event,
    }
}

impl Scene {
    fn new(steps: usize) -> Self {
        let plan = Plan {
            workflow: WorkflowName::new("w").unwrap(),
            title: "A workflow".into(),
            directory: None,
            params: serde_json::Map::new(),
            target: None,
            objectives: vec![],
            criteria: vec![],
            locks: vec![],
            timeout: None,
            teardown_timeout: Span::from_secs(60),
            steps: (0..steps)
                .map(|at| PlanStep::new(id(&format!("s{at}")), Role::Kind("shell".into())))
                .collect(),
            files: vec![],
        };
        let first = Event::RunStarted {
            plan: std::sync::Arc::new(plan),
            jobs: 64,
            only: vec![],
            flowctl: "0.1.0".into(),
        };
        let terminal = InMemoryTerm::new(40, 70);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        Self {
            state: RunState::start(&envelope(0, first)).unwrap(),
            human: Human::on_target(target, 70, Paint { color: false }),
            terminal,
        }
    }

    fn happens(&mut self, event: Event) {
        let envelope = envelope(self.state.next_seq, event);
        self.state.apply(&envelope).unwrap();
        self.human.on(&envelope, &self.state, &Live::default());
    }

    fn starts(&mut self, step: &str, attempt: u32) {
        self.happens(Event::StepStarted {
            step: id(step),
            attempt,
        });
    }

    /// What stands on the terminal after the next tick.
    async fn after(&mut self, time: Duration, doing: &[(u32, &str)]) -> String {
        tokio::time::advance(time).await;
        let doing = doing.iter().map(|(step, what)| (*step, what.to_string()));
        self.human.tick(&self.state, &Live::of(doing));
        self.terminal.contents()
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_step_has_its_line_and_the_whole_a_bar() {
    let mut scene = Scene::new(4);
    scene.starts("s0", 1);
    scene.happens(Event::StepSucceeded {
        step: id("s0"),
        attempt: 1,
        output: serde_json::Value::Null,
        findings: vec![],
        evidence: vec![],
    });
    scene.starts("s1", 1);
    scene.starts("s2", 1);
    scene.happens(Event::StepFailed {
        step: id("s2"),
        attempt: 1,
        failure: Failure {
            class: ErrorClass::Transient,
            code: "x".into(),
            message: "no answer".into(),
            help: None,
        },
        retry_in: Some(1000),
        evidence: vec![],
    });
    let picture = scene
        .after(
            Duration::from_secs(75),
            &[(
                1,
                "2 of 3 pods are ready, and this text goes on beyond the edge",
            )],
        )
        .await;
    insta::assert_snapshot!(picture);
    scene.starts("s2", 2);
    let picture = scene.after(Duration::from_secs(5), &[]).await;
    assert!(picture.contains("s2 5.0s attempt 2"), "{picture}");
}

#[test]
fn a_run_that_is_taken_up_to_be_stopped_is_not_said_to_go_on() {
    let mut scene = Scene::new(2);
    let resumed = envelope(
        1,
        Event::RunResumed {
            jobs: 64,
            reopened: vec![],
            because: vec![],
            trusted: true,
            only: None,
            teardown: false,
        },
    );
    let told = |scene: &Scene| narrative::tell(&resumed, &scene.state).unwrap().text;
    assert!(told(&scene).contains("0 of 2 steps are done"));
    scene.state.apply(&resumed).unwrap();
    scene.happens(Event::CancelRequested { by: "me".into() });
    assert_eq!(told(&scene), "taken up again, to be stopped");
}

#[tokio::test(start_paused = true)]
async fn many_running_steps_do_not_fill_the_screen() {
    let mut scene = Scene::new(30);
    for step in 0..30 {
        scene.starts(&format!("s{step}"), 1);
    }
    let picture = scene.after(Duration::from_secs(1), &[]).await;
    let lines = picture
        .lines()
        .filter(|line| line.starts_with("  s"))
        .count();
    assert_eq!(lines, 12, "{picture}");
    assert!(
        picture.contains("0/30 steps, 30 running (18 hidden), 1.0s"),
        "{picture}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_picture_goes_and_what_happened_stays() {
    let mut scene = Scene::new(1);
    scene.starts("s0", 1);
    scene.after(Duration::from_secs(1), &[]).await;
    scene.happens(Event::CancelRequested { by: "ada".into() });
    let picture = scene.after(Duration::from_secs(1), &[]).await;
    assert!(picture.contains("cancelling"), "{picture}");
    scene.happens(Event::StepCancelled {
        step: id("s0"),
        failure: None,
        evidence: vec![],
    });
    scene.happens(Event::RunFinished {
        outcome: RunOutcome::Cancelled,
    });
    drop(scene.human);
    insta::assert_snapshot!(scene.terminal.contents());
}

/// What is written, to be read again.
#[derive(Clone, Default)]
struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_resume_attaches_to_is_told_in_lines_too() {
    let mut scene = Scene::new(2);
    scene.starts("s0", 1);
    let written = Written::default();
    let mut plain = super::Plain::new(Paint { color: false }, Box::new(written.clone()));
    let resumed = envelope(
        scene.state.next_seq,
        Event::RunResumed {
            jobs: 64,
            reopened: vec![],
            because: vec![],
            trusted: false,
            only: None,
            teardown: false,
        },
    );
    scene.state.apply(&resumed).unwrap();
    plain.on(&resumed, &scene.state, &Live::default());
    tokio::time::advance(Duration::from_secs(2)).await;
    let doing = Live::of([(0, "half of it".to_owned())].into_iter());
    plain.tick(&scene.state, &doing);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("… s0: started: half of it"), "{text}");
    assert!(!text.contains("s1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_for_the_sake_of_a_skipped_step_is_told_in_one_line() {
    let skipped = |step: &str, need: &str, outcome| Event::StepSkipped {
        step: id(step),
        reason: SkipReason::Need {
            step: id(need),
            outcome,
        },
    };
    // How many follow the first skip, and what is said of them.
    for (follow, expected) in [
        (0, vec![]),
        (1, vec!["s2: skipped: it needs s1, which was skipped"]),
        (2, vec!["s2 and s3: skipped: they need what was skipped"]),
        (
            5,
            vec!["s2, s3, s4 and 2 more: skipped: they need what was skipped"],
        ),
    ] {
        let mut scene = Scene::new(8);
        let written = Written::default();
        let mut plain = super::Plain::new(Paint { color: false }, Box::new(written.clone()));
        let mut events = vec![skipped("s1", "s0", Outcome::Failed)];
        events
            .extend((0..follow).map(|at| skipped(&format!("s{}", at + 2), "s1", Outcome::Skipped)));
        events.push(Event::RunFinished {
            outcome: RunOutcome::Failed,
        });
        for event in events {
            let envelope = envelope(scene.state.next_seq, event);
            scene.state.apply(&envelope).unwrap();
            plain.on(&envelope, &scene.state, &Live::default());
        }
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let told: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("○ "))
            .map(|(_, told)| told)
            .collect();
        assert_eq!(told[0], "s1: skipped: it needs s0, which failed");
        assert_eq!(told[1..], expected, "{text}");
    }
}
