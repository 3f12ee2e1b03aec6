//! What only the crash suite may do to the program is not in it.

/// The crash suite looks for the same name in its own build, where it must be.
#[cfg(not(feature = "crash-points"))]
#[test]
fn nothing_in_the_environment_can_stop_the_program() {
    for name in ["FLOWCTL_CRASH_AT", "FLOWCTL_MUTANT"] {
        let found = std::process::Command::new("grep")
            .args(["--text", "--quiet", "--fixed-strings", name])
            .arg(crate::flowctl::binary())
            .status()
            .expect("grep starts");
        assert_eq!(found.code(), Some(1), "{name} is in the program");
    }
}
