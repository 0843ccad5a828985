//! Heaps whose records are broken: by the guests themselves, by what is planted into their dumps, and by damage
//! anywhere. Damage is found where it was done, and no input makes a tool panic or go on without end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use coredump_tests::{Outcome, Tool, scratch};

use crate::heap::{GUESTS, blocks, die, died, dump, module};

#[test]
fn what_a_guest_breaks_is_found_where_it_broke_it() {
    let folder = scratch();
    let fact = |checked: &Outcome, name: &str| {
        let start = format!("broken\t{name}\t");
        checked.text().lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
    };
    for name in ["heap-dlmalloc", "heap-wasisdk", "heap-emscripten", "heap-emmalloc", "heap-zigcc"] {
        let (path, said) = die(folder.path(), name, "overflow");
        let culprit = said.iter().find(|line| line.0 == "culprit").expect("the guest says what it overflowed").1;
        let checked = dump(name, &["--check"], &path).expect(1);
        if name == "heap-zigcc" {
            // Blocks of one size follow each other: the header that is gone is the next slot's.
            assert_eq!(fact(&checked, "address"), format!("{:#x}", culprit + 64 - 8), "{name}: {}", checked.text());
            assert!(
                fact(&checked, "block before").starts_with(&format!("{culprit:#x}, ")),
                "{name}: {}",
                checked.text()
            );
            continue;
        }
        if name == "heap-emmalloc" {
            // The size after the block is its own.
            assert_eq!(fact(&checked, "block"), format!("{culprit:#x}"), "{name}: {}", checked.text());
            continue;
        }
        assert!(fact(&checked, "block before").starts_with(&format!("{culprit:#x}, ")), "{name}: {}", checked.text());
        assert!(fact(&checked, "bytes there").contains("AAAA"), "{name}: {}", checked.text());
    }
    for name in ["heap-dlmalloc", "heap-wasisdk", "heap-emscripten", "heap-emmalloc", "heap-mimalloc-emscripten"] {
        let (path, said) = die(folder.path(), name, "use-after-free");
        let damaged = said.iter().find(|line| line.0 == "damaged").expect("the guest says what it wrote to").1;
        let checked = dump(name, &["--check"], &path).expect(1);
        assert_eq!(fact(&checked, "block"), format!("{damaged:#x}"), "{name}: {}", checked.text());
        assert!(fact(&checked, "bytes there").contains("BBBB"), "{name}: {}", checked.text());
    }
    for name in ["heap-zigcc", "heap-mimalloc-emscripten"] {
        let (path, said) = die(folder.path(), name, "double-free");
        let damaged = said.iter().find(|line| line.0 == "damaged").expect("the guest says what it freed twice").1;
        let checked = dump(name, &["--check"], &path).expect(1);
        assert!(fact(&checked, "what").ends_with("it was freed twice"), "{name}: {}", checked.text());
        assert_eq!(fact(&checked, "block"), format!("{damaged:#x}"), "{name}");
    }
}

/// Static data that starts as zero lies between initialised data and the stack, and may hold other stacks.
#[test]
fn a_shadow_stack_that_ran_into_zeroed_data_is_told_from_another_stack_there() {
    let folder = scratch();
    let path = folder.path().join("deep.coredump");
    for (argument, inside, ran) in [("100", false, false), ("140", true, true), ("other", true, false)] {
        let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module("zeroed-stack")).arg(argument);
        let said = run.run().expect(134).text().to_owned();
        let mut words =
            said.split_whitespace().filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
        let [pointer, start, end] =
            [(); 3].map(|()| words.next().expect("the guest says where its stack and its array are"));
        assert_eq!((start..end).contains(&pointer), inside, "{argument}: {said}");
        let checked = dump("zeroed-stack", &["--check"], &path).expect(i32::from(ran));
        assert_eq!(checked.text().contains("the shadow stack ran into static data"), ran, "{argument}: {checked:?}");
    }
}

#[test]
fn a_broken_heap_shows_what_comes_before_the_broken_place_and_claims_no_leaks() {
    let folder = scratch();
    let (path, said) = die(folder.path(), "heap-dlmalloc", "overflow");
    let culprit = said.iter().find(|line| line.0 == "culprit").unwrap().1;
    let listed = dump("heap-dlmalloc", &["--blocks"], &path).expect(1);
    assert!(listed.stderr.contains("the heap is damaged at 0x"), "{listed:?}");
    assert_eq!(blocks(&listed).keys().next_back(), Some(&culprit));
    let leaks = dump("heap-dlmalloc", &["--leaks"], &path).expect(2);
    assert!(leaks.stdout.is_empty() && leaks.stderr.contains("hint: --check"), "{leaks:?}");
}

#[test]
fn damage_anywhere_is_told_and_never_a_panic() {
    let folder = scratch();
    let mut seed = 7u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for (name, _, _) in GUESTS.iter().filter(|guest| !guest.0.starts_with("heap-go")) {
        let bytes = std::fs::read(died(name).0).expect("the dump can be read");
        for round in 0..4 {
            let mut bytes = bytes.clone();
            // The last sections are the memory's contents; words from elsewhere in it are likely to be sizes and
            // addresses.
            let start = bytes.len() / 4;
            for _ in 0..8 << (3 * round) {
                let (from, to) = (start + roll(bytes.len() - start - 8), start + roll(bytes.len() - start - 8));
                let word = bytes[from..from + 4].to_vec();
                bytes[to..to + 4].copy_from_slice(&word);
            }
            let path = folder.path().join("damaged.coredump");
            std::fs::write(&path, &bytes).expect("a file can be written");
            for option in ["--heap", "--blocks", "--leaks", "--check"] {
                let outcome = dump(name, &[option], &path);
                assert!([0, 1, 2].contains(&outcome.code()), "{name} {option}: {outcome:?}");
                assert!(!outcome.stderr.contains("panicked"), "{name} {option}: {}", outcome.stderr);
            }
        }
    }
}

