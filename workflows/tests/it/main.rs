//! The language as its users see it: files in, a workflow or diagnostics out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not tests to the linter"
)]

mod bind;
mod diagnostics;
mod inner_steps;
mod limits;
mod load;
mod random;
mod repository;
mod support;
mod targets;
