//! What Prometheus and Alertmanager answer, and the expression of a rule, which is Prometheus' own text.

/// Reads the same bytes as each of their answers.
pub fn read(bytes: &[u8]) {
    flowctl_steps::clients::prometheus::fuzzing::answers(bytes);
}
