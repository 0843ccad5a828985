//! The man pages in `docs/man` are what the tools say of themselves. `COREDUMP_UPDATE=1` writes them anew.

use std::path::Path;

use coredump_tests::Tool;

const TOOLS: [&str; 5] = ["coredump-run", "coredump-bt", "coredump-json", "coredump-dump", "coredump-serve"];

#[test]
fn man_pages_are_those_the_tools_generate() {
    for tool in TOOLS {
        let generated = Tool::new(tool).args(["--generate", "man"]).run().expect(0);
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/man/{tool}.1"));
        if std::env::var_os("COREDUMP_UPDATE").is_some() {
            std::fs::write(&page, &generated.stdout).expect("the page can be written");
        }
        let committed = std::fs::read_to_string(&page).unwrap_or_default();
        assert_eq!(generated.text(), committed, "{tool}: run the tests with COREDUMP_UPDATE=1 and commit docs/man");
    }
}

#[test]
fn help_shows_every_option_and_examples() {
    for tool in TOOLS {
        let help = Tool::new(tool).arg("--help").run().expect(0);
        assert!(help.text().starts_with(&format!("Usage: {tool}")), "{}", help.text());
        assert!(help.text().contains("Examples:"), "{tool} --help has no examples");
        assert!(help.text().contains("\n  -V, --version "), "{}", help.text());
        let wide: Vec<_> = help.text().lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "wider than a terminal: {wide:?}");
        assert!(help.stderr.is_empty());
    }
}

#[test]
fn completions_are_generated_for_the_usual_shells() {
    for tool in TOOLS {
        for shell in ["bash", "zsh", "fish", "nushell"] {
            let script = Tool::new(tool).args(["--generate", shell]).run().expect(0);
            assert!(
                script.text().contains(tool) && script.text().contains("help"),
                "{tool} {shell}: {}",
                script.text()
            );
        }
        Tool::new(tool).args(["--generate", "tcl"]).run().expect(64);
    }
}
