//! The `pgdraft` binary.
fn main() {}
