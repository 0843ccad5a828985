//! An expression as a tree of its parts.

/// A part of an expression and the column it stands at.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Column of the character that an error of this part is about.
    pub column: usize,
    /// The kind of the node.
    pub kind: NodeKind,
}

impl Node {
    /// Returns true if the expression contains `name@entry`, a parameter's value on entry.
    pub fn is_of_entry(&self) -> bool {
        match &self.kind {
            NodeKind::AtEntry(_) => true,
            NodeKind::Dereference(inner)
            | NodeKind::Address(inner)
            | NodeKind::Negative(inner)
            | NodeKind::Not(inner)
            | NodeKind::Cast(_, _, inner)
            | NodeKind::Member(inner, _)
            | NodeKind::Payload(inner) => inner.is_of_entry(),
            NodeKind::Index(one, other) | NodeKind::Through(one, other) | NodeKind::Binary(_, one, other) => {
                one.is_of_entry() || other.is_of_entry()
            }
            NodeKind::Slice(whole, from, to) => [whole, from, to].into_iter().any(|part| part.is_of_entry()),
            // The size of a value is not the value.
            NodeKind::SizeOf(_)
            | NodeKind::SizeOfType(_)
            | NodeKind::Number(_)
            | NodeKind::Name(_)
            | NodeKind::FileName(..)
            | NodeKind::Register(_)
            | NodeKind::Character(_)
            | NodeKind::Text(_) => false,
        }
    }
}

/// The kinds of nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A number.
    Number(u128),
    /// A variable, with its namespaces.
    Name(Vec<String>),
    /// A parameter as it was when its function was entered.
    AtEntry(String),
    /// A variable of a file.
    FileName(String, String),
    /// A Wasm register.
    Register(String),
    /// `*`: the value to which a pointer points.
    Dereference(Box<Node>),
    /// The address of something.
    Address(Box<Node>),
    /// Minus.
    Negative(Box<Node>),
    /// `!`: whether something is false, or a null pointer.
    Not(Box<Node>),
    /// `sizeof` of a value.
    SizeOf(Box<Node>),
    /// `sizeof` of a type, by its name.
    SizeOfType(String),
    /// A value as another type, by its name.
    Cast(Conversion, String, Box<Node>),
    /// A member: its name is the last word, and the words before it qualify it by a class.
    Member(Box<Node>, Vec<String>),
    /// An element.
    Index(Box<Node>, Box<Node>),
    /// The elements from one index up to, and without, another.
    Slice(Box<Node>, Box<Node>, Box<Node>),
    /// `.?`: the payload of an optional.
    Payload(Box<Node>),
    /// The member of an object that a pointer to a member means.
    Through(Box<Node>, Box<Node>),
    /// A text, as a key.
    Text(String),
    /// A character: in most languages the number of its code point.
    Character(char),
    /// A binary operator and its two operands.
    Binary(Binary, Box<Node>, Box<Node>),
}

/// The way in which a cast makes one value from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// As C's cast, Rust's `as` and C++'s `static_cast` convert: a pointer to an object moves to the subobject of the
    /// class asked for.
    Usual,
    /// The bits stay as they are: `reinterpret_cast`.
    Bits,
    /// By the dynamic class of the object: `dynamic_cast`.
    Dynamic,
}

impl Conversion {
    /// The conversion that C++ calls so.
    pub fn named(word: &str) -> Option<Conversion> {
        match word {
            "static_cast" | "const_cast" => Some(Conversion::Usual),
            "reinterpret_cast" => Some(Conversion::Bits),
            "dynamic_cast" => Some(Conversion::Dynamic),
            _ => None,
        }
    }
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `||`
    Either,
    /// `&&`
    Both,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// The binary operators by precedence: those of one line bind equally, those of the next line bind tighter.
pub const LEVELS: [&[(&str, Binary)]; 9] = [
    &[("||", Binary::Either)],
    &[("&&", Binary::Both)],
    &[
        ("==", Binary::Equal),
        ("!=", Binary::Unequal),
        ("<", Binary::Less),
        ("<=", Binary::LessOrEqual),
        (">", Binary::Greater),
        (">=", Binary::GreaterOrEqual),
    ],
    &[("|", Binary::BitOr)],
    &[("^", Binary::BitXor)],
    &[("&", Binary::BitAnd)],
    &[("<<", Binary::ShiftLeft), (">>", Binary::ShiftRight)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

impl Binary {
    /// Returns true if it is a comparison.
    pub fn compares(self) -> bool {
        use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
        matches!(self, Equal | Unequal | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// Returns true if it combines the bits of two numbers. In C it binds less tightly than a comparison, in Rust and
    /// Zig more tightly.
    pub fn combines_bits(self) -> bool {
        matches!(self, Binary::BitOr | Binary::BitXor | Binary::BitAnd)
    }
}

#[cfg(test)]
impl Binary {
    /// Its symbol.
    pub fn sign(self) -> &'static str {
        let mut signs = LEVELS.iter().flat_map(|level| level.iter());
        signs.find(|(_, operator)| *operator == self).unwrap().0
    }
}
