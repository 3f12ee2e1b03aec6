//! What a coordinator answers.

/// Reads the same bytes as each of its answers, good and bad.
pub fn read(bytes: &[u8]) {
    flowctl_steps::clients::trino::fuzzing::answers(bytes);
}
