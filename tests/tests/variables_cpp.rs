//! C++ beyond plain values: conversions that move a pointer, and the classes that objects turn out to be of
//! (`sources/cpp/inherit.cpp`). The expected values were printed by gdb 13 with `set print object on`, of the same
//! source built natively; where gdb is wrong, C++ itself decides (`findings/gdb-cpp-casts.sh`).

use std::path::{Path, PathBuf};

use coredump_tests::{Tool, capture, fixture, scratch};

/// The dump of `inherit.cpp`: by Debian's clang 14 with and without type information, by zig's clang 22 without.
fn dumps() -> [(tempfile::TempDir, &'static str, PathBuf); 3] {
    ["cpp-inherit", "cpp-inherit-rtti", "cpp-inherit-zig"].map(|name| {
        let folder = scratch();
        let (dump, _) = capture(folder.path(), name, &["--quiet", "--invoke", "run"]);
        (folder, name, dump)
    })
}

/// Returns the value, or the error, that `--print` gives in `via`.
fn ask(dump: &Path, module: &str, expression: &str) -> String {
    let module = fixture(&format!("modules/{module}.wasm"));
    let outcome =
        Tool::new("coredump-dump").arg(dump).arg("-m").arg(module).args(["--frame", "1", "--print", expression]).run();
    match outcome.text().trim_end().strip_prefix(expression).and_then(|text| text.strip_prefix(" = ")) {
        Some(value) => value.to_owned(),
        None => outcome.stderr.lines().next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn a_pointer_moves_with_its_class() {
    for (_folder, name, dump) in dumps() {
        let ask = |expression: &str| ask(&dump, name, expression);
        let text =
            |expression: &str| ask(expression).split_once(' ').map(|(_, text)| text.to_owned()).unwrap_or_default();
        // `named` points at the second base of a Horse.
        assert_eq!(ask("((Horse *)named)->speed"), "44", "{name}");
        assert_eq!(ask("(named as *const Horse)->legs"), "4", "{name}");
        assert_eq!(text("((Horse *)named)->name"), "\"Bess\"", "{name}");
        assert_eq!(text("((Named *)horse)->name"), "\"Bess\"", "{name}");
        assert_eq!(text("static_cast<Named *>(horse)->name"), "\"Bess\"", "{name}");
        assert_eq!(text("((Named &)*horse).name"), "\"Bess\"", "{name}");
        assert_eq!(text("((Named)*horse).name"), "\"Bess\"", "{name}");
        assert_eq!(ask("((Horse &)*named).speed"), "44", "{name}");
        assert_eq!(ask("(Horse *)named"), ask("horse"), "{name}");
        // The same object by two of its parts; a null pointer stays one.
        assert_eq!(ask("named == horse"), "true", "{name}");
        assert_eq!(ask("horse != named"), "false", "{name}");
        assert_eq!(ask("(Horse *)none"), "0x0", "{name}");
        assert_eq!(ask("no_horse == none"), "true", "{name}");
        // A cast that only looks at the same bytes does not move the pointer.
        assert_eq!(ask("reinterpret_cast<const Horse *>(named) == (void *)named"), "true", "{name}");
        assert_eq!(ask("(Horse *)((char *)named - 8)"), ask("horse"), "{name}");
    }
}

#[test]
fn a_base_that_is_there_twice_is_not_guessed() {
    for (_folder, name, dump) in dumps() {
        let ask = |expression: &str| ask(&dump, name, expression);
        for ambiguous in ["both->value", "twice->legs", "((Animal *)twice)->legs"] {
            assert!(ask(ambiguous).contains(" more than on"), "{name}: {ambiguous}: {}", ask(ambiguous));
        }
        assert_eq!(ask("both->Right::value"), "2", "{name}");
        assert_eq!(ask("both->Left::value"), "1", "{name}");
        assert_eq!(ask("(*both).Left::value"), "1", "{name}");
        assert_eq!(ask("both.Left::value"), "1", "{name}");
        assert_eq!(ask("twice->Twice2::legs"), "12", "{name}");
        assert_eq!(ask("((Animal *)(Twice2 *)twice)->legs"), "12", "{name}");
        assert_eq!(ask("((Twice1 *)twice)->legs"), "11", "{name}");
    }
}

#[test]
fn the_way_from_a_virtual_base_is_known_by_the_vtable_or_not_at_all() {
    for (_folder, name, dump) in dumps() {
        let ask = |expression: &str| ask(&dump, name, expression);
        let down = [
            ("((Terminal *)device)->baud", "9600"),
            ("((Output *)device)->lines", "25"),
            ("((Input *)device)->keys", "102"),
        ];
        for (expression, value) in down {
            if name == "cpp-inherit" {
                // No type information, and the vtables have no variables.
                assert!(ask(expression).contains("is not known for certain"), "{}", ask(expression));
            } else {
                assert_eq!(ask(expression), value, "{name}");
            }
        }
        if name != "cpp-inherit" {
            // `Output` hides the member of its virtual base, whichever way leads there.
            assert_eq!(ask("((Terminal *)device)->id"), "72", "{name}");
            assert_eq!(ask("((Terminal *)device)->Device::id"), "71", "{name}");
            assert_eq!(ask("((Device *)(Terminal *)device)->id"), "71", "{name}");
            assert_eq!(ask("dynamic_cast<Horse *>(named) == horse"), "true", "{name}");
            assert_eq!(ask("dynamic_cast<Foal *>(base)"), "0x0", "{name}");
            assert_eq!(ask("dynamic_cast<void *>(named) == (void *)horse"), "true", "{name}");
        }
    }
}

#[test]
fn an_object_is_shown_as_the_class_that_it_turns_out_to_be_of() {
    for (_folder, name, dump) in dumps() {
        let ask = |expression: &str| ask(&dump, name, expression);
        let cage = ask("*cage");
        assert!(cage.starts_with("(zoo::Cage<int>) {Named = {_vptr$Named = 0x"), "{name}: {cage}");
        assert!(cage.contains(" <vtable for zoo::Cage<int>+8>, name = 0x"), "{name}: {cage}");
        assert!(cage.ends_with(" \"Cage\"}, held = 9}"), "{name}: {cage}");
        assert_eq!(ask("cage->held"), "9", "{name}");
        let (horse, foal) = (ask("*base"), ask("*foal"));
        if name == "cpp-inherit" {
            // A Foal has the same methods as a Horse: which of them it is, nothing tells.
            assert!(horse.starts_with("{_vptr$Animal = 0x") && horse.ends_with(", legs = 4}"), "{horse}");
            assert!(foal.starts_with("{_vptr$Animal = 0x") && foal.ends_with(", legs = 5}"), "{foal}");
            continue;
        }
        assert!(horse.starts_with("(Horse) {Animal = {_vptr$Animal = 0x"), "{name}: {horse}");
        assert!(horse.contains(" <vtable for Horse+8>, legs = 4}, Named = {"), "{name}: {horse}");
        assert!(horse.ends_with(" \"Bess\"}, speed = 44}"), "{name}: {horse}");
        assert_eq!(ask("*named"), horse, "{name}");
        assert!(foal.starts_with("(Foal) {Horse = {") && foal.ends_with(", speed = 55}, age = 2}"), "{name}: {foal}");
        assert_eq!(ask("foal->age"), "2", "{name}");
        let device = ask("pen.device");
        assert!(device.contains(": (Terminal) {Input = {") && device.ends_with(", baud = 9600}"), "{name}: {device}");
        let plain = ask("plain");
        assert!(
            plain.starts_with("{_vptr$Animal = 0x") && plain.ends_with(" <vtable for Animal+8>, legs = 3}"),
            "{plain}"
        );
        // A backtrace shows the whole object below the pointer, too.
        let document = Tool::new("coredump-json").args(["--locals"]).arg(&dump).run().json();
        let variables = document["threads"][0]["frames"][1]["variables"].as_array().unwrap().clone();
        let base = variables.iter().find(|variable| variable["name"] == "base").unwrap();
        assert_eq!(base["children"][0]["type"], "Horse", "{name}");
        // An address in a vtable has a name.
        let vptr = ask("base->_vptr$Animal").split(' ').next().unwrap().to_owned();
        let whatis = Tool::new("coredump-dump").args(["--whatis", &vptr]).arg(&dump).run();
        assert!(whatis.text().contains("symbol\tvtable for Horse+8\n"), "{name}: {}", whatis.text());
    }
}

#[test]
fn arguments_of_templates_that_the_compiler_left_out_are_written() {
    // (templates.cpp): the types are as the same compiler names them without `-gsimple-template-names`.
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "cpp-templates-simple", &["--quiet", "--invoke", "run"]);
    let document = Tool::new("coredump-json").args(["--locals"]).arg(&dump).run().json();
    let variables = document["threads"][0]["frames"][0]["variables"].as_array().unwrap().clone();
    let types: Vec<_> = variables.iter().map(|variable| variable["type"].as_str().unwrap()).collect();
    let wanted = [
        "volatile int",
        "Row<int, 3>",
        "Row<const char *, 2>",
        "Box<Box<int> >",
        "Box<char>",
        "Flags<true, 'c', 5UL, Color::green>",
        "Pack<int, Box<int>, const char *>",
        "Using<Box>",
    ];
    assert_eq!(types, wanted);
    let ask = |expression: &str| {
        let outcome = Tool::new("coredump-dump").arg(&dump).args(["--print", expression]).run();
        outcome.text().trim_end().to_owned()
    };
    // Such a name means its own instance.
    assert_eq!(ask("*(Row<int, 3> *)&row"), "*(Row<int, 3> *)&row = {cells = {1, 2, 3}}");
    assert_eq!(ask("(*(Box<Box<int>> *)&nested).held.held"), "(*(Box<Box<int>> *)&nested).held.held = 7");
}

/// A function that is called through a thunk is named as c++filt names it. The targets of the pointers move with the
/// class: C++ says that `cost` is 9, 8 bytes into a `bond`.
#[test]
fn a_thunk_is_named_and_is_no_part_of_a_signature() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "cpp-thunks", &["--quiet", "--invoke", "run"]);
    let document = Tool::new("coredump-json").arg("--locals").arg(&dump).run().expect(0).json();
    let frames = &document["threads"][0]["frames"];
    let names = [0, 1, 2].map(|frame| frames[frame]["function"].as_str().unwrap());
    let thunk = "virtual thunk to bond::worth(int) const";
    assert_eq!(names, ["bond::worth(int) const", thunk, "value(asset const&, int)"]);
    assert_eq!(document["signature"], "bond::worth | value | run");
    let told = Tool::new("coredump-dump")
        .args(["--frame", "3", "--print", "method", "--print", "only.*member", "--print", "more"])
        .arg(&dump)
        .run()
        .expect(0);
    let (method, rest) = told.text().split_once('\n').unwrap();
    assert!(method.ends_with("<priced::more(int) const>, this adjustment 8"), "{method}");
    assert_eq!(rest, "only.*member = 9\nmore = 19\n");
}

