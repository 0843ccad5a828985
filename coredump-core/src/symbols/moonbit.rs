//! Names of MoonBit's compiler (seen in that of 2026-05, `@moonbit/moonc-worker`): `_M0FP14main8checkout` is
//! `@main.checkout`.
//!
//! After `_M0` a letter says what the name is of. A package is `P`, the number of its parts in one digit, and the
//! parts; `PC` begins with `moonbitlang/core`. A part is its length and its letters, in which `__` stands for `_` and
//! `_2d` for the byte 0x2d. A name that is not understood in full is left as it is.

/// The levels of types within types that are followed.
const DEPTH: u32 = 32;

/// The name as the language writes it.
pub(super) fn demangle(name: &str) -> Option<String> {
    let mut rest = Rest(name.strip_prefix("_M0")?);
    let text = match rest.letter()? {
        'F' => {
            let mut text = rest.qualified()?;
            while rest.eat('N') {
                text = format!("{text}.{}", rest.part()?);
                rest.stamp()?;
            }
            text
        }
        'M' => {
            let class = rest.qualified()?;
            format!("{class}::{}{}", rest.part()?, rest.arguments(DEPTH)?)
        }
        'T' if rest.0.starts_with('P') => rest.named(DEPTH)?,
        'T' => rest.a_type(DEPTH)?,
        'D' if rest.eat('T') => {
            let class = rest.named(DEPTH)?;
            format!("{class}::{}", rest.part()?)
        }
        // The type of the object of one closure, with the values that it captured.
        'R' => rest.part()?,
        'L' => {
            let text = rest.part()?;
            rest.stamp()?;
            text
        }
        _ => return None,
    };
    rest.0.is_empty().then_some(text)
}

/// The rest of a name that is still to be read.
struct Rest<'n>(&'n str);

