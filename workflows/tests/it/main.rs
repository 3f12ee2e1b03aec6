//! The language as its users see it: files in, a workflow or diagnostics out.

mod bind;
mod diagnostics;
mod limits;
mod load;
mod random;
mod repository;
mod support;
mod targets;
