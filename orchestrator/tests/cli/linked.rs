//! How the binary is linked: `docs/decisions/0014-fixed-address.md`.

/// Where the type stands in the header of an ELF file, and that of a program with a fixed address.
const TYPE: std::ops::Range<usize> = 16..18;
const EXECUTABLE: u16 = 2;

#[test]
fn nothing_is_relocated_when_the_program_starts() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_flowctl")).unwrap();
    assert_eq!(&program[..4], b"\x7fELF");
    let kind = u16::from_le_bytes(program[TYPE].try_into().unwrap());
    assert_eq!(
        kind, EXECUTABLE,
        "a position-independent program has 124,000 pointers to mend at each start"
    );
}
