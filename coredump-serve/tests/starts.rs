//! Tests that the binary starts. (`cargo test --workspace` builds the binary of a package with an integration test,
//! which the end-to-end tests rely on.)

use std::process::Command;

#[test]
fn version_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_coredump-serve")).arg("--version").output().expect("it runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("coredump-serve {}\n", env!("CARGO_PKG_VERSION")));
}
