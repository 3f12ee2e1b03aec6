//! A step's document into its model.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::DraftStep;
use crate::document::{
    ItemsDocument, LocksDocument, NeedDocument, OneOrMany, ProbeDocument, StepDocument,
    UndoDocument,
};
use crate::ids::StepId;
use crate::load::parts::Part;
use crate::model::{ApprovalSpec, Foreach, Items, ProbeSpec, StepSpec, UndoSpec};
use crate::place::Place;
use crate::policy::RetryPolicy;
use crate::result::Outcome;
use crate::yaml::Node;

/// `None` only for an id that the schema refused.
pub(super) fn convert(
    document: StepDocument,
    part: &Part,
    node: &Arc<Node>,
    place: &Place,
    teardown: bool,
    open: bool,
) -> Option<DraftStep> {
    let uses = document.uses;
    let needs = document.needs.into_iter().map(need).collect();
    let proves = document.proves.into_vec();
    let spec = StepSpec {
        id: StepId::new(document.id).ok()?,
        title: document.title,
        objective: document.objective,
        with: with(document.with),
        needs: Vec::new(),
        foreach: document.foreach.map(|foreach| {
            Box::new(Foreach {
                items: match foreach.items {
                    ItemsDocument::List(items) => Items::List(items),
                    ItemsDocument::Expression(text) => Items::Expression(text),
                },
                name: foreach.name.unwrap_or_else(|| "item".to_owned()),
                key: foreach.key,
                max_parallel: foreach.max_parallel,
            })
        }),
        when: document.when,
        expect: document.expect.into_vec(),
        inapplicable: document.inapplicable,
        retry: (document.retry != RetryPolicy::default()).then(|| Box::new(document.retry)),
        timeout: document.timeout,
        on_failure: document.on_failure,
        locks: match document.locks {
            LocksDocument::Names(names) => names.into_iter().map(|name| (name, 1)).collect(),
            LocksDocument::Counts(counts) => counts.into_iter().collect(),
        },
        undo: document.undo.map(|undo| Box::new(undo_spec(undo, &uses))),
        verify: document.verify.map(|verify| Box::new(probe(verify, &uses))),
        gate: document.gate,
        approval: document.approval.map(|approval| ApprovalSpec {
            message: approval.message,
        }),
        proves: Vec::new(),
        place: place.clone(),
        uses,
    };
    Some(DraftStep {
        spec,
        needs,
        proves,
        teardown,
        open,
        node: Arc::clone(node),
        source: Arc::clone(&part.source),
        folder: part.folder.clone(),
    })
}

fn need(document: NeedDocument) -> (String, Vec<Outcome>) {
    match document {
        NeedDocument::Succeeded(step) => (step, Vec::new()),
        NeedDocument::Ended(ended) => match ended.is {
            OneOrMany::One(outcome) => (ended.step, vec![outcome]),
            OneOrMany::Many(outcomes) => (ended.step, outcomes),
        },
    }
}

fn probe(document: ProbeDocument, own: &str) -> ProbeSpec {
    ProbeSpec {
        uses: document.uses.unwrap_or_else(|| own.to_owned()),
        with: with(document.with),
        expect: document.expect.into_vec(),
    }
}

fn undo_spec(document: UndoDocument, own: &str) -> UndoSpec {
    let expect = document.expect.into_vec();
    let by = if document.uses.is_none() && document.with.is_none() && expect.is_empty() {
        None
    } else {
        let uses = document.uses.unwrap_or_else(|| own.to_owned());
        Some(ProbeSpec {
            uses,
            with: with(document.with.unwrap_or_default()),
            expect,
        })
    };
    UndoSpec {
        on: document.on,
        by,
    }
}

fn with(parameters: Map<String, Value>) -> Value {
    if parameters.is_empty() {
        Value::Null
    } else {
        Value::Object(parameters)
    }
}
