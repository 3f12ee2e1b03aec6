//! Takes out of a document what does not fit its schema, so that the rest can be read and checked.

use std::collections::HashSet;

use serde_json::Value;

use super::shape::Flaw;

/// What was taken out.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// `(section, index)` of steps that cannot be read.
    pub(super) lost_steps: HashSet<(String, usize)>,
    /// `(section, index)` of steps whose `needs:` are incomplete.
    pub(super) open_steps: HashSet<(String, usize)>,
    /// Parameters that exist but cannot be read.
    pub(super) lost_params: HashSet<String>,
}

/// What a step cannot be read without.
const VITAL: &[&str] = &["id", "uses"];

pub(super) fn prune(value: &mut Value, flaws: &[Flaw]) -> Damage {
    let mut damage = Damage::default();
    let mut doomed: Vec<(Vec<String>, String)> = Vec::new();
    for flaw in flaws {
        let parts: Vec<&str> = flaw.path.iter().map(String::as_str).collect();
        // Unknown keys go alone: the rest of their mapping is good.
        if let Some(key) = &flaw.unexpected {
            doomed.push((flaw.path.clone(), key.clone()));
            continue;
        }
        match parts[..] {
            [section @ ("steps" | "finally"), index, ref rest @ ..] => {
                let step = (section.to_owned(), index.parse().unwrap_or(usize::MAX));
                match rest {
                    [] => {
                        damage.lost_steps.insert(step);
                    }
                    [field, ..] if VITAL.contains(field) => {
                        damage.lost_steps.insert(step);
                    }
                    [field, ..] => {
                        if *field == "needs" {
                            damage.open_steps.insert(step);
                        }
                        doomed.push((flaw.path[..2].to_vec(), (*field).to_owned()));
                    }
                }
            }
            ["params", name, ..] => {
                damage.lost_params.insert(name.to_owned());
                doomed.push((flaw.path[..1].to_vec(), name.to_owned()));
            }
            ["locks", name, ..] => doomed.push((flaw.path[..1].to_vec(), name.to_owned())),
            // An item of a list is emptied, not removed, so that the others keep their places.
            [section @ ("criteria" | "objectives"), index, ..] => {
                if let Some(item) = value.pointer_mut(&format!("/{section}/{index}")) {
                    *item = Value::Null;
                }
            }
            ["metadata", ..] | [] => {}
            [field, ..] => doomed.push((Vec::new(), field.to_owned())),
        }
    }
    for (path, key) in doomed {
        let mut at = Some(&mut *value);
        for part in &path {
            at = at.and_then(|value| match value {
                Value::Object(fields) => fields.get_mut(part),
                Value::Array(items) => part
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get_mut(index)),
                _ => None,
            });
        }
        if let Some(Value::Object(fields)) = at {
            fields.shift_remove(&key);
        }
    }
    damage
}
