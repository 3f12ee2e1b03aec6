//! The text of one SQL statement, made fit for the server. Reads just enough of SQL to tell code from
//! quotes and comments; it never changes what the statement means.

use sha2::{Digest, Sha256};

use crate::error::StepError;

/// Statements whose only effect is on later ones of the same session, which there are none of.
const SESSION_VERBS: [&str; 8] = [
    "USE",
    "SET",
    "RESET",
    "START",
    "COMMIT",
    "ROLLBACK",
    "PREPARE",
    "DEALLOCATE",
];

/// One statement without its trailing semicolon, which `/v1/statement` refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    sql: String,
    verb: String,
}

impl Statement {
    /// Takes the text of one statement.
    ///
    /// # Errors
    /// Permanent: `trino.empty_statement` when nothing but comments is in it, `trino.several_statements`
    /// when there is more than one, `trino.session_statement` when it would only change the session.
    pub fn new(text: &str) -> Result<Self, StepError> {
        let mut verb = String::new();
        let mut end = None;
        for (at, piece) in code(text) {
            match (piece, end) {
                (';', None) => end = Some(at),
                (';', Some(_)) => {}
                (_, Some(_)) => {
                    return Err(StepError::permanent(
                        "trino.several_statements",
                        "the text holds more than one statement, and Trino takes one at a time",
                    )
                    .help("make a step of each statement"));
                }
                (_, None) if verb.is_empty() => {
                    // A query may stand in brackets.
                    let word =
                        text[at..].trim_start_matches(|c: char| c == '(' || c.is_whitespace());
                    verb = word
                        .chars()
                        .take_while(char::is_ascii_alphabetic)
                        .collect::<String>()
                        .to_ascii_uppercase();
                    if verb.is_empty() {
                        verb.push('?');
                    }
                }
                (_, None) => {}
            }
        }
        if verb.is_empty() {
            return Err(StepError::permanent(
                "trino.empty_statement",
                "the text holds no SQL statement",
            ));
        }
        if SESSION_VERBS.contains(&&*verb) {
            return Err(StepError::permanent(
                "trino.session_statement",
                format!("{verb} would change nothing: each statement is a session of its own"),
            )
            .help("use `catalog:`, `schema:` and `session:` of the step instead"));
        }
        let sql = text[..end.unwrap_or(text.len())].trim().to_owned();
        Ok(Self { sql, verb })
    }

    /// The text that is sent.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The statement's first word in capitals.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Whether a second execution could do again what the first already did. `CREATE`, `DROP` and their like
    /// cannot: the second one fails or finds nothing left to do.
    #[must_use]
    pub fn doubles(&self) -> bool {
        !self.reads()
            && !matches!(
                &*self.verb,
                "CREATE"
                    | "DROP"
                    | "DELETE"
                    | "TRUNCATE"
                    | "GRANT"
                    | "REVOKE"
                    | "COMMENT"
                    | "ANALYZE"
            )
    }

    /// Whether it only reads, going by its first word. `EXPLAIN ANALYZE INSERT` is not worth a parser.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(
            &*self.verb,
            "SELECT" | "WITH" | "VALUES" | "TABLE" | "SHOW" | "DESCRIBE" | "DESC" | "EXPLAIN"
        )
    }

    /// A short name of this text, under which its queries can be told from others of the same attempt.
    #[must_use]
    pub fn digest(&self) -> String {
        Sha256::digest(self.sql.as_bytes())
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The places that hold code: the first character of each quoted text, and every other character that is
/// neither white space nor comment.
fn code(text: &str) -> Vec<(usize, char)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (length, is_code) = match first {
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (
                rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
                false,
            ),
            // A doubled quote inside reads as two quoted texts side by side, which comes to the same.
            '\'' | '"' => (
                rest[1..].find(first).map_or(rest.len(), |end| end + 2),
                true,
            ),
            c => (c.len_utf8(), !c.is_whitespace()),
        };
        if is_code {
            found.push((at, first));
        }
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        Statement::new(text).unwrap().sql
    }

    #[test]
    fn a_trailing_semicolon_goes_with_all_that_follows_it() {
        assert_eq!(sql("SELECT 1;"), "SELECT 1");
        assert_eq!(sql("  SELECT 1 ; ;\n-- done; really\n/* ; */ "), "SELECT 1");
        assert_eq!(sql("SELECT 1 -- one\n"), "SELECT 1 -- one");
    }

    #[test]
    fn semicolons_in_quotes_and_comments_are_text() {
        for text in [
            "SELECT ';'",
            "SELECT 'it''s; fine'",
            "SELECT \"a;b\" FROM t",
            "-- a; b\nSELECT 1",
            "/* a;\nb; */ SELECT 1",
        ] {
            assert_eq!(sql(text), text);
        }
    }

    #[test]
    fn several_and_none_are_refused() {
        for text in ["SELECT 1; SELECT 2", "SELECT 1;;'x'"] {
            assert_eq!(
                Statement::new(text).unwrap_err().code,
                "trino.several_statements",
                "{text}"
            );
        }
        for text in ["", " \n", ";", "-- nothing", "/* nothing"] {
            assert_eq!(
                Statement::new(text).unwrap_err().code,
                "trino.empty_statement",
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_word_tells_what_it_does() {
        for (text, verb, reads, doubles) in [
            ("-- seed\nInsert INTO t VALUES 1", "INSERT", false, true),
            ("(select 1)", "SELECT", true, false),
            ("WITH a AS (SELECT 1) TABLE a", "WITH", true, false),
            ("create table t as select 1", "CREATE", false, false),
            ("ALTER TABLE t EXECUTE optimize", "ALTER", false, true),
            ("CALL system.runtime.kill_query('x')", "CALL", false, true),
            ("'x'", "?", false, true),
        ] {
            let statement = Statement::new(text).unwrap();
            assert_eq!(
                (statement.verb(), statement.reads(), statement.doubles()),
                (verb, reads, doubles),
                "{text}"
            );
        }
    }

    #[test]
    fn a_statement_for_the_session_alone_is_refused() {
        for text in [
            "USE tpch.tiny",
            "set session x = 1",
            "START TRANSACTION",
            "COMMIT;",
        ] {
            let error = Statement::new(text).unwrap_err();
            assert_eq!(error.code, "trino.session_statement", "{text}");
        }
    }

    #[test]
    fn the_digest_is_of_what_is_sent() {
        let one = Statement::new("SELECT 1;").unwrap().digest();
        assert_eq!(one, Statement::new(" SELECT 1").unwrap().digest());
        assert_ne!(one, Statement::new("SELECT 2").unwrap().digest());
        assert_eq!(one.len(), 12);
    }
}
