//! What an object store answers to a select: an event stream, or an error in its place.

/// Reads the bytes as an answer, whole and in pieces.
pub fn read(bytes: &[u8]) {
    flowctl_steps::clients::s3::fuzzing::answers(bytes);
}