/// The data segments of the memory in a dump: the bytes of each in the file, and its address.
fn segments(dump: &[u8]) -> Vec<(Range<usize>, u64)> {
    let mut found = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(dump) {
        let Ok(wasmparser::Payload::DataSection(segments)) = payload else { continue };
        for segment in segments.into_iter().filter_map(Result::ok) {
            let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let address = match offset_expr.get_operators_reader().read() {
                Ok(wasmparser::Operator::I32Const { value }) => u64::from(value as u32),
                Ok(wasmparser::Operator::I64Const { value }) => value as u64,
                _ => continue,
            };
            found.push((segment.range.end - segment.data.len()..segment.range.end, address));
        }
    }
    found
}

/// Words of the memory in a dump: where each is in the file, its address, what it holds.
fn words(dump: &[u8]) -> Vec<(usize, u64, u32)> {
    let mut words = Vec::new();
    for (file, start) in segments(dump) {
        let skip = (start.next_multiple_of(4) - start) as usize;
        for (index, word) in dump[file.clone()].get(skip..).unwrap_or_default().chunks_exact(4).enumerate() {
            let value = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            words.push((file.start + skip + index * 4, start + (skip + index * 4) as u64, value));
        }
    }
    words
}

/// Every list of a hostile heap leads back to its start, or to itself, and its counts are of billions: each walk ends.
#[test]
fn lists_in_circles_and_counts_of_billions_end_each_walk() {
    let folder = scratch();
    let path = folder.path().join("hostile.coredump");
    for (name, ..) in
        GUESTS.iter().filter(|(name, ..)| !name.starts_with("heap-dlmalloc") && !name.starts_with("heap-go"))
    {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let all: Vec<u64> = blocks(&dump(name, &["--blocks"], &honest).expect(0)).into_keys().collect();
        let heap = all[0] - 64..all[all.len() - 1];
        // The address to which a link leads in the lists of an allocator: a block, its header, or the bytes before.
        let first = |at: u64| (all[0] - at % 16 / 4 * 4) as u32;
        let hostile: [fn(u64, u32) -> u32; 2] = [|at, _| at as u32, |_, first| first];
        for (every, link) in [(1, hostile[0]), (1, hostile[1]), (3, hostile[0]), (7, hostile[1])] {
            let mut bytes = bytes.clone();
            for (count, (file, at, value)) in words(&bytes).into_iter().enumerate() {
                let new = match value {
                    _ if count % every > 0 => continue,
                    value if heap.contains(&u64::from(value)) => link(at, first(at)),
                    2..=0xffff if every > 1 => 0x7fff_fff0,
                    _ => continue,
                };
                bytes[file..file + 4].copy_from_slice(&new.to_le_bytes());
            }
            std::fs::write(&path, &bytes).expect("a file can be written");
            for option in ["--heap", "--leaks", "--check"] {
                let outcome = dump(name, &[option], &path);
                assert!([0, 1, 2].contains(&outcome.code()), "{name} {option}: {outcome:?}");
                assert!(!outcome.stderr.contains("panicked"), "{name} {option}: {}", outcome.stderr);
            }
        }
    }
}

/// Writes over the word at an address in a dump, and gives what was there; `None` if the dump leaves it out, as zero.
fn plant(dump: &mut [u8], address: u64, word: [u8; 4]) -> Option<[u8; 4]> {
    let holds = |(file, start): &(Range<usize>, u64)| *start <= address && address + 4 <= *start + file.len() as u64;
    let (file, start) = segments(dump).into_iter().rfind(holds)?;
    let at = file.start + (address - start) as usize;
    let there = &mut dump[at..at + 4];
    let was = (*there).try_into().ok();
    there.copy_from_slice(&word);
    was
}

/// wee_alloc forgets free cells, which are in no list and keep the link that they had.
#[test]
fn a_free_cell_in_no_list_is_no_damage() {
    let folder = scratch();
    for seed in ["s100", "s104", "s131"] {
        let (path, _) = die(folder.path(), "heap-wee", seed);
        let checked = dump("heap-wee", &["--check"], &path).expect(0);
        assert!(checked.text().contains("records\tin order\n"), "{seed}: {}", checked.text());
    }
}

/// The free blocks of a dump of `heap-wee` that are in a list, whose heads are in static data.
fn listed(dump: &[u8], all: &BTreeMap<u64, (u64, String, String)>) -> BTreeSet<u64> {
    let first = all.keys().next().map_or(0, |first| first - first % 65536);
    let words: BTreeMap<u64, u32> = words(dump).into_iter().map(|(_, at, value)| (at, value)).collect();
    let block_at = |link: u32| u64::from(link & !3) + 8;
    let mut open: Vec<u64> = words.range(..first).map(|(_, head)| block_at(*head)).collect();
    let mut found = BTreeSet::new();
    while let Some(block) = open.pop() {
        if all.get(&block).is_some_and(|block| block.1 == "free") && found.insert(block) {
            open.extend(words.get(&block).map(|link| block_at(*link)));
        }
    }
    found
}

#[test]
fn a_block_that_was_freed_twice_is_named() {
    let folder = scratch();
    let path = folder.path().join("twice.coredump");
    for name in ["heap-wee", "heap-lol", "heap-zig"] {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let all = blocks(&dump(name, &["--blocks"], &honest).expect(0));
        let in_lists = listed(&bytes, &all);
        let free = all.into_iter().filter(|(_, block)| block.1 == "free").map(|(at, block)| (at, block.0));
        let free = free.filter(|(at, _)| name != "heap-wee" || in_lists.contains(at));
        let mut planted = 0;
        for (block, size) in free {
            // A free block is in its list: freed once more, it comes to the front, and its link leads to itself.
            let header = if name == "heap-wee" { block - 8 } else { block };
            // Zig's free slots have theirs at the end.
            let link = if name == "heap-zig" { block + size } else { block };
            let mut broken = bytes.clone();
            if plant(&mut broken, link, (header as u32).to_le_bytes()).is_none() {
                continue;
            }
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            let found = format!("broken\tblock\t{block:#x}\n");
            let told = checked.text().contains(&found) && checked.text().contains(": it was freed twice\n");
            assert!(told, "{name}: {block:#x}: {}", checked.text());
            planted += 1;
        }
        assert!(planted > 3, "{name}: {planted}");
    }
}