/// C++ moves a pointer to a member when it becomes one to a member of another class, and says which two mean the same.
#[test]
fn a_pointer_to_a_member_moves_with_its_class() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "cpp-thunks", &["--quiet", "--invoke", "run"]);
    let ask = |expression: &str| {
        let tool = Tool::new("coredump-dump").args(["--frame", "3", "--print", expression]).arg(&dump).run();
        match tool.text().trim_end().strip_prefix(expression) {
            Some(value) => value.trim_start_matches(" = ").to_owned(),
            None => tool.stderr,
        }
    };
    for (expression, value) in [
        ("&priced::cost", "offset 0"),
        ("(int bond::*)&priced::cost", "offset 8"),
        ("static_cast<int priced::*>(member)", "offset 0"),
        ("reinterpret_cast<int priced::*>(member)", "offset 8"),
        ("member == &priced::cost", "true"),
        ("&priced::cost != member", "false"),
        ("only.*&priced::cost", "9"),
        ("only.*(int bond::*)&priced::cost", "9"),
        ("(&only)->*member", "9"),
    ] {
        assert_eq!(ask(expression), value, "{expression}");
    }
    let method = ask("(int (priced::*)(int) const)method");
    assert!(method.ends_with("<priced::more(int) const>"), "{method}");
    let there = ask("static_cast<int (bond::*)(int)>((int (priced::*)(int) const)method)");
    assert!(there.ends_with("<priced::more(int) const>, this adjustment 8"), "{there}");
    for (expression, message) in [
        ("&asset::id == member", "`asset` is a virtual base of `bond`"),
        ("(int bond::*)7", "a number cannot become `int bond::*`"),
        ("(int bond::*)day", "is not a pointer to a member"),
        ("&priced::nothing", "no variable `priced::nothing`"),
    ] {
        let said = ask(expression);
        assert!(said.contains(message), "{expression}: {said}");
    }
}

/// `smart` of vars.cpp: one of its two `shared_ptr` made the `weak_ptr`.
#[test]
fn a_weak_pointer_leads_to_what_others_own() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "cpp-vars-O0", &["--quiet"]);
    let told = Tool::new("coredump-dump").args(["--frame", "3", "--print", "*weak"]).arg(&dump).run().expect(0);
    assert_eq!(told.text(), "*weak = {first = 3, second = 0.5}\n");
}
