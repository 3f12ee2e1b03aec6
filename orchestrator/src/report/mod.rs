//! What people read at the end of a run: a verdict for each criterion, with numbers that lead to their
//! raw records. Everything comes from the run's state, so an old run renders to the same bytes again.

mod build;
mod fingerprint;
mod html;
mod junit;
mod markdown;
mod model;
mod verdicts;
mod write;

#[cfg(test)]
mod tests;

pub use build::build;
pub use html::{html, write_html};
pub use junit::junit;
pub use markdown::markdown;
pub use model::{
    CriterionReport, EventsEnd, FORMAT, FailureReport, FindingReport, Fingerprint, Report,
    StepReport, TargetFingerprint, schema,
};
pub use verdicts::{CriterionVerdict, exit_code, verdicts};
pub use write::{FILES, FileRenderer, json, write_events};