/// If a small block is freed again after the block in front of it in its list, Rust's dlmalloc leaves it in the list
/// twice.
#[test]
fn a_block_that_is_twice_in_a_list_with_links_to_both_sides_is_named() {
    let folder = scratch();
    let path = folder.path().join("twice.coredump");
    // Of twelve seeds, only this one leaves two free blocks in one list.
    let (honest, _) = die(folder.path(), "heap-rust", "s8");
    let bytes = std::fs::read(&honest).expect("the dump can be read");
    let all = blocks(&dump("heap-rust", &["--blocks"], &honest).expect(0));
    let words: BTreeMap<u64, u64> = words(&bytes).into_iter().map(|(_, at, value)| (at, value.into())).collect();
    let word = |at: u64| words.get(&at).copied().unwrap_or_default();
    let is_free = |at: u64| all.get(&at).is_some_and(|block| block.1 == "free");
    let mut planted = 0;
    for &first in all.keys().filter(|first| is_free(**first)) {
        // The next in the list, and the bin, which is no block.
        let (second, bin) = (word(first) + 8, word(first + 4));
        if !is_free(second) || word(second + 4) + 8 != first || word(bin + 8) + 8 != first || is_free(bin + 8) {
            continue;
        }
        let mut broken = bytes.clone();
        for (at, value) in [(bin + 8, second - 8), (first + 4, second - 8), (second, first - 8), (second + 4, bin)] {
            plant(&mut broken, at, (value as u32).to_le_bytes()).expect("the word is in the dump");
        }
        std::fs::write(&path, &broken).expect("a file can be written");
        let checked = dump("heap-rust", &["--check"], &path).expect(1);
        let found = format!("what\ta list of free blocks comes back to {second:#x}: it was freed twice\n");
        assert!(checked.text().contains(&found), "{second:#x}: {}", checked.text());
        planted += 1;
    }
    assert!(planted > 0, "{all:?}");
}

#[test]
fn a_free_block_that_is_written_over_as_a_whole_hides_no_heap() {
    let folder = scratch();
    let path = folder.path().join("over.coredump");
    for name in ["heap-talc5", "heap-lol"] {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let listed = blocks(&dump(name, &["--blocks"], &honest).expect(0));
        let mut seen = 0;
        for (block, size) in listed.iter().filter(|(_, block)| block.1 == "free").map(|(at, block)| (*at, block.0)) {
            let mut broken = bytes.clone();
            let words = (0..size.min(4096) / 4).map(|word| block + 4 * word);
            if words.filter_map(|at| plant(&mut broken, at, *b"BBBB")).count() == 0 {
                continue;
            }
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            let address = format!("{block:#x}");
            assert!(checked.text().contains(&address) && checked.stderr.is_empty(), "{name}: {address}: {checked:?}");
            seen += 1;
        }
        assert!(seen > 3, "{name}: {seen}");
    }
}

#[test]
fn a_record_that_is_written_over_is_found_there_and_nowhere_before() {
    let folder = scratch();
    let mut seed = 11u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    // The place of a block's record: so many bytes in front of it, or at its end.
    let guests = [
        ("heap-dlmalloc", Some(4)),
        ("heap-wasisdk", Some(4)),
        ("heap-emscripten", Some(4)),
        ("heap-memory64", Some(8)),
        ("heap-rust", Some(4)),
        ("heap-rust-1.63", Some(4)),
        ("heap-emmalloc", Some(4)),
        ("heap-emmalloc64", Some(8)),
        ("heap-wee", Some(8)),
        ("heap-talc4", None),
    ];
    for (name, record) in guests {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all: Vec<(u64, u64)> =
            blocks(&dump(name, &["--blocks"], &path).expect(0)).into_iter().map(|(at, block)| (at, block.0)).collect();
        let mut planted = 0;
        while planted < 5 {
            let (block, size) = all[roll(all.len())];
            let address = record.map_or(block + size, |before| block - before);
            let mut broken = bytes.clone();
            // The range of wee_alloc's cells is known by the first two of them, before which is none.
            let first = |cell: u64| plant(&mut bytes.clone(), cell + 4, *b"AAAA").map_or(0, u32::from_le_bytes);
            if name == "heap-wee" && (first(address) == 0 || first(first(address).into()) == 0)
                || plant(&mut broken, address, *b"AAAA").is_none()
            {
                continue;
            }
            planted += 1;
            let path = folder.path().join("planted.coredump");
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            let found = format!("broken\taddress\t{address:#x}\n");
            assert!(checked.text().contains(&found), "{name}: {block:#x} of {size}: {}", checked.text());
            let first =
                checked.text().lines().find(|line| line.starts_with("broken\taddress")).map(|line| line.to_owned());
            assert_eq!(first.as_deref(), Some(found.trim_end()), "{name}: {block:#x} of {size}: {}", checked.text());
            // Below a broken tag of talc's nothing is known, so that no link that leads there is wrong.
            let places = checked.text().matches("broken\taddress").count();
            assert!(record.is_some() || places == 1, "{name}: {block:#x} of {size}: {}", checked.text());
            // The tag that tells where the block begins is gone, but not those below it.
            let named = first_fact(&checked, "block") == format!("{block:#x}");
            assert!(record.is_some() || named, "{name}: {block:#x} of {size}: {}", checked.text());
        }
    }
}

/// A free block may hold whole blocks from when it was in use, but it also has its size at its start.
#[test]
fn each_free_block_of_talc_is_named_whose_tag_is_broken() {
    let folder = scratch();
    let path = folder.path().join("tag.coredump");
    for name in ["heap-talc4", "heap-talc4-arena"] {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let mut seen = 0;
        let mut listed = blocks(&dump(name, &["--blocks"], &honest).expect(0));
        // Nothing but the last tag tells where the array ends.
        if name == "heap-talc4-arena" {
            listed.pop_last();
        }
        for (block, (size, ..)) in listed.into_iter().filter(|(_, block)| block.1 == "free") {
            let mut broken = bytes.clone();
            if plant(&mut broken, block + size, *b"AAAA").is_none() {
                continue;
            }
            seen += 1;
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            let named = first_fact(&checked, "block");
            assert_eq!(named, format!("{block:#x}"), "{name}: {block:#x} of {size}: {}", checked.text());
        }
        assert!(seen > 5, "{name}: {seen}");
    }
}