impl Rest<'_> {
    fn letter(&mut self) -> Option<char> {
        let letter = self.0.chars().next()?;
        self.0 = &self.0[letter.len_utf8()..];
        Some(letter)
    }

    fn eat(&mut self, letter: char) -> bool {
        let rest = self.0.strip_prefix(letter);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    /// Reads `S12`, a number that distinguishes items of the same name.
    fn stamp(&mut self) -> Option<()> {
        if self.eat('S') { self.number().map(|_| ()) } else { Some(()) }
    }

    /// Reads a length and as many letters.
    fn part(&mut self) -> Option<String> {
        let len = self.number()?;
        let (letters, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let mut bytes = Vec::new();
        let mut letters = letters.bytes();
        while let Some(letter) = letters.next() {
            match (letter, letter == b'_') {
                (_, true) => match letters.next()? {
                    b'_' => bytes.push(b'_'),
                    high => {
                        let digit = |byte: u8| char::from(byte).to_digit(16);
                        bytes.push((digit(high)? * 16 + digit(letters.next()?)?) as u8);
                    }
                },
                (letter, false) => bytes.push(letter),
            }
        }
        String::from_utf8(bytes).ok()
    }

    /// Reads a package and a name in it, as `@user/module/package.name`; for the program's own package, the name alone.
    fn qualified(&mut self) -> Option<String> {
        if !self.eat('P') {
            return None;
        }
        let is_core = self.eat('C');
        let parts = self.letter()?.to_digit(10)?;
        let core = is_core.then(|| Some("moonbitlang/core".to_owned()));
        let package: Option<Vec<String>> = core.into_iter().chain((0..parts).map(|_| self.part())).collect();
        let package = package?.join("/");
        let name = self.part()?;
        Some(if package.is_empty() { name } else { format!("@{package}.{name}") })
    }

    /// Reads a named type, with its type arguments if it is generic.
    fn named(&mut self, depth: u32) -> Option<String> {
        let class = self.qualified()?;
        Some(format!("{class}{}", self.arguments(depth)?))
    }

    /// Reads type arguments, if all of their letters are known.
    fn arguments(&mut self, depth: u32) -> Option<String> {
        match self.eat('G') {
            true => Some(format!("[{}]", self.types(depth)?)),
            false => Some(String::new()),
        }
    }

    /// Reads types up to an `E`, and joins them with commas.
    fn types(&mut self, depth: u32) -> Option<String> {
        let mut types = Vec::new();
        while !self.eat('E') {
            types.push(self.a_type(depth)?);
        }
        Some(types.join(", "))
    }

    /// A type whose letter is known.
    fn a_type(&mut self, depth: u32) -> Option<String> {
        let deeper = depth.checked_sub(1)?;
        Some(match self.letter()? {
            'b' => "Bool".to_owned(),
            'c' => "Char".to_owned(),
            'd' => "Double".to_owned(),
            'f' => "Float".to_owned(),
            'h' => "Int16".to_owned(),
            'i' => "Int".to_owned(),
            'j' => "UInt".to_owned(),
            'k' => "UInt16".to_owned(),
            'l' => "Int64".to_owned(),
            'm' => "UInt64".to_owned(),
            's' => "String".to_owned(),
            'u' => "Unit".to_owned(),
            'y' => "Byte".to_owned(),
            'z' => "Bytes".to_owned(),
            'O' if self.0.starts_with('W') => format!("({})?", self.a_type(deeper)?),
            'O' => format!("{}?", self.a_type(deeper)?),
            'A' => format!("FixedArray[{}]", self.a_type(deeper)?),
            'R' => self.named(deeper)?,
            'U' => format!("({})", self.types(deeper)?),
            'W' => {
                let parameters = self.types(deeper)?;
                format!("({parameters}) -> {}", self.a_type(deeper)?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_language_does() {
        for (mangled, name) in [
            ("_M0FP14main8checkout", "@main.checkout"),
            ("_M0FP34user7my__mod7lib_2dx4show", "@user/my_mod/lib-x.show"),
            ("_M0FP017____moonbit__mainN9local__fnS32", "__moonbit_main.local_fn"),
            ("_M0MP34user7my__mod7lib_2dx7Box__er3getGiE", "@user/my_mod/lib-x.Box_er::get[Int]"),
            ("_M0TP34user7my__mod7lib_2dx7Box__erGsE", "@user/my_mod/lib-x.Box_er[String]"),
            ("_M0DTP14main4Tree4Node", "@main.Tree::Node"),
            ("_M0DTP14main5ChainGiE4Link", "@main.Chain[Int]::Link"),
            ("_M0TP14main4CellGRP14main4CellGiEE", "@main.Cell[@main.Cell[Int]]"),
            ("_M0TARP14main7Outcome", "FixedArray[@main.Outcome]"),
            ("_M0TAAi", "FixedArray[FixedArray[Int]]"),
            ("_M0TAb", "FixedArray[Bool]"),
            ("_M0TAf", "FixedArray[Float]"),
            ("_M0TUiUbsEcE", "(Int, (Bool, String), Char)"),
            ("_M0TWEi", "() -> Int"),
            ("_M0TUhkyE", "(Int16, UInt16, Byte)"),
            ("_M0TUjlmE", "(UInt, Int64, UInt64)"),
            ("_M0TUdzuE", "(Double, Bytes, Unit)"),
            ("_M0TAORP14main4Node", "FixedArray[@main.Node?]"),
            ("_M0TWOiEOs", "(Int?) -> String?"),
            ("_M0TAOWiEi", "FixedArray[((Int) -> Int)?]"),
            ("_M0DTPC16option6OptionGdE4Some", "@moonbitlang/core/option.Option[Double]::Some"),
            ("_M0R36____moonbit__main_2eanon__u77__l77__", "__moonbit_main.anon_u77_l77_"),
            ("_M0L7my__varS22", "my_var"),
            ("_M0L6_2aenvS36", "*env"),
        ] {
            assert_eq!(demangle(mangled).as_deref(), Some(name), "{mangled}");
        }
    }

    #[test]
    fn what_is_not_known_in_full_is_left_alone() {
        for name in [
            "_M0",
            "_M0X",
            "_M0L99x",
            "_M0FP94main",
            "_M0TP14main1BGqE",
            "_M0TUisqE",
            "_M0TUis",
            "_M0TA",
            "_M0TAi3",
            "_M0L3a_qS1",
            "_M0FP14main8checkoutX",
        ] {
            assert_eq!(demangle(name), None, "{name}");
        }
        assert_eq!(demangle(&format!("_M0T{}i", "A".repeat(100_000))), None);
    }
}
