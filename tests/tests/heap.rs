//! The heaps in a dump are what the guests printed of them before they died: every block with its address and size, what
//! was freed, what was lost, and where they broke them themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use coredump_tests::{Outcome, Tool, fixture, scratch};
use tempfile::TempDir;

/// Which blocks an allocator makes of `n` bytes.
#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    /// Exactly that many, of which no more is known.
    None,
    /// Fewer than this many more.
    Below(u64),
    /// The next power of two for them and a word.
    Power,
    /// The next power of two; of large ones that for them and a word, or for so many pages.
    Slot,
    /// Objects share blocks.
    Shared,
    /// At least that many, from this many bytes before the address on at most.
    From(u64),
    /// The allocator does not keep whether blocks are used.
    Unknown,
    /// The allocator does not keep where used blocks end.
    Several,
}

/// A guest: module, allocator's name, rounding.
type Guest = (&'static str, &'static str, Rounding);

const GUESTS: [Guest; 27] = [
    ("heap-dlmalloc", "dlmalloc", Rounding::Below(16)),
    ("heap-wasisdk", "dlmalloc", Rounding::Below(16)),
    ("heap-emscripten", "dlmalloc", Rounding::Below(16)),
    ("heap-memory64", "dlmalloc", Rounding::Below(32)),
    ("heap-rust", "dlmalloc-rs", Rounding::Below(16)),
    ("heap-rust-1.63", "dlmalloc-rs", Rounding::Below(16)),
    ("heap-rust64", "dlmalloc-rs", Rounding::Below(32)),
    ("heap-emmalloc", "emmalloc", Rounding::From(0)),
    ("heap-zigcc", "zig-malloc", Rounding::None),
    ("heap-zig", "zig", Rounding::Power),
    ("heap-zig-names", "zig", Rounding::Power),
    ("heap-zig-debug", "zig", Rounding::Slot),
    ("heap-zig64", "zig", Rounding::Power),
    ("heap-zig64-debug", "zig", Rounding::Slot),
    ("heap-as-incremental", "assemblyscript", Rounding::Below(16)),
    ("heap-as-minimal", "assemblyscript", Rounding::Below(16)),
    ("heap-as-O", "assemblyscript", Rounding::Below(16)),
    ("heap-go", "go", Rounding::Shared),
    ("heap-as-stub", "assemblyscript-stub", Rounding::Unknown),
    ("heap-wee", "wee_alloc", Rounding::From(0)),
    ("heap-talc4", "talc", Rounding::From(12)),
    ("heap-talc5", "talc", Rounding::Several),
    ("heap-talc64", "talc", Rounding::Several),
    ("heap-lol", "lol_alloc", Rounding::Several),
    // One block is in a larger one, for its alignment.
    ("heap-mimalloc2", "mimalloc", Rounding::From(0)),
    ("heap-mimalloc3", "mimalloc", Rounding::From(0)),
    ("heap-mimalloc-emscripten", "mimalloc", Rounding::From(ALIGNED)),
];

/// The greatest alignment that a guest asks for: of one block.
const ALIGNED: u64 = 256;

/// Bytes in an address of a guest.
fn width(name: &str) -> u64 {
    if name.contains("64") { 8 } else { 4 }
}

/// Guests in Rust and for 64-bit memories cannot print.
const QUIET: [&str; 13] = [
    "heap-rust",
    "heap-rust-1.63",
    "heap-rust64",
    "heap-talc64",
    "heap-zig64",
    "heap-zig64-debug",
    "heap-memory64",
    "heap-wee",
    "heap-talc4",
    "heap-talc5",
    "heap-lol",
    "heap-mimalloc2",
    "heap-mimalloc3",
];

fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

/// What a guest said: a word, an address, a number.
type Lines = Vec<(String, u64, u64)>;

/// The dump of a guest that ran to its end, and what it said. Each runs once for all tests.
fn died(name: &'static str) -> (PathBuf, Lines) {
    static GUESTS: Mutex<BTreeMap<&str, (PathBuf, Lines)>> = Mutex::new(BTreeMap::new());
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let mut guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = FOLDER.get_or_init(scratch).path().join(name);
    let guest = guests.entry(name).or_insert_with(|| {
        std::fs::create_dir(&folder).expect("the folder can be made");
        die(&folder, name, "")
    });
    guest.clone()
}

