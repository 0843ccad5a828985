//! Components: every core instance inside, and frames across them.

use std::collections::BTreeSet;

use super::{Run, frames, values};

#[test]
fn a_command_component_is_dumped_with_its_adapter() {
    let run = Run::fixture(&[], "component-sum").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "integer-divide-by-zero");
    assert!(dump["modules"].as_array().unwrap().len() > 1, "{}", dump["modules"]);
    let modules: BTreeSet<_> = frames(&dump).iter().map(|frame| frame["module"].as_u64()).collect();
    assert!(modules.len() >= 2, "the program's frames and the adapter's: {modules:?}");
    assert!(frames(&dump).iter().all(|frame| frame["locals"].is_array()), "all values are known");
    assert!(run.outcome.stderr.contains("divide at src/c/sum.c:25:29"), "{}", run.outcome.stderr);
}

#[test]
fn two_instances_of_one_module_come_out_right() {
    let run = Run::fixture(&["--invoke", "run(1)"], "wat-instances").expect(134);
    let dump = run.json();
    let nodes: Vec<_> = frames(&dump).iter().filter(|frame| frame["module"] == frames(&dump)[1]["module"]).collect();
    let instances: BTreeSet<_> = nodes.iter().map(|frame| frame["instance"].as_u64().unwrap()).collect();
    assert_eq!(instances.len(), 2, "{nodes:?}");
    // Each instance has its own id in its global.
    let ids: Vec<_> = nodes
        .iter()
        .map(|frame| {
            let instance = &dump["instances"][frame["instance"].as_u64().unwrap() as usize];
            let global = instance["globals"][0].as_u64().unwrap() as usize;
            dump["globals"][global]["value"].as_i64().unwrap()
        })
        .collect();
    assert!(ids.contains(&1) && ids.contains(&2), "{ids:?}");
}

#[test]
fn frames_run_across_composed_components() {
    let run = Run::fixture(&["--invoke", "run(0)"], "component-composed").expect(134);
    for place in ["quotient at", "provider.c:8", "divide at", "average at", "app.c:8"] {
        assert!(run.outcome.stderr.contains(place), "{place}: {}", run.outcome.stderr);
    }
    let dump = run.json();
    assert!(frames(&dump).iter().any(|frame| !values(&frame["locals"]).is_empty()));
}

#[test]
fn a_component_that_exits_ends_with_one() {
    // The WASI 0.1 adapter turns every code but 0 into a failure.
    let run = Run::fixture(&["--on", "exit"], "component-exit3").expect(1);
    assert_eq!(run.json()["reason"]["kind"], "exit");
}

#[test]
fn a_component_that_is_no_command_says_what_it_is() {
    let served = Run::fixture(&[], "http-service").expect(126);
    assert!(served.outcome.stderr.contains("it exports no wasi:cli/run\n"), "{:?}", served.outcome);
    assert!(served.outcome.stderr.contains("hint: it answers requests over HTTP: coredump-run --serve"));
    let library = Run::fixture(&[], "component-composed").expect(126);
    assert!(library.outcome.stderr.contains("call one of its functions with --invoke"), "{:?}", library.outcome);
}