/// wee_alloc's pieces of memory are known by their cells: one that begins with a broken cell is known by its second one.
#[test]
fn the_first_cell_of_a_piece_that_is_written_over_is_found() {
    let folder = scratch();
    let path = folder.path().join("first.coredump");
    let (honest, _) = died("heap-wee");
    let bytes = std::fs::read(&honest).expect("the dump can be read");
    let all = blocks(&dump("heap-wee", &["--blocks"], &honest).expect(0));
    let words: BTreeMap<u64, u32> = words(&bytes).into_iter().map(|(_, at, value)| (at, value)).collect();
    let mut planted = 0;
    for block in all.keys().filter(|block| (**block - 8).is_multiple_of(65536)) {
        let second = words.get(&(block - 8)).map(|end| u64::from(end & !3)).filter(|end| !end.is_multiple_of(65536));
        let mut broken = bytes.clone();
        // A piece of one cell, or whose second one is on another page, tells nothing of itself then.
        if second.is_none_or(|second| second >= block + 65528) || plant(&mut broken, block - 8, *b"AAAA").is_none() {
            continue;
        }
        std::fs::write(&path, &broken).expect("a file can be written");
        let checked = dump("heap-wee", &["--check"], &path).expect(1);
        assert_eq!(first_fact(&checked, "address"), format!("{:#x}", block - 8), "{}", checked.text());
        assert_eq!(first_fact(&checked, "block"), format!("{block:#x}"), "{}", checked.text());
        planted += 1;
    }
    assert!(planted > 3, "{planted}");
}

/// Returns the rest of the line that begins with `name`, of the first broken place.
fn first_fact<'t>(checked: &'t Outcome, name: &str) -> &'t str {
    let start = format!("broken\t{name}\t");
    checked.text().lines().find_map(|line| line.strip_prefix(&*start)).unwrap_or_default()
}

#[test]
fn a_size_that_is_replaced_by_another_one_is_found_in_its_own_header() {
    // The size leads to a place without a header, but the header with the size is wrong, and not that place.
    let folder = scratch();
    let guests = [
        ("heap-dlmalloc", 4),
        ("heap-wasisdk", 4),
        ("heap-emscripten", 4),
        ("heap-memory64", 8),
        ("heap-rust", 4),
        ("heap-rust-1.63", 4),
        ("heap-emmalloc", 4),
        ("heap-emmalloc64", 8),
        ("heap-as-incremental", 4),
        ("heap-as-minimal", 4),
    ];
    for (name, record) in guests {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all: Vec<_> = blocks(&dump(name, &["--blocks"], &path).expect(0)).into_iter().collect();
        // In front of an object of AssemblyScript's stand the collector's words.
        let known = |kind: &str| !name.starts_with("heap-as") || kind.is_empty();
        let pairs = all.windows(2).filter(|pair| {
            let [(_, (_, state, kind)), (_, (size, next, _))] = pair else { return false };
            state == "used" && next == "used" && *size >= 128 && known(kind)
        });
        let mut planted = 0;
        for pair in pairs.take(5) {
            let header = pair[0].0 - record;
            let mut broken = bytes.clone();
            let Some(was) = plant(&mut broken, header, [0; 4]) else { continue };
            // Into the middle of the next block.
            plant(&mut broken, header, (u32::from_le_bytes(was) + 64).to_le_bytes());
            let path = folder.path().join("planted.coredump");
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            assert_eq!(first_fact(&checked, "address"), format!("{header:#x}"), "{name}: {}", checked.text());
            planted += 1;
        }
        assert!(planted > 0, "{name} has no two large blocks: {all:?}");
    }
}

#[test]
fn what_a_free_block_keeps_of_itself_is_checked_where_used_ones_keep_nothing() {
    let folder = scratch();
    // A record of each free block: the link at its start, the tag in front of it, the link in its last word, its
    // header.
    type Record = fn(u64, u64) -> u64;
    let guests: [(&str, Record); 8] = [
        ("heap-mimalloc2", |block, _| block),
        ("heap-mimalloc3", |block, _| block),
        ("heap-mimalloc-emscripten", |block, _| block),
        ("heap-lol", |block, _| block),
        ("heap-talc5", |block, _| block - 4),
        ("heap-zig", |block, size| block + size),
        ("heap-as-minimal", |block, _| block - 4),
        ("heap-as-incremental", |block, _| block - 4),
    ];
    for (name, record) in guests {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let free = all.iter().filter(|(_, (_, state, _))| state == "free");
        let mut planted = 0;
        // A list that ends too soon is not believed: the first ones of each are left as they are.
        for (&block, (size, ..)) in free.skip(1).take(6) {
            let address = record(block, *size);
            let mut broken = bytes.clone();
            // The end of a list is zero, which dumps leave out.
            if plant(&mut broken, address, *b"AAAA").is_none() {
                continue;
            }
            let path = folder.path().join("planted.coredump");
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            assert_eq!(
                first_fact(&checked, "address"),
                format!("{address:#x}"),
                "{name} {block:#x}: {}",
                checked.text()
            );
            planted += 1;
        }
        assert!(planted > 2, "{name}: {all:?}");
    }
}

/// Plants `bytes` (multiples of 4) at an address of a dump and gives the address of the first broken place; `None` if
/// the dump leaves out what is there.
fn broken_at(name: &str, honest: &[u8], address: u64, bytes: &[u8]) -> Option<(u64, Outcome)> {
    let mut broken = honest.to_vec();
    for (index, word) in bytes.chunks(4).enumerate() {
        plant(&mut broken, address + 4 * index as u64, word.try_into().expect("words"))?;
    }
    let folder = scratch();
    let path = folder.path().join("planted.coredump");
    std::fs::write(&path, &broken).expect("a file can be written");
    let checked = dump(name, &["--check"], &path).expect(1);
    let first = u64::from_str_radix(first_fact(&checked, "address").trim_start_matches("0x"), 16);
    Some((first.unwrap_or_else(|_| panic!("{name} {address:#x}: {checked:?}")), checked))
}

