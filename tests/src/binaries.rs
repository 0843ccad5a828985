//! Finds or builds the binaries under test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of one of the workspace's binaries, built if need be.
///
/// `cargo test --workspace` builds a member's binary only if that member has integration tests, and `CARGO_BIN_EXE_*`
/// is set only inside the owning package. So this runs cargo itself, with the same command and features as the test
/// run, so that nothing is built a second time. `COREDUMP_BINARIES` names a folder of binaries to test instead.
pub fn binary(name: &str) -> &'static Path {
    static BINARIES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let binaries = BINARIES.get_or_init(|| match std::env::var_os("COREDUMP_BINARIES") {
        Some(folder) => {
            let tools = ["coredump-run", "coredump-bt", "coredump-json", "coredump-dump", "coredump-serve"];
            tools.map(|tool| (tool.to_owned(), Path::new(&folder).join(tool))).into()
        }
        None => build(),
    });
    binaries.get(name).unwrap_or_else(|| panic!("the workspace has no binary {name}: {binaries:?}"))
}

fn build() -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--workspace", "--no-run", "--quiet", "--message-format=json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo could not build the binaries");
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter(|message| message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false)
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect()
}
