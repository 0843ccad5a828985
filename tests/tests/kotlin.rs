//! Kotlin programs: what they print about their own variables before they die is what the tools show, where they died
//! is where the source says, and an exception is shown with all that it carries.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, fixture, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A run of a fixture that died, and its dump.
struct Died {
    run: Outcome,
    dump: PathBuf,
    _folder: TempDir,
}

/// Runs `modules/NAME.wasm`, which dies.
fn died(name: &str, args: &[&str]) -> Died {
    died_with(&[], &fixture(&format!("modules/{name}.wasm")), args)
}

fn died_with(options: &[&str], program: &Path, args: &[&str]) -> Died {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let tool = Tool::new("coredump-run").arg("-o").arg(&dump).args(options).arg(program).args(args);
    Died { run: tool.run().expect(134), dump, _folder: folder }
}

impl Died {
    fn bt(&self, options: &[&str]) -> Outcome {
        Tool::new("coredump-bt").args(options).arg(&self.dump).run().expect(0)
    }

    fn json(&self) -> Value {
        Tool::new("coredump-json").arg(&self.dump).run().expect(0).json()
    }

    /// The values of expressions in the youngest frame of a function.
    fn values(&self, function: &str, expressions: &[&str]) -> Vec<String> {
        let document = self.json();
        let frames = document["threads"][0]["frames"].as_array().unwrap();
        // A method is called with its class before its name.
        let is_of =
            |name: &str| name.strip_suffix(function).is_some_and(|class| class.is_empty() || class.ends_with('.'));
        let frame = frames.iter().position(|frame| frame["function"].as_str().is_some_and(is_of));
        self.values_in(frame.unwrap_or_else(|| panic!("no frame of {function}")), expressions)
    }

    /// The values of expressions in a frame.
    fn values_in(&self, frame: usize, expressions: &[&str]) -> Vec<String> {
        let print = expressions.iter().flat_map(|expression| ["--print", expression]);
        let tool = Tool::new("coredump-dump").args(["--frame", &frame.to_string()]).args(print);
        let outcome = tool.arg(&self.dump).run();
        let text = outcome.text().to_owned();
        let value = |(line, expression): (&str, &&str)| {
            line.strip_prefix(&format!("{expression} = "))
                .unwrap_or_else(|| panic!("{line} is not of {expression}"))
                .to_owned()
        };
        assert_eq!(text.lines().count(), expressions.len(), "{text}{}", outcome.stderr);
        text.lines().zip(expressions).map(value).collect()
    }

    /// Returns the values that the program printed as `function expression = value`.
    fn printed(&self) -> Vec<(&str, &str, &str)> {
        let lines = self.run.text().lines();
        let parts = lines.filter_map(|line| {
            let (place, value) = line.split_once(" = ")?;
            let (function, expression) = place.split_once(' ')?;
            Some((function, expression, value))
        });
        parts.collect()
    }

    /// Checks that each value is what the program printed of it.
    fn agrees(&self) -> usize {
        let printed = self.printed();
        let mut functions: Vec<&str> = printed.iter().map(|(function, ..)| *function).collect();
        functions.dedup();
        for function in functions {
            let of: Vec<_> = printed.iter().filter(|(own, ..)| *own == function).collect();
            let expressions: Vec<&str> = of.iter().map(|(_, expression, _)| *expression).collect();
            let seen = self.values(function, &expressions);
            for ((_, expression, value), seen) in of.iter().zip(seen) {
                assert!(may_be(&seen, value), "{function} {expression}: {seen} for {value}");
            }
        }
        printed.len()
    }
}

#[test]
fn every_value_is_what_the_program_printed() {
    for (name, values) in [
        ("kotlin-basket", 80),
        ("kotlin-shapes", 40),
        ("kotlin-quantities", 55),
        ("kotlin-shop", 50),
        ("kotlin-ledger", 65),
        ("kotlin-bazaar", 55),
        ("kotlin-tower", 38),
        ("kotlin-relay", 7),
        ("kotlin-closures", 25),
        ("kotlin-handed", 70),
        ("kotlin-dispatch", 37),
        ("kotlin-merged", 11),
        ("kotlin-meters", 34),
        ("kotlin-matched", 12),
        ("kotlin-orchard", 73),
    ] {
        let agreed = died(name, &[]).agrees();
        assert!(agreed > values, "{name}: {agreed}");
    }
}