/// Runs a guest to its end; `how` is a word for it, `s` and a number for other allocations. Its dump, and the lines that it
/// printed or, where it cannot print, left in its memory.
fn die(folder: &Path, name: &str, how: &str) -> (PathBuf, Lines) {
    let dump = folder.join("guest.coredump");
    let quiet = QUIET.contains(&name);
    let mut run = Tool::new("coredump-run").arg("-o").arg(&dump);
    // Go needs it to crash; emscripten's runtime loses a block of no bytes where there are no variables.
    if ["heap-go", "heap-mimalloc-emscripten"].contains(&name) {
        run = run.args(["--env", "GOTRACEBACK=crash"]);
    }
    let seed = how.strip_prefix('s').filter(|_| quiet);
    if quiet {
        run = run.args(["--invoke", if seed.is_some() { "seeded" } else { "run" }]);
    }
    let word = seed.unwrap_or(how);
    let outcome = run.arg(module(name)).args((!word.is_empty()).then_some(word)).run().expect(134);
    let text = if quiet {
        let image = Tool::new("coredump-dump").arg("--image").arg(&dump).run().expect(0).stdout;
        let find = |text: &[u8]| image.windows(text.len()).rposition(|bytes| bytes == text);
        // The marks are also in the program's constants, where no lines are.
        let end = find(b"\nEND\n").expect("the guest wrote all of its lines");
        let start = image[..end].windows(5).rposition(|bytes| bytes == b"HEAP\n").expect("the guest wrote its lines");
        String::from_utf8(image[start + 5..end].to_vec()).expect("the lines are text")
    } else {
        outcome.text().to_owned()
    };
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let word = fields.next()?.to_owned();
        let address = u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
        Some((word, address, fields.next()?.parse().ok()?))
    });
    let lines = lines.collect();
    (dump, lines)
}

fn dump(name: &str, args: &[&str], dump: &Path) -> Outcome {
    Tool::new("coredump-dump").args(args).arg("-m").arg(module(name)).arg(dump).run()
}

/// The blocks that `--blocks` lists: size, state and contents by address.
fn blocks(outcome: &Outcome) -> BTreeMap<u64, (u64, String, String)> {
    let lines = outcome.text().lines().map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let address = u64::from_str_radix(fields[0].trim_start_matches("0x"), 16).expect("an address");
        (address, (fields[1].parse().expect("a size"), fields[2].to_owned(), fields[3].to_owned()))
    });
    lines.collect()
}

/// Every block is listed as the guest said, and nothing else is used.
fn blocks_agree(name: &str, rounding: Rounding, path: &Path, said: &Lines) {
    let all = blocks(&dump(name, &["--blocks"], path).expect(0));
    let mut told = 0;
    for (word, address, size) in said {
        let at = all.range(..=address).next_back().filter(|(start, block)| *address < *start + block.0.max(1));
        let used = at.is_some_and(|(start, block)| match rounding {
            Rounding::Shared => block.1 == "used",
            Rounding::Several => block.1 == "several",
            Rounding::Unknown => block.1 == "unknown" && start == address,
            // A page of its own may as well be one of smaller slots.
            Rounding::Power if *size > 32764 => start == address && ["used", "unknown"].contains(&block.1.as_str()),
            // In a slot that was used for another alignment before, which header counts is not known.
            Rounding::None if address % ALIGNED == 0 => block.1 == "used",
            Rounding::From(before) => block.1 == "used" && address - start <= before,
            _ => block.1 == "used" && start == address,
        });
        if word == "freed" {
            // Another block may be there by now.
            let mut others = said.iter().filter(|other| other.0 != "freed");
            let reused = match (rounding, at) {
                (Rounding::From(_) | Rounding::Several, _) => {
                    others.any(|(_, at, size)| (*at..at + size + 16).contains(address))
                }
                (Rounding::None, Some((start, block))) => {
                    others.any(|(_, at, _)| at % ALIGNED == 0 && (*start..start + block.0).contains(at))
                }
                _ => false,
            };
            let used = used && !reused && rounding != Rounding::Unknown;
            assert!(!used, "{name}: {address:#x} was freed, but is in {at:?}");
            continue;
        }
        assert!(used, "{name}: {word} {address:#x} of {size} is in {at:?}");
        let (_, (room, _, _)) = at.unwrap();
        let fits = match rounding {
            Rounding::None => room == size || address % ALIGNED == 0 && *address + *size <= at.unwrap().0 + *room,
            Rounding::Below(more) => (*size..size + more).contains(room),
            // Larger blocks take a number of pages that is a power of two.
            Rounding::Power => {
                // The smallest slot has two words.
                let slot = (size + width(name)).next_power_of_two().max(2 * width(name));
                *room == slot - width(name) || *size > 32764
            }
            Rounding::Shared => *size <= *room,
            Rounding::Slot if *size <= 16384 => *room == size.next_power_of_two(),
            Rounding::Slot if *size <= 32768 - width(name) => {
                *room == (size + width(name)).next_power_of_two() - width(name)
            }
            Rounding::Slot => {
                *room == ((size + 2 * width(name)).div_ceil(65536).next_power_of_two() << 16) - width(name)
            }
            Rounding::From(_) | Rounding::Several | Rounding::Unknown => *address + *size <= at.unwrap().0 + *room,
        };
        assert!(fits, "{name}: {word} {address:#x} of {size} has {room} bytes");
        told += usize::from(at.unwrap().1.1 != "unknown" || rounding != Rounding::Power);
    }
    assert!(told > 20, "{name} said nothing: {said:?}");
    // Nothing else is used, but for what runtimes allocate for themselves.
    let used = all.values().filter(|block| block.1 == "used").count();
    let runtimes = ["heap-as", "heap-go"];
    if !runtimes.iter().any(|start| name.starts_with(start)) && rounding != Rounding::Several {
        assert_eq!(used, told, "{name}: {all:#x?}");
    }
}

