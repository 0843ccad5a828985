//! Properties of all expressions: any text is parsed, or refused with a column in it; and an expression that is fully
//! bracketed has the value that the brackets give.

use super::parser::parse;
use super::tree::{Node, NodeKind};

/// A pseudo-random generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }
}

fn is_type(name: &str) -> bool {
    matches!(name, "int *" | "struct node *" | "u8" | "*const u8")
}

#[test]
fn any_text_is_parsed_or_refused_at_one_of_its_characters() {
    const PARTS: [&str; 44] = [
        "a",
        "list",
        "::n",
        "ns::x",
        "n@entry",
        "file.c::total",
        "$sp",
        "$local0",
        "7",
        "0x10",
        "\"key\"",
        "(",
        ")",
        "[",
        "]",
        "..",
        ".",
        "->",
        "->*",
        ".*",
        ".?",
        "*",
        "&",
        "-",
        "+",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "<<",
        ">>",
        "&&",
        "||",
        "^",
        "!",
        "sizeof",
        " as ",
        "u8",
        "(int *)",
        "é",
    ];
    let mut dice = Dice(1);
    for _ in 0..50_000 {
        let length = 1 + dice.roll(12);
        let text: String = (0..length).map(|_| PARTS[dice.roll(PARTS.len())]).collect();
        if let Err(error) = parse(&text, &is_type) {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{text}: {error}");
            assert!(!error.message.is_empty(), "{text}");
        }
    }
}

/// An expression with brackets around each part, and what it must mean.
fn written(dice: &mut Dice, levels: usize) -> (String, String) {
    const SIGNS: [&str; 18] =
        ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "|", "^", "&", "<<", ">>", "&&", "||"];
    if levels == 0 {
        return match dice.roll(3) {
            0 => ("x".into(), "x".into()),
            1 => ("ns::y".into(), "ns::y".into()),
            _ => ("12".into(), "12".into()),
        };
    }
    let mut part = || written(dice, levels - 1);
    let ((one, one_means), (two, two_means)) = (part(), part());
    match dice.roll(10) {
        0 => (format!("*({one})"), format!("(deref {one_means})")),
        1 => (format!("&({one})"), format!("(address {one_means})")),
        2 => (format!("-({one})"), format!("(minus {one_means})")),
        3 => (format!("({one}).m"), format!("(member {one_means} m)")),
        4 => (format!("({one})[{two}]"), format!("(index {one_means} {two_means})")),
        5 => (format!("({one}) as u8"), format!("(cast u8 {one_means})")),
        6 => (format!("(int *)({one})"), format!("(cast int * {one_means})")),
        7 => (format!("({one})->*({two})"), format!("(through {one_means} {two_means})")),
        8 => (format!("({one})[\"k\"]"), format!("(index {one_means} \"k\")")),
        _ => {
            let sign = SIGNS[dice.roll(SIGNS.len())];
            (format!("({one}) {sign} ({two})"), format!("({sign} {one_means} {two_means})"))
        }
    }
}

fn meaning(node: &Node) -> String {
    match &node.kind {
        NodeKind::Number(number) => number.to_string(),
        NodeKind::Name(parts) => parts.join("::"),
        NodeKind::Dereference(inner) => format!("(deref {})", meaning(inner)),
        NodeKind::Address(inner) => format!("(address {})", meaning(inner)),
        NodeKind::Negative(inner) => format!("(minus {})", meaning(inner)),
        NodeKind::Member(inner, path) => format!("(member {} {})", meaning(inner), path.join("::")),
        NodeKind::Index(inner, index) => format!("(index {} {})", meaning(inner), meaning(index)),
        NodeKind::Cast(_, name, inner) => format!("(cast {name} {})", meaning(inner)),
        NodeKind::Through(object, pointer) => format!("(through {} {})", meaning(object), meaning(pointer)),
        NodeKind::Text(text) => format!("{text:?}"),
        NodeKind::Binary(operator, left, right) => {
            format!("({} {} {})", operator.sign(), meaning(left), meaning(right))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_is_bracketed_means_what_it_says() {
    let mut dice = Dice(7);
    for _ in 0..5_000 {
        let levels = 1 + dice.roll(3);
        let (text, means) = written(&mut dice, levels);
        match parse(&text, &is_type) {
            Ok(node) => assert_eq!(meaning(&node), means, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}