#[test]
fn an_object_has_its_fields_and_elements_as_the_language_writes_them() {
    let died = died("kotlin-matched", &[]);
    let dump = |options: &[&str]| Tool::new("coredump-dump").args(options).arg(&died.dump).run().expect(0);
    let id_of = |ty: &str, end: &str| {
        let listed = dump(&["--objects", ty]);
        let line = listed.text().lines().find(|line| line.ends_with(end)).expect("the object is there");
        line.split('\t').nth(1).expect("an id").trim_start_matches('#').to_owned()
    };
    let step = id_of("Step", "Step(at=1, by=-2)");
    let shown = dump(&["--object", &step]);
    for line in ["object\tvalue\tStep(at=1, by=-2)\n", "field\tby\ti16\t-2\n"] {
        assert!(shown.text().contains(line), "{line}{}", shown.text());
    }
    let pause = id_of("Pause", "\tPause");
    let moves = dump(&["--object", &id_of("Array", &format!("[Step #{step}, Pause]"))]);
    let elements = format!("element\t[0]\t#{step} Step(at=1, by=-2)\nelement\t[1]\t#{pause} Pause\n");
    assert!(moves.text().contains(&elements), "{elements}{}", moves.text());
}

/// An engine without instrumentation does not reveal the functions of an object's class.
#[test]
fn a_data_object_is_its_name_in_each_mode() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        let died = died_with(options, &fixture("modules/kotlin-matched.wasm"), &[]);
        for (class, value) in [("Pause", "Pause"), ("Plain", "Plain(at=-5)")] {
            let listed = Tool::new("coredump-dump").args(["--objects", class]).arg(&died.dump).run().expect(0);
            assert!(listed.text().trim_end().ends_with(&format!("\t{value}")), "{options:?}: {}", listed.text());
        }
    }
}

#[test]
fn a_suspend_function_that_was_resumed_is_a_frame_like_others() {
    let died = died("kotlin-resumed", &[]);
    assert!(died.agrees() >= 13, "also what lives across the suspension, by its name");
    let document = died.json();
    assert_eq!(document["signature"], "divide | step | main");
    let source = std::fs::read_to_string(fixture("sources/kotlin/resumed.kt")).unwrap();
    let line = source.lines().position(|line| line.trim() == "divide(scope.jobs, zero)").unwrap() + 1;
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let step = frames.iter().find(|frame| frame["function"] == "step").unwrap();
    assert_eq!((&step["file"], &step["line"]), (&json!("src/kotlin/resumed.kt"), &json!(line)));
}

/// Kotlin describes no inlined functions: the line is that of the inline function's body, in the frame that it was
/// inlined into.
#[test]
fn lambdas_of_inline_functions_have_the_lines_of_the_source() {
    let document = died("kotlin-relay", &[]).json();
    let source = std::fs::read_to_string(fixture("sources/kotlin/relay.kt")).unwrap();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    for (function, text) in [
        ("finish", "val half = pace / rest"),
        ("leg$lambda.invoke", "twice { n -> finish(pace, n - 1) }"),
        ("leg", "return wrapped(1)"),
        ("main", "Mailbox.waiting.removeFirst().resumeWithException(IllegalArgumentException(\"dropped\"))"),
    ] {
        let frame = frames.iter().find(|frame| frame["function"] == function).unwrap();
        let line = source.lines().position(|line| line.trim() == text).unwrap() + 1;
        assert_eq!((&frame["file"], &frame["line"]), (&json!("src/kotlin/relay.kt"), &json!(line)), "{function}");
    }
}

