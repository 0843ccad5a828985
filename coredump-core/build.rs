//! Says in one sentence for which systems the library can be built.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_UNIX").is_none() {
        println!(
            "cargo::error=coredump-core maps files and opens them by the rules of Unix: it is for Linux, macOS and other Unix \
             systems, and cannot be built for this target"
        );
    }
}