#[test]
fn every_block_is_where_and_as_large_as_the_guest_said() {
    for (name, _, rounding) in GUESTS {
        let (path, said) = died(name);
        blocks_agree(name, rounding, &path, &said);
    }
}

#[test]
fn the_numbers_are_those_of_the_blocks() {
    for (name, kind, rounding) in GUESTS {
        let (path, _) = died(name);
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let of = |state: &str| all.values().filter(|block| block.1 == state).map(|block| block.0).collect::<Vec<_>>();
        let (used, free) = (of("used"), of("free"));
        let heap = dump(name, &["--heap"], &path).expect(0);
        let lines: Vec<Vec<&str>> = heap.text().lines().map(|line| line.split('\t').collect()).collect();
        let numbers = [
            used.len() as u64,
            used.iter().sum(),
            free.len() as u64,
            free.iter().sum(),
            free.iter().copied().max().unwrap_or(0),
        ];
        let mut numbers = numbers.map(|number: u64| number.to_string());
        assert_eq!(lines[0][..3], ["heap", "0", kind], "{name}");
        if rounding == Rounding::Several {
            // How many they are is not known, and that is not zero.
            let bytes = of("several").iter().sum::<u64>().to_string();
            assert_eq!(lines[0][4..9], ["", &bytes, &numbers[2], &numbers[3], &numbers[4]], "{name}");
        } else {
            assert_eq!(lines[0][4..9], numbers, "{name}");
        }
        numbers[0] = used.len().to_string();
        let sizes = lines.iter().filter(|line| line[0] == "size");
        let sum =
            |column: usize| sizes.clone().map(|line| line[column].parse::<u64>().unwrap()).sum::<u64>().to_string();
        assert_eq!([sum(3), sum(4), sum(5), sum(6)], numbers[..4], "{name}");
    }
}

/// What the guest lost is called leaked, and nothing else.
fn leaks_agree(name: &str, rounding: Rounding, path: &Path, said: &Lines) {
    let mut lost: Vec<u64> = said.iter().filter(|line| line.0 == "lost").map(|line| line.1).collect();
    let found = dump(name, &["--leaks"], path).expect(0);
    let leaks = found.text().lines().filter(|line| line.starts_with("leak\t"));
    let mut leaks: Vec<u64> = leaks
        .map(|line| {
            assert!(line.ends_with("\tcertain"), "{name}: {line}");
            u64::from_str_radix(&line.split('\t').nth(2).unwrap()[2..], 16).unwrap()
        })
        .collect();
    lost.sort_unstable();
    leaks.sort_unstable();
    match rounding {
        Rounding::Several | Rounding::Unknown => {
            assert!(leaks.is_empty(), "{name}: what is not told apart is not called lost: {leaks:x?}");
        }
        Rounding::From(before) => {
            let near = leaks.iter().zip(&lost).all(|(leak, lost)| (0..=before).contains(&(lost - leak)));
            assert!(near && leaks.len() == lost.len(), "{name}: {leaks:x?} {lost:x?}");
        }
        // Optimised code may still hold what the source has lost.
        _ if name == "heap-as-O" => {
            assert!(leaks.iter().all(|leak| lost.contains(leak)), "{name}: {leaks:x?} {lost:x?}")
        }
        _ => assert_eq!(leaks, lost, "{name}"),
    }
}

#[test]
fn what_is_lost_is_found_and_nothing_else() {
    for (name, _, rounding) in GUESTS {
        let (path, said) = died(name);
        leaks_agree(name, rounding, &path, &said);
        if matches!(rounding, Rounding::Several | Rounding::Unknown) {
            continue;
        }
        // Each used block has a chain that leads to it, each lost one has none.
        let used = said.iter().find(|line| line.0 == "used").unwrap();
        if name != "heap-go" {
            dump(name, &["--path-to", &format!("{:#x}", used.1)], &path).expect(0);
        }
        let lost = said.iter().find(|line| line.0 == "lost").filter(|_| name != "heap-as-O");
        if let Some(lost) = lost {
            dump(name, &["--path-to", &format!("{:#x}", lost.1)], &path).expect(1);
        }
    }
}

