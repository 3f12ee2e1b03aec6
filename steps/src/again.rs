//! Judging again what a step found out, from its parameters and the raw records that it kept, and from nothing else.
//!
//! A kind that can gives `Kind::JUDGE_AGAIN`: the same pure code that judged in the run, fed from its records. What a
//! record lacks is said and never guessed, so that a number counts as checked only when it was worked out anew.

use flowctl_workflows::result::{Evidence, Finding};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How a kind judges again.
pub type JudgeAgain<P> = fn(&P, &Records<'_>) -> Result<Again, NotJudged>;

/// What the records come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// What the kind finds.
    pub findings: Vec<Finding>,
    /// What it puts out; `None`: its records do not hold all of that.
    pub value: Option<Value>,
}

/// Why nothing was judged again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// The kind keeps, or kept then, too little for it.
    #[error("{0}")]
    Lacking(String),
    /// The records contradict themselves, or are not of the kind's making.
    #[error("{0}")]
    Wrong(String),
}

impl NotJudged {
    /// A record lacks something that is kept nowadays.
    #[must_use]
    pub fn lacking(what: &str) -> Self {
        Self::Lacking(format!(
            "its record does not hold {what}: an earlier flowctl made it"
        ))
    }
}

/// The raw records of one attempt.
#[derive(Clone)]
pub struct Records<'a> {
    kept: Vec<&'a Evidence>,
    read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// A record that was read.
#[derive(Debug)]
pub struct Record<'a, T> {
    /// What it holds.
    pub value: T,
    /// Its hash.
    pub sha256: &'a str,
}

impl<'a> Records<'a> {
    /// These records; `read` gives the content of one by its hash, if it is what the hash says.
    #[must_use]
    pub fn new(
        kept: impl IntoIterator<Item = &'a Evidence>,
        read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        Self {
            kept: kept.into_iter().collect(),
            read,
        }
    }

    /// Those of them that have one of these hashes.
    #[must_use]
    pub fn only(&self, hashes: &[String]) -> Self {
        let wanted = |evidence: &&Evidence| hashes.contains(&evidence.sha256);
        Self {
            kept: self.kept.iter().copied().filter(wanted).collect(),
            read: self.read,
        }
    }

    /// The first record whose name `wanted` accepts, as bytes.
    ///
    /// # Errors
    /// [`NotJudged::Lacking`] when there is none, or when it is not to be read.
    pub fn bytes(
        &self,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Record<'a, Vec<u8>>, NotJudged> {
        let kept = self.kept.iter().find(|evidence| wanted(&evidence.name));
        let kept =
            kept.ok_or_else(|| NotJudged::Lacking(format!("the step kept no record {what}")))?;
        let value = (self.read)(&kept.sha256).ok_or_else(|| {
            NotJudged::Lacking(format!("its record {} cannot be read", kept.name))
        })?;
        Ok(Record {
            value,
            sha256: &kept.sha256,
        })
    }

    /// The first record whose name `wanted` accepts, as JSON of this shape.
    ///
    /// # Errors
    /// As [`Records::bytes`]; [`NotJudged::Wrong`] when it is of another shape.
    pub fn json<T: DeserializeOwned>(
        &self,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Record<'a, T>, NotJudged> {
        let Record { value, sha256 } = self.bytes(what, wanted)?;
        let value = serde_json::from_slice(&value).map_err(|error| {
            NotJudged::Wrong(format!("its record {what} has another shape: {error}"))
        })?;
        Ok(Record { value, sha256 })
    }
}

/// An output as it is stored.
///
/// # Errors
/// [`NotJudged::Wrong`], when it is none.
pub(crate) fn output(output: impl serde::Serialize) -> Result<Option<Value>, NotJudged> {
    serde_json::to_value(output)
        .map(Some)
        .map_err(|error| NotJudged::Wrong(error.to_string()))
}
