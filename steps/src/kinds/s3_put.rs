//! `s3.put`: writes one object, for the steps that need one to be there. Effect: the object. Idempotent: it is written
//! whole or not at all, and twice is the same as once. Permissions: to read, write and delete the object.
//!
//! Beside the object it notes which run and step wrote it. What has no such note is somebody else's: it is never
//! overwritten, and its undo takes away only what this run's step has written.

mod content;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::content::Content;
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::s3::{Place, S3Client};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use content::Table;

/// The name of the note beside the object.
const NOTE: &str = "flowctl";

/// What to write, and where.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The bucket, which must be there.
    pub bucket: String,
    /// The object's key in it.
    pub key: String,
    /// The content. Exactly one of `text`, `file` and `table`.
    #[serde(default)]
    pub text: Option<String>,
    /// A file of the workflow with the content.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// A CSV table made here.
    #[serde(default)]
    pub table: Option<Table>,
    /// What the content is.
    #[serde(default = "csv")]
    pub content_type: String,
}

fn csv() -> String {
    "text/csv".to_owned()
}

/// What was written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Written {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Length of the object.
    pub bytes: u64,
    /// SHA-256 of the content; the store has checked it.
    pub sha256: String,
    /// What the store calls this content.
    pub etag: Option<String>,
}

/// The step.
#[derive(Debug)]
pub struct S3Put {
    params: Params,
    place: Place,
}

impl Kind for S3Put {
    const INFO: KindInfo = KindInfo {
        name: "s3.put",
        summary: "Writes one object: a text, a file of the workflow, or a CSV table that is the same each time.",
        effect: "The object. Written twice it is the same; an object of somebody else's is never overwritten. Undo: deletes it, if this run's step wrote it.",
        permissions: "To read, write and delete the object.",
        measures: false,
        on_resume: OnResume::Repeats,
        writes: true,
        needs_target: true,
        example: "- id: select_object\n  uses: s3.put\n  with:\n    bucket: lakehouse\n    key: flowctl/sample.csv\n    table: {rows: 100000}\n  undo: {on: always}\n",
    };
    type Params = Params;
    type Output = Written;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let given = [
            params.text.is_some(),
            params.file.is_some(),
            params.table.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err("give exactly one of `text:`, `file:` and `table:`".to_owned());
        }
        let place = Place::new(&params.bucket, &params.key)?;
        Ok(Box::new(Self { params, place }))
    }
}

#[async_trait]
impl Step for S3Put {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        unless_cancelled(cx, self.write(cx)).await
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        let client = cx.clients.s3().await?;
        match self.note(cx, &client).await? {
            Owner::Nobody => Ok(Undone::Restored(format!("{} is not there", self.place))),
            Owner::ThisStep => {
                client.delete(cx, &self.place).await?;
                Ok(Undone::Restored(format!("deleted {}", self.place)))
            }
            Owner::Other(_) => Ok(Undone::Restored(format!(
                "left {}, which this run did not write",
                self.place
            ))),
        }
    }
}

/// Who wrote what is there.
enum Owner {
    Nobody,
    ThisStep,
    /// The note, if there is one.
    Other(Option<String>),
}

impl S3Put {
    async fn write(&self, cx: &StepContext) -> Result<Output, StepError> {
        let client = cx.clients.s3().await?;
        if let Owner::Other(None) = self.note(cx, &client).await? {
            return Err(StepError::permanent(
                "s3.not_ours",
                format!(
                    "there is an object at {} that flowctl did not write",
                    self.place
                ),
            )
            .help("give another `key:`; flowctl overwrites only what it wrote itself"));
        }
        let content = Content::of(&self.params, cx)?;
        cx.sink.progress(&format!(
            "writes {} bytes to {}",
            content.bytes.len(),
            self.place
        ));
        let sha256: String = Sha256::digest(&content.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let etag = client
            .put(
                cx,
                &self.place,
                &self.params.content_type,
                (NOTE, &owner(cx)),
                &content.bytes,
            )
            .await?;
        let written = Written {
            bucket: self.params.bucket.clone(),
            key: self.params.key.clone(),
            bytes: content.bytes.len() as u64,
            sha256,
            etag,
        };
        let value = serde_json::to_value(written)
            .map_err(|error| StepError::permanent("s3.output", error.to_string()))?;
        cx.evidence_json("object.json", &value).await?;
        Ok(Output::of(value))
    }

    async fn note(&self, cx: &StepContext, client: &S3Client) -> Result<Owner, StepError> {
        Ok(match client.head(cx, &self.place).await? {
            None => Owner::Nobody,
            Some(head) => match head.metadata.get(NOTE) {
                Some(note) if *note == owner(cx) => Owner::ThisStep,
                note => Owner::Other(note.cloned()),
            },
        })
    }
}

/// The run and the step, whichever attempt.
fn owner(cx: &StepContext) -> String {
    format!("{}/{}", cx.attempt.run, cx.attempt.step)
}

#[cfg(test)]
mod tests;
