//! The stable codes of everything that can be wrong in an author's file.
//!
//! A code never changes its meaning; scripts and searches rely on it.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = concat!("flowctl::lang::", $code);)*

        /// Every code of the language.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

codes! {
    /// The YAML itself cannot be read.
    YAML_SYNTAX = "yaml_syntax";
    /// A YAML feature that the language leaves out: custom tags, merge keys, composite keys.
    YAML_FEATURE = "yaml_feature";
    /// More than one YAML document in a file.
    MULTIPLE_DOCUMENTS = "multiple_documents";
    /// The file is not UTF-8.
    NOT_UTF8 = "not_utf8";
    /// The file is larger than the budget.
    FILE_TOO_BIG = "file_too_big";
    /// Aliases, or what they expand to, exceed the budget.
    TOO_MANY_ALIASES = "too_many_aliases";
    /// More values or deeper nesting than the budget.
    TOO_COMPLEX = "too_complex";
    /// A key that does not exist here.
    UNKNOWN_KEY = "unknown_key";
    /// A key that stands twice in one mapping.
    DUPLICATE_KEY = "duplicate_key";
    /// A key that must be there is not.
    MISSING_KEY = "missing_key";
    /// A value of another type than expected.
    WRONG_TYPE = "wrong_type";
    /// A value of the right type that is not allowed.
    BAD_VALUE = "bad_value";
    /// An `apiVersion` that this flowctl does not know.
    UNKNOWN_API_VERSION = "unknown_api_version";
    /// A document `kind` that this flowctl does not know, or another than the one wanted.
    UNKNOWN_DOCUMENT_KIND = "unknown_document_kind";
    /// An id that is not snake_case.
    BAD_ID = "bad_id";
    /// An id, parameter or lock that is defined twice.
    DUPLICATE_ID = "duplicate_id";
    /// A duration that cannot be read.
    BAD_DURATION = "bad_duration";
    /// A cron expression that cannot be read.
    BAD_CRON = "bad_cron";
    /// A time zone that does not exist.
    BAD_TIMEZONE = "bad_timezone";
    /// `needs:` names a step that does not exist.
    UNKNOWN_STEP = "unknown_step";
    /// A step needs a step that only runs in teardown.
    NEEDS_TEARDOWN = "needs_teardown";
    /// Steps need each other in a circle.
    CYCLE = "cycle";
    /// `proves:` names a criterion that does not exist.
    UNKNOWN_CRITERION = "unknown_criterion";
    /// `objective:` names an objective that does not exist.
    UNKNOWN_OBJECTIVE = "unknown_objective";
    /// A step proves a criterion, but nothing in it measures anything.
    PROVES_NOTHING = "proves_nothing";
    /// A step kind that does not exist.
    UNKNOWN_KIND = "unknown_kind";
    /// A parameter that the step kind does not have.
    UNKNOWN_KIND_PARAMETER = "unknown_kind_parameter";
    /// A parameter that the step kind must be given.
    MISSING_KIND_PARAMETER = "missing_kind_parameter";
    /// A parameter of the step kind that has the wrong type or a forbidden value.
    BAD_KIND_PARAMETER = "bad_kind_parameter";
    /// A lock that is not declared.
    UNKNOWN_LOCK = "unknown_lock";
    /// More of a lock than there is, or none of it.
    BAD_LOCK_COUNT = "bad_lock_count";
    /// A file that cannot be read.
    MISSING_FILE = "missing_file";
    /// A path that leaves the workflow's surroundings, or that a template makes unknowable.
    BAD_PATH = "bad_path";
    /// A file that includes itself, directly or by way of others.
    INCLUDE_CYCLE = "include_cycle";
    /// A CEL expression that cannot be read.
    BAD_EXPRESSION = "bad_expression";
    /// A template that cannot be read.
    BAD_TEMPLATE = "bad_template";
    /// A name in an expression or template that does not exist there.
    UNKNOWN_NAME = "unknown_name";
    /// A parameter that is not declared.
    UNKNOWN_PARAMETER = "unknown_parameter";
    /// The output of a step that is not upstream.
    NOT_UPSTREAM = "not_upstream";
    /// A `foreach` over something that is not known before the run.
    FOREACH_SOURCE = "foreach_source";
    /// A default that does not have its parameter's type.
    BAD_DEFAULT = "bad_default";
    /// A value from the command line or the target that does not have its parameter's type.
    BAD_PARAMETER_VALUE = "bad_parameter_value";
    /// A parameter without default that was given no value.
    MISSING_PARAMETER = "missing_parameter";
    /// No workflow has this name.
    WORKFLOW_NOT_FOUND = "workflow_not_found";
    /// More than one file has this name.
    AMBIGUOUS_WORKFLOW = "ambiguous_workflow";
    /// A service of a target with both, or neither, of `url` and `service`.
    ENDPOINT = "endpoint";
    /// A secret that the target does not define.
    UNKNOWN_SECRET = "unknown_secret";
    /// A variable in a target file that is not set.
    UNSET_VARIABLE = "unset_variable";
    /// A variable of the environment in a part of a target that is stored with every run.
    STORED_VARIABLE = "stored_variable";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_code_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for code in ALL {
            assert!(seen.insert(code), "{code}");
        }
    }
}
