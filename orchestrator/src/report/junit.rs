//! `junit.xml`: criteria and steps as test cases, for machines that read test results. Pure.
//!
//! It is written case by case, because a large workflow has many; the tests hold it against what `quick-junit` makes of
//! the same.

use std::borrow::Cow;
use std::io::{self, Write};

use flowctl_workflows::result::{UNMEASURED, Verdict};
use quick_junit::XmlString;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};

use super::model::{CriterionReport, Report, StepReport};

/// How a case that is no success ended.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Failure,
    Error,
    Skipped,
}

struct Case<'a> {
    name: &'a str,
    class: &'a str,
    seconds: Option<f64>,
    /// `None`: a success.
    ended: Option<Ended<'a>>,
}

struct Ended<'a> {
    ending: Ending,
    message: Option<Cow<'a, str>>,
    code: Option<&'a str>,
}

/// Writes the document. A criterion that was not measured is never a success: INCONCLUSIVE is an error, NOT RUN and
/// INAPPLICABLE are skipped with their reason.
///
/// # Errors
/// In words, when the XML cannot be written.
pub fn junit(report: &Report, out: impl Write) -> Result<(), String> {
    write(report, out).map_err(|error| error.to_string())
}

fn write(report: &Report, out: impl Write) -> io::Result<()> {
    let mark = if report.rehearsal { "REHEARSAL " } else { "" };
    let criteria = || report.criteria.iter().map(of_criterion);
    let steps = || {
        report
            .steps
            .iter()
            .map(|step| of_step(step, report.rehearsal))
    };
    let counts = [Counts::of(criteria()), Counts::of(steps())];
    let mut out = Writer::new_with_indent(out, b' ', 4);
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = counts[0].and(&counts[1]);
    let name = format!("{mark}{} {}", report.workflow, report.run);
    let mut root = named("testsuites", &name);
    all.write(&mut root, ["tests", "skipped", "failures", "errors"]);
    out.write_event(Event::Start(root))?;
    suite(&mut out, &format!("{mark}criteria"), &counts[0], criteria())?;
    suite(&mut out, &format!("{mark}steps"), &counts[1], steps())?;
    out.write_event(Event::End(BytesEnd::new("testsuites")))?;
    out.write_indent()
}

fn suite<'a>(
    out: &mut Writer<impl Write>,
    name: &str,
    counts: &Counts,
    cases: impl Iterator<Item = Case<'a>>,
) -> io::Result<()> {
    let mut suite = named("testsuite", name);
    counts.write(&mut suite, ["tests", "skipped", "errors", "failures"]);
    if counts.tests == 0 {
        return out.write_event(Event::Empty(suite));
    }
    out.write_event(Event::Start(suite))?;
    for case in cases {
        case.write(out)?;
    }
    out.write_event(Event::End(BytesEnd::new("testsuite")))
}

impl Case<'_> {
    fn write(&self, out: &mut Writer<impl Write>) -> io::Result<()> {
        let mut case = named("testcase", self.name);
        attribute(&mut case, "classname", self.class);
        if let Some(seconds) = self.seconds {
            case.push_attribute(("time", format!("{seconds:.3}").as_str()));
        }
        let Some(Ended {
            ending,
            message,
            code,
        }) = &self.ended
        else {
            return out.write_event(Event::Empty(case));
        };
        out.write_event(Event::Start(case))?;
        let mut ended = BytesStart::new(match ending {
            Ending::Failure => "failure",
            Ending::Error => "error",
            Ending::Skipped => "skipped",
        });
        if let Some(message) = message {
            attribute(&mut ended, "message", message);
        }
        if let Some(code) = code {
            attribute(&mut ended, "type", code);
        }
        out.write_event(Event::Empty(ended))?;
        out.write_event(Event::End(BytesEnd::new("testcase")))
    }
}

fn named<'a>(tag: &'a str, name: &str) -> BytesStart<'a> {
    let mut tag = BytesStart::new(tag);
    attribute(&mut tag, "name", name);
    tag
}

/// Text without what XML cannot hold. Most is plain and is not looked at twice.
fn attribute(tag: &mut BytesStart<'_>, name: &str, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        tag.push_attribute((name, text));
    } else {
        tag.push_attribute((name, XmlString::new(text).as_str()));
    }
}

#[derive(Default)]
struct Counts {
    tests: usize,
    skipped: usize,
    errors: usize,
    failures: usize,
}

impl Counts {
    fn of<'a>(cases: impl Iterator<Item = Case<'a>>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            match case.ended.map(|ended| ended.ending) {
                None => {}
                Some(Ending::Skipped) => counts.skipped += 1,
                Some(Ending::Error) => counts.errors += 1,
                Some(Ending::Failure) => counts.failures += 1,
            }
        }
        counts
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            skipped: self.skipped + other.skipped,
            errors: self.errors + other.errors,
            failures: self.failures + other.failures,
        }
    }

    fn write(&self, tag: &mut BytesStart<'_>, names: [&'static str; 4]) {
        for name in names {
            let count = match name {
                "tests" => self.tests,
                "skipped" => self.skipped,
                "errors" => self.errors,
                _ => self.failures,
            };
            tag.push_attribute((name, count.to_string().as_str()));
        }
    }
}

fn of_criterion(criterion: &CriterionReport) -> Case<'_> {
    let ending = match criterion.verdict {
        Verdict::Pass => None,
        Verdict::Fail => Some(Ending::Failure),
        Verdict::Inconclusive => Some(Ending::Error),
        Verdict::Inapplicable | Verdict::NotRun => Some(Ending::Skipped),
    };
    let message = || format!("{}: {}", criterion.verdict, criterion.reason);
    Case {
        name: &criterion.text,
        class: criterion.objective.as_deref().unwrap_or("overall"),
        seconds: None,
        ended: ending.map(|ending| Ended {
            ending,
            message: Some(message().into()),
            code: None,
        }),
    }
}

fn of_step(step: &StepReport, rehearsal: bool) -> Case<'_> {
    let skipped = |message| {
        Some(Ended {
            ending: Ending::Skipped,
            message: Some(Cow::Borrowed(message)),
            code: None,
        })
    };
    let ended = match &*step.state {
        // Whoever counts what passed must not count what was only played.
        "succeeded" if rehearsal => skipped(UNMEASURED),
        "succeeded" => None,
        "failed" => {
            let last = step.failures.last();
            Some(Ended {
                ending: Ending::Failure,
                message: last.map(|last| Cow::Borrowed(last.message.as_str())),
                code: last.map(|last| last.code.as_str()),
            })
        }
        other => skipped(step.reason.as_deref().unwrap_or(other)),
    };
    let took = |(started, finished): (jiff::Timestamp, jiff::Timestamp)| {
        finished.duration_since(started).as_secs_f64().max(0.0)
    };
    Case {
        name: &step.id,
        class: &step.kind,
        seconds: step.started.zip(step.finished).map(took),
        ended,
    }
}
