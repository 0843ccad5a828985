//! A dump holds the very objects that a garbage-collected program made: types and objects are made up at random, a
//! program that makes just these is run until it dies, and each object is found again, with its type, its fields, and
//! their targets.

use std::fmt::Write;

use coredump_tests::{Tool, scratch};
use serde_json::{Value, json};

/// Numbers in a row that looks random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.roll(of.len())]
    }
}

/// The encoding of a field or an element.
#[derive(Clone, Copy, PartialEq)]
enum Stored {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    V128,
    /// Any reference, also an unboxed integer.
    Any,
    /// A reference to this type, or to a subtype of it.
    To(usize),
}

struct Type {
    is_array: bool,
    /// An earlier struct type, whose fields come first.
    parent: Option<usize>,
    /// The fields of a struct; an array has one, for its elements.
    fields: Vec<Stored>,
}

/// A value that a program gives to a field, and the form in which the dump's document must show it.
struct Set {
    code: String,
    shown: Shown,
}

enum Shown {
    Value(Value),
    Object(usize),
}

struct Object {
    ty: usize,
    fields: Vec<Option<Set>>,
}

fn types(dice: &mut Dice) -> Vec<Type> {
    let count = 3 + dice.roll(8);
    let mut types: Vec<Type> = Vec::new();
    for number in 0..count {
        let stored = |dice: &mut Dice| match dice.roll(10) {
            0 => Stored::I8,
            1 => Stored::I16,
            2 => Stored::I32,
            3 => Stored::I64,
            4 => Stored::F32,
            5 => Stored::F64,
            6 => Stored::V128,
            7 => Stored::Any,
            // Also to types that come later, and to itself.
            _ => Stored::To(dice.roll(count)),
        };
        let structs: Vec<usize> = (0..number).filter(|&earlier| !types[earlier].is_array).collect();
        let is_array = dice.roll(3) == 0;
        let parent = (!is_array && !structs.is_empty() && dice.roll(2) == 0).then(|| *dice.one(&structs));
        let mut fields = parent.map_or_else(Vec::new, |parent| types[parent].fields.clone());
        let own = if is_array { 1 } else { dice.roll(5) };
        fields.extend((0..own).map(|_| stored(dice)));
        types.push(Type { is_array, parent, fields });
    }
    types
}

fn is_subtype(types: &[Type], ty: usize, of: usize) -> bool {
    std::iter::successors(Some(ty), |&ty| types[ty].parent).any(|ty| ty == of)
}

/// Makes up a value for such a field.
fn set(dice: &mut Dice, types: &[Type], objects: &[usize], stored: Stored) -> Set {
    let bits = (dice.roll(1 << 30) as u64) << 22 ^ dice.roll(1 << 30) as u64;
    let value = |code: String, shown: Value| Set { code, shown: Shown::Value(shown) };
    let object = |dice: &mut Dice, ty: &str, fits: Vec<usize>| {
        let object = *dice.one(&fits);
        Set { code: format!("(ref.cast (ref null {ty}) {})", get(object)), shown: Shown::Object(object) }
    };
    match stored {
        Stored::I8 => value(format!("(i32.const {})", bits as u8), json!(bits as u8)),
        Stored::I16 => value(format!("(i32.const {})", bits as u16), json!(bits as u16)),
        Stored::I32 => value(format!("(i32.const {})", bits as i32), json!(bits as i32)),
        Stored::I64 => value(format!("(i64.const {})", bits as i64), json!((bits as i64).to_string())),
        Stored::F32 => value(
            format!("(f32.reinterpret_i32 (i32.const {}))", bits as u32 as i32),
            json!(format!("{:#010x}", bits as u32)),
        ),
        Stored::F64 => value(format!("(f64.reinterpret_i64 (i64.const {}))", bits), json!(format!("{bits:#018x}"))),
        Stored::V128 => value(
            format!("(v128.const i64x2 {bits} {})", bits >> 3),
            json!(format!("{:#034x}", u128::from(bits >> 3) << 64 | u128::from(bits))),
        ),
        Stored::Any if dice.roll(3) == 0 => {
            let number = (bits as i32) << 2 >> 2;
            value(format!("(ref.i31 (i32.const {number}))"), json!({"kind": "i31", "number": number}))
        }
        Stored::Any => object(dice, "any", (0..objects.len()).collect()),
        Stored::To(ty) => {
            let fits: Vec<usize> =
                (0..objects.len()).filter(|&object| is_subtype(types, objects[object], ty)).collect();
            match fits.is_empty() || dice.roll(4) == 0 {
                true => value(format!("(ref.null $t{ty})"), json!({"kind": "null"})),
                false => object(dice, &format!("$t{ty}"), fits),
            }
        }
    }
}

/// The code that gets an object.
fn get(object: usize) -> String {
    format!("(array.get $all (global.get $root) (i32.const {object}))")
}

/// Returns the document's value of a field that is never set.
fn unset(stored: Stored) -> Value {
    match stored {
        Stored::F32 => json!("0x00000000"),
        Stored::F64 => json!("0x0000000000000000"),
        Stored::V128 => json!(format!("{:#034x}", 0)),
        Stored::Any | Stored::To(_) => json!({"kind": "null"}),
        Stored::I64 => json!("0"),
        Stored::I8 | Stored::I16 | Stored::I32 => json!(0),
    }
}

