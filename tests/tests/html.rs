//! `coredump-bt --html`: pages that say what the text says, stay small, and in which nothing of a dump becomes markup.

use std::collections::BTreeSet;
use std::path::Path;

use coredump_tests::dump_builder::{self as build, FrameBytes, frame};
use coredump_tests::{Outcome, Tool, fixture, scratch, skip_everywhere, wasmtime_dump};

/// The page of a fixture's dump, in a folder where its sources are.
fn page(module: &str, options: &[&str]) -> String {
    let folder = fixture("sources");
    let tool = Tool::new("coredump-bt").arg("--html").args(options).arg(wasmtime_dump(module));
    let tool = tool.arg("-m").arg(fixture(&format!("modules/{module}.wasm"))).args(["--path-map", "src="]);
    let outcome = tool.in_folder(&folder).run();
    assert!(outcome.code() <= 1, "{outcome:?}");
    outcome.text().to_owned()
}

/// An element's start or end as it stands in a page: its name, and its attributes.
type Tag = (String, Vec<(String, String)>);

/// The tags of a page and its text. Script and style are neither.
fn parse(page: &str) -> (Vec<Tag>, String) {
    let (mut tags, mut text, mut rest) = (Vec::new(), String::new(), page);
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // A quoted value may hold anything but its quote.
        let mut quoted = false;
        let end = rest.find(|letter| {
            quoted ^= letter == '"';
            letter == '>' && !quoted
        });
        let (tag, after) = rest.split_at(end.expect("each tag ends"));
        rest = &after[1..];
        let tag = tag.strip_suffix('/').unwrap_or(tag);
        let name: String = tag.split([' ', '\n']).next().unwrap().to_owned();
        let mut attributes = Vec::new();
        let mut left = tag[name.len()..].trim();
        while !left.is_empty() {
            let end = left.find([' ', '=']).unwrap_or(left.len());
            let (attribute, after) = left.split_at(end);
            let mut value = "";
            left = after;
            if let Some(quoted) = left.strip_prefix("=\"") {
                (value, left) = quoted.split_once('"').expect("each value ends");
            }
            attributes.push((attribute.to_owned(), plain(value)));
            left = left.trim_start();
        }
        if name == "style" || name == "script" {
            rest = &rest[rest.find("</").expect("it ends")..];
        }
        tags.push((name, attributes));
    }
    (tags, plain(&text))
}

/// A text as its reader sees it.
fn plain(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}