#[test]
fn one_byte_beyond_any_block_is_found_in_the_header_after_it() {
    // Cells of wee_alloc are neighbours in memory or in one that is divided, of two cells as well as of many.
    let (path, _) = died("heap-wee");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all: Vec<_> = blocks(&dump("heap-wee", &["--blocks"], &path).expect(0)).into_iter().collect();
    let mut planted = 0;
    // After the last cell in one that is divided comes the header of the next one, and maybe that of the first in it.
    for pair in all.windows(2).filter(|pair| pair[0].1.1 == "used" && pair[1].0 - pair[0].0 - pair[0].1.0 < 32) {
        let header = pair[0].0 + pair[0].1.0;
        // Nothing in front of a piece of memory of its own knows of it.
        if header % 65536 == 0 {
            continue;
        }
        let Some(word) = plant(&mut bytes.clone(), header, [0; 4]) else { continue };
        let (first, checked) =
            broken_at("heap-wee", &bytes, header, &[!word[0], word[1], word[2], word[3]]).expect("a header");
        assert_eq!(first, header, "{:#x}: {}", pair[0].0, checked.text());
        let before = format!("{:#x}, {} bytes", pair[0].0, pair[0].1.0);
        assert!(first_fact(&checked, "block before").starts_with(&before), "{before}: {}", checked.text());
        planted += 1;
    }
    assert!(planted > 5, "{planted}: {all:?}");
}

#[test]
fn a_link_that_is_written_over_is_found_there_and_not_where_others_link_to_it() {
    // The order of addresses is not that of the lists: the block that is looked at first may have the good link. The
    // first numbers are the positions of the links, in words; nonsense is written there, and the address of a block
    // that is used.
    let guests = [
        ("heap-dlmalloc", [0, 1]),
        ("heap-wasisdk", [0, 1]),
        ("heap-emscripten", [0, 1]),
        ("heap-memory64", [0, 2]),
        ("heap-rust", [0, 1]),
        ("heap-rust-1.63", [0, 1]),
        ("heap-emmalloc", [0, 1]),
        ("heap-as-incremental", [0, 1]),
        ("heap-as-minimal", [0, 1]),
        ("heap-talc4", [0, 1]),
    ];
    for (name, links) in guests {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let used = *all.iter().find(|(_, block)| block.1 == "used").expect("some block is used").0 as u32;
        let mut found = 0;
        for (&block, _) in all.iter().filter(|(_, block)| block.1 == "free") {
            for address in links.map(|link| block + 4 * link) {
                for word in [*b"AAAA", used.to_le_bytes()] {
                    let mut broken = bytes.clone();
                    // The last block and the one that is preferred are in no list.
                    if plant(&mut broken, address, word).is_none() || !is_checked(name, &broken) {
                        continue;
                    }
                    let (first, checked) = broken_at(name, &bytes, address, &word).expect("it was planted");
                    assert_eq!(first, address, "{name}: {}", checked.text());
                    found += 1;
                }
            }
        }
        assert!(found >= 8, "{name}: {found} links of {all:?}");
    }
}

/// Returns true if `--check` finds anything wrong with the heap of these bytes of a dump.
fn is_checked(name: &str, bytes: &[u8]) -> bool {
    let folder = scratch();
    let path = folder.path().join("planted.coredump");
    std::fs::write(&path, bytes).expect("a file can be written");
    dump(name, &["--check"], &path).code() == 1
}

#[test]
fn the_last_block_may_write_over_what_comes_after_it() {
    // That is the header of all the memory that is left, by which the heap is found.
    for (name, record) in [
        ("heap-dlmalloc", 4),
        ("heap-wasisdk", 4),
        ("heap-emscripten", 4),
        ("heap-memory64", 8),
        ("heap-rust", 4),
        ("heap-rust-1.63", 4),
        ("heap-rust64", 8),
    ] {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all: Vec<_> = blocks(&dump(name, &["--blocks"], &path).expect(0)).into_iter().collect();
        let [.., (used, (size, state, _)), (top, (_, free, _))] = all.as_slice() else { panic!("{name}: {all:?}") };
        assert_eq!([state.as_str(), free.as_str()], ["used", "free"], "{name}");
        let (first, checked) = broken_at(name, &bytes, top - record, b"AAAA").expect("the header is there");
        assert_eq!(first, top - record, "{name}: {}", checked.text());
        let before = format!("{used:#x}, {size} bytes");
        assert!(first_fact(&checked, "block before").starts_with(&before), "{name} {before}: {}", checked.text());
    }
}

#[test]
fn a_free_header_that_is_gone_is_no_fault_of_the_block_before() {
    // A free block in front of it holds headers of before, which seem to go on: its own size stands at its end, too.
    for (name, record) in [("heap-emscripten", 4), ("heap-memory64", 8), ("heap-dlmalloc", 4), ("heap-rust", 4)] {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all: Vec<_> = blocks(&dump(name, &["--blocks"], &path).expect(0)).into_iter().collect();
        let mut found = 0;
        for pair in all.windows(2).filter(|pair| pair[0].1.1 == "free") {
            let header = pair[1].0 - record;
            if let Some((first, checked)) = broken_at(name, &bytes, header, &[0; 4]) {
                assert_eq!(first, header, "{name}: {}", checked.text());
                found += 1;
            }
        }
        assert!(found > 3, "{name}: {all:?}");
    }
}

#[test]
fn the_words_in_front_of_an_object_are_checked_by_those_of_its_neighbours() {
    for name in ["heap-as-incremental", "heap-as-minimal", "heap-as-O"] {
        let (path, said) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let objects: Vec<u64> = said.iter().filter(|line| line.0 == "object").map(|line| line.1).collect();
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let mut found = 0;
        for object in objects.iter().filter(|object| all.contains_key(*object)).take(6) {
            // Its size, the link to the previous object, the link to the next one.
            for address in [object - 4, object - 12, object - 16] {
                let (first, checked) = broken_at(name, &bytes, address, b"AAAA").expect("the header is there");
                assert_eq!(first, address, "{name} {object:#x}: {}", checked.text());
                found += 1;
            }
        }
        assert!(found >= 3, "{name}: {said:?}");
    }
}

