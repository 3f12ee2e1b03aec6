//! The step kinds that a workflow uses, each made ready once: to make a schema takes longer than to hold parameters
//! against it. A second thread does it ahead, from when a file names a kind until the kind is asked for.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use super::shape::Shape;
use crate::kinds::KindCatalog;
use crate::yaml::{Content, Node};

/// A kind, ready to be held against parameters.
pub(crate) struct Kind {
    /// The schema of its parameters.
    pub(crate) schema: Arc<Value>,
    /// The same, compiled.
    pub(crate) shape: Shape,
}

/// `None`: there is no such kind. An error: its schema cannot be used, in words.
type Ready = Option<Result<Arc<Kind>, Arc<str>>>;

/// All kinds, those ready that were asked for.
pub(crate) struct Kinds<'c> {
    catalog: &'c dyn KindCatalog,
    ready: Mutex<HashMap<String, Arc<OnceLock<Ready>>>>,
}

impl<'c> Kinds<'c> {
    /// Those of a catalog.
    pub(crate) fn of(catalog: &'c dyn KindCatalog) -> Self {
        Self {
            catalog,
            ready: Mutex::default(),
        }
    }

    /// What else is known of kinds.
    pub(crate) fn catalog(&self) -> &'c dyn KindCatalog {
        self.catalog
    }

    /// The kind of this name. Waits if another thread is about to make it.
    pub(crate) fn get(&self, name: &str) -> Ready {
        let known = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            match ready.get(name) {
                Some(known) => Arc::clone(known),
                None => Arc::clone(ready.entry(name.to_owned()).or_default()),
            }
        };
        known.get_or_init(|| self.make(name)).clone()
    }

    fn make(&self, name: &str) -> Ready {
        let schema = self.catalog.params_schema(name)?;
        let shape = Shape::parameters(name, Arc::clone(&schema));
        Some(match shape {
            Ok(shape) => Ok(Arc::new(Kind { schema, shape })),
            Err(reason) => Err(reason.into()),
        })
    }
}

/// Names of kinds that will be asked for.
pub(super) struct Ahead(Sender<String>);

/// Where the names arrive, until the last [`Ahead`] is gone.
pub(super) fn ahead() -> (Ahead, Receiver<String>) {
    let (sender, names) = channel();
    (Ahead(sender), names)
}

impl Ahead {
    /// Names every kind that is used in a file.
    pub(super) fn uses_in(&self, node: &Node) {
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| self.uses_in(item)),
            Content::Map(entries) => {
                for entry in entries {
                    match (&*entry.key, entry.value.text()) {
                        // Without a thread to receive it, the kind is made when it is asked for.
                        ("uses", Some(name)) => drop(self.0.send(name.to_owned())),
                        _ => self.uses_in(&entry.value),
                    }
                }
            }
            _ => {}
        }
    }
}
