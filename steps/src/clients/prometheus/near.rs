//! Which names of metrics come near to one that does not exist. Pure.

use std::collections::BTreeSet;

/// How many are named at most.
const NAMED: usize = 5;

/// The names that have most words in common with `name`, best first.
#[must_use]
pub fn near(name: &str, known: &[String]) -> Vec<String> {
    let wanted = words(name);
    let needed = if wanted.len() > 2 { 2 } else { 1 };
    let mut scored: Vec<(usize, usize, &String)> = known
        .iter()
        .filter_map(|candidate| {
            let has = words(candidate);
            let shared = wanted.intersection(&has).count();
            (shared >= needed).then_some((shared, has.len(), candidate))
        })
        .collect();
    // Many words in common, few others.
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(b.2)));
    scored
        .into_iter()
        .take(NAMED)
        .map(|(_, _, name)| name.clone())
        .collect()
}

/// The words of a name, whether `snake_case` or `camelCase`, without the plural's s.
fn words(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before_lower = false;
    for c in name.chars() {
        let boundary = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && before_lower);
        if boundary {
            words.insert(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        before_lower = c.is_ascii_lowercase();
    }
    words.insert(word);
    words
        .into_iter()
        .map(|word| match word.strip_suffix("ies") {
            Some(stem) => format!("{stem}y"),
            None => word.trim_end_matches('s').to_owned(),
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_the_same_words_come_first() {
        let known: Vec<String> = [
            "go_goroutines",
            "trino_execution_name_QueryManager_QueuedQueries",
            "trino_execution_name_QueryManager_RunningQueries",
            "trino_memory_type_ClusterMemoryPool_name_general_ReservedDistributedBytes",
            "up",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(
            near("trino_query_manager_running_queries", &known)[0],
            "trino_execution_name_QueryManager_RunningQueries"
        );
        assert_eq!(
            near("trino_memory_pool_reserved_bytes", &known)[0],
            "trino_memory_type_ClusterMemoryPool_name_general_ReservedDistributedBytes"
        );
        assert!(near("nothing_like_it", &known).is_empty());
    }

    #[test]
    fn at_most_five_are_named() {
        let known: Vec<String> = (0..9).map(|n| format!("a_b_{n}")).collect();
        assert_eq!(near("a_b", &known).len(), 5);
    }
}
