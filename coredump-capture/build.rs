//! Tells the crate which engine it is built with: wasmtime has no constant for that, and a dump records it.

fn main() {
    // A package has a lock file of its own, in the repository it is the workspace's.
    let locks =
        [concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"), concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")];
    locks.iter().for_each(|lock| println!("cargo::rerun-if-changed={lock}"));
    let text = locks.iter().find_map(|lock| std::fs::read_to_string(lock).ok()).unwrap_or_default();
    let mut lines = text.lines().skip_while(|line| *line != "name = \"wasmtime\"");
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    println!("cargo::rustc-env=WASMTIME_VERSION={}", version.unwrap_or("(version unknown)"));
}
