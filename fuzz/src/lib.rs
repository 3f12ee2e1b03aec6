//! What reads bytes from outside, as functions of bytes: one module an input, called by `examples/fuzz.rs`, which makes inputs
//! out of the corpus, and by the test that replays the corpus.
//!
//! They call the program's own decoders and go on with what these give as a step would. Whatever the bytes are, they return: a
//! panic, a hang or memory without bound is the defect that is looked for. They judge nothing else.

pub mod expression;
pub mod inject;
pub mod kubernetes;
pub mod language;
pub mod mutate;
pub mod prometheus;
pub mod s3_select;
pub mod state_import;
pub mod template;
pub mod trino;

/// An input that is tried: its name is its folder in `corpus/`.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What reads the bytes.
    pub read: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "expression",
        read: expression::read,
    },
    Target {
        name: "inject",
        read: inject::read,
    },
    Target {
        name: "kubernetes",
        read: kubernetes::read,
    },
    Target {
        name: "language",
        read: language::read,
    },
    Target {
        name: "prometheus",
        read: prometheus::read,
    },
    Target {
        name: "s3_select",
        read: s3_select::read,
    },
    Target {
        name: "state_import",
        read: state_import::read,
    },
    Target {
        name: "template",
        read: template::read,
    },
    Target {
        name: "trino",
        read: trino::read,
    },
];
