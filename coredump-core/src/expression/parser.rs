//! Parses the text of an expression into its tree.

use super::ExpressionError;
use super::lexer::{Token, TokenKind, tokens};
use super::tree::{Binary, Conversion, LEVELS, Node, NodeKind};

/// The most levels of operators and brackets: the parser and the evaluation recurse on them.
const NESTING: u32 = 100;

/// Parses an expression. `is_type` returns true if the text in brackets names a type, and so makes a cast.
pub fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Node, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, nesting: 0, outermost: None, is_type };
    let node = parser.whole()?;
    match &parser.peek().kind {
        TokenKind::End => Ok(node),
        _ => Err(parser.unexpected("the end of the expression")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    nesting: u32,
    /// The binary operator that binds least in what was parsed last, if that has one outside of brackets.
    outermost: Option<Binary>,
    is_type: &'t dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(&self.peek().kind, TokenKind::Sign(found) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> ExpressionError {
        let found = match &self.peek().kind {
            TokenKind::End => "the expression ends".to_owned(),
            _ => {
                let end = self.tokens.get(self.at + 1).map_or(self.text.len(), |next| next.start);
                format!("`{}` stands", self.text[self.peek().start..end].trim())
            }
        };
        ExpressionError::new(self.peek().column, format!("{found} where {wanted} should be"))
    }

    fn whole(&mut self) -> Result<Node, ExpressionError> {
        self.binary(0)
    }

    /// Parses operands and the operators between them that bind at least as tightly as those of a level of [`LEVELS`].
    fn binary(&mut self, level: usize) -> Result<Node, ExpressionError> {
        let mut left = self.through()?;
        let mut outermost = None;
        loop {
            let column = self.peek().column;
            let Some((own, operator)) = self.operator(level) else {
                self.outermost = outermost;
                return Ok(left);
            };
            let right = self.binary(own + 1)?;
            if operator.compares() && [outermost, self.outermost].into_iter().flatten().any(Binary::combines_bits) {
                let message = "brackets are missing: C compares before it combines bits, Rust and Zig do so after";
                return Err(ExpressionError::new(column, message));
            }
            outermost = Some(operator);
            left = Node { column, kind: NodeKind::Binary(operator, Box::new(left), Box::new(right)) };
            self.deeper()?;
        }
    }

    /// Takes an operator that binds at least as tightly as those of a level, and returns its own level with it.
    fn operator(&mut self, level: usize) -> Option<(usize, Binary)> {
        let all = LEVELS.iter().enumerate().skip(level);
        let mut all = all.flat_map(|(level, operators)| operators.iter().map(move |own| (level, own)));
        all.find_map(|(level, (sign, operator))| self.take_operator(sign).then_some((level, *operator)))
    }

    /// Takes the sign of an operator. In names of types the signs `<`, `>`, `&` stand alone, so that `>>` is two
    /// tokens.
    fn take_operator(&mut self, sign: &str) -> bool {
        let again = |at: usize| {
            let (Some(one), Some(next)) = (self.tokens.get(at), self.tokens.get(at + 1)) else { return false };
            one.kind == next.kind && one.start + 1 == next.start
        };
        match sign {
            "||" | "&&" | "<<" | ">>" => {
                let doubled = again(self.at) && self.take(&sign[..1]);
                self.at += usize::from(doubled);
                doubled
            }
            "|" | "&" | "<" | ">" => !again(self.at) && self.take(sign),
            _ => self.take(sign),
        }
    }

    /// `object.*pointer` and `object->*pointer` of C++.
    fn through(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.converted()?;
        while self.is_through() {
            let column = self.peek().column;
            self.at += 2;
            let pointer = self.converted()?;
            node = Node { column, kind: NodeKind::Through(Box::new(node), Box::new(pointer)) };
            self.deeper()?;
        }
        Ok(node)
    }

    /// Returns true if the next tokens apply a pointer to a member, as `.*` and `->*` do in C++. Zig's `.*`, which
    /// dereferences a pointer, is followed by no name.
    fn is_through(&self) -> bool {
        let token = |at: usize| self.tokens.get(self.at + at).map(|token| &token.kind);
        matches!(token(0), Some(TokenKind::Sign("." | "->")))
            && matches!(token(1), Some(TokenKind::Sign("*")))
            && match token(2) {
                Some(TokenKind::Name(parts)) => parts.as_slice() != ["as"],
                Some(TokenKind::Sign("(" | "&")) => true,
                _ => false,
            }
    }

    /// `value as type`, as Rust writes a cast.
    fn converted(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.unary()?;
        while matches!(&self.peek().kind, TokenKind::Name(parts) if parts.len() == 1 && parts[0] == "as") {
            self.at += 1;
            let column = self.peek().column;
            let name = self.type_name()?;
            node = Node { column, kind: NodeKind::Cast(Conversion::Usual, name, Box::new(node)) };
            self.deeper()?;
        }
        Ok(node)
    }

    /// The longest name of a type that stands after `as`.
    fn type_name(&mut self) -> Result<String, ExpressionError> {
        let start = self.peek().start;
        while self.take("*") || self.take("&") || self.qualifier() {}
        if self.take("[") {
            while !self.take("]") {
                if self.peek().kind == TokenKind::End {
                    return Err(self.unexpected("`]`"));
                }
                self.at += 1;
            }
        }
        if matches!(self.peek().kind, TokenKind::Name(_)) {
            self.at += 1;
        } else if self.peek().start == start {
            return Err(self.unexpected("a type"));
        }
        let mut name = self.text[start..self.peek().start].trim().to_owned();
        // `<…>` belongs to the name if a type of that name is known; else `<` compares.
        let behind = self.at;
        if self.take("<") {
            let mut depth = 1;
            while depth > 0 && self.peek().kind != TokenKind::End {
                match self.peek().kind {
                    TokenKind::Sign("<") => depth += 1,
                    TokenKind::Sign(">") => depth -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            let longer = self.text[start..self.peek().start].trim();
            if (self.is_type)(longer) {
                name = longer.to_owned();
            } else {
                self.at = behind;
            }
        }
        Ok(name)
    }

    fn qualifier(&mut self) -> bool {
        let word = matches!(&self.peek().kind, TokenKind::Name(parts) if matches!(parts.as_slice(), [word] if matches!(word.as_str(), "const" | "mut" | "struct" | "union" | "enum")));
        self.at += usize::from(word);
        word
    }

    /// Counts one more level of the tree. A level is never given back: a long chain makes as deep a tree as brackets.
    fn deeper(&mut self) -> Result<(), ExpressionError> {
        self.nesting += 1;
        if self.nesting > NESTING {
            return Err(ExpressionError::new(self.peek().column, "the expression is nested too deeply"));
        }
        Ok(())
    }

    fn unary(&mut self) -> Result<Node, ExpressionError> {
        self.deeper()?;
        let column = self.peek().column;
        let make: fn(Box<Node>) -> NodeKind = if self.take("*") {
            NodeKind::Dereference
        } else if self.take("&") {
            NodeKind::Address
        } else if self.take("-") {
            NodeKind::Negative
        } else if self.take("!") {
            NodeKind::Not
        } else if let Some(name) = self.size_of() {
            match name {
                Some(name) => return Ok(Node { column, kind: NodeKind::SizeOfType(name) }),
                None => NodeKind::SizeOf,
            }
        } else if let Some(name) = self.cast() {
            let inner = Box::new(self.unary()?);
            return Ok(Node { column, kind: NodeKind::Cast(Conversion::Usual, name, inner) });
        } else {
            return self.postfix();
        };
        let inner = Box::new(self.unary()?);
        Ok(Node { column, kind: make(inner) })
    }

    /// Takes `sizeof`, and the type in brackets after it. `Some(None)` where a value follows.
    fn size_of(&mut self) -> Option<Option<String>> {
        let is_word = matches!(&self.peek().kind, TokenKind::Name(parts) if parts.as_slice() == ["sizeof"]);
        let operand = matches!(
            self.tokens.get(self.at + 1).map(|token| &token.kind),
            Some(TokenKind::Name(_) | TokenKind::Sign("(" | "*"))
        );
        if !is_word || !operand {
            return None;
        }
        self.at += 1;
        let named = self.bracketed().filter(|(name, _)| (self.is_type)(name));
        Some(named.map(|(name, behind)| {
            self.at = behind;
            name
        }))
    }

    /// The text in the brackets that begin here, and the number of the token after them.
    fn bracketed(&self) -> Option<(String, usize)> {
        let open = self.peek();
        if open.kind != TokenKind::Sign("(") {
            return None;
        }
        let start = open.start + 1;
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                TokenKind::Sign("(") => depth += 1,
                TokenKind::Sign(")") => depth -= 1,
                TokenKind::End => return None,
                _ => {}
            }
            if depth == 0 {
                return Some((self.text[start..token.start].trim().to_owned(), at + 1));
            }
        }
        None
    }

    /// The type in brackets that makes a cast.
    fn cast(&mut self) -> Option<String> {
        let (name, behind) = self.bracketed()?;
        let operand = !matches!(
            self.tokens.get(behind).map(|token| &token.kind),
            None | Some(
                TokenKind::End
                    | TokenKind::Sign(
                        ")" | "]"
                            | "."
                            | "->"
                            | "["
                            | ".."
                            | "+"
                            | "/"
                            | "%"
                            | "|"
                            | "^"
                            | "=="
                            | "!="
                            | "<"
                            | "<="
                            | ">"
                            | ">=",
                    )
            )
        );
        (operand && (self.is_type)(&name)).then(|| {
            self.at = behind;
            name
        })
    }

    fn postfix(&mut self) -> Result<Node, ExpressionError> {
        let mut node = self.primary()?;
        loop {
            let column = self.peek().column;
            if self.is_through() {
                return Ok(node);
            }
            let kind = if self.take(".") || self.take("->") {
                if self.take("*") {
                    node = Node { column, kind: NodeKind::Dereference(Box::new(node)) };
                    self.deeper()?;
                    continue;
                }
                if self.take("?") {
                    node = Node { column, kind: NodeKind::Payload(Box::new(node)) };
                    self.deeper()?;
                    continue;
                }
                let member = self.peek().clone();
                let name = match member.kind {
                    TokenKind::Name(parts) if parts.iter().all(|part| !part.is_empty()) => parts,
                    TokenKind::Number(number) => vec![number.to_string()],
                    _ => return Err(self.unexpected("a member's name")),
                };
                self.at += 1;
                node = Node { column: member.column, kind: NodeKind::Member(Box::new(node), name) };
                self.deeper()?;
                continue;
            } else if self.take("[") {
                let first = self.key()?;
                if self.take("..") {
                    let last = self.whole()?;
                    self.expect("]")?;
                    NodeKind::Slice(Box::new(node), Box::new(first), Box::new(last))
                } else {
                    self.expect("]")?;
                    NodeKind::Index(Box::new(node), Box::new(first))
                }
            } else {
                return Ok(node);
            };
            node = Node { column, kind };
            self.deeper()?;
        }
    }

    /// Parses the contents of the brackets after a value: an index, or the key of a map.
    fn key(&mut self) -> Result<Node, ExpressionError> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Text(text) => {
                self.at += 1;
                Ok(Node { column: token.column, kind: NodeKind::Text(text) })
            }
            _ => self.whole(),
        }
    }

    /// `static_cast<T>(value)` of C++, and its like.
    fn named_cast(&mut self) -> Result<Option<Node>, ExpressionError> {
        let Token { column, kind: TokenKind::Name(parts), .. } = self.peek() else { return Ok(None) };
        let ([word], column) = (parts.as_slice(), *column) else { return Ok(None) };
        let less = self.tokens.get(self.at + 1).filter(|token| token.kind == TokenKind::Sign("<"));
        let (Some(conversion), Some(less)) = (Conversion::named(word), less) else { return Ok(None) };
        let start = less.start + 1;
        self.at += 2;
        let mut depth = 1;
        loop {
            match self.peek().kind {
                TokenKind::Sign("<" | "(" | "[" | "{") => depth += 1,
                TokenKind::Sign(">" | ")" | "]" | "}") => depth -= 1,
                TokenKind::End => return Err(self.unexpected("`>`")),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            self.at += 1;
        }
        let name = self.text[start..self.peek().start].trim().to_owned();
        self.expect(">")?;
        self.expect("(")?;
        let inner = self.whole()?;
        self.expect(")")?;
        self.deeper()?;
        Ok(Some(Node { column, kind: NodeKind::Cast(conversion, name, Box::new(inner)) }))
    }

    fn primary(&mut self) -> Result<Node, ExpressionError> {
        let token = self.peek().clone();
        if let Some(cast) = self.named_cast()? {
            return Ok(cast);
        }
        let kind = match token.kind {
            TokenKind::Number(number) => NodeKind::Number(number),
            TokenKind::Character(char) => NodeKind::Character(char),
            TokenKind::Name(parts) => NodeKind::Name(parts),
            TokenKind::AtEntry(name) => NodeKind::AtEntry(name),
            TokenKind::FileName(file, name) => NodeKind::FileName(file, name),
            TokenKind::Register(name) => NodeKind::Register(name),
            TokenKind::Sign("(") => {
                self.at += 1;
                let inner = self.whole()?;
                self.expect(")")?;
                return Ok(inner);
            }
            _ => return Err(self.unexpected("a name or a number")),
        };
        self.at += 1;
        Ok(Node { column: token.column, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Node, ExpressionError> {
        parse(text, &|name| name.starts_with("struct") || name == "int *" || name == "Known<u8>")
    }

    fn shape(node: &Node) -> String {
        use NodeKind::*;
        match &node.kind {
            Number(number) => number.to_string(),
            Name(parts) => parts.join("::"),
            AtEntry(name) => format!("{name}@entry"),
            FileName(file, name) => format!("{file}::{name}"),
            Register(name) => format!("${name}"),
            Dereference(inner) => format!("(* {})", shape(inner)),
            Address(inner) => format!("(& {})", shape(inner)),
            Negative(inner) => format!("(- {})", shape(inner)),
            Not(inner) => format!("(! {})", shape(inner)),
            SizeOf(inner) => format!("(sizeof {})", shape(inner)),
            SizeOfType(name) => format!("(sizeof type {name})"),
            Cast(Conversion::Usual, name, inner) => format!("(cast {name} {})", shape(inner)),
            Cast(conversion, name, inner) => format!("({conversion:?} {name} {})", shape(inner)),
            Member(inner, path) => format!("(. {} {})", shape(inner), path.join("::")),
            Index(inner, index) => format!("([] {} {})", shape(inner), shape(index)),
            Slice(inner, from, to) => format!("([..] {} {} {})", shape(inner), shape(from), shape(to)),
            Payload(inner) => format!("(? {})", shape(inner)),
            Through(object, pointer) => format!("(.* {} {})", shape(object), shape(pointer)),
            Text(text) => format!("{text:?}"),
            Character(char) => format!("{char:?}"),
            Binary(operator, left, right) => {
                format!("({} {} {})", operator.sign(), shape(left), shape(right))
            }
        }
    }

    #[test]
    fn members_bind_closer_than_stars_and_casts() {
        assert_eq!(shape(&parsed("*node.next").unwrap()), "(* (. node next))");
        assert_eq!(shape(&parsed("(struct node *)0x10->next").unwrap()), "(cast struct node * (. 16 next))");
        assert_eq!(
            shape(&parsed("((struct node *)0x10)->next[1..3]").unwrap()),
            "([..] (. (cast struct node * 16) next) 1 3)"
        );
        assert_eq!(shape(&parsed("*(int *)($sp + 12)").unwrap()), "(* (cast int * (+ $sp 12)))");
        assert_eq!(shape(&parsed("a - 1 - 2").unwrap()), "(- (- a 1) 2)");
        assert_eq!(shape(&parsed("*list@entry->next").unwrap()), "(* (. list@entry next))");
        assert_eq!(shape(&parsed("a + 2 * b == c % 3").unwrap()), "(== (+ a (* 2 b)) (% c 3))");
    }

    #[test]
    fn operators_bind_as_in_c_and_rust_or_need_brackets() {
        assert_eq!(shape(&parsed("a | b ^ c & d << 1 + 2").unwrap()), "(| a (^ b (& c (<< d (+ 1 2)))))");
        assert_eq!(shape(&parsed("a - b - c << 1 >> 2").unwrap()), "(>> (<< (- (- a b) c) 1) 2)");
        assert_eq!(shape(&parsed("a == 1 && b != 2 || !c").unwrap()), "(|| (&& (== a 1) (!= b 2)) (! c))");
        assert_eq!(shape(&parsed("a&&b&c").unwrap()), "(&& a (& b c))");
        assert_eq!(shape(&parsed("a & &b").unwrap()), "(& a (& b))");
        assert_eq!(shape(&parsed("a**b--c").unwrap()), "(- (* a (* b)) (- c))");
        assert_eq!(shape(&parsed("(a & 1) == 0").unwrap()), "(== (& a 1) 0)");
        assert_eq!(shape(&parsed("a << 1 == b >> 1").unwrap()), "(== (<< a 1) (>> b 1))");
        for text in ["a & 1 == 0", "0 != a | b", "a == b ^ c"] {
            assert!(parsed(text).unwrap_err().message.starts_with("brackets are missing"), "{text}");
        }
        assert_eq!(parsed("a > > b").unwrap_err().column, 5);
        assert_eq!(
            shape(&parsed("sizeof(struct node) + sizeof *a").unwrap()),
            "(+ (sizeof type struct node) (sizeof (* a)))"
        );
        assert_eq!(shape(&parsed("sizeof(a) - sizeof a.b[1]").unwrap()), "(- (sizeof a) (sizeof ([] (. a b) 1)))");
        assert_eq!(shape(&parsed("dynamic_cast<A<B<u8>> *>(a)").unwrap()), "(Dynamic A<B<u8>> * a)");
    }

    #[test]
    fn what_other_languages_write_for_the_same() {
        assert_eq!(shape(&parsed("0x10 as *const Node + 1").unwrap()), "(+ (cast *const Node 16) 1)");
        assert_eq!(shape(&parsed("a as Known<u8> < 3").unwrap()), "(< (cast Known<u8> a) 3)");
        assert_eq!(shape(&parsed("a as u8 < b").unwrap()), "(< (cast u8 a) b)");
        assert_eq!(shape(&parsed("node.next.?.value").unwrap()), "(. (? (. node next)) value)");
        assert_eq!(shape(&parsed("pointer.*.x").unwrap()), "(. (* pointer) x)");
        assert_eq!(shape(&parsed("*a.b->*c.d + 1").unwrap()), "(+ (.* (* (. a b)) (. c d)) 1)");
        assert_eq!(shape(&parsed("pointer.* as u8").unwrap()), "(cast u8 (* pointer))");
        assert_eq!(shape(&parsed("static_cast<int *>(a)->b").unwrap()), "(. (cast int * a) b)");
        assert_eq!(shape(&parsed("dynamic_cast<A<B<u8>> *>(a)").unwrap()), "(Dynamic A<B<u8>> * a)");
        assert_eq!(shape(&parsed("horse->ns::Named::name").unwrap()), "(. horse ns::Named::name)");
        assert_eq!(parsed("static_cast<int *(a)").unwrap_err().message, "the expression ends where `>` should be");
        assert_eq!(shape(&parsed(r#"map["key"].0"#).unwrap()), r#"(. ([] map "key") 0)"#);
    }

    #[test]
    fn an_error_says_what_stands_where() {
        let error = parsed("a[3").unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (4, "the expression ends where `]` should be"));
        let error = parsed("a . +b").unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (5, "`+` stands where a member's name should be"));
        assert_eq!(parsed("a b").unwrap_err().column, 3);
        assert_eq!(parsed("").unwrap_err().column, 1);
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parsed(&"*".repeat(100_000)).is_err());
        assert!(parsed(&format!("a{}", "[0]".repeat(100_000))).is_err());
        assert!(parsed(&"(".repeat(100_000)).is_err());
        assert!(parsed(&format!("a{}", " as u8".repeat(100_000))).is_err());
        assert!(parsed(&format!("1{}", "+1".repeat(100_000))).is_err());
    }
}
