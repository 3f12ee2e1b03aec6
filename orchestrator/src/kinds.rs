//! The step kinds of this program: those that know nothing of each other, and the one that runs others.

use flowctl_steps::Registry;
use flowctl_steps::registry::KindEntry;

use crate::experiment::{Experiment, Kinds};

/// What an experiment may use: every kind but itself.
struct Plain;

impl Kinds for Plain {
    fn registry() -> Registry {
        Registry::standard()
    }
}

/// All kinds.
#[must_use]
pub fn registry() -> Registry {
    let kinds = Registry::standard().with(KindEntry::of::<Experiment<Plain>>());
    #[cfg(feature = "crash-points")]
    let kinds = kinds.with(KindEntry::of::<crate::world::World>());
    kinds
}
