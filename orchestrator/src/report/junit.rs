//! `junit.xml`: criteria and steps as test cases, for machines that read test results. Pure.

use std::io::Write;
use std::time::Duration;

use flowctl_workflows::result::{UNMEASURED, Verdict};
use quick_junit::{NonSuccessKind, Report as JunitReport, TestCase, TestCaseStatus, TestSuite};

use super::model::{Report, StepReport};

/// Writes the document. A criterion that was not measured is never a success: INCONCLUSIVE is an error, NOT RUN and
/// INAPPLICABLE are skipped with their reason.
///
/// # Errors
/// In words, when the XML cannot be written.
pub fn junit(report: &Report, out: impl Write) -> Result<(), String> {
    let mark = if report.rehearsal { "REHEARSAL " } else { "" };
    let mut document = JunitReport::new(format!("{mark}{} {}", report.workflow, report.run));
    let mut criteria = TestSuite::new(format!("{mark}criteria"));
    for criterion in &report.criteria {
        let mut status = match criterion.verdict {
            Verdict::Pass => TestCaseStatus::success(),
            Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::Inapplicable | Verdict::NotRun => TestCaseStatus::skipped(),
        };
        if criterion.verdict != Verdict::Pass {
            status.set_message(format!("{}: {}", criterion.verdict, criterion.reason));
        }
        let mut case = TestCase::new(criterion.text.clone(), status);
        case.set_classname(
            criterion
                .objective
                .clone()
                .unwrap_or_else(|| "overall".to_owned()),
        );
        criteria.add_test_case(case);
    }
    let mut steps = TestSuite::new(format!("{mark}steps"));
    for step in &report.steps {
        steps.add_test_case(step_case(step, report.rehearsal));
    }
    document.add_test_suite(criteria);
    document.add_test_suite(steps);
    document.serialize(out).map_err(|error| error.to_string())
}

fn step_case(step: &StepReport, rehearsal: bool) -> TestCase {
    let status = match &*step.state {
        // Whoever counts what passed must not count what was only played.
        "succeeded" if rehearsal => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(UNMEASURED);
            status
        }
        "succeeded" => TestCaseStatus::success(),
        "failed" => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(last) = step.failures.last() {
                status.set_message(last.message.clone());
                status.set_type(last.code.clone());
            }
            status
        }
        other => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(step.reason.clone().unwrap_or_else(|| other.to_owned()));
            status
        }
    };
    let mut case = TestCase::new(step.id.clone(), status);
    case.set_classname(step.kind.clone());
    if let (Some(started), Some(finished)) = (step.started, step.finished) {
        let nanos = u64::try_from(finished.duration_since(started).as_nanos()).unwrap_or(0);
        case.set_time(Duration::from_nanos(nanos));
    }
    case
}