/// Other allocations and frees in another order; `COREDUMP_SEEDS` says how many times.
#[test]
fn whatever_a_guest_allocates_is_read_as_it_says() {
    let count = std::env::var("COREDUMP_SEEDS").map_or(2, |count| count.parse().expect("COREDUMP_SEEDS is a number"));
    let folder = scratch();
    for (name, _, rounding) in GUESTS {
        // The others take no seed.
        if ["heap-go", "heap-memory64"].contains(&name) {
            continue;
        }
        for seed in (1..=count).map(|number: u32| number.wrapping_mul(7919) & 0x7fff_ffff) {
            let (path, said) = die(folder.path(), name, &format!("s{seed}"));
            blocks_agree(name, rounding, &path, &said);
            // The order of the table of AssemblyScript's guest may look like addresses.
            if !name.starts_with("heap-as") {
                leaks_agree(name, rounding, &path, &said);
            }
        }
    }
}

#[test]
fn without_locals_a_leak_is_only_possible() {
    let folder = scratch();
    let path = folder.path().join("fast.coredump");
    Tool::new("coredump-run").args(["--fast", "-o"]).arg(&path).arg(module("heap-dlmalloc")).run().expect(134);
    let found = dump("heap-dlmalloc", &["--leaks"], &path).expect(1);
    assert!(found.stderr.contains("the dump does not hold the locals of "), "{found:?}");
    assert!(found.text().lines().all(|line| line.ends_with("\tpossible")), "{found:?}");
}

#[test]
fn an_orderly_heap_is_said_to_be_in_order() {
    for (name, kind, _) in GUESTS {
        let (path, _) = died(name);
        let checked = dump(name, &["--check"], &path).expect(0);
        assert_eq!(
            checked.text(),
            format!("checked\tmemory\t0\nchecked\tallocator\t{kind}\nchecked\trecords\tin order\n"),
            "{name}"
        );
    }
}

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
fn a_program_without_a_heap_has_none() {
    for name in ["wat-multi-memory", "shadow"] {
        let folder = scratch();
        let path = folder.path().join("guest.coredump");
        Tool::new("coredump-run").arg("-o").arg(&path).arg(module(name)).run();
        let outcome = dump(name, &["--heap"], &path).expect(1);
        assert!(outcome.stdout.is_empty(), "{name}: {}", outcome.text());
        assert!(outcome.stderr.contains("no allocator was recognised"), "{name}: {outcome:?}");
    }
}

#[test]
fn an_allocator_that_is_not_recognised_is_told_of_beside_one_that_is() {
    let folder = scratch();
    let path = folder.path().join("guest.coredump");
    Tool::new("coredump-run").arg("-o").arg(&path).arg(module("heap-arena")).run().expect(134);
    for option in ["--heap", "--leaks"] {
        let outcome = dump("heap-arena", &[option], &path).expect(1);
        // Sixteen pages that it fills by a thousand bytes.
        let bytes = outcome.stderr.lines().find_map(|line| {
            line.strip_suffix(" bytes in use beyond static data are in no heap that is recognised")?.rsplit(' ').next()
        });
        let bytes = bytes.map(|bytes| bytes.parse::<u64>().expect("a number"));
        assert!(bytes.is_some_and(|bytes| (1_024_000..=16 * 65536).contains(&bytes)), "{option}: {outcome:?}");
    }
    assert!(dump("heap-arena", &["--blocks"], &path).expect(0).text().contains("\"kept\""));
}

