//! Resource groups: which a query belongs to, and whether it may begin, must wait, or is one too many. Pure; limits of
//! memory and of CPU time are not played.

use serde_json::Value;

use super::lake::{Failed, Lake, Query, Stage};
use crate::testing::rehearsal::patterns::compiled;

/// A group, with the limits that are kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// As `global.limited`.
    pub(super) path: String,
    hard_concurrency_limit: usize,
    max_queued: usize,
}

/// What becomes of a query that wants to begin.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Admission {
    Begins,
    Waits,
    Refused(Failed),
}

/// The groups of a query, the outermost first; none, where there is no configuration.
///
/// # Errors
/// When no selector takes the query, or one asks for what a rehearsal does not know.
pub(super) fn of(config: &str, query: &Query) -> Result<Vec<Group>, Failed> {
    if config.is_empty() {
        return Ok(Vec::new());
    }
    let config: Value = serde_json::from_str(config)
        .map_err(|error| unknown(&format!("these resource groups: {error}")))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for selector in list(&config["selectors"]) {
        if takes(&selector, query)? {
            let path = selector["group"].as_str().unwrap_or_default();
            return along(&list(&config["rootGroups"]), path);
        }
    }
    Err(unknown("what becomes of a query that no selector takes"))
}

fn unknown(what: &str) -> Failed {
    Failed::user(
        "NOT_SUPPORTED",
        13,
        format!("the rehearsal does not know {what}"),
    )
}

fn takes(selector: &Value, query: &Query) -> Result<bool, Failed> {
    for (key, wanted) in selector.as_object().into_iter().flatten() {
        let fits = |pattern: &str, text: &str| {
            compiled(&format!("^(?:{pattern})$"))
                .map(|pattern| pattern.is_match(text))
                .map_err(|error| unknown(&format!("this selector of a resource group: {error}")))
        };
        let holds = match (key.as_str(), wanted) {
            ("group", _) => true,
            ("user", Value::String(pattern)) => fits(pattern, &query.user)?,
            ("source", Value::String(pattern)) => fits(pattern, &query.source)?,
            ("clientTags", Value::Array(tags)) => tags
                .iter()
                .all(|tag| query.tags.iter().any(|own| own == tag)),
            _ => {
                return Err(unknown(&format!(
                    "the selector `{key}` of a resource group"
                )));
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The groups on the way to a path.
fn along(roots: &[Value], path: &str) -> Result<Vec<Group>, Failed> {
    let (mut groups, mut level, mut so_far) = (Vec::new(), roots.to_vec(), String::new());
    for name in path.split('.') {
        let found = level.iter().find(|group| group["name"] == name);
        let Some(group) = found.cloned() else {
            return Err(unknown(&format!("the resource group `{path}`")));
        };
        if !so_far.is_empty() {
            so_far.push('.');
        }
        so_far.push_str(name);
        let limit = |key: &str| {
            let limit = group[key].as_u64();
            limit.map_or(usize::MAX, |limit| {
                usize::try_from(limit).unwrap_or(usize::MAX)
            })
        };
        groups.push(Group {
            path: so_far.clone(),
            hard_concurrency_limit: limit("hardConcurrencyLimit"),
            max_queued: limit("maxQueued"),
        });
        level = group["subGroups"].as_array().cloned().unwrap_or_default();
    }
    Ok(groups)
}

/// How many queries of a group are in a stage.
fn count(lake: &Lake, group: &Group, stage: &Stage) -> usize {
    let members = lake.queries.iter().filter(|query| query.stage == *stage);
    members
        .filter(|query| query.groups.contains(&group.path))
        .count()
}

/// Whether all groups have room for one more at work.
pub(super) fn have_room(lake: &Lake, groups: &[Group]) -> bool {
    groups
        .iter()
        .all(|group| count(lake, group, &Stage::Running) < group.hard_concurrency_limit)
}

/// What becomes of a query of these groups.
pub(super) fn admit(lake: &Lake, groups: &[Group]) -> Admission {
    if have_room(lake, groups) {
        return Admission::Begins;
    }
    let full = groups
        .iter()
        .find(|group| count(lake, group, &Stage::Waiting) >= group.max_queued);
    match full {
        None => Admission::Waits,
        Some(group) => Admission::Refused(Failed {
            kind: "INSUFFICIENT_RESOURCES",
            ..Failed::user(
                "QUERY_QUEUE_FULL",
                131_074,
                format!("Too many queued queries for \"{}\"", group.path),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "rootGroups": [{"name": "global", "hardConcurrencyLimit": 3, "maxQueued": 9, "subGroups": [
            {"name": "small", "hardConcurrencyLimit": 1, "maxQueued": 1},
            {"name": "rest", "hardConcurrencyLimit": 5, "maxQueued": 5}]}],
        "selectors": [
            {"clientTags": ["small"], "group": "global.small"},
            {"source": "flowctl/[^/]+/a/.*", "group": "global.rest"},
            {"source": "odd", "queryType": "SELECT", "group": "global.rest"}]}"#;

    fn query(source: &str, tags: &[&str]) -> Query {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Query::new("q", "SELECT 1", source, tags, jiff::Timestamp::UNIX_EPOCH)
    }

    /// Lets one in, or says what becomes of it.
    fn enter(lake: &mut Lake, mut query: Query) -> Admission {
        let groups = of(CONFIG, &query).unwrap();
        let admission = admit(lake, &groups);
        query.groups = groups.into_iter().map(|group| group.path).collect();
        query.stage = match &admission {
            Admission::Begins => Stage::Running,
            Admission::Waits => Stage::Waiting,
            Admission::Refused(failed) => Stage::Failed(failed.clone()),
        };
        lake.queries.push(query);
        admission
    }

    #[test]
    fn the_first_selector_that_fits_names_the_group() {
        let path = |query: &Query| of(CONFIG, query).map(|groups| groups[1].path.clone());
        assert_eq!(path(&query("flowctl/r/a/1", &[])).unwrap(), "global.rest");
        assert_eq!(
            path(&query("flowctl/r/a/1", &["x", "small"])).unwrap(),
            "global.small"
        );
        let nobody = path(&query("flowctl/r/b/a/1", &[])).unwrap_err();
        assert!(nobody.message.contains("that no selector takes"));
        let odd = path(&query("odd", &[])).unwrap_err();
        assert!(
            odd.message
                .contains("does not know the selector `queryType`")
        );
        assert_eq!(of("", &query("x", &[])).unwrap(), []);
    }

    #[test]
    fn one_works_one_waits_and_the_third_is_refused() {
        let mut lake = Lake::default();
        let mut small = || enter(&mut lake, query("x", &["small"]));
        assert_eq!(small(), Admission::Begins);
        assert_eq!(small(), Admission::Waits);
        let Admission::Refused(failed) = small() else {
            panic!("it is one too many");
        };
        assert_eq!(failed.name, "QUERY_QUEUE_FULL");
        assert_eq!(
            failed.message,
            "Too many queued queries for \"global.small\""
        );
    }

    #[test]
    fn the_outer_group_limits_its_members_together() {
        let mut lake = Lake::default();
        let mut rest = || enter(&mut lake, query("flowctl/r/a/1", &[]));
        assert_eq!([rest(), rest(), rest()], [const { Admission::Begins }; 3]);
        assert_eq!(rest(), Admission::Waits);
    }
}
