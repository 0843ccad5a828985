//! Expressions over a frame's variables, in the notation that C, C++, Rust and Zig share: `total`, `*node.next`,
//! `buf[3]`, `buf[2..5]`, `(struct node *)0x10450`, `0x10450 as *const Node`, `file.c::counter`, `ns::table`,
//! `map["key"]`, `maybe.?`, `count@entry`, `$sp`, `$local0`, `$global1`.
//!
//! ```text
//! whole   = both { "||" both }
//! both    = compare { "&&" compare }
//! compare = or { ("==" | "!=" | "<" | "<=" | ">" | ">=") or }
//! or      = xor { "|" xor }
//! xor     = and { "^" and }
//! and     = shift { "&" shift }
//! shift   = sum { ("<<" | ">>") sum }
//! sum     = product { ("+" | "-") product }
//! product = as { ("*" | "/" | "%") as }
//! as      = unary { "as" type }
//! unary   = ("*" | "&" | "-" | "!") unary | "(" type ")" unary | "sizeof" (unary | "(" type ")") | postfix
//! postfix = primary { "." name | "->" name | "." "*" | "." "?" | "[" index "]" }
//! index   = whole [ ".." whole ] | text
//! primary = number | name | name "@entry" | register | "(" whole ")" | cast "<" type ">" "(" whole ")"
//! cast    = "static_cast" | "dynamic_cast" | "reinterpret_cast" | "const_cast"
//! ```

mod arithmetic;
mod conversion;
mod elements;
mod eval;
mod lexer;
pub mod lookup;
mod member_pointer;
mod members;
mod parser;
#[cfg(test)]
mod properties;
mod tree;

use std::fmt;

pub use eval::evaluate;
pub use parser::parse;
pub use tree::{Node, NodeKind};

/// An error in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpressionError {
    /// The column of the character that it is about, counted from 1 in characters.
    pub column: usize,
    /// The error in one line.
    pub message: String,
}

impl ExpressionError {
    /// An error about the character in this column.
    pub fn new(column: usize, message: impl Into<String>) -> Self {
        ExpressionError { column, message: message.into() }
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (column {})", self.message, self.column)
    }
}

impl std::error::Error for ExpressionError {}
