//! How the binary is linked: at a fixed address, so that the kernel maps it as it is and nothing has to be mended
//! when it starts. docs/decisions/0014-fixed-address.md says what that saves and what it costs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // rustc asks for a position-independent program before this; a C compiler heeds the last word.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