/// A program in the text format that makes the objects and dies.
fn program(types: &[Type], objects: &[Object]) -> String {
    let mut text = "(module (type $all (array (mut anyref)))\n (rec\n".to_owned();
    for (number, ty) in types.iter().enumerate() {
        let stored = |stored: &Stored| match stored {
            Stored::I8 => "i8".to_owned(),
            Stored::I16 => "i16".to_owned(),
            Stored::I32 => "i32".to_owned(),
            Stored::I64 => "i64".to_owned(),
            Stored::F32 => "f32".to_owned(),
            Stored::F64 => "f64".to_owned(),
            Stored::V128 => "v128".to_owned(),
            Stored::Any => "anyref".to_owned(),
            Stored::To(ty) => format!("(ref null $t{ty})"),
        };
        let parent = ty.parent.map_or(String::new(), |parent| format!("$t{parent} "));
        let fields: Vec<String> = ty.fields.iter().map(stored).collect();
        let of = match ty.is_array {
            true => format!("(array (mut {}))", fields[0]),
            false => {
                let field = |(index, stored): (usize, &String)| format!(" (field $f{index} (mut {stored}))");
                format!("(struct{})", fields.iter().enumerate().map(field).collect::<String>())
            }
        };
        writeln!(text, "  (type $t{number} (sub {parent}{of}))").unwrap();
    }
    text += " )\n (global $root (export \"root\") (mut (ref null $all)) (ref.null $all))\n (func (export \"_start\")\n";
    writeln!(text, "  (global.set $root (array.new_default $all (i32.const {})))", objects.len()).unwrap();
    for (number, object) in objects.iter().enumerate() {
        let made = match types[object.ty].is_array {
            true => format!("(array.new_default $t{} (i32.const {}))", object.ty, object.fields.len()),
            false => format!("(struct.new_default $t{})", object.ty),
        };
        writeln!(text, "  (array.set $all (global.get $root) (i32.const {number}) {made})").unwrap();
    }
    for (number, object) in objects.iter().enumerate() {
        let this = format!("(ref.cast (ref $t{}) {})", object.ty, get(number));
        for (index, set) in object.fields.iter().enumerate().filter_map(|(index, set)| Some((index, set.as_ref()?))) {
            let code = match types[object.ty].is_array {
                true => format!("(array.set $t{} {this} (i32.const {index}) {})", object.ty, set.code),
                false => format!("(struct.set $t{} {index} {this} {})", object.ty, set.code),
            };
            writeln!(text, "  {code}").unwrap();
        }
    }
    text + "  unreachable))\n"
}

/// Makes up a program, runs it, and compares.
fn round_trip(seed: u64, mode: &[&str]) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let types = types(&mut dice);
    let of: Vec<usize> = (0..20 + dice.roll(60)).map(|_| dice.roll(types.len())).collect();
    let objects = of.iter().map(|&ty| {
        let stored = match types[ty].is_array {
            true => vec![types[ty].fields[0]; dice.roll(12)],
            false => types[ty].fields.clone(),
        };
        let fields = stored.iter().map(|stored| (dice.roll(5) > 0).then(|| set(&mut dice, &types, &of, *stored)));
        Object { ty, fields: fields.collect() }
    });
    let objects: Vec<Object> = objects.collect();
    let folder = scratch();
    let (module, dump) = (folder.path().join("made.wat"), folder.path().join("made.coredump"));
    let text = program(&types, &objects);
    std::fs::write(&module, &text).unwrap();
    Tool::new("coredump-run").args(mode).arg("-o").arg(&dump).arg(&module).run().expect(134);
    let document = Tool::new("coredump-json").arg("--heap").arg(&dump).run().expect(0).json();
    let held = document["heap"]["objects"].as_array().unwrap();
    let by_id = |id: &Value| held.iter().find(|object| object["id"] == *id).unwrap_or_else(|| panic!("no object {id}"));
    let root =
        &document["globals"].as_array().unwrap().iter().find(|global| global["name"] == "root").unwrap()["value"];
    let ids: Vec<&Value> =
        by_id(&root["id"])["elements"].as_array().unwrap().iter().map(|element| &element["id"]).collect();
    assert_eq!(
        (ids.len(), held.len()),
        (objects.len(), objects.len() + 1),
        "seed {seed}: each once, and the array\n{text}"
    );
    for (number, object) in objects.iter().enumerate() {
        let seen = by_id(ids[number]);
        let ty = &types[object.ty];
        let what = format!("seed {seed} {mode:?}, object {number}: {seen}\n{text}");
        assert_eq!(seen["type"], format!("t{}", object.ty), "{what}");
        assert_eq!(seen["kind"], if ty.is_array { "array" } else { "struct" }, "{what}");
        let parts = seen[if ty.is_array { "elements" } else { "fields" }].as_array().cloned().unwrap_or_default();
        assert_eq!(parts.len(), object.fields.len(), "{what}");
        for (index, (part, field)) in parts.iter().zip(&object.fields).enumerate() {
            let stored = if ty.is_array { ty.fields[0] } else { ty.fields[index] };
            // Floats are compared by their bits. A field has its value beside its name, an element has not.
            let part = match stored {
                Stored::F32 | Stored::F64 => &part["bits"],
                _ if ty.is_array => part,
                _ => &part["value"],
            };
            match field.as_ref().map(|set| &set.shown) {
                None => assert_eq!(*part, unset(stored), "part {index} of {what}"),
                Some(Shown::Value(value)) => assert_eq!(part, value, "part {index} of {what}"),
                Some(Shown::Object(to)) => assert_eq!(&part["id"], ids[*to], "part {index} of {what}"),
            }
        }
    }
}

/// `COREDUMP_SEEDS` says how many programs are made up for each way to run them.
#[test]
fn objects_made_up_at_random_are_found_as_they_were_made() {
    let count = std::env::var("COREDUMP_SEEDS").map_or(3, |count| count.parse().expect("COREDUMP_SEEDS is a number"));
    for mode in [&[][..], &["--live"], &["--fast"]] {
        (1..=count).for_each(|seed| round_trip(seed, mode));
    }
}
