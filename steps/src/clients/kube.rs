//! The Kubernetes API: any kind of object by discovery, each call with a deadline of its own,
//! each error with a class. Owns the connection and the cache of what kinds the cluster serves;
//! never decides what an object means (that is `readiness` and `pods`, which are pure) and never
//! picks a cluster by itself: the context is always the target's.

mod api;
pub mod choose;
mod connect;
mod credentials;
mod discovery;
pub mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod lease;
pub mod manifest;
pub mod object;
pub mod patch;
pub mod pods;
pub mod quantity;
pub mod readiness;
pub mod trouble;
pub mod version;
pub mod waiting;

pub use api::{ApplyMode, Kube, LogWindow, Selection};
pub use credentials::credentials;
pub use discovery::Resource;
pub use error::Subject;
pub use lease::{Lease, LeaseSettings};
pub use patch::{PatchMode, PatchType};
