//! `report.html`: the report for people who open it in a browser, on a phone or on paper. One file, with no script, no
//! font and no picture from elsewhere: its policy forbids the browser to load anything.
//!
//! Pure: the same state and the same raw records give the same bytes. Every text goes through `maud`, which escapes it;
//! nothing here writes HTML by hand. A drawing is made of data or not at all, and then says so.

mod alerts;
mod changes;
mod criteria;
mod dag;
mod environment;
mod experiments;
mod head;
mod interval;
mod latency;
mod layout;
mod load;
mod records;
mod scale;
mod steps;
mod timeline;
mod unmeasured;
mod words;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use flowctl_state::run_state::RunState;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::Report;

/// What every part of the page is drawn from.
struct Page<'a> {
    state: &'a RunState,
    report: &'a Report,
    /// A raw record by its hash, if it can be read.
    record: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// The whole document as text.
#[must_use]
pub fn html(state: &RunState, report: &Report, record: &dyn Fn(&str) -> Option<Vec<u8>>) -> String {
    let mut text = Vec::new();
    // Memory takes all of it.
    let _ = write_html(state, report, record, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Writes the whole document part by part: of a large workflow it is large. `record` gives raw records by their hashes;
/// what it does not give is not drawn.
///
/// # Errors
/// When it cannot be written.
pub fn write_html(
    state: &RunState,
    report: &Report,
    record: &dyn Fn(&str) -> Option<Vec<u8>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let page = Page {
        state,
        report,
        record,
    };
    let rehearsal = page.is_rehearsal();
    let frame = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="generator" content=(format!("flowctl {}", report.fingerprint.flowctl));
                title { @if rehearsal { "REHEARSAL · " } (report.title) " · " (report.run) }
                style { (maud::PreEscaped(include_str!("style.css"))) }
            }
            body {
                @if rehearsal { div.rehearsal aria-hidden="true" { "REHEARSAL" } }
                (head::header(&page))
                main { (CONTENT) }
                footer { p { "Rendered from " (report.events.count) " events of run " code { (report.run) } ", the last of them with the SHA-256 " code { (report.events.sha256) } ". Hashes name the raw records under " code { "evidence/" } "." } }
            }
        }
    };
    let sections: [fn(&Page<'_>) -> Markup; 10] = [
        head::summary,
        criteria::section,
        dag::section,
        timeline::section,
        latency::section,
        experiments::section,
        alerts::section,
        load::section,
        changes::section,
        environment::section,
    ];
    framed(frame, out, |out| {
        for section in sections {
            out.write_all(section(&page).into_string().as_bytes())?;
        }
        unmeasured::write_section(&page, out)?;
        steps::write_section(&page, out)
    })?;
    out.write_all(b"\n")
}

/// Stands in a frame where its content goes. No text can look like it, since each is escaped.
const CONTENT: PreEscaped<&str> = PreEscaped("<!-- content -->");

/// Writes a frame with its content in it.
fn framed(
    frame: Markup,
    out: &mut dyn Write,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let frame = frame.into_string();
    let (before, after) = frame.split_once(CONTENT.0).unwrap_or((&frame, ""));
    out.write_all(before.as_bytes())?;
    content(out)?;
    out.write_all(after.as_bytes())
}

impl Page<'_> {
    /// Whether the run spoke to doubles and not to a platform.
    fn is_rehearsal(&self) -> bool {
        self.state.plan.is_rehearsal()
    }
}

/// A part of the page with its heading.
fn part(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (title) }
            (content)
        }
    }
}

/// What stands in the place of a drawing whose record is no use.
const UNREADABLE: &str = "Its record is missing or of another shape, so nothing is drawn of it.";

/// What stands in the place of a drawing that has no data.
fn nothing(why: &str) -> Markup {
    html! { p.nothing { (why) } }
}

/// A drawing with its caption, in a frame that scrolls by itself on a narrow screen.
fn figure(caption: &str, drawing: &Markup) -> Markup {
    html! {
        figure {
            div.scroll tabindex="0" role="group" aria-label=(caption) { (drawing) }
            figcaption { (caption) }
        }
    }
}
