//! The product from outside. The suites are in `e2e/` (on the lab, feature `lab`); this library is empty on purpose: a suite
//! starts the binary and reads what it leaves, and never reaches into a crate.