/// Checks that a page is made of these elements and attributes and of no others, that it loads nothing, and that
/// nothing in it runs but what its policy names.
#[track_caller]
fn is_harmless(page: &str) {
    const ELEMENTS: &str = "!DOCTYPE html head meta title style body a div label input output button main article header \
        footer section nav h1 h2 h3 p ul ol li dl dt dd pre code b i q span details summary svg rect table thead tbody tr th td kbd script";
    const ATTRIBUTES: &str = "lang charset http-equiv content name class id href hidden role for type placeholder autocomplete \
        spellcheck aria-pressed aria-label aria-current open start title tabindex scope viewBox preserveAspectRatio x y width height html";
    let elements: BTreeSet<_> = ELEMENTS.split_whitespace().collect();
    let known: BTreeSet<_> = ATTRIBUTES.split_whitespace().collect();
    let (tags, _) = parse(page);
    for (name, attributes) in &tags {
        assert!(elements.contains(name.trim_start_matches('/')), "<{name}>");
        for (attribute, value) in attributes {
            assert!(known.contains(attribute.as_str()), "<{name} {attribute}>");
            let local = |value: &str| {
                value
                    .strip_prefix('#')
                    .unwrap_or(value)
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
            };
            assert!(attribute != "href" || local(value), "{value}");
        }
    }
    let scripts = tags.iter().filter(|(name, _)| name == "script").count();
    assert_eq!(scripts, 1, "the page has one script, its own");
    let policy = tags.iter().flat_map(|(_, attributes)| attributes).find(|(_, value)| value.starts_with("default-src"));
    let (_, policy) = policy.expect("a page has a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn a_page_says_what_the_text_says() {
    let page = page("sum-O0", &[]);
    is_harmless(&page);
    let (_, text) = parse(&page);
    let module = fixture("modules/sum-O0.wasm");
    let printed =
        Tool::new("coredump-bt").arg(wasmtime_dump("sum-O0")).arg("-m").arg(module).args(["--path-map", "src="]).run();
    let frames: Vec<_> = printed.text().lines().filter(|line| line.starts_with('#')).collect();
    assert!(frames.len() >= 9, "{frames:?}");
    for frame in frames {
        // `#2 0x0661 sum (node=0x11580, …) at c/sum.c:46:16`
        let call = frame.splitn(3, ' ').nth(2).unwrap();
        let (call, place) = call.split_once(" at ").unwrap_or((call, ""));
        assert!(text.contains(call) && text.contains(place), "{frame}");
    }
    for line in
        ["integer-divide-by-zero", "i32.div_s by zero", "divide | share | sum | main", "all frames fit its code"]
    {
        assert!(text.contains(line), "{line}");
    }
    // The target of a pointer is shown, member by member, and so is the line of the crash with those around it.
    assert!(text.contains(
        "node: struct node * = 0x11550\n*: struct node = {value = 30, weight = 0, next = 0x0}\nvalue: int = 30\n"
    ));
    let source = std::fs::read_to_string(fixture("sources/c/sum.c")).unwrap();
    for line in source.lines().skip(21).take(7) {
        assert!(text.contains(&line.replace('\t', "    ")), "{line}");
    }
    assert!(page.contains(r#"<li class="here" aria-current="true">"#));
}

#[test]
fn the_frame_that_counts_is_open_and_inlined_calls_are_rows() {
    let page = page("sum-O2", &[]);
    let (tags, text) = parse(&page);
    let open: Vec<_> = tags
        .iter()
        .filter(|(_, attributes)| attributes.iter().any(|(name, _)| name == "open"))
        .filter_map(|(_, attributes)| attributes.iter().find(|(name, _)| name == "id"))
        .map(|(_, id)| id.as_str())
        .collect();
    assert_eq!(open, ["r0t0", "r0t0f0i0"], "the thread, and `divide`, which was inlined where it crashed");
    assert!(text.contains("inlined"));
}

#[test]
fn nothing_is_read_for_an_untrusted_dump() {
    let marked = r#"<li class="here""#;
    assert!(page("sum-O0", &[]).contains(marked));
    assert!(!page("sum-O0", &["--untrusted"]).contains(marked));
}

/// Text that becomes markup in pages that forget to escape it, in elements, attributes, scripts, styles and addresses.
const HOSTILE: [&str; 8] = [
    "<script>document.documentElement.setAttribute('data-ran',1)</script>",
    "\"><img src=x onerror=\"document.documentElement.setAttribute('data-ran',2)\">",
    "' autofocus onfocus='document.documentElement.setAttribute(\"data-ran\",3)' x='",
    "</title></style></script></pre></details><svg onload=document.documentElement.setAttribute('data-ran',4)>",
    "<!--",
    "]]>",
    "javascript:document.documentElement.setAttribute('data-ran',5)",
    "&lt;script&gt;\u{202e}\u{0}\u{1b}]0;x\u{7}<iframe srcdoc='<script>parent.document.documentElement.setAttribute(`data-ran`,6)</script>'>",
];

/// A dump and its module in which every text is hostile.
fn hostile(folder: &Path) -> Outcome {
    let text = HOSTILE.concat();
    let names: Vec<(u32, &str)> = (0..8).map(|index| (index, HOSTILE[index as usize])).collect();
    // Each calls the one before it.
    let bodies: Vec<Vec<u8>> =
        (0..8).map(|index: u8| if index == 0 { vec![0, 0x00, 0x0b] } else { vec![0, 0x10, index - 1, 0x0b] }).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(|body| &body[..]).collect();
    std::fs::write(folder.join("evil.wasm"), build::wasm(&bodies, &names)).unwrap();
    let frames: Vec<_> = (0..8).map(|index| frame(index, 1, &[build::Number::I32(7)])).collect();
    let reason = serde_json::json!({"kind": text, "message": HOSTILE.join("\n"), "guest_stderr": HOSTILE.join("\n")});
    let process = serde_json::json!({
        "executable": text, "args": ["app", text], "time": text, "start_time": text, "runtime": text, "producer": text,
        "host": text, "detail": text, "annotations": {(text.clone()): text},
        "request": {"method": text, "path": text, "peer": text, "headers": [{"name": text, "value": text}]},
    });
    let calls = serde_json::json!([
        {"name": text, "args": [text], "result": text, "failed": true, "since_start_ms": 12},
        {"name": "proc_exit", "args": ["code=3"]},
    ]);
    let mut stack = build::standard_stack(&frames);
    // The name of the thread, which is `main` otherwise.
    let named = build::custom("corestack", &[vec![0], build::name(&text), stack.split_off(17)].concat());
    let dump = build::module(&[
        build::core(&text),
        named,
        build::coremodules(&[&text]),
        build::coreinstances(&[(0, &[0], &[])]),
        build::memory(1, None),
        build::data(&[(1024, text.as_bytes())]),
        build::custom("coredump.process", process.to_string().as_bytes()),
        build::custom("coredump.reason", reason.to_string().as_bytes()),
        build::custom("coredump.calls", calls.to_string().as_bytes()),
    ]);
    std::fs::write(folder.join("<b onmouseover=x>&.coredump"), dump).unwrap();
    let tool =
        Tool::new("coredump-bt").args(["--html", "-o", "page.html", "-m", "evil.wasm", "<b onmouseover=x>&.coredump"]);
    let outcome = tool.in_folder(folder).run();
    assert!(outcome.code() <= 1, "{outcome:?}");
    outcome
}

#[test]
fn no_text_of_a_dump_becomes_markup() {
    let folder = scratch();
    hostile(folder.path());
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    is_harmless(&page);
    let (_, text) = parse(&page);
    for hostile in &HOSTILE[..7] {
        let seen = text.matches(hostile).count();
        assert!(seen >= 6, "{hostile} is text of names, reason, words, facts: {seen} times");
    }
    assert!(!page.contains(['\u{202e}', '\u{0}', '\u{1b}']));
    assert!(text.contains("12 ms") && text.contains("proc_exit(code=3)did not return"), "the last calls of the host");
}

/// Chromium opens the page, with the page's policy and without it: nothing of the dump runs.
#[test]
fn nothing_of_a_dump_runs_in_a_browser() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let starts = |name: &&str| std::process::Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = names.into_iter().find(starts) else { return skip_everywhere("no Chromium is on PATH") };
    let folder = scratch();
    hostile(folder.path());
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    let policy = page.find("<meta http-equiv").unwrap();
    let bare = format!("{}{}", &page[..policy], &page[policy + page[policy..].find('\n').unwrap()..]);
    let caught = bare.replace("<h2>Threads</h2>", HOSTILE[0]);
    for (name, page, runs) in [("page", &page, false), ("bare", &bare, false), ("caught", &caught, true)] {
        let file = folder.path().join(format!("{name}.html"));
        std::fs::write(&file, page).unwrap();
        let options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--dump-dom",
        ];
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let shown =
            Tool::other(browser).args(options).arg(profile).arg(format!("file://{}", file.display())).run().expect(0);
        let shown = shown.text();
        let root = &shown[..shown.find("<head>").expect("a page has a head")];
        assert_eq!(root.contains("data-ran"), runs, "{name}: {root}");
        // The page's own script did run.
        assert!(shown.contains(r#"<div id="tools" role="search">"#), "{name}");
    }
}

#[test]
fn fifty_frames_with_all_their_variables_stay_below_a_megabyte() {
    for (module, options) in [
        ("recurse", &["--limit=50", "--no-fold"][..]),
        ("vars-O0", &["--depth=20", "--elements=500"]),
        ("rust-vars-O0", &["--depth=20", "--elements=500"]),
        ("cpp-vars-O0", &["--depth=20", "--elements=500"]),
    ] {
        let page = page(module, options);
        is_harmless(&page);
        assert!(page.len() < 1_000_000, "{module}: {} bytes", page.len());
    }
}

#[test]
fn a_hundred_thousand_frames_are_all_there_and_few_elements() {
    let bodies: Vec<&[u8]> = vec![&[0, 0x10, 0, 0x10, 1, 0x00, 0x0b]; 2];
    let folder = scratch();
    let module = folder.path().join("deep.wasm");
    std::fs::write(&module, build::wasm(&bodies, &[(0, "left"), (1, "right")])).unwrap();
    // The order of the calls follows no pattern, so that nothing can be folded.
    let mut state = 1u32;
    let frames: Vec<FrameBytes> = (0..100_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            frame(state >> 31, if state >> 30 & 1 == 0 { 1 } else { 3 }, &[])
        })
        .collect();
    let dump = build::module(&[
        build::core("deep"),
        build::coremodules(&["deep"]),
        build::coreinstances(&[(0, &[], &[])]),
        build::standard_stack(&frames),
    ]);
    let tool = Tool::new("coredump-bt").args(["--html", "--no-fold", "-"]).arg("-m").arg(&module).stdin(dump);
    let outcome = tool.run();
    assert!(outcome.code() <= 1, "{outcome:?}");
    let page = outcome.text();
    let (tags, text) = parse(page);
    assert!(text.contains("\n#99999 left") || text.contains("\n#99999 right"));
    assert!(tags.len() < 5000 && page.len() < 12_000_000, "{} tags, {} bytes", tags.len(), page.len());
}

#[test]
fn several_dumps_have_an_index_by_signature() {
    let dumps = ["sum-O0", "sum-O2", "wat-div", "sum-names"].map(wasmtime_dump);
    let folder = scratch();
    let none = folder.path().join("no dump");
    std::fs::write(&none, "text").unwrap();
    let tool = || {
        let tool = Tool::new("coredump-bt").args(["--html", "--symbols-path"]).arg(fixture("modules"));
        tool.args(&dumps).arg(&none).arg("-o").in_folder(folder.path())
    };
    assert_eq!(tool().arg("pages").run().code(), 1, "one of them is no dump");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let index = read("pages/index.html");
    is_harmless(&index);
    let (tags, text) = parse(&index);
    assert!(text.contains("4 core dumps, "), "{text}");
    let first = text.find("3 core dumps, 20").expect("the three of one signature, with the day of their files");
    assert!(first < text.find("1 core dump, 20").expect("the other"), "the most frequent comes first");
    let links: Vec<_> = tags
        .iter()
        .flat_map(|(_, attributes)| attributes)
        .filter(|(name, value)| name == "href" && value.ends_with(".html"))
        .collect();
    assert_eq!(links.len(), 4);
    for (_, file) in links {
        let page = read(&format!("pages/{file}"));
        is_harmless(&page);
        assert!(page.contains(r#"<a href="index.html">"#));
    }
    // One page holds all of them, and links to its parts.
    assert_eq!(tool().arg("all.html").run().code(), 1);
    let all = read("all.html");
    is_harmless(&all);
    let (tags, text) = parse(&all);
    assert!(text.contains("4 core dumps, ") && text.contains("no dump"));
    let ids: Vec<_> =
        tags.iter().flat_map(|(_, attributes)| attributes).filter(|(name, _)| name == "id").map(|(_, id)| id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each id stands once");
    for link in tags.iter().flat_map(|(_, attributes)| attributes).filter(|(name, _)| name == "href") {
        let target = link.1.strip_prefix('#').expect("a link within the page");
        assert!(ids.iter().any(|id| *id == target), "{target}");
    }
}

#[test]
fn traces_of_a_text_are_reports_too() {
    let tool = Tool::new("coredump-bt").args(["--html", "--trace", "-m"]).arg(fixture("modules/sum-O0.wasm"));
    let page = tool.arg(fixture("traces/node-24.txt")).run().expect(0);
    is_harmless(page.text());
    let (_, text) = parse(page.text());
    assert!(text.contains("Stack trace of ") && text.contains("src/c/sum.c:25:29"), "{text}");
}
