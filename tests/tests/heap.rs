//! The heaps in a dump are what the guests printed of them before they died: every block with its address and size,
//! what was freed, and what was lost.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use coredump_tests::{Outcome, Tool, fixture, scratch};
use tempfile::TempDir;

/// The sizes to which an allocator rounds a request for `n` bytes.
#[derive(Clone, Copy, PartialEq)]
pub enum Rounding {
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
pub type Guest = (&'static str, &'static str, Rounding);

pub const GUESTS: [Guest; 34] = [
    ("heap-dlmalloc", "dlmalloc", Rounding::Below(16)),
    ("heap-wasisdk", "dlmalloc", Rounding::Below(16)),
    ("heap-emscripten", "dlmalloc", Rounding::Below(16)),
    ("heap-memory64", "dlmalloc", Rounding::Below(32)),
    ("heap-rust", "dlmalloc-rs", Rounding::Below(16)),
    ("heap-rust-1.63", "dlmalloc-rs", Rounding::Below(16)),
    ("heap-rust64", "dlmalloc-rs", Rounding::Below(32)),
    ("heap-emmalloc", "emmalloc", Rounding::From(0)),
    ("heap-emmalloc64", "emmalloc", Rounding::From(0)),
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
    ("heap-go-1.21", "go", Rounding::Shared),
    ("heap-as-stub", "assemblyscript-stub", Rounding::Unknown),
    ("heap-wee", "wee_alloc", Rounding::From(0)),
    ("heap-talc4", "talc", Rounding::From(12)),
    ("heap-talc4-arena", "talc", Rounding::From(12)),
    ("heap-talc5", "talc", Rounding::Several),
    ("heap-talc64", "talc", Rounding::Several),
    ("heap-lol", "lol_alloc", Rounding::Several),
    // One block is in a larger one, for its alignment.
    ("heap-mimalloc2", "mimalloc", Rounding::From(0)),
    ("heap-mimalloc3", "mimalloc", Rounding::From(0)),
    ("heap-mimalloc-emscripten", "mimalloc", Rounding::From(ALIGNED)),
    ("heap-mimalloc-3.1", "mimalloc", Rounding::From(ALIGNED)),
    ("heap-mimalloc-2.0", "mimalloc", Rounding::From(ALIGNED)),
    ("heap-mimalloc-2.0-secure", "mimalloc", Rounding::From(ALIGNED)),
    ("heap-mimalloc-2.1-secure", "mimalloc", Rounding::From(ALIGNED)),
];

/// The greatest alignment that a guest asks for: of one block.
const ALIGNED: u64 = 256;

/// Bytes in an address of a guest.
fn width(name: &str) -> u64 {
    if name.contains("64") { 8 } else { 4 }
}

/// Guests in Rust and for 64-bit memories cannot print.
const QUIET: [&str; 15] = [
    "heap-rust",
    "heap-rust-1.63",
    "heap-rust64",
    "heap-talc64",
    "heap-zig64",
    "heap-zig64-debug",
    "heap-memory64",
    "heap-emmalloc64",
    "heap-wee",
    "heap-talc4",
    "heap-talc4-arena",
    "heap-talc5",
    "heap-lol",
    "heap-mimalloc2",
    "heap-mimalloc3",
];

pub fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

/// The output of a guest: a word, an address and a number on each line.
pub type Lines = Vec<(String, u64, u64)>;

/// Returns the dump of a guest that ran to its end, and what it said. Each guest runs once for all tests.
pub fn died(name: &'static str) -> (PathBuf, Lines) {
    type Once = Arc<OnceLock<(PathBuf, Lines)>>;
    static GUESTS: Mutex<BTreeMap<&str, Once>> = Mutex::new(BTreeMap::new());
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let guest = GUESTS.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone();
    // The list is free meanwhile: who wants a guest that ran already does not wait for this one.
    let run = || {
        let folder = FOLDER.get_or_init(scratch).path().join(name);
        std::fs::create_dir(&folder).expect("the folder can be made");
        die(&folder, name, "")
    };
    guest.get_or_init(run).clone()
}

/// Runs a guest to its end; `how` is a word for it, `s` and a number for other allocations. Its dump, and the lines
/// that it printed or, where it cannot print, left in its memory.
pub fn die(folder: &Path, name: &str, how: &str) -> (PathBuf, Lines) {
    let dump = folder.join("guest.coredump");
    let quiet = QUIET.contains(&name);
    let mut run = Tool::new("coredump-run").arg("-o").arg(&dump);
    // Go needs it to crash; emscripten's runtime loses a block of no bytes where there are no variables.
    if ["heap-go", "heap-mimalloc-emscripten"].contains(&name) {
        run = run.args(["--env", "GOTRACEBACK=crash"]);
    }
    // This Go dies of its own crash, which is an exit.
    let exits = name == "heap-go-1.21";
    if exits {
        run = run.args(["--on", "exit"]);
    }
    let seed = how.strip_prefix('s').filter(|_| quiet);
    if quiet {
        run = run.args(["--invoke", if seed.is_some() { "seeded" } else { "run" }]);
    }
    let word = seed.unwrap_or(how);
    let outcome =
        run.arg(module(name)).args((!word.is_empty()).then_some(word)).run().expect(if exits { 2 } else { 134 });
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

pub fn dump(name: &str, args: &[&str], dump: &Path) -> Outcome {
    Tool::new("coredump-dump").args(args).arg("-m").arg(module(name)).arg(dump).run()
}

/// The blocks that `--blocks` lists: size, state and contents by address.
pub fn blocks(outcome: &Outcome) -> BTreeMap<u64, (u64, String, String)> {
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
        // The C library may have a heap of its own beside it.
        let heaps: Vec<_> = lines.iter().filter(|line| line[0] == "heap").collect();
        assert!(heaps.iter().any(|heap| heap[..3] == ["heap", "0", kind]), "{name}");
        if rounding == Rounding::Several {
            // The number of blocks is not known, and that is not zero.
            let bytes = of("several").iter().sum::<u64>().to_string();
            assert_eq!(lines[0][4..9], ["", &bytes, &numbers[2], &numbers[3], &numbers[4]], "{name}");
        } else {
            let number = |heap: &[&str], column: usize| heap[column].parse::<u64>().expect("a number");
            let of_all = |column: usize| heaps.iter().map(move |heap| number(heap, column));
            let sums = [4, 5, 6, 7].map(|column| of_all(column).sum::<u64>().to_string());
            assert_eq!(sums, numbers[..4], "{name}");
            assert_eq!(of_all(8).max().map(|largest| largest.to_string()).as_ref(), Some(&numbers[4]), "{name}");
        }
        numbers[0] = used.len().to_string();
        let sizes = lines.iter().filter(|line| line[0] == "size");
        let sum =
            |column: usize| sizes.clone().map(|line| line[column].parse::<u64>().unwrap()).sum::<u64>().to_string();
        assert_eq!([sum(3), sum(4), sum(5), sum(6)], numbers[..4], "{name}");
    }
}

/// Checks that the blocks that the guest lost are called leaked, and no others.
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
        if !name.starts_with("heap-go") {
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
        if name.starts_with("heap-go") || ["heap-memory64", "heap-emmalloc64"].contains(&name) {
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

/// Zig's allocator keeps nothing of blocks that take pages of their own: which of them is lost shows only where all
/// pages in a row are.
#[test]
fn rows_of_pages_that_zig_lost_are_possible_leaks() {
    let (path, said) = died("heap-zig-pages");
    let found = dump("heap-zig-pages", &["--leaks"], &path).expect(0);
    let leaks: Vec<Vec<&str>> = found.text().lines().map(|line| line.split('\t').collect()).collect();
    let rows = leaks.iter().filter(|fields| fields[0] == "leak").map(|fields| {
        assert_eq!(fields[5], "possible", "{}", found.text());
        let start = u64::from_str_radix(&fields[2][2..], 16).expect("an address");
        start..start + fields[3].parse::<u64>().expect("a size")
    });
    let rows: Vec<Range<u64>> = rows.collect();
    // One block beside another row, two beside each other, and one beside a block that is not lost, which is in no row.
    let in_row = |(word, address, size): &(String, u64, u64)| {
        let row = rows.iter().find(|row| row.contains(address));
        (word.clone(), *size, row.is_some_and(|row| address + size <= row.end))
    };
    let large = said.iter().filter(|line| line.2 >= 40_000).map(in_row);
    let lost = |size, found| ("lost".to_owned(), size, found);
    let used = |size| ("used".to_owned(), size, false);
    let expected =
        [used(200_000), lost(300_000, true), lost(40_000, true), lost(70_000, true), lost(50_000, false), used(90_000)];
    assert_eq!(large.collect::<Vec<_>>(), expected, "{}", found.text());
    assert_eq!(rows.len(), 2, "{}", found.text());
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
        let of = |kind| format!("checked\tmemory\t0\nchecked\tallocator\t{kind}\nchecked\trecords\tin order\n");
        // The C library may have a heap of its own beside it.
        let rest = checked.text().replacen(&of(kind), "", 1);
        assert!(
            rest.len() < checked.text().len() && (rest.is_empty() || rest == of("dlmalloc")),
            "{name}: {checked:?}"
        );
    }
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
    // The types and what has none make up all of it.
    let count = |line: &str| {
        let fields: Vec<i64> = line.split('\t').skip(3).map(|field| field.parse().expect("a number")).collect();
        (fields[2], fields[3])
    };
    let lines = grown.text().lines().filter(|line| line.starts_with("type\t"));
    let sum = lines.map(count).fold((0, 0), |sum, (blocks, bytes)| (sum.0 + blocks, sum.1 + bytes));
    assert_eq!(sum, (now.0 - then.0, now.1 - then.1), "{grown:?}");
    assert!(grown.text().contains("\ntype\t0\t(unknown)\t"), "{grown:?}");
}

#[test]
fn constants_that_look_like_addresses_hide_no_leak() {
    let folder = scratch();
    let path = folder.path().join("out.coredump");
    let run = Tool::new("coredump-run").arg("-o").arg(&path).arg(module("heap-constant")).run().expect(134);
    let lost = run.text().trim().strip_prefix("lost 0x").map(|at| format!("0x{at:0>8}")).expect("what was lost");
    let leaks = dump("heap-constant", &["--leaks"], &path).expect(0);
    let found: Vec<&str> = leaks.text().lines().filter(|line| line.starts_with("leak\t")).collect();
    assert!(found.len() == 1 && found[0].starts_with(&format!("leak\t0\t{lost}\t204\t")), "{lost}: {leaks:?}");
    // They do not count as pointers to a block either, as `--path-to` says.
    let path = dump("heap-constant", &["--path-to", &lost], &path);
    assert!(!path.text().contains("squares"), "{path:?}");
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

/// Functions of the program's own that end it, and a handler that C++'s library calls. The sizes are those of the
/// sources.
#[test]
fn the_allocation_that_failed_is_told_through_functions_of_the_program() {
    let folder = scratch();
    let path = folder.path().join("guest.coredump");
    let cases = [
        ("oom-wrapper", "malloc", Some((302_000, "xmalloc"))),
        ("oom-wrapper", "calloc", Some((3000 * 102, "xcalloc"))),
        ("oom-wrapper", "realloc", Some((8_000_000, "xrealloc"))),
        // Its first parameter is no size.
        ("oom-wrapper", "else", None),
        ("oom-handler", "", Some((300_000, "operator new[]"))),
    ];
    for (name, word, expected) in cases {
        let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module(name));
        run.args((!word.is_empty()).then_some(word)).run().expect(134);
        let told = dump(name, &["--heap"], &path);
        let request = told.text().lines().find_map(|line| line.strip_prefix("request\t"));
        let fields = request.map(|line| line.split('\t').take(2).collect::<Vec<_>>().join(" of "));
        let expected = expected.map(|(bytes, function)| format!("{bytes} of {function}"));
        assert_eq!(fields, expected, "{name} {word}: {}", told.text());
    }
}

/// When Zig's `catch` is reached, the allocator's functions have returned.
#[test]
fn no_frame_may_have_the_allocation_that_failed() {
    let folder = scratch();
    let path = folder.path().join("guest.coredump");
    Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module("oom-zig")).run().expect(134);
    let told = dump("oom-zig", &["--heap"], &path);
    let requests: Vec<&str> = told.text().lines().filter(|line| line.starts_with("request\t")).collect();
    assert_eq!(requests, ["request\t\t\t\t\tno frame has the number of bytes"], "{}", told.text());
}

#[test]
fn what_the_host_allowed_is_the_limit_where_the_program_declares_none() {
    let folder = scratch();
    let path = folder.path().join("guest.coredump");
    let limits = |args: &[&str]| {
        let run = Tool::new("coredump-run").args(["-q"]).args(args).arg("-o").arg(&path);
        run.arg(module("heap-dlmalloc")).run().expect(134);
        let told = dump("heap-dlmalloc", &["--heap"], &path).expect(0);
        let line = told.text().lines().find(|line| line.starts_with("limit\t")).expect("a limit").to_owned();
        line.split('\t').skip(2).map(|field| field.parse().unwrap()).collect::<Vec<u64>>()
    };
    let declared = limits(&[]);
    let has = declared[0];
    assert_eq!(declared, [has, 1 << 32, (1 << 32) - has]);
    // Pages are whole.
    assert_eq!(limits(&["--max-memory", "5000000"]), [has, 76 << 16, (76 << 16) - has]);
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
