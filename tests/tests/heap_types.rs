//! Blocks have the types that the program's variables, vtables and runtime tell, and an address in one is named by type
//! and member.

use std::collections::BTreeMap;

use coredump_tests::{Tool, fixture, scratch};

use crate::heap::{blocks, died, dump, module};
use crate::symbols::without;

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
    // A message is 4 bytes and five pointers; a part is 4 bytes and a text of 41 bytes or more. The allocator rounds
    // up.
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
    // Between two blocks is a header; and of structures in an array, the last bytes of a block are none.
    let header = format!("{:#x}", node + 12);
    let told = dump("heap-dlmalloc", &["--whatis", &header], &path).expect(0);
    assert!(
        told.text().contains(&format!("block before\t{node:#x}, 12 bytes, used: 0x0 bytes beyond its end")),
        "{told:?}"
    );
    let chain =
        dump("heap-dlmalloc", &["--path-to", &format!("{:#x}", holding(&all, "the first node"))], &path).expect(0);
    let last = chain.text().lines().last().unwrap();
    assert!(last.starts_with("step\tblock\t0x") && last.contains("+0x8 struct node\t"), "{}", chain.text());
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
    // A counted trait object is what its vtable says, behind the counts.
    let counted = all.iter().find(|(_, block)| block.2 == "alloc::rc::RcInner<stdlib::Circle>");
    assert_eq!(counted.map(|(_, block)| (block.0, &*block.1)), Some((16, "used")), "{}", listed.text());
    let radius = format!("{:#x}", counted.unwrap().0 + 8);
    let told = dump("rust-std-O0", &["--whatis", &radius], &path).expect(0);
    assert!(told.text().contains("alloc::rc::RcInner<stdlib::Circle>"), "{}", told.text());
}

