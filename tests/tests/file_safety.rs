//! The readers open some of the paths that a dump or a module names, and leave others alone.

use std::path::{Path, PathBuf};

use coredump_tests::dump_builder::{self as build, frame};
use coredump_tests::{Outcome, Tool, fixture, scratch, wasmtime_dump};

const READERS: [&str; 3] = ["coredump-bt", "coredump-json", "coredump-dump"];

fn bt() -> Tool {
    Tool::new("coredump-bt")
}

fn copy(module: &str, to: &Path) {
    std::fs::copy(fixture(&format!("modules/{module}.wasm")), to).unwrap();
}

/// The dump of `modules/sum-O0.wasm`, as it names its program, from standard input.
fn sum(folder: &Path, options: &[&str]) -> Outcome {
    let dump = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    bt().args(options).stdin(dump).in_folder(folder).run()
}

#[test]
fn recorded_paths_are_left_alone_on_request() {
    let folder = scratch();
    std::fs::create_dir(folder.path().join("modules")).unwrap();
    copy("sum-O0", &folder.path().join("modules/sum-O0.wasm"));
    assert!(sum(folder.path(), &[]).expect(0).text().contains("src/c/sum.c:25:29"));
    for option in ["--no-recorded-paths", "--untrusted"] {
        let outcome = sum(folder.path(), &[option]).expect(1);
        assert!(outcome.text().contains("#0 func["), "{}", outcome.text());
    }
}

/// Opening a FIFO would wait for a writer, reading a device might never end or have effects.
#[test]
fn a_recorded_path_is_opened_only_if_it_is_a_regular_file() {
    let folder = scratch();
    Tool::other("mkfifo").arg("fifo").in_folder(folder.path()).run().expect(0);
    for path in ["fifo", "/dev/zero", "/dev/stdin", ".", "/proc/self/mem"] {
        let instances = build::coreinstances(&[(0, &[], &[])]);
        let stack = build::standard_stack(&[frame(0, 1, &[])]);
        let dump = build::module(&[build::core(path), build::coremodules(&[path]), instances, stack]);
        for tool in READERS {
            let outcome = Tool::new(tool).stdin(dump.clone()).in_folder(folder.path()).run();
            assert!(matches!(outcome.code(), 0 | 1), "{tool} {path}: {outcome:?}");
            assert_ne!(outcome.stdout, b"", "{tool} {path}: the dump is read all the same");
        }
    }
}

/// The stripped `sum` with an `external_debug_info` section that names a file with its lines, and how its dump is
/// shown.
struct External {
    folder: tempfile::TempDir,
    wasm: PathBuf,
}

impl External {
    fn named(name: &str) -> External {
        let folder = scratch();
        let wasm = folder.path().join("inner/app.wasm");
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        copy("sum-O0", &folder.path().join("outside.wasm"));
        let mut bytes = std::fs::read(fixture("modules/sum-stripped.wasm")).unwrap();
        bytes.extend(build::custom("external_debug_info", &build::name(name)));
        std::fs::write(&wasm, bytes).unwrap();
        External { folder, wasm }
    }

    fn show(&self, options: &[&str]) -> Outcome {
        bt().arg(wasmtime_dump("sum-stripped")).arg("-m").arg(&self.wasm).args(options).run().expect(0)
    }
}

#[test]
fn a_module_leads_out_of_its_folder_only_if_it_is_trusted() {
    let module = External::named("../outside.wasm");
    assert!(module.show(&[]).text().contains("src/c/sum.c:25:29"));
    let untrusted = module.show(&["--untrusted"]);
    assert!(!untrusted.text().contains(".c:"), "{}", untrusted.text());
    assert!(
        untrusted
            .stderr
            .contains("external debug info ../outside.wasm not found in the module's folder: elsewhere nothing"),
        "{}",
        untrusted.stderr
    );
    let folder = module.folder.path().to_str().unwrap();
    let searched = module.show(&["--untrusted", "--symbols-path", folder]);
    assert!(
        searched.text().contains("src/c/sum.c:25:29"),
        "a folder that the user names is searched: {}",
        searched.stderr
    );
}

#[cfg(unix)]
#[test]
fn a_link_leads_out_of_the_folder_only_if_the_module_is_trusted() {
    let module = External::named("link.wasm");
    let link = module.folder.path().join("inner/link.wasm");
    std::os::unix::fs::symlink("../outside.wasm", &link).unwrap();
    assert!(module.show(&[]).text().contains("src/c/sum.c:25:29"));
    let untrusted = module.show(&["--untrusted"]);
    assert!(!untrusted.text().contains(".c:"), "{}", untrusted.text());
    // A link that stays inside is no different from a file.
    std::fs::rename(module.folder.path().join("outside.wasm"), module.folder.path().join("inner/debug.wasm")).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("debug.wasm", &link).unwrap();
    assert!(module.show(&["--untrusted"]).text().contains("src/c/sum.c:25:29"));
}

#[test]
fn nothing_is_fetched_over_a_network() {
    let module = External::named("https://example.com/app.wasm");
    assert!(module.show(&[]).stderr.contains("nothing is fetched"), "{}", module.show(&[]).stderr);
}