#[test]
fn what_is_written_to_after_it_was_freed_is_named_itself() {
    // Three words over the start of each free block: its links, and in some its size or the number of its list.
    for name in
        ["heap-talc4", "heap-talc5", "heap-lol", "heap-wee", "heap-emmalloc", "heap-as-minimal", "heap-dlmalloc"]
    {
        let (path, _) = died(name);
        let bytes = std::fs::read(&path).expect("the dump can be read");
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let (mut found, mut tried) = (0, 0);
        for (&block, (size, ..)) in all.iter().filter(|(_, block)| block.1 == "free" && block.0 >= 32).take(20) {
            let mut broken = bytes.clone();
            if (0..3).any(|word| plant(&mut broken, block + 4 * word, *b"BBBB").is_none()) {
                continue;
            }
            tried += 1;
            if !is_checked(name, &broken) {
                continue;
            }
            let folder = scratch();
            let path = folder.path().join("planted.coredump");
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path).expect(1);
            if checked.text().is_empty() {
                // The list that the heap is known by begins with it.
                continue;
            }
            let first = u64::from_str_radix(first_fact(&checked, "address").trim_start_matches("0x"), 16).unwrap_or(0);
            assert!((block..block + 12).contains(&first), "{name} {block:#x} of {size}: {}", checked.text());
            found += 1;
        }
        assert!(found >= 3 && 2 * found >= tried, "{name}: {found} of {tried}");
    }
}

#[test]
fn the_smallest_free_block_is_named_itself_when_it_is_written_to() {
    let (path, _) = died("heap-talc5");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all = blocks(&dump("heap-talc5", &["--blocks"], &path).expect(0));
    let smallest = all.iter().filter(|(_, block)| block.1 == "free" && block.0 == 12).map(|(at, _)| *at);
    let mut found = 0;
    for block in smallest {
        // Both links: before the number of the list and the size, which is there once.
        let (first, checked) = broken_at("heap-talc5", &bytes, block, b"BBBBBBBB").expect("the links are there");
        assert_eq!(first, block + 4, "{}", checked.text());
        assert_eq!(first_fact(&checked, "block"), format!("{block:#x}"), "{}", checked.text());
        found += 1;
    }
    assert!(found > 0, "{all:?}");
}

#[test]
fn a_link_to_a_block_that_is_used_is_found() {
    let (path, _) = died("heap-wee");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all = blocks(&dump("heap-wee", &["--blocks"], &path).expect(0));
    let used = all.iter().find(|(_, block)| block.1 == "used").expect("some block is used").0 - 8;
    let mut found = 0;
    for block in listed(&bytes, &all).into_iter().take(40) {
        // To a cell that is used, and into one.
        for link in [used, used + 8] {
            let Some((first, checked)) = broken_at("heap-wee", &bytes, block, &(link as u32).to_le_bytes()) else {
                continue;
            };
            assert_eq!((first, first_fact(&checked, "block")), (block, &*format!("{block:#x}")), "{}", checked.text());
            found += 1;
        }
    }
    assert!(found > 20, "{found}: {all:?}");
}

#[test]
fn a_used_block_whose_header_says_that_it_is_free_is_named_with_its_header() {
    // A byte beyond the end of the block before may clear the bit in which wee_alloc keeps that a cell is used.
    let (path, _) = died("heap-wee");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all = blocks(&dump("heap-wee", &["--blocks"], &path).expect(0));
    let possible = "in no list";
    let mut found = 0;
    for (&block, _) in all.iter().filter(|(_, block)| block.1 == "used").take(60) {
        let Some(word) = plant(&mut bytes.clone(), block - 8, [0; 4]) else { continue };
        let header = [word[0] & !1, word[1], word[2], word[3]];
        let mut broken = bytes.clone();
        // What the program keeps there is no address of a cell.
        plant(&mut broken, block, *b"text").and_then(|_| plant(&mut broken, block - 8, header)).expect("a block");
        let Some((first, checked)) = broken_at("heap-wee", &broken, block, b"text") else { continue };
        let header = format!("the header at {:#x}", block - 8);
        let what = first_fact(&checked, "what");
        assert!(first == block && what.contains(&header) && what.contains(possible), "{}", checked.text());
        found += 1;
    }
    // A block that is in a list is free: it is the link that was written over.
    let of_listed = listed(&bytes, &all).into_iter().filter_map(|block| broken_at("heap-wee", &bytes, block, b"text"));
    let links = of_listed.take(10).map(|(_, checked)| {
        assert!(!first_fact(&checked, "what").contains(possible), "{}", checked.text());
    });
    assert!(links.count() > 5 && found > 20, "{found}: {all:?}");
}

#[test]
fn cells_of_one_size_are_known_also_when_the_first_of_them_is_broken() {
    let name = "heap-wee";
    let (path, _) = died(name);
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all: Vec<_> = blocks(&dump(name, &["--blocks"], &path).expect(0)).into_iter().collect();
    let (mut found, mut tried) = (0, 0);
    // Before the first one is the header of the cell that was divided, and nothing that is listed.
    for pair in all.windows(2).filter(|pair| pair[0].0 + pair[0].1.0 + 8 < pair[1].0) {
        for header in [pair[1].0 - 8, pair[1].0 - 4] {
            let mut broken = bytes.clone();
            if plant(&mut broken, header, *b"AAAA").is_none() {
                continue;
            }
            tried += 1;
            // If there is only this cell and the rest that is left over, nothing is known.
            if is_checked(name, &broken) {
                let (first, checked) = broken_at(name, &bytes, header, b"AAAA").expect("it was planted");
                assert_eq!(first, header, "{}", checked.text());
                found += 1;
            }
        }
    }
    assert!(found >= 4 && 2 * found >= tried, "{found} of {tried}: {all:?}");
}