#[test]
fn objects_of_go_have_the_types_that_its_runtime_describes() {
    let folder = scratch();
    let path = folder.path().join("guest.coredump");
    let program = module("heap-go-types");
    let run = Tool::new("coredump-run").args(["--env", "GOTRACEBACK=crash", "-o"]).arg(&path).arg(&program);
    let outcome = run.run().expect(134);
    let all = blocks(&dump("heap-go-types", &["--blocks"], &path).expect(0));
    let mut right = BTreeMap::new();
    for line in outcome.text().lines().filter_map(|line| line.strip_prefix("type 0x")) {
        let (address, name) = line.split_once(' ').expect("an address and a name");
        let address = u64::from_str_radix(address, 16).expect("a number");
        let (start, block) = all.range(..=address).next_back().expect("an object");
        assert!(address < start + block.0 && block.1 == "used", "{address:#x} is in no object");
        // Integers without a pointer to them that says what they are.
        let name = if name == "?" { "" } else { name };
        assert_eq!(block.2, name, "{address:#x}");
        *right.entry(name.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(right.values().sum::<u64>(), 811, "{right:?}");
    // Members, as the source has them; of an array of lines those of its second one.
    let holder = |name: &str, least: u64| {
        let found = all.iter().find(|(_, block)| block.2 == name && block.0 >= least);
        *found.unwrap_or_else(|| panic!("no {name}")).0
    };
    let (order, lines) = (holder("main.order", 0), holder("[]main.line", 48));
    for (at, member) in [
        (order, "id (int)"),
        (order + 8, "buyer (*main.customer)"),
        (order + 20, "lines ([]main.line)"),
        (order + 48, "notes ([2]*main.note)"),
        (order + 56, "extra (interface {})"),
        (order + 72, "marked (bool)"),
        (lines + 24, "article (string)"),
        (lines + 44, "price (float32)"),
    ] {
        let told = dump("heap-go-types", &["--whatis", &format!("{at:#x}")], &path).expect(0);
        assert!(told.text().contains(&format!("member\t{member}\n")), "{at:#x} {member}: {}", told.text());
    }
    // An array does not fill its object: there is room for one element more, which is none.
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number");
    let array = outcome.text().lines().find_map(|line| line.strip_prefix("array ")?.split_once(' '));
    let (start, end) = array.map(|(start, end)| (number(start), number(end))).expect("the guest tells of an array");
    assert_eq!(all[&start].0 - (end - start), 24, "{:?}", all[&start]);
    for (at, member) in [(end - 4, "price (float32)"), (end, "none that is known: it lies beyond the type")] {
        let told = dump("heap-go-types", &["--whatis", &format!("{at:#x}")], &path).expect(0);
        assert!(told.text().contains(&format!("member\t{member}\n")), "{at:#x}: {}", told.text());
    }
    *right.entry(all[&start].2.clone()).or_insert(0) += 1;
    // A name counts no objects but those.
    let document = Tool::new("coredump-json").args(["--heap", "-m"]).arg(&program).arg(&path).run().expect(0).json();
    let types = document["heap"]["types"].as_array().expect("types");
    for name in ["main.order", "[]main.line", "main.pair[string,int]", "[6]int", "main.square", "main.big"] {
        let entry = types.iter().find(|entry| entry["type"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(entry["count"], right[name], "{name}");
    }
}

#[test]
fn nodes_and_buckets_of_containers_have_types() {
    let folder = scratch();
    let (path, _) = coredump_tests::capture(folder.path(), "rust-std-O0", &["-q"]);
    let listed = dump("rust-std-O0", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    // `map` has one entry of 12 bytes: four buckets, a control byte for each, and four more that a group may reach
    // over.
    let table = all.values().find(|block| block.2 == "buckets of (&str, u32)").map(|block| (block.0, &*block.1));
    assert!(table.is_some_and(|(size, state)| (56..72).contains(&size) && state == "used"), "{}", listed.text());
    // `counts` and `named` are maps of two entries each.
    let (path, _) = coredump_tests::capture(folder.path(), "cpp-library", &["-q"]);
    let listed = dump("cpp-library", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    let nodes =
        all.values().filter(|block| block.2.starts_with("std::__tree_node<std::__value_type<int, std::basic_string<"));
    assert_eq!(nodes.count(), 4, "{}", listed.text());
    // Characters of strings that are too long for the object: a variable's, an element's, and that of a pointer's
    // object.
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
fn objects_have_the_classes_of_their_vtables_and_lead_on_by_these() {
    let folder = scratch();
    for name in ["heap-classes", "heap-classes-rtti", "heap-classes-22"] {
        let path = folder.path().join("guest.coredump");
        let said = Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module(name)).run().expect(134);
        let listed = dump(name, &["--blocks"], &path).expect(0);
        let all = blocks(&listed);
        let mut told = 0;
        for line in said.text().lines() {
            let (address, class) = line.strip_prefix("is 0x").and_then(|line| line.split_once(' ')).expect("a block");
            let block = &all[&u64::from_str_radix(address, 16).expect("an address")];
            assert_eq!(block.2, class, "{name}: {line}: {}", listed.text());
            told += 1;
        }
        assert_eq!(told, 22, "{name}: {}", said.text());
        // A member of a class that only the vtable tells.
        let duck = all.iter().find(|(_, block)| block.2 == "farm::Duck").expect("a duck").0;
        let ring = dump(name, &["--whatis", &format!("{:#x}", duck + 32)], &path).expect(0);
        assert!(ring.text().contains("member\tring (farm::Tag *)"), "{name}: {}", ring.text());
    }
}

#[test]
fn what_shared_pointers_made_is_followed_and_its_circles_are_lost() {
    let folder = scratch();
    let path = folder.path().join("out.coredump");
    let run = Tool::new("coredump-run").arg("-o").arg(&path).arg(module("heap-shared")).run().expect(134);
    let listed = dump("heap-shared", &["--blocks"], &path).expect(0);
    let all = blocks(&listed);
    let leaks = dump("heap-shared", &["--leaks"], &path).expect(0);
    let mut lost: Vec<u64> = Vec::new();
    let mut said = 0;
    for line in run.text().lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let &[word, address, "of", what] = parts.as_slice() else { panic!("{line}") };
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
        let (start, block) = all.range(..=address).next_back().expect("a block");
        assert!(block.1 == "used" && address < start + block.0, "{line}: {start:#x} {block:?}");
        // Three words are in front of an object: a vtable and two counts.
        let made = format!("std::__shared_ptr_emplace<{what}, ");
        let is_made = address - start == if what == "Point" { 16 } else { 12 };
        assert!(
            if is_made {
                block.2.starts_with(&made)
            } else {
                block.2.trim_end_matches("[]") == what.trim_end_matches("[]")
            },
            "{line}: {block:?}"
        );
        lost.extend(Some(*start).filter(|_| word == "lost"));
        said += 1;
    }
    let mut found: Vec<u64> = leaks
        .text()
        .lines()
        .filter_map(|line| u64::from_str_radix(line.strip_prefix("leak\t0\t0x")?.split('\t').next()?, 16).ok())
        .collect();
    lost.sort_unstable();
    found.sort_unstable();
    assert_eq!((found, said), (lost, 10), "{}", leaks.text());
}

#[test]
fn lost_objects_have_the_classes_of_their_vtables_and_lead_on_by_these() {
    let folder = scratch();
    let path = folder.path().join("out.coredump");
    let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module("heap-lost")).run().expect(134);
    let leaks = dump("heap-lost", &["--leaks"], &path).expect(0);
    let all = blocks(&dump("heap-lost", &["--blocks"], &path).expect(0));
    let mut bare = 0;
    for line in run.text().lines() {
        let [word, address, what] = line.split(' ').collect::<Vec<_>>().try_into().expect("three words");
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
        let what = if word == "lost" { what } else { "" };
        bare += usize::from(word == "bare");
        let block = &all[&address];
        assert_eq!(block.2, what, "{line}");
        let leak = format!("leak\t0\t{address:#010x}\t{}\t{what}\tcertain\n", block.0);
        assert!(leaks.text().contains(&leak), "{line}: {leak}: {}", leaks.text());
    }
    assert_eq!((leaks.text().matches("leak\t").count(), bare), (10, 2), "{}", leaks.text());
    assert!(leaks.text().contains("leaks\t0\t56\t2\t28\tfleet::Tug\tcertain\n"), "{}", leaks.text());
}

#[test]
fn types_do_not_depend_on_lines() {
    // C++, Rust and Zig, each without its line table.
    let folder = scratch();
    for (name, least) in [("heap-contents", 130), ("heap-contents-rust", 220), ("heap-contents-zig", 70)] {
        let path = folder.path().join("out.coredump");
        let run = || Tool::new("coredump-run").args(["-q", "-o"]).arg(&path);
        run().arg(module(name)).run().expect(134);
        let with = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let module = folder.path().join("module.wasm");
        std::fs::write(
            &module,
            without(&std::fs::read(fixture(&format!("modules/{name}.wasm"))).unwrap(), ".debug_line"),
        )
        .expect("a file can be written");
        run().arg(&module).run().expect(134);
        let listed = Tool::new("coredump-dump").arg("--blocks").arg(&path).run().expect(0);
        let typed = with.values().filter(|block| !block.2.is_empty()).count();
        assert!(typed >= least && blocks(&listed) == with, "{name}: {typed}: {}", listed.text());
    }
}

#[test]
fn what_the_standard_libraries_keep_in_unions_and_bytes_is_followed() {
    let folder = scratch();
    for (name, least) in [("heap-contents", 130), ("heap-contents-rust", 220), ("heap-contents-zig", 70)] {
        let path = folder.path().join("out.coredump");
        let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&path).arg(module(name)).run().expect(134);
        let all = blocks(&dump(name, &["--blocks"], &path).expect(0));
        let leaks = dump(name, &["--leaks"], &path).expect(0);
        let mut told = 0;
        for line in run.text().lines() {
            let (word, line) = line.split_once(' ').expect("a word");
            let (address, what) = line.split_once(" of ").expect("an address and a type");
            let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
            let (start, block) = all.range(..=address).next_back().expect("a block");
            assert!(block.1 == "used" && address < start + block.0, "{name}: {line}: {start:#x} {block:?}");
            told += 1;
            if word == "lost" {
                assert!(leaks.text().contains(&format!("leak\t0\t{start:#010x}\t")), "{name}: {line}: {leaks:?}");
                continue;
            }
            // Bytes are shown as their text; of arrays, the length is not always known.
            let ty = block.2.split(" \"").next().unwrap_or_default();
            let element =
                |ty: &str| ty.rsplit_once('[').filter(|(_, end)| end.ends_with(']')).map(|(ty, _)| ty.to_owned());
            let agrees = match what {
                _ if what.ends_with(['<', ' ']) => ty.starts_with(what),
                _ => {
                    what == ty
                        || element(what).is_some_and(|of| element(ty).as_ref() == Some(&of) || ty == of)
                        || element(ty).as_deref() == Some(what)
                }
            };
            assert!(agrees, "{name}: {word} {line}: {start:#x} {block:?}");
        }
        assert!(told >= least, "{name}: {told}");
    }
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
