//! Which failures of Trino are worth another try. Decided by the error's name, its type and the HTTP
//! status; never by the message.

use flowctl_workflows::result::ErrorClass;

use super::protocol::QueryError;
use crate::error::StepError;

/// The longest message that is passed on; a syntax error lists every keyword of the grammar.
const LONGEST_MESSAGE: usize = 600;

/// The failure of a query, as a step's error.
#[must_use]
pub fn query_failed(query_id: &str, error: &QueryError) -> StepError {
    let place = match error.error_location {
        // Trino's own message names the place for most errors, but not for all.
        Some(place) if !error.message.starts_with("line ") => {
            format!("line {}:{}: ", place.line_number, place.column_number)
        }
        _ => String::new(),
    };
    let message = shorten(&error.message);
    let failure = StepError::new(
        class_of(&error.error_name, &error.error_type),
        format!("trino.{}", error.error_name),
        format!(
            "query {query_id} failed with {}: {place}{message}",
            error.error_name
        ),
    );
    match help_for(&error.error_name) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Whether an error is a query's own failure, and not that of the way to the server.
#[must_use]
pub fn is_of_query(error: &StepError) -> bool {
    // Trino's names are in capitals, the codes of this program in small letters.
    error
        .code
        .strip_prefix("trino.")
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a query that failed so may succeed when it is sent again.
#[must_use]
pub fn class_of(name: &str, error_type: &str) -> ErrorClass {
    match name {
        "EXCEEDED_TIME_LIMIT" => ErrorClass::TimedOut,
        // The coordinator gave the query up because nobody asked for its next page.
        "ABANDONED_QUERY" | "ABANDONED_TASK" => ErrorClass::Lost,
        // Another person ended it. Starting it again would work against them.
        "USER_CANCELED" | "ADMINISTRATIVELY_KILLED" | "ADMINISTRATIVELY_PREEMPTED" => {
            ErrorClass::Permanent
        }
        // Limits of the query itself: the same statement meets them again.
        "EXCEEDED_CPU_LIMIT"
        | "EXCEEDED_GLOBAL_MEMORY_LIMIT"
        | "EXCEEDED_LOCAL_MEMORY_LIMIT"
        | "EXCEEDED_SPILL_LIMIT"
        | "EXCEEDED_SCAN_LIMIT"
        | "EXCEEDED_WRITE_LIMIT"
        | "EXCEEDED_TASK_DESCRIPTOR_STORAGE_CAPACITY"
        | "EXCEEDED_FUNCTION_MEMORY_LIMIT" => ErrorClass::Permanent,
        "COMPILER_ERROR"
        | "FUNCTION_IMPLEMENTATION_MISSING"
        | "FUNCTION_IMPLEMENTATION_ERROR"
        | "INVALID_PROCEDURE_DEFINITION"
        | "INVALID_RESOURCE_GROUP" => ErrorClass::Permanent,
        "TRANSACTION_CONFLICT" => ErrorClass::Transient,
        _ => match error_type {
            "USER_ERROR" => ErrorClass::Permanent,
            // Starting up, shutting down, no nodes, a worker that went, a full queue, a metastore or an
            // object store that does not answer.
            "INTERNAL_ERROR" | "INSUFFICIENT_RESOURCES" | "EXTERNAL" => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        },
    }
}

fn help_for(name: &str) -> Option<&'static str> {
    Some(match name {
        "SERVER_STARTING_UP" => {
            "let a `trino.info` step come first: it waits until the server is really ready"
        }
        "TABLE_NOT_FOUND" | "SCHEMA_NOT_FOUND" | "CATALOG_NOT_FOUND" | "COLUMN_NOT_FOUND" => {
            "check `catalog:` and `schema:` of the step and of the target, and that the step which makes it comes before"
        }
        "MISSING_CATALOG_NAME" | "MISSING_SCHEMA_NAME" => {
            "give `catalog:` and `schema:`, in the step or in the target, or name the table in full"
        }
        "TABLE_ALREADY_EXISTS" | "SCHEMA_ALREADY_EXISTS" => {
            "use IF NOT EXISTS, or drop it first; an earlier run may have made it"
        }
        "QUERY_QUEUE_FULL" => {
            "its resource group has no room: raise `maxQueued`, or start fewer queries at once"
        }
        "NO_NODES_AVAILABLE" => {
            "no worker takes tasks: look at the workers' pods and at system.runtime.nodes"
        }
        "EXCEEDED_GLOBAL_MEMORY_LIMIT"
        | "EXCEEDED_LOCAL_MEMORY_LIMIT"
        | "CLUSTER_OUT_OF_MEMORY" => {
            "the query needs more memory than `query.max-memory`, `query.max-memory-per-node` or the heap allow"
        }
        "EXCEEDED_TIME_LIMIT" => {
            "raise `query_max_run_time` (`query_max_execution_time`, `query_max_planning_time`) in `session:`, or make the query smaller"
        }
        "HIVE_METASTORE_ERROR" | "ICEBERG_CATALOG_ERROR" => {
            "look at the Hive metastore: is it up, does the catalog name it rightly?"
        }
        "HIVE_FILESYSTEM_ERROR"
        | "ICEBERG_FILESYSTEM_ERROR"
        | "ICEBERG_CANNOT_OPEN_SPLIT"
        | "HIVE_CANNOT_OPEN_SPLIT"
        | "HIVE_WRITER_OPEN_ERROR"
        | "ICEBERG_WRITER_OPEN_ERROR" => {
            "look at the object store: the endpoint, the keys in the catalog, the bucket"
        }
        "INVALID_SESSION_PROPERTY" => "`SHOW SESSION` lists the properties that this server knows",
        "INVALID_FUNCTION_ARGUMENT" => {
            "a frequent one: sequence() makes at most 10000 entries; cross join two of them"
        }
        "PERMISSION_DENIED" => "the user of the target lacks this right in Trino's access control",
        "USER_CANCELED" | "ADMINISTRATIVELY_KILLED" => {
            "somebody ended this query on the server; it is not sent again by itself"
        }
        "ABANDONED_QUERY" => {
            "the coordinator had not been asked for a page during `query.client.timeout`"
        }
        _ => return None,
    })
}

/// An answer of HTTP that is not a page.
#[must_use]
pub fn http_failed(what: &str, status: u16, body: &str) -> StepError {
    let class = match status {
        408 | 425 | 429 | 500..=599 => ErrorClass::Transient,
        // The server no longer knows the query: it was restarted, or has forgotten it.
        404 | 410 => ErrorClass::Lost,
        _ => ErrorClass::Permanent,
    };
    let said = shorten(body.trim());
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    let error = StepError::new(
        class,
        format!("trino.http_{status}"),
        format!("{what} was answered with HTTP {status}{said}"),
    );
    match status {
        401 => error.help(
            "check `auth:` and `user:` of the target; Trino refuses a password over plain HTTP",
        ),
        403 => error.help("the user of the target may not do this"),
        404 | 410 => error
            .help("the server no longer knows this query: it was restarted or has forgotten it"),
        300..=399 => error.help(
            "a redirect is not followed: give the final address, or its credentials, in the target",
        ),
        _ => error,
    }
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::trino::protocol::ErrorLocation;
    use ErrorClass::{Lost, Permanent, TimedOut, Transient};

    #[test]
    fn the_name_decides_then_the_type() {
        for (name, error_type, class) in [
            ("SERVER_STARTING_UP", "INTERNAL_ERROR", Transient),
            ("SERVER_SHUTTING_DOWN", "INTERNAL_ERROR", Transient),
            ("TOO_MANY_REQUESTS_FAILED", "INTERNAL_ERROR", Transient),
            ("NO_NODES_AVAILABLE", "INTERNAL_ERROR", Transient),
            ("REMOTE_HOST_GONE", "INTERNAL_ERROR", Transient),
            ("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES", Transient),
            ("CLUSTER_OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES", Transient),
            ("HIVE_METASTORE_ERROR", "EXTERNAL", Transient),
            ("ICEBERG_FILESYSTEM_ERROR", "EXTERNAL", Transient),
            ("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES", TimedOut),
            ("EXCEEDED_CPU_LIMIT", "INSUFFICIENT_RESOURCES", Permanent),
            (
                "EXCEEDED_GLOBAL_MEMORY_LIMIT",
                "INSUFFICIENT_RESOURCES",
                Permanent,
            ),
            ("SYNTAX_ERROR", "USER_ERROR", Permanent),
            ("TABLE_NOT_FOUND", "USER_ERROR", Permanent),
            ("DIVISION_BY_ZERO", "USER_ERROR", Permanent),
            ("USER_CANCELED", "USER_ERROR", Permanent),
            ("ADMINISTRATIVELY_KILLED", "USER_ERROR", Permanent),
            ("ABANDONED_QUERY", "USER_ERROR", Lost),
            ("COMPILER_ERROR", "INTERNAL_ERROR", Permanent),
            ("A_NAME_OF_TOMORROW", "A_TYPE_OF_TOMORROW", Permanent),
        ] {
            assert_eq!(class_of(name, error_type), class, "{name}");
        }
    }

    #[test]
    fn the_status_decides_where_there_is_no_page() {
        for (status, class) in [
            (400, Permanent),
            (401, Permanent),
            (403, Permanent),
            (303, Permanent),
            (404, Lost),
            (410, Lost),
            (429, Transient),
            (500, Transient),
            (502, Transient),
            (503, Transient),
            (504, Transient),
        ] {
            let error = http_failed("the statement", status, "");
            assert_eq!(
                (error.class, error.code),
                (class, format!("trino.http_{status}"))
            );
        }
    }

    #[test]
    fn the_place_is_shown_once_and_long_messages_are_cut() {
        let place = Some(ErrorLocation {
            line_number: 3,
            column_number: 7,
        });
        let error = |message: &str| QueryError {
            message: message.to_owned(),
            error_name: "COLUMN_NOT_FOUND".to_owned(),
            error_type: "USER_ERROR".to_owned(),
            error_location: place,
        };
        let with = query_failed("q1", &error("line 3:7: Column 'name' cannot be resolved"));
        assert_eq!(
            with.message,
            "query q1 failed with COLUMN_NOT_FOUND: line 3:7: Column 'name' cannot be resolved"
        );
        let without = query_failed("q1", &error("Column 'name' cannot be resolved"));
        assert_eq!(without.message, with.message);
        assert_eq!(without.code, "trino.COLUMN_NOT_FOUND");
        assert!(is_of_query(&without) && !is_of_query(&http_failed("it", 503, "")));
        assert!(without.help.is_some());
        let long = query_failed("q1", &error(&"é".repeat(5000)));
        assert!(long.message.chars().count() < 700 && long.message.ends_with('…'));
    }
}