#[test]
fn an_exception_has_all_that_it_was_thrown_for() {
    let exception = &died("kotlin-shapes", &[]).json()["reason"]["exception"];
    assert_eq!((&exception["type"], &exception["message"]), (&json!("Fault"), &json!("bottom top")));
    let causes =
        [("Fault", "top"), ("kotlin.IllegalArgumentException", "root"), ("kotlin.NumberFormatException", "deep")];
    let mut cause = exception;
    for (ty, message) in causes {
        cause = &cause["cause"];
        assert_eq!((&cause["type"], &cause["message"]), (&json!(ty), &json!(message)));
    }
    let suppressed = exception["suppressed"].as_array().unwrap();
    let messages: Vec<_> = suppressed.iter().map(|one| one["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["level 1", "level 2"]);
}

#[test]
fn what_each_cause_suppressed_stands_below_it() {
    let died = died("kotlin-causes", &[]);
    let agreed = died.agrees();
    assert_eq!(agreed, 6, "a class's own field hides the one of its superclass; delegates of the library keep values");
    let never = Tool::new("coredump-dump").args(["--print", "derived.never"]).arg(&died.dump).run();
    assert!(never.stderr.contains("`never` is delegated"), "a lazy value that was never asked for: {}", never.stderr);
    let text = died.bt(&[]).text().to_owned();
    let start = text.find("reason: ").unwrap();
    // As `printStackTrace` of Kotlin and Java has them.
    let expected = "\
reason: exception: kotlin.IllegalStateException: stage failed
    suppressed kotlin.RuntimeException: cleanup
        caused by kotlin.UnsupportedOperationException: inner
    caused by Deep: bad line
        suppressed kotlin.IllegalStateException: close c1
        suppressed kotlin.IndexOutOfBoundsException: second
    caused by kotlin.NumberFormatException: Invalid number format: 'x'
";
    assert!(text[start..].starts_with(expected), "{text}");
    let own = ["IS_INTERFACE_PARAMETER", "merged_catch_param"];
    assert!(!own.iter().any(|name| died.bt(&["--locals"]).text().contains(name)));
    let resumed = self::died("kotlin-tower", &[]).bt(&["--locals"]).text().to_owned();
    assert!(
        resumed.contains("this: $stepCOROUTINE$ = suspended step(state=4, floor=3, ")
            && !resumed.contains("TRY_RESULT")
    );
}

#[test]
fn a_property_that_a_map_keeps_has_its_value() {
    let died = died("kotlin-shop", &[]);
    assert_eq!(died.values("run", &["config.host", "config.port"]), ["\"local\"", "80"]);
    let print = ["--frame", "2", "--print", "cell.value"];
    let computed = Tool::new("coredump-dump").args(print).arg(&died.dump).run();
    assert!(computed.stderr.contains("`value` is delegated"), "a delegate of the program's own: {}", computed.stderr);
}

#[test]
fn variables_are_those_in_scope_and_the_compilers_own_are_not_shown() {
    let text = died("kotlin-basket", &[]).bt(&["--locals"]).text().to_owned();
    let line = |start: &str| text.lines().any(|line| line.trim_start().starts_with(start));
    assert!(line("basket: Basket = Basket(owner=\"Ada\", orders=[Order(id=1, "), "{text}");
    assert!(line("longRope: kotlin.String = \"rope 7 of ab; rope 7 of ab; end\""), "{text}");
    // It is assigned to after the call that does not return; `i` and `it` are of blocks that have ended.
    for gone in ["quotient", "i:", "it:", "index:", "e:", "merged_catch_param"] {
        assert!(!line(gone), "{gone}: {text}");
    }
    assert!(!text.contains('~') && !text.contains("VMShared"), "{text}");
}

#[test]
fn lines_are_those_of_the_source_map_and_only_what_is_known_is_said() {
    let died = died("kotlin-basket", &[]);
    let outcome = died.bt(&[]);
    let frames: Vec<&str> = outcome.text().lines().filter(|line| line.starts_with('#')).collect();
    let source = std::fs::read_to_string(fixture("sources/kotlin/basket.kt")).unwrap();
    for (frame, statement) in frames[1..].iter().zip(["scaled / basket.people", "share(basket, list.size)", "fill(7)"])
    {
        let line = source.lines().position(|line| line.contains(statement) && !line.contains("fun ")).unwrap() + 1;
        let column = source.lines().nth(line - 1).unwrap().find(statement).unwrap() + 1;
        let place = format!("at src/kotlin/basket.kt:{line}:{column}");
        assert!(frame.ends_with(&place), "{frame}: {place}");
    }
    assert!(
        frames[0].ends_with("kotlin.Int__div-impl ($this=40, other=0)"),
        "code of the compiler's own has no line: {}",
        frames[0]
    );
    assert!(
        outcome.stderr.contains("names no file (basket.kt/.), so the source map's lines are used"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("wasm-opt"), "{}", outcome.stderr);
}

#[test]
fn without_its_map_lines_are_those_of_debug_info_as_far_as_they_are_sound() {
    let died = died("kotlin-basket", &[]);
    let folder = scratch();
    let module = folder.path().join("kotlin-basket.wasm");
    std::fs::copy(fixture("modules/kotlin-basket.wasm"), &module).unwrap();
    let outcome = died.bt(&["-m", module.to_str().unwrap()]);
    let mapped = died.bt(&[]);
    let line = |text: &str| {
        let frames = text.lines().filter(|line| line.starts_with('#') && line.contains("basket.kt:"));
        frames.map(|frame| frame.split(':').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(line(outcome.text()), line(mapped.text()), "{}", outcome.text());
    assert!(outcome.text().contains(" at ./basket.kt:"), "{}", outcome.text());
    assert!(outcome.stderr.contains("its columns are not used"), "{}", outcome.stderr);
}

#[test]
fn the_map_counts_also_where_the_dump_embeds_the_module() {
    let died = died_with(&["--embed-modules"], &fixture("modules/kotlin-basket.wasm"), &[]);
    let folder = fixture("modules");
    let outcome = died.bt(&["--no-recorded-paths", "--symbols-path", folder.to_str().unwrap()]);
    assert!(outcome.text().contains("at src/kotlin/basket.kt:"), "{}{}", outcome.text(), outcome.stderr);
}

#[test]
fn a_stripped_module_still_has_its_classes() {
    let folder = scratch();
    let module = folder.path().join("stripped.wasm");
    std::fs::write(&module, without_names(&std::fs::read(fixture("modules/kotlin-basket.wasm")).unwrap())).unwrap();
    let died = died_with(&[], &module, &[]);
    let document = died.json();
    let exception = &document["reason"]["exception"];
    assert_eq!((&exception["type"], &exception["language"]), (&json!("kotlin.ArithmeticException"), &json!("kotlin")));
    let text = died.bt(&["--locals"]).text().to_owned();
    for value in [
        "\"rope 7 of ab\"",
        "[1, 2, 3, 7]",
        "{8=\"eight\", 9=\"nine\"}",
        "Basket([4]=\"Ada\", [5]=[Order([4]=1, [5]=9.99, ",
    ] {
        assert!(text.contains(value), "{value}: {text}");
    }
}

/// A module without its custom sections.
fn without_names(module: &[u8]) -> Vec<u8> {
    let mut stripped = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let (start, mut size, mut shift) = (at, 0usize, 0);
        at += 1;
        loop {
            let byte = module[at];
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        at += size;
        if module[start] != 0 {
            stripped.extend(&module[start..at]);
        }
    }
    stripped
}

#[test]
fn an_exception_that_is_thrown_again_is_shown_where_it_was_thrown_first() {
    let died = died("kotlin-trouble", &["rethrow"]);
    let document = died.json();
    let reason = &document["reason"];
    assert_eq!((&reason["kind"], &reason["exception"]["type"]), (&json!("exception"), &json!("Refused")));
    assert_eq!(reason["exception"]["message"], "order 7 was refused");
    assert_eq!(reason["exception"]["rethrown"], 3);
    assert!(died.run.stderr.contains("exception: Refused: order 7 was refused\n"), "{}", died.run.stderr);
    let cause = &reason["exception"]["cause"];
    assert_eq!(
        *cause,
        json!({"type": "kotlin.IllegalArgumentException", "message": "too short: x7", "cause": null, "suppressed": []})
    );
    let suppressed = &reason["exception"]["suppressed"];
    assert_eq!(
        (&suppressed[0]["type"], &suppressed[0]["message"]),
        (&json!("kotlin.IllegalStateException"), &json!("log is full"))
    );
    let at: Vec<&Value> =
        reason["exception"]["thrown_at"].as_array().unwrap().iter().map(|place| &place["function"]).collect();
    assert_eq!(at, ["load", "retry", "main"]);
    let source = std::fs::read_to_string(fixture("sources/kotlin/trouble.kt")).unwrap();
    let line = source.lines().position(|line| line.contains("throw refused")).unwrap() + 1;
    assert_eq!(document["threads"][0]["frames"][0]["line"], line);
    assert_eq!(document["signature"], "load | retry | main");
    let head = died.bt(&[]).text().to_owned();
    assert!(head.contains("reason: exception: Refused: order 7 was refused"), "{head}");
    assert!(head.contains("    caused by kotlin.IllegalArgumentException: too short: x7\n"), "{head}");
    assert!(head.contains("    suppressed kotlin.IllegalStateException: log is full\n"), "{head}");
    assert_eq!(
        died.values("load", &["id", "refused.code", "refused.message", "e.message", "refused.cause.message"]),
        ["7", "70", "\"order 7 was refused\"", "\"too short: x7\"", "\"too short: x7\""]
    );
    assert_eq!(died.values("retry", &["attempts"]), ["1"], "as it was at the throw");
}

#[test]
fn an_uninstrumented_run_knows_the_exception_and_not_where_it_was_thrown_first() {
    let died = died_with(&["--fast"], &fixture("modules/kotlin-trouble.wasm"), &["rethrow"]);
    let exception = &died.json()["reason"]["exception"];
    assert_eq!((&exception["type"], &exception["message"]), (&json!("Refused"), &json!("order 7 was refused")));
    assert_eq!(exception["cause"]["message"], "too short: x7");
    assert_eq!((&exception["last_only"], &exception["thrown_at"]), (&json!(true), &json!(null)));
}

#[test]
fn what_the_library_throws_is_blamed_on_the_programs_own_function() {
    for (trouble, ty, function) in [
        ("cast", "kotlin.ClassCastException", "cast"),
        ("index", "kotlin.IndexOutOfBoundsException", "index"),
        ("element", "kotlin.IndexOutOfBoundsException", "element"),
        ("null", "kotlin.NullPointerException", "assured"),
        ("leak", "kotlin.OutOfMemoryError", "leak"),
        ("inlined", "kotlin.ArithmeticException", "inlined"),
    ] {
        let document = died("kotlin-trouble", &[trouble]).json();
        assert_eq!(document["reason"]["exception"]["type"], ty, "{trouble}");
        assert_eq!(document["place"]["function"], function, "{trouble}");
        assert_eq!(document["signature"], format!("{function} | main"));
    }
}

#[test]
fn what_is_inlined_has_its_variables_while_it_runs() {
    let died = died("kotlin-trouble", &["inlined"]);
    assert_eq!(died.values("inlined", &["n", "inner"]), ["3", "0"]);
    let place = &died.json()["place"];
    let source = std::fs::read_to_string(fixture("sources/kotlin/trouble.kt")).unwrap();
    let line = source.lines().position(|line| line.trim() == "n / inner").unwrap() + 1;
    assert_eq!((&place["file"], &place["line"]), (&json!("src/kotlin/trouble.kt"), &json!(line)));
}

#[test]
fn an_endless_recursion_is_one() {
    let died = died("kotlin-trouble", &["recursion"]);
    let document = died.json();
    assert_eq!(document["reason"]["kind"], "stack-overflow");
    assert_eq!(document["signature"], "descend | main");
    let depth = |frame| died.values_in(frame, &["depth"])[0].parse::<i64>().unwrap();
    assert_eq!(depth(1), depth(2) + 1);
    assert_eq!(died.values("main", &["kind"]), ["\"recursion\""]);
}

#[test]
fn what_leaks_is_found_behind_the_object_that_holds_it() {
    let died = died("kotlin-trouble", &["leak"]);
    assert_eq!(died.agrees(), 1);
    assert_eq!(
        died.values("leak", &["Cache.sessions[299].user", "Cache.sessions[7].entries[9]"]),
        ["\"user 299\"", "Entry(key=9, text=\"entry 9 of user 7\")"]
    );
}

/// The objects of each type in a dump.
fn counts(dump: &Path) -> HashMap<String, u32> {
    let text = Tool::new("coredump-dump").arg("--heap").arg(dump).run().expect(0).text().to_owned();
    let row = |line: &str| {
        let parts: Vec<&str> = line.split('\t').collect();
        Some((parts.get(2)?.to_string(), parts.get(3)?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn objects_are_as_many_as_the_program_kept() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        let died = died_with(options, &fixture("modules/kotlin-kept.wasm"), &[]);
        let seen = counts(&died.dump);
        for (kept, class, count) in died.printed() {
            assert_eq!(kept, "kept");
            let class = match class {
                "jobs" => "Function0_bound1_I",
                "work" => "<no name provided>",
                // Only frames refer to these.
                "Leaf" | "Twig" | "Ring" if options == ["--fast"] => continue,
                class => class,
            };
            assert_eq!(seen.get(class).map(u32::to_string).as_deref(), Some(count), "{class} {options:?}");
        }
        assert_eq!(died.printed().len(), 9);
    }
}

/// The optimiser makes locals that cannot be null and hands them on as such; the engine takes what the stack holds for
/// them, unless they begin as null.
#[test]
fn a_production_build_is_captured_with_its_frames() {
    for (options, detail) in [(&[][..], "replayed"), (&["--live"], "live")] {
        let died = died_with(options, &fixture("modules/kotlin-kept-production.wasm"), &[]);
        assert_eq!(died.printed().len(), 9, "it ran to its end: {}", died.run.stderr);
        assert!(!died.run.stderr.contains("warning"), "{}", died.run.stderr);
        assert_eq!(died.json()["process"]["detail"], detail);
        let seen = counts(&died.dump);
        // A class and the lambdas have the types of others, which only the objects tell apart.
        for (_, class, count) in
            died.printed().into_iter().filter(|(_, class, _)| !["Leaf", "Twig", "Cat"].contains(class))
        {
            let class = match class {
                "jobs" => "Function0_bound1_I",
                "work" => "<no name provided>",
                class => class,
            };
            assert_eq!(seen.get(class).map(u32::to_string).as_deref(), Some(count), "{class} {options:?}");
        }
        // A local that is no longer used holds one more than the program kept.
        assert_eq!(seen["Twig"], 51, "{options:?}");
        // Beside the eleven that the map keeps, an array that it had before it grew holds eight that were replaced later.
        assert_eq!(seen["Cat"], 19, "{options:?}");
    }
}

/// The optimiser makes one type of those of several classes, with the name of one of them and the names of its fields.
/// The runtime type information still says which class an object is of.
#[test]
fn objects_of_merged_types_have_their_own_class() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        let died = died_with(options, &fixture("modules/kotlin-merged-production.wasm"), &[]);
        let exception = &died.json()["reason"]["exception"];
        let expected = (&json!("kotlin.ArithmeticException"), &json!("Division by zero"));
        assert_eq!((&exception["type"], &exception["message"]), expected, "{options:?}");
        let (delegated, held): (Vec<_>, Vec<_>) =
            died.printed().into_iter().partition(|(_, expression, _)| expression.contains(".ship."));
        let expressions: Vec<&str> = held.iter().map(|(_, expression, _)| *expression).collect();
        let printed: Vec<&str> = held.iter().map(|(.., value)| *value).collect();
        assert_eq!(died.values_in(0, &expressions), printed, "{options:?}");
        assert_eq!((held.len(), delegated.len()), (10, 2));
        // The second delegate's type is the first one's, whose class has another field: its name is none of the
        // object's class.
        let ship = r#"struct $Ship {captain$delegate = NotNullVar(value="Ann"), speed$delegate = object([4]="fast")}"#;
        assert_eq!(died.values_in(0, &["Store.ship"]), [ship], "{options:?}");
    }
}

/// References to objects in a document: id and type.
fn references<'d>(value: &'d Value, into: &mut Vec<(u64, &'d Value)>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| references(value, into)),
        Value::Object(members) => {
            let is_object = ["struct", "array"].map(Value::from).contains(&value["kind"]);
            if let (true, Some(id), Some(ty)) = (is_object, value["id"].as_u64(), members.get("type")) {
                into.push((id, ty));
            }
            members.values().for_each(|value| references(value, into));
        }
        _ => {}
    }
}

/// The class is the one that the object says it is of, with the classes around it, as Kotlin's `qualifiedName`.
#[test]
fn a_class_has_one_name_everywhere() {
    for (name, classes) in [
        (
            "kotlin-merged-production",
            [("kotlin.Result.Failure", 2), ("Ship", 1), ("kotlin.IndexOutOfBoundsException", 1)],
        ),
        ("kotlin-shop", [("Shop.Factory", 1), ("State.Idle", 1), ("kotlin.Int.Companion", 1)]),
    ] {
        let died = died(name, &[]);
        let document = Tool::new("coredump-json").args(["--heap", "--locals"]).arg(&died.dump).run().expect(0).json();
        let objects = document["heap"]["objects"].as_array().unwrap();
        let types: HashMap<u64, &Value> =
            objects.iter().map(|object| (object["id"].as_u64().unwrap(), &object["type"])).collect();
        let mut seen = Vec::new();
        references(&document, &mut seen);
        assert!(seen.len() > objects.len(), "{name}: references, too");
        for (id, ty) in seen {
            assert_eq!(types[&id], ty, "{name} #{id}");
        }
        let counted = counts(&died.dump);
        for (class, count) in classes {
            let of: Vec<u64> = types.iter().filter(|(_, ty)| **ty == class).map(|(id, _)| *id).collect();
            assert_eq!((of.len() as u32, counted.get(class)), (count, Some(&count)), "{name} {class}");
            let rows = document["heap"]["types"].as_array().unwrap();
            assert!(rows.iter().any(|row| row["type"] == class && row["count"] == count), "{name} {class}");
            let one = Tool::new("coredump-dump").args(["--object", &of[0].to_string()]).arg(&died.dump).run().expect(0);
            assert!(one.text().contains(&format!("object\ttype\t{class}\n")), "{}", one.text());
        }
    }
}

/// Returns true if a value that was shown is the printed one; it may be shown as one or the other of two.
fn may_be(shown: &str, printed: &str) -> bool {
    let Some((before, after)) = shown.split_once(" or ") else { return shown == printed };
    let start = before.rfind(['[', ' ', '=']).map_or(0, |at| at + 1);
    let end = after.find([',', ']']).unwrap_or(after.len());
    [&before[start..], &after[..end]].iter().any(|one| {
        let shown = format!("{}{one}{}", &before[..start], &after[end..]);
        may_be(&shown, printed)
    })
}

/// The optimiser inlines the functions that tell whether a number has a sign, and makes one type of those of boxes, of
/// arrays and of classes with the same fields.
#[test]
fn a_number_that_may_have_a_sign_is_written_as_both() {
    let died = died_with(&[], &fixture("modules/kotlin-meters-production.wasm"), &[]);
    let known = ["maybe.word", "maybe.signed", "maybe.any", "maybe.other", "list", "signed"];
    let doubtful =
        ["tank.used", "rows.words", "rows.longs", "plain", "minus", "huge", "deep", "signs.words", "signs.longs"];
    let printed = died.run.text().lines().filter_map(|line| line.split_once("Store.")?.1.split_once([' ', ':']));
    let printed: HashMap<&str, &str> =
        printed.map(|(member, value)| (member, value.trim_start_matches("= ").trim())).collect();
    for (members, is_known) in [(&known[..], true), (&doubtful[..], false)] {
        let expressions: Vec<String> = members.iter().map(|member| format!("Store.{member}")).collect();
        let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
        for (member, shown) in members.iter().zip(died.values_in(1, &expressions)) {
            let value = printed[member];
            assert!(may_be(&shown, value), "{member}: {shown}, printed {value}");
            assert_eq!(shown == value, is_known, "{member}: {shown}");
        }
    }
    // 8 and 16 bits may be a truth value and a character as well.
    let narrow = ["Store.rows.bytes", "Store.rows.shorts", "Store.signs.bytes", "Store.signs.shorts"];
    assert_eq!(
        died.values_in(1, &narrow),
        ["[-55 or 201]", "[-5535 or 60001 or '\u{ea61}']", "[-15 or 241]", "[-16 or 65520 or '\u{fff0}']"]
    );
}

/// Without its box, an array of unsigned numbers is of the class of those with a sign. The code that makes and uses each
/// shows which it is.
#[test]
fn elements_of_an_array_have_the_sign_that_the_code_knows() {
    let died = died("kotlin-meters", &[]);
    let printed: Vec<(&str, &str)> =
        died.run.text().lines().filter_map(|line| line.strip_prefix("perhaps ")?.split_once(": ")).collect();
    assert_eq!(printed.len(), 4);
    for (expression, value) in printed {
        assert_eq!(died.values("main", &[expression]), [value], "{expression}");
    }
    let died = self::died("kotlin-orchard", &[]);
    for (function, expression, value) in died.printed() {
        let is_array =
            ["signs.", "unsigns.", "grid", "local", "basket.row"].iter().any(|start| expression.starts_with(start));
        if is_array {
            assert_eq!(died.values(function, &[expression]), [value], "{expression}");
        }
    }
}

#[test]
fn suspended_functions_are_read_by_their_names_and_variables() {
    let died = died("kotlin-parked", &[]);
    let receive = "parked.delegate";
    let order = format!("{receive}.resultContinuation");
    let serve = format!("{order}.resultContinuation");
    assert_eq!(died.values("main", &[receive]), ["suspended receive(state=1, name=\"stock\", tries=5)"]);
    assert_eq!(died.values("main", &[&order]), ["suspended order(state=1, id=41, urgent=true, label=\"order 41\")"]);
    assert!(
        died.values("main", &[&serve])[0].starts_with("suspended serve(state="),
        "{:?}",
        died.values("main", &[&serve])
    );
    let exception = died.json()["reason"]["exception"].clone();
    assert_eq!(exception["type"], "kotlin.IllegalStateException");
    assert_eq!(exception["message"], "nobody resumed EmptyCoroutineContext");
}

#[test]
fn chains_of_suspended_functions_are_tasks_with_lines_and_variables() {
    let died = died("kotlin-parked", &[]);
    let source = std::fs::read_to_string(fixture("sources/kotlin/parked.kt")).unwrap();
    let line = |statement: &str| 1 + source.lines().position(|line| line.contains(statement)).unwrap() as u64;
    let document = Tool::new("coredump-json").args(["--locals"]).arg(&died.dump).run().expect(0).json();
    let tasks = document["tasks"].as_array().expect("tasks are listed");
    assert_eq!(tasks.len(), 2, "{tasks:#?}");
    let chain = tasks.iter().find(|task| task["awaits"][0]["function"] == "serve").expect("the chain");
    assert_eq!((&chain["language"], &chain["state"], &chain["note"]), (&json!("kotlin"), &json!("idle"), &Value::Null));
    assert_eq!(chain["waits_for"], json!(["receive"]));
    // Resumed once, they wait in their second round.
    let mut one = &chain["awaits"][0];
    let expected = [
        ("serve", "total += order(", json!({"rounds": "2", "total": "18"})),
        ("order", "receive(\"stock\")", json!({"id": "41", "urgent": "true", "label": "\"order 41\""})),
        ("receive", "suspendCoroutine<Int>", json!({"name": "\"stock\"", "tries": "5"})),
    ];
    for (function, statement, variables) in expected {
        assert_eq!((&one["function"], &one["state"]), (&json!(function), &json!("suspended")), "{one:#}");
        assert_eq!(one["line"], line(statement), "{one:#}");
        let seen = one["variables"].as_array().unwrap().iter();
        let seen = seen.map(|variable| (variable["name"].as_str().unwrap().to_owned(), variable["value"].clone()));
        assert_eq!(Value::Object(seen.collect()), variables);
        one = &one["awaits"][0];
    }
    let sequence = tasks.iter().find(|task| task["awaits"][0]["function"] != "serve").unwrap();
    assert_eq!(sequence["awaits"][0]["line"], line("yield(n * n)"), "{sequence:#}");
    assert_eq!(sequence["note"], "it goes on when its next element is asked for");
    let text = died.bt(&["--async"]).text().to_owned();
    assert!(text.contains("task [idle], waits for receive"), "{text}");
}

#[test]
fn a_document_with_contents_has_the_objects_too() {
    let died = died("kotlin-basket", &[]);
    let document = Tool::new("coredump-json").args(["--memory", "base64"]).arg(&died.dump).run().expect(0);
    let again = died.dump.with_file_name("again.coredump");
    let encoded = Tool::new("coredump-json").arg("--encode").stdin(document.stdout.clone()).run().expect(0).stdout;
    std::fs::write(&again, encoded).unwrap();
    let heap = |dump: &Path| Tool::new("coredump-dump").arg("--heap").arg(dump).run().expect(0).stdout;
    assert_eq!(heap(&again), heap(&died.dump));
    let count = document.json()["objects"]["count"].as_u64().unwrap();
    assert!(count > 500, "{count}");
    let basket = |dump: &Path| {
        let tool = Tool::new("coredump-dump").args(["--frame", "2", "--print", "basket"]).arg(dump);
        tool.run().expect(0).text().to_owned()
    };
    assert!(basket(&again).contains("Basket(owner=\"Ada\""), "{}", basket(&again));
    // A redacted document gives none of them away.
    let redacted = Tool::new("coredump-json").args(["--memory", "base64", "--redact"]).arg(&died.dump).run().expect(0);
    assert!(redacted.json()["objects"].is_null());
}