#[test]
fn a_broken_record_of_what_has_no_headers_is_found_there() {
    let folder = scratch();
    // A block's size where blocks follow each other without more; what is behind it is still known.
    let (path, _) = died("heap-as-stub");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let all: Vec<_> = blocks(&dump("heap-as-stub", &["--blocks"], &path).expect(0)).into_iter().collect();
    let mut planted = 0;
    for pair in all.windows(2).skip(4).step_by(20).filter(|pair| pair[1].0 != all[all.len() - 1].0) {
        // A block is followed by the header of the next one, with words of an object in front of the header or without.
        let (before, (size, ..)) = &pair[0];
        let header = before + size;
        let mut broken = bytes.clone();
        if plant(&mut broken, header, *b"AAAA").is_none() {
            continue;
        }
        let path = folder.path().join("planted.coredump");
        std::fs::write(&path, &broken).expect("a file can be written");
        let checked = dump("heap-as-stub", &["--check"], &path).expect(1);
        assert_eq!(first_fact(&checked, "address"), format!("{header:#x}"), "{}", checked.text());
        let before = format!("{before:#x}, ");
        assert!(first_fact(&checked, "block before").starts_with(&before), "{before}: {}", checked.text());
        let listed = blocks(&dump("heap-as-stub", &["--blocks"], &path).expect(1));
        assert!(listed.contains_key(&all[all.len() - 1].0), "the last block is lost: {listed:?}");
        planted += 1;
    }
    assert!(planted > 0, "no block can be broken: {all:?}");
    // The size of a span's objects.
    let (path, _) = died("heap-go");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let image = Tool::new("coredump-dump").arg("--image").arg(&path).run().expect(0).stdout;
    let span = span_record(&image, &path);
    let mut broken = bytes.clone();
    plant(&mut broken, span + 104, *b"AAAA").expect("the dump holds the record");
    let path = folder.path().join("planted.coredump");
    std::fs::write(&path, &broken).expect("a file can be written");
    let checked = dump("heap-go", &["--check"], &path).expect(1);
    assert_eq!(first_fact(&checked, "address"), format!("{span:#x}"), "{}", checked.text());
}

#[test]
fn numbers_that_look_like_a_list_of_gos_spans_are_none() {
    let folder = scratch();
    let (path, _) = died("heap-go");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let image = Tool::new("coredump-dump").arg("--image").arg(&path).run().expect(0).stdout;
    let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
    let places = || (0..image.len() - 3000 * 8).step_by(8);
    // The data of Go's module begins with the address of its table of functions, and says where its variables are.
    let table =
        image.windows(8).position(|bytes| bytes == [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]).expect("Go has a table");
    let data = places().find(|&at| word(at) == table as u64).expect("something leads to the table");
    let (start, end) = (word(data + 224) as usize, word(data + 232) as usize);
    // Three words that are zero, between others, so that they can be found in the file.
    let place = (start..end).step_by(8).find_map(|at| {
        let around = &image[at - 16..at + 40];
        let free = image[at..at + 24] == [0; 24] && around[..16] != [0; 16] && around[40..] != [0; 16];
        let mut found = bytes.windows(around.len()).enumerate().filter(|(_, bytes)| free && *bytes == around);
        let (place, _) = found.next()?;
        found.next().is_none().then_some(place + 16)
    });
    let place = place.expect("there is room in front of the list");
    let heap = |path: &Path| dump("heap-go", &["--heap"], path).expect(0).text().to_owned();
    let right = heap(&path);
    let planted_path = folder.path().join("planted.coredump");
    // An address, a length and a capacity, as sizes and times look by chance: a part of the list, what goes on behind
    // its end with zeros, and whatever else leads to a span.
    let span = span_record(&image, &path);
    let mut planted = bytes.clone();
    let mut tried = 0;
    for array in places().filter(|&at| word(at) == span) {
        for len in [16, 300, 3000] {
            for (index, value) in [array as u64, len, len].into_iter().enumerate() {
                planted[place + 8 * index..][..8].copy_from_slice(&value.to_le_bytes());
            }
            std::fs::write(&planted_path, &planted).expect("a file can be written");
            assert_eq!(heap(&planted_path), right, "{len} words at {array:#x}");
            tried += 1;
        }
    }
    assert!(tried >= 6, "only {tried} lists were planted");
}

