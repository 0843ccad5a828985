//! Blocks that a program freed twice, in many orders, are named.

use coredump_tests::{Tool, scratch};

use crate::heap::{dump, module};

/// Runs a guest that frees a block twice in that order; returns what `--check` says of its heap, and the block's
/// address.
fn checked(name: &str, order: u32) -> (String, String) {
    let folder = scratch();
    let path = folder.path().join("twice.coredump");
    let run = Tool::new("coredump-run").arg("-o").arg(&path).arg(module(name)).arg(order.to_string());
    let said = run.run().expect(134).text().to_owned();
    let twice = said.strip_prefix("twice ").and_then(|said| said.split(' ').next());
    let twice = twice.unwrap_or_else(|| panic!("{name} {order}: {said}")).to_owned();
    (dump(name, &["--check"], &path).expect(1).text().to_owned(), twice)
}

/// The value of a fact of the first broken place.
fn first<'t>(checked: &'t str, fact: &str) -> &'t str {
    let start = format!("broken\t{fact}\t");
    checked.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
}

#[test]
fn emmalloc_names_the_block_in_every_order() {
    for order in 0..18 {
        let (checked, twice) = checked("heap-twice-emmalloc", order);
        assert_eq!(first(&checked, "block"), twice, "{order}: {checked}");
        assert!(first(&checked, "what").ends_with(": it was freed twice"), "{order}: {checked}");
        // It is no neighbour's fault.
        assert_eq!(first(&checked, "block before"), "", "{order}: {checked}");
    }
}

/// Built without the checks by which it refuses a block that is free already.
#[test]
fn tlsf_names_the_block_in_every_order() {
    for order in 0..18 {
        let (checked, twice) = checked("heap-twice-as", order);
        assert_eq!(first(&checked, "block"), twice, "{order}: {checked}");
        assert!(first(&checked, "what").ends_with(": it was freed twice"), "{order}: {checked}");
        assert_eq!(first(&checked, "block before"), "", "{order}: {checked}");
    }
}

/// Built without the checks by which it ignores a block that is free already, as Rust's is.
#[test]
fn dlmalloc_names_the_block_in_every_order() {
    // A block that was joined with the room at the end leaves no trace.
    for order in (0..18).filter(|order| order / 2 != 7) {
        let (checked, twice) = checked("heap-twice-dlmalloc", order);
        assert_eq!(first(&checked, "block"), twice, "{order}: {checked}");
        // Of two that were joined, either may be the one.
        let end = if order / 2 != 5 { ": it was freed twice" } else { "which was joined with it, was freed twice" };
        assert!(first(&checked, "what").ends_with(end), "{order}: {checked}");
        assert_eq!(first(&checked, "block before"), "", "{order}: {checked}");
    }
}