#[test]
fn damage_anywhere_is_told_and_never_a_panic() {
    let folder = scratch();
    let mut seed = 7u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for (name, _, _) in GUESTS.iter().filter(|guest| guest.0 != "heap-go") {
        let bytes = std::fs::read(died(name).0).expect("the dump can be read");
        for round in 0..4 {
            let mut bytes = bytes.clone();
            // The last sections are the memory's contents; words from elsewhere in it are likely to be sizes and addresses.
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

/// Words of the memory in a dump: where each is in the file, its address, what it holds.
fn words(dump: &[u8]) -> Vec<(usize, u64, u32)> {
    let mut words = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(dump) {
        let Ok(wasmparser::Payload::DataSection(segments)) = payload else { continue };
        for segment in segments.into_iter().filter_map(Result::ok) {
            let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let start = match offset_expr.get_operators_reader().read() {
                Ok(wasmparser::Operator::I32Const { value }) => u64::from(value as u32),
                Ok(wasmparser::Operator::I64Const { value }) => value as u64,
                _ => continue,
            };
            let file = segment.range.end - segment.data.len();
            let skip = (start.next_multiple_of(4) - start) as usize;
            for (index, word) in segment.data.get(skip..).unwrap_or_default().chunks_exact(4).enumerate() {
                let value = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                words.push((file + skip + index * 4, start + (skip + index * 4) as u64, value));
            }
        }
    }
    words
}

/// Every list of a hostile heap leads back to its start, or to itself, and its counts are of billions: each walk ends.
#[test]
fn lists_in_circles_and_counts_of_billions_end_each_walk() {
    let folder = scratch();
    let path = folder.path().join("hostile.coredump");
    for (name, ..) in GUESTS.iter().filter(|(name, ..)| !name.starts_with("heap-dlmalloc") && *name != "heap-go") {
        let (honest, _) = died(name);
        let bytes = std::fs::read(&honest).expect("the dump can be read");
        let all: Vec<u64> = blocks(&dump(name, &["--blocks"], &honest).expect(0)).into_keys().collect();
        let heap = all[0] - 64..all[all.len() - 1];
        // What a link leads to in the lists of an allocator: a block, its header, or what comes before.
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
    let mut at = None;
    for payload in wasmparser::Parser::new(0).parse_all(dump) {
        let Ok(wasmparser::Payload::DataSection(segments)) = payload else { continue };
        for segment in segments.into_iter().filter_map(Result::ok) {
            let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let start = match offset_expr.get_operators_reader().read() {
                Ok(wasmparser::Operator::I32Const { value }) => u64::from(value as u32),
                Ok(wasmparser::Operator::I64Const { value }) => value as u64,
                _ => continue,
            };
            if start <= address && address + 4 <= start + segment.data.len() as u64 {
                at = Some(segment.range.end - segment.data.len() + (address - start) as usize);
            }
        }
    }
    let there = &mut dump[at?..at? + 4];
    let was = (*there).try_into().ok();
    there.copy_from_slice(&word);
    was
}

#[test]
fn a_record_that_is_written_over_is_found_there_and_nowhere_before() {
    let folder = scratch();
    let mut seed = 11u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    // Where the record of a block is: so many bytes in front of it, or at its end.
    let guests = [
        ("heap-dlmalloc", Some(4)),
        ("heap-wasisdk", Some(4)),
        ("heap-emscripten", Some(4)),
        ("heap-memory64", Some(8)),
        ("heap-rust", Some(4)),
        ("heap-rust-1.63", Some(4)),
        ("heap-emmalloc", Some(4)),
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
            // What wee_alloc's cells are in is known by the first two of them, before which is none.
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
        }
    }
}

/// What a record holds that says `name`, of the first broken place.
fn first_fact<'t>(checked: &'t Outcome, name: &str) -> &'t str {
    let start = format!("broken\t{name}\t");
    checked.text().lines().find_map(|line| line.strip_prefix(&*start)).unwrap_or_default()
}

#[test]
fn a_size_that_is_replaced_by_another_one_is_found_in_its_own_header() {
    // Where the size would lead is no header: but it is not there that anything is wrong.
    let folder = scratch();
    let guests = [
        ("heap-dlmalloc", 4),
        ("heap-wasisdk", 4),
        ("heap-emscripten", 4),
        ("heap-memory64", 8),
        ("heap-rust", 4),
        ("heap-rust-1.63", 4),
        ("heap-emmalloc", 4),
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
    // A record of each free block: the link at its start, the tag in front of it, the link in its last word, its header.
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

/// Plants `bytes` (multiples of 4) at an address of a dump and gives the address of the first broken place; `None` if the dump leaves
/// out what is there.
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
fn a_link_that_is_written_over_is_found_there_and_not_where_others_link_to_it() {
    // The order of addresses is not that of the lists: the block that is looked at first may have the good link. Where the links are,
    // in words, and what is written there: nonsense, and the address of a block that is used.
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

/// Whether anything is wrong with the heap of these bytes of a dump.
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
            // Where there is no cell but it and what is left over, nothing is known.
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
        // What follows a block is the header of the next one, with words of an object in front of that or without.
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
    // The size of a span's objects: the record is known by the address of its pages, their number, and that it is in use.
    let (path, _) = died("heap-go");
    let bytes = std::fs::read(&path).expect("the dump can be read");
    let image = Tool::new("coredump-dump").arg("--image").arg(&path).run().expect(0).stdout;
    let word = |at: usize| image.get(at..at + 8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let all = blocks(&dump("heap-go", &["--blocks"], &path).expect(0));
    let mut pages = all.keys().filter(|&address| address % 8192 == 0);
    let span = pages.find_map(|&address| {
        let start = (24..image.len()).step_by(8).find(|&at| {
            word(at) == Some(address)
                && word(at + 8).is_some_and(|pages| (1..200).contains(&pages))
                && image.get(at + 75) == Some(&1)
        })?;
        Some(start as u64 - 24)
    });
    let span = span.expect("a span has a record");
    let mut broken = bytes.clone();
    plant(&mut broken, span + 104, *b"AAAA").expect("the dump holds the record");
    let path = folder.path().join("planted.coredump");
    std::fs::write(&path, &broken).expect("a file can be written");
    let checked = dump("heap-go", &["--check"], &path).expect(1);
    assert_eq!(first_fact(&checked, "address"), format!("{span:#x}"), "{}", checked.text());
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

/// The block that begins with a text, by its listing.
fn holding(all: &BTreeMap<u64, (u64, String, String)>, text: &str) -> u64 {
    *all.iter().find(|(_, block)| block.2.contains(text)).expect("a block holds it").0
}

#[test]
fn blocks_have_the_types_that_variables_lead_to() {
    let (path, _) = died("heap-dlmalloc");
    let listed = dump("heap-dlmalloc", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    let of = |ty: &str| all.values().filter(|block| block.2 == ty).count();
    // The list's three nodes, the table of them, what `last_packet` points to, and what only a variable of main does.
    assert_eq!(
        [of("struct node"), of("struct node *[]"), of("struct packet"), of("int[]")],
        [3, 1, 1, 1],
        "{}",
        listed.text()
    );
    // Lost nodes have no type: no variable leads to them.
    let labels = all.values().filter(|block| block.2.starts_with("char[] \"")).count();
    assert_eq!(labels, 4, "three labels and the program's own name: {}", listed.text());
    let heap = dump("heap-dlmalloc", &["--heap"], &path).expect(0);
    assert!(heap.text().contains("type\t0\tstruct node\t3\t36\n"), "{}", heap.text());
    let document = Tool::new("coredump-json")
        .args(["--heap", "-m"])
        .arg(module("heap-dlmalloc"))
        .arg(&path)
        .run()
        .expect(0)
        .json();
    assert_eq!(document["heap"]["allocators"][0]["kind"], "dlmalloc");
    let node =
        document["heap"]["types"].as_array().unwrap().iter().find(|entry| entry["type"] == "struct node").unwrap();
    assert_eq!((&node["count"], &node["bytes"]), (&3.into(), &36.into()));
    // AssemblyScript's objects tell their class ids: the five labels and what they were made of.
    let (path, said) = died("heap-as-minimal");
    let all = blocks(&dump("heap-as-minimal", &["--blocks"], &path).expect(0));
    let label = holding(&all, "u\"node 3\"");
    assert!(all[&label].2.starts_with("String "), "{:?}", all[&label]);
    assert!(said.iter().any(|line| line.0 == "object" && line.1 == label), "{label:#x} is no label: {said:?}");
}

#[test]
fn a_struct_with_a_flexible_array_is_no_array() {
    let folder = scratch();
    let (path, _) = coredump_tests::capture(folder.path(), "heap-flexible", &["-q"]);
    let listed = dump("heap-flexible", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    let of = |ty: &str| all.values().filter(|block| block.2 == ty).map(|block| block.0).collect::<Vec<_>>();
    // A message is 4 bytes and five pointers; a part is 4 bytes and a text of 41 bytes or more. The allocator rounds up.
    assert_eq!((of("struct message"), of("struct part")), (vec![28], vec![60, 60, 76, 92, 92]), "{}", listed.text());
    let heap = dump("heap-flexible", &["--heap"], &path).expect(0);
    assert!(heap.text().contains("type\t0\tstruct part\t5\t380\n"), "{}", heap.text());
    // A byte of its text is one of the block's only element.
    let part = *all.iter().find(|(_, block)| block.2 == "struct part").unwrap().0;
    let told = dump("heap-flexible", &["--whatis", &format!("{:#x}", part + 20)], &path).expect(0);
    assert!(told.text().contains("type\tstruct part\n"), "{}", told.text());
    // Its characters are a text, to the zero at its end.
    let text = dump("heap-flexible", &["--print", "*message->parts[1]"], &path).expect(0);
    assert_eq!(text.text(), format!("*message->parts[1] = {{length = 51, text = \"{}\"}}\n", "a".repeat(51)));
}

#[test]
fn an_address_in_a_block_is_named_by_type_and_member() {
    let (path, _) = died("heap-dlmalloc");
    let all = blocks(&dump("heap-dlmalloc", &["--blocks"], &path).expect(0));
    let node = *all.iter().find(|(_, block)| block.2 == "struct node").unwrap().0;
    let told = dump("heap-dlmalloc", &["--whatis", &format!("{:#x}", node + 4)], &path).expect(0);
    for line in [
        format!("block\t{node:#x}, 12 bytes, used: 0x4 bytes into it"),
        "type\tstruct node".into(),
        "member\tnext (struct node *)".into(),
    ] {
        assert!(told.text().contains(&format!("address\t{line}")), "{line}: {}", told.text());
    }
    let chain =
        dump("heap-dlmalloc", &["--path-to", &format!("{:#x}", holding(&all, "the first node"))], &path).expect(0);
    let last = chain.text().lines().last().unwrap();
    assert!(last.starts_with("step\tblock\t0x") && last.contains("+0x8 struct node\t"), "{}", chain.text());
}

#[test]
fn two_dumps_tell_what_grew() {
    let folder = scratch();
    let (before, _) = died("heap-dlmalloc");
    // With this word the guest allocates three blocks more, and frees one of them.
    let (after, _) = die(folder.path(), "heap-dlmalloc", "use-after-free");
    let used = |path: &Path| {
        let all = blocks(&dump("heap-dlmalloc", &["--blocks"], path));
        let used = all.values().filter(|block| block.1 == "used");
        used.fold((0, 0), |(blocks, bytes), block| (blocks + 1, bytes + block.0 as i64))
    };
    let (then, now) = (used(&before), used(&after));
    let grown =
        Tool::new("coredump-dump").args(["--heap", "-m"]).arg(module("heap-dlmalloc")).arg(&before).arg(&after).run();
    let line = format!("heap\t0\tdlmalloc\t{}\t{}\t{:+}\t{:+}", now.0, now.1, now.0 - then.0, now.1 - then.1);
    assert_eq!(grown.text().lines().next(), Some(&*line), "{grown:?}");
    assert!(now.0 - then.0 == 2, "{then:?} {now:?}");
}

#[test]
fn what_a_trait_object_points_to_has_the_type_that_its_vtable_is_for() {
    let folder = scratch();
    let (path, _) = coredump_tests::capture(folder.path(), "rust-std-O0", &["-q"]);
    let listed = dump("rust-std-O0", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    // `objects` keeps a vector of two bytes as `dyn Debug`: the block of the vector itself, and that of its bytes.
    let vector = all.values().find(|block| block.2 == "alloc::vec::Vec<u8, alloc::alloc::Global>");
    assert_eq!(vector.map(|block| (block.0, &*block.1)), Some((12, "used")), "{}", listed.text());
    // Only the counts of a counted slice or trait object have a known size: the block is no array of them.
    assert!(all.values().any(|block| block.2 == "alloc::rc::RcInner<dyn stdlib::Shape>"), "{}", listed.text());
}

#[test]
fn nodes_and_buckets_of_containers_have_types() {
    let folder = scratch();
    let (path, _) = coredump_tests::capture(folder.path(), "rust-std-O0", &["-q"]);
    let listed = dump("rust-std-O0", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    // `map` has one entry of 12 bytes: four buckets, a control byte for each, and four more that a group may reach over.
    let table = all.values().find(|block| block.2 == "buckets of (&str, u32)").map(|block| (block.0, &*block.1));
    assert!(table.is_some_and(|(size, state)| (56..72).contains(&size) && state == "used"), "{}", listed.text());
    // `counts` and `named` are maps of two entries each.
    let (path, _) = coredump_tests::capture(folder.path(), "cpp-library", &["-q"]);
    let listed = dump("cpp-library", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    let nodes =
        all.values().filter(|block| block.2.starts_with("std::__tree_node<std::__value_type<int, std::basic_string<"));
    assert_eq!(nodes.count(), 4, "{}", listed.text());
    // Characters of strings that are too long for the object: a variable's, an element's, and that of a pointer's object.
    for text in [
        "a string that does not fit into the object itself",
        "and one more of the long strings of this program",
        "owned by a pointer",
    ] {
        let typed = format!("char[] \"{text}\"");
        assert!(all.values().any(|block| block.2 == typed), "{typed}: {}", listed.text());
    }
    // A pointer to a base leads to one object, and no array of bases is there.
    assert!(
        !all.values().any(|block| block.2.ends_with("_base<void *>[]") || block.2.ends_with("_count[]")),
        "{}",
        listed.text()
    );
}

#[test]
fn a_tree_has_its_inner_nodes_where_blocks_are_larger_than_what_they_hold() {
    let folder = scratch();
    let path = folder.path().join("tree.coredump");
    Tool::new("coredump-run")
        .arg("-o")
        .arg(&path)
        .args(["--invoke", "run"])
        .arg(module("heap-tree"))
        .arg("900")
        .run()
        .expect(134);
    // Nine hundred orders, of which every third was taken out again, and a quarter as many names.
    let counts = dump("heap-tree", &["--range", "tree::COUNTS", "--format", "3u32"], &path).expect(0);
    assert!(counts.text().contains("600") && counts.text().contains("225"), "{}", counts.text());
    let listed = dump("heap-tree", &["--heap"], &path).expect(0);
    let rows = |start: &str| {
        let rows = listed.text().lines().map(|line| line.split('\t').collect::<Vec<_>>());
        rows.filter(|row| row[0] == start)
            .map(|row| row.into_iter().map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let types: BTreeMap<String, u64> =
        rows("type").into_iter().map(|row| (row[2].clone(), row[3].parse().unwrap())).collect();
    let count = |name: &str| types.iter().filter(|(own, _)| own.starts_with(name)).map(|(_, count)| count).sum::<u64>();
    assert_eq!((count("tree::Order"), count("u16[]"), count("u8[]")), (600, 600, 825), "{}", listed.text());
    // Nodes have five to eleven entries, and inner nodes six to twelve children.
    let leaves = count("alloc::collections::btree::node::LeafNode<");
    let inner = count("alloc::collections::btree::node::InternalNode<");
    assert!((825 / 12..=825 / 5).contains(&leaves) && (leaves / 12..=leaves / 5).contains(&inner), "{}", listed.text());
    // Every block has a type.
    assert_eq!(types.values().sum::<u64>(), rows("heap")[0][4].parse::<u64>().unwrap(), "{}", listed.text());
}

#[test]
fn the_allocation_that_failed_is_told() {
    let folder = scratch();
    let guests = [("oom-cpp", 300_000, "operator new[]"), ("oom-rust", 700_000, "__rustc::__rust_alloc_error_handler")];
    for (name, bytes, function) in guests {
        let path = folder.path().join("guest.coredump");
        Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module(name)).run().expect(134);
        let told = dump(name, &["--heap"], &path);
        let fields = |record: &str| {
            let line = told.text().lines().find(|line| line.starts_with(record));
            line.unwrap_or_default().split('\t').map(str::to_owned).collect::<Vec<_>>()
        };
        let request = fields("request");
        assert_eq!(request[1..3], [bytes.to_string(), function.to_owned()], "{name}: {}", told.text());
        if name == "oom-rust" {
            assert_eq!(request[5], "none is as large", "{}", told.text());
            // The memory may have 64 pages, and what is left of them is less than what was asked for.
            let limit = fields("limit");
            let [has, may, more] = [2, 3, 4].map(|field: usize| limit[field].parse::<u64>().unwrap());
            assert!(may == 64 << 16 && has + more == may && more < bytes, "{limit:?}");
        }
        // The backtrace says it with the reason, and so does the document.
        let trace = Tool::new("coredump-bt").arg("-m").arg(module(name)).arg(&path).run().expect(0);
        let said = format!("    while {bytes} bytes were asked of {function} (frame ");
        assert!(trace.text().lines().any(|line| line.starts_with(&said)), "{name}: {}", trace.text());
        let document = Tool::new("coredump-json").arg("-m").arg(module(name)).arg(&path).run().expect(0).json();
        let allocation = &document["reason"]["allocation"];
        assert_eq!((&allocation["bytes"], &allocation["function"]), (&bytes.into(), &function.into()), "{name}");
    }
    // A program that died of something else asked for nothing.
    let (path, _) = died("heap-dlmalloc");
    let told = dump("heap-dlmalloc", &["--heap"], &path).expect(0);
    assert!(!told.text().contains("request\t"), "{}", told.text());
    let trace = Tool::new("coredump-bt").arg("-m").arg(module("heap-dlmalloc")).arg(&path).run().expect(0);
    assert!(!trace.text().contains("bytes were asked of"), "{}", trace.text());
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

#[test]
fn a_picture_shows_what_of_the_heap_is_used_free_and_leaked() {
    let (path, _) = died("heap-wee");
    let map = dump("heap-wee", &["--map"], &path).expect(0);
    let all = blocks(&dump("heap-wee", &["--blocks"], &path).expect(0));
    let free: u64 = all.values().filter(|block| block.1 == "free").map(|block| block.0).sum();
    let mib = format!("free {:.1} MiB", free as f64 / f64::from(1 << 20));
    assert!(map.text().contains(&mib), "{mib}: {}", map.text());
    for part in ["used ", "leaked "] {
        assert!(map.text().lines().any(|line| line.contains(part)), "{part}: {}", map.text());
    }
}

#[test]
fn a_heap_with_freed_blocks_is_found_once() {
    // Every bin that is not empty ends a row of empty ones, and none of the rows after it is another heap's first.
    let folder = scratch();
    let (dump, _) = coredump_tests::capture(folder.path(), "cpp-library", &["--fast", "-q"]);
    let heaps = Tool::new("coredump-dump").arg("--heap").arg("-m").arg(module("cpp-library")).arg(dump).run();
    let found: Vec<_> = heaps.text().lines().filter(|line| line.starts_with("heap\t")).collect();
    assert!(found.len() == 1 && found[0].starts_with("heap\t0\tdlmalloc\t"), "{found:?}");
}