/// The record of a span of Go's: it is known by the address of its pages, their number, and that it is in use.
fn span_record(image: &[u8], path: &Path) -> u64 {
    let word = |at: usize| image.get(at..at + 8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let all = blocks(&dump("heap-go", &["--blocks"], path).expect(0));
    let mut pages = all.keys().filter(|&address| address % 8192 == 0);
    let span = pages.find_map(|&address| {
        let start = (24..image.len()).step_by(8).find(|&at| {
            word(at) == Some(address)
                && word(at + 8).is_some_and(|pages| (1..200).contains(&pages))
                && image.get(at + 75) == Some(&1)
        })?;
        Some(start as u64 - 24)
    });
    span.expect("a span has a record")
}

#[test]
fn the_size_that_leads_to_a_broken_header_is_named_too() {
    let folder = scratch();
    let (path, said) = die(folder.path(), "heap-dlmalloc", "overflow");
    let culprit = said.iter().find(|line| line.0 == "culprit").unwrap().1;
    let checked = dump("heap-dlmalloc", &["--check"], &path).expect(1);
    assert_eq!(first_fact(&checked, "size that leads there"), format!("{:#x}", culprit - 4), "{}", checked.text());
    // 20 bytes and a header, in steps of 16; it and the block before are used.
    assert!(first_fact(&checked, "bytes of that size").starts_with("23 00 00 00"), "{}", checked.text());
    let write = |address: u64| format!("coredump-run --replay {} --last-write {address:#x}", path.display());
    assert_eq!(first_fact(&checked, "who wrote that size"), write(culprit - 4));
    let broken = u64::from_str_radix(first_fact(&checked, "address").trim_start_matches("0x"), 16).unwrap();
    assert_eq!(first_fact(&checked, "who wrote it"), write(broken));
}

#[test]
fn constant_data_that_was_written_over_is_told() {
    let folder = scratch();
    let (path, _) = died("heap-dlmalloc");
    let mut bytes = std::fs::read(&path).expect("the dump can be read");
    // A word of a text that the program prints.
    let found = dump("heap-dlmalloc", &["--find", "the first node"], &path).expect(0);
    let constant = found.text().lines().find(|line| line.contains("rodata")).expect("it is in the constants");
    let at = constant.split('\t').find_map(|field| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok()).unwrap();
    assert_eq!(plant(&mut bytes, at + 4, *b"LAST"), Some(*b"firs"));
    let path = folder.path().join("changed.coredump");
    std::fs::write(&path, &bytes).expect("a file can be written");
    let checked = dump("heap-dlmalloc", &["--check"], &path).expect(1);
    let text = checked.text();
    assert!(text.contains(&format!("broken\taddress\t{:#x}\n", at + 4)), "{text}");
    assert!(text.contains("4 bytes differ from the module's"), "{text}");
    assert!(text.contains("broken\tbytes in the module\t66 69 72 73 74"), "{text}");
}

/// What may be written over: bytes, and the blocks that these are a record of or lie behind.
struct Planted {
    at: u64,
    bytes: Vec<u8>,
    owners: Vec<u64>,
}

impl Planted {
    /// Some bytes after a used block, over the word in front of a block, over a word of a free block, or over its
    /// start.
    fn random(all: &[(u64, (u64, String, String))], width: u64, roll: &mut impl FnMut(usize) -> usize) -> Option<Self> {
        let index = roll(all.len());
        let (at, (size, state, _)) = &all[index];
        let (before, after) = (index.checked_sub(1).map(|before| all[before].0), all.get(index + 1).map(|next| next.0));
        let with = |other: Option<u64>| other.into_iter().chain([*at]).collect::<Vec<u64>>();
        let free = state == "free";
        let (at, len, owners) = match roll(4) {
            0 if !free => (at + size, 1 + roll(40), with(after)),
            1 => (at - width, width as usize, with(before)),
            2 if free => (at + [0, 1, 2, 3][roll(4)] * width, width as usize, with(None)),
            3 if free => (*at, (1 + roll(24)).min(*size as usize), with(None)),
            _ => return None,
        };
        let fill = [0, b'A', 0xff, 1][roll(4)];
        let bytes = (0..len).map(|_| if fill == 1 { roll(256) as u8 } else { fill }).collect();
        Some(Planted { at, bytes, owners })
    }

    /// Returns true if one of the places that are named, or that are said to lead there, was written over.
    fn is_named(&self, checked: &Outcome, width: u64) -> bool {
        let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let written = self.at..self.at + self.bytes.len() as u64;
        let holds = |at: u64| at < written.end && written.start < at + width;
        let first =
            checked.text().lines().filter_map(|line| line.strip_prefix("broken\t")).map(|line| line.split_once('\t'));
        let first = first.skip(1).map_while(|fact| fact.filter(|fact| fact.0 != "memory"));
        first.into_iter().any(|(fact, value)| match fact {
            "block" => number(value).is_some_and(|block| self.owners.contains(&block)),
            "address" => number(value).is_some_and(holds),
            "what" => value.split([' ', ',', ':', ';']).filter_map(number).any(holds),
            _ => fact.ends_with(" that leads there") && number(value).is_some_and(holds),
        })
    }
}

/// Nobody else is accused: not who links to what is broken, nor what a wrong size leads to. `COREDUMP_SEEDS` says how
/// many times as much is planted. Of a thousand places, a few are where words of before make a wrong size look right.
#[test]
fn what_is_written_over_is_named_itself_or_not_at_all() {
    let times = std::env::var("COREDUMP_SEEDS").map_or(1, |count| count.parse().expect("COREDUMP_SEEDS is a number"));
    let folder = scratch();
    let path = folder.path().join("planted.coredump");
    for (name, ..) in GUESTS.iter().filter(|guest| !guest.0.starts_with("heap-go") && !guest.0.ends_with("-debug")) {
        let mut seed = 1u64;
        let mut roll = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let width = if name.contains("64") { 8 } else { 4 };
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let segments = segments(&bytes);
        let all: Vec<_> = blocks(&dump(name, &["--blocks"], &honest).expect(0)).into_iter().collect();
        let (mut planted, mut found, mut wrong) = (0, 0, Vec::new());
        while planted < 24 * times {
            let Some(change) = Planted::random(&all, width, &mut roll) else { continue };
            let end = change.at + change.bytes.len() as u64;
            let holds = |(file, start): &&(Range<usize>, u64)| *start <= change.at && end <= *start + file.len() as u64;
            let Some((file, start)) = segments.iter().rfind(holds) else { continue };
            let mut broken = bytes.clone();
            broken[file.start + (change.at - start) as usize..][..change.bytes.len()].copy_from_slice(&change.bytes);
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path);
            planted += 1;
            if checked.text().contains("broken\t") {
                found += 1;
                if !change.is_named(&checked, width) {
                    wrong.push(format!("{:x?} at {:#x}: {}", change.bytes, change.at, checked.text()));
                }
            }
        }
        assert!(wrong.len() * 100 <= planted, "{name}: {} of {planted}: {wrong:#?}", wrong.len());
        // Zig keeps hardly anything of its blocks.
        assert!(found > 0 || name.starts_with("heap-zig"), "{name}: nothing is found");
    }
}

/// The state names free blocks: as the first of a list, or as the one that is divided next.
#[test]
fn a_word_of_the_state_that_is_written_over_accuses_no_block() {
    for name in ["heap-dlmalloc", "heap-wasisdk", "heap-emscripten", "heap-rust", "heap-rust-1.63"] {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let all = blocks(&dump(name, &["--blocks"], &honest).expect(0));
        let first = *all.keys().next().expect("there is a block");
        let is_free = |value: u32| all.get(&(u64::from(value) + 8)).is_some_and(|block| block.1 == "free");
        let mut found = 0;
        for (_, at, _) in words(&bytes).into_iter().filter(|(_, at, value)| *at < first && is_free(*value)) {
            let mut broken = bytes.clone();
            plant(&mut broken, at, *b"AAAA").expect("the word is in the dump");
            let folder = scratch();
            let path = folder.path().join("planted.coredump");
            std::fs::write(&path, &broken).expect("a file can be written");
            let checked = dump(name, &["--check"], &path);
            if checked.text().contains("broken\t") {
                assert_eq!(first_fact(&checked, "address"), format!("{at:#x}"), "{name}: {}", checked.text());
                assert_eq!(first_fact(&checked, "block"), "", "{name}: {}", checked.text());
                found += 1;
            }
        }
        assert!(found > 0, "{name}: {all:?}");
    }
}
