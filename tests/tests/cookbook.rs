//! Every recipe of docs/cookbook-jq.md, run in a shell with the real jq.

use std::path::Path;

use coredump_tests::{Tool, binary, fixture, scratch, wasmtime_dump};

/// The shell blocks of the cookbook, in order.
fn recipes() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cookbook-jq.md");
    let text = std::fs::read_to_string(path).expect("docs/cookbook-jq.md");
    text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_recipe_answers_its_question() {
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        coredump_tests::skip("the jq cookbook is not tested, because jq is not on PATH");
        return;
    }
    let folder = scratch();
    let crashes = folder.path().join("crashes");
    std::fs::create_dir(&crashes).unwrap();
    let copy = |from: &Path, to: &Path| {
        std::fs::copy(from, to).unwrap();
    };
    copy(&wasmtime_dump("sum-O2"), &folder.path().join("app.coredump"));
    copy(&fixture("modules/sum-O2.wasm"), &folder.path().join("sum-O2.wasm"));
    copy(&wasmtime_dump("wat-values"), &folder.path().join("other.coredump"));
    for (index, name) in ["ab", "ab", "abort"].iter().enumerate() {
        copy(&wasmtime_dump(name), &crashes.join(format!("{index}.coredump")));
        copy(&fixture(&format!("modules/{name}.wasm")), &crashes.join(format!("{name}.wasm")));
    }
    std::fs::write(crashes.join("cut.coredump"), "").unwrap();

    // sum.c: the division (line 25) is inlined into share (33) and sum (46), called by main.
    let expected = [
        "divide ",
        "integer-division: ",
        "divide\nshare\nsum\n",
        "divide 25\nshare 33\nsum 46\n",
        " int = ",
        "ok ",
        "\"is\":-2",
        "2 b | a | i | main\n",
        "3 not recorded\n",
        "crashes/cut.coredump: the file is empty\n",
    ];
    let recipes = recipes();
    assert_eq!(recipes.len(), expected.len());
    let tools = binary("coredump-json").parent().expect("a folder").to_owned();
    let path =
        std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    for (recipe, expected) in recipes.iter().zip(expected) {
        let shell =
            Tool::other("sh").arg("-c").arg(recipe).env("PATH", path.as_ref().unwrap()).in_folder(folder.path());
        let outcome = shell.run().expect(0);
        assert!(outcome.text().contains(expected), "{recipe}\n{}\n{}", outcome.text(), outcome.stderr);
    }
}
