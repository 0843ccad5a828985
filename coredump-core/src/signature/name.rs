//! Function names without the parts that change from build to build.

use super::rules::RULES;

/// The most bytes of a name that are read; the rest is cut off.
const MAX_READ: usize = 16 * 1024;
/// Longest stable name, in characters.
const MAX_LENGTH: usize = 200;

/// The stable form of a demangled name: without template arguments, parameter lists, and what `names.txt` lists.
pub fn stable(name: &str) -> String {
    let mut stable = without_arguments(&name[..name.floor_char_boundary(MAX_READ)]);
    for (rule, replacement) in &RULES.replacements {
        if let Some(expression) = rule.for_text(&stable) {
            stable = expression.replace_all(&stable, *replacement).into_owned();
        }
    }
    // A signature is one line, and ` | ` separates its functions.
    let stable: String = stable.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let stable = stable.trim().replace(" | ", "|");
    match stable.char_indices().nth(MAX_LENGTH) {
        Some((end, _)) => format!("{}…", &stable[..end]),
        None => stable,
    }
}

/// An open bracket.
struct Bracket {
    close: char,
    dropped: bool,
}

/// Leaves out bracketed arguments: `f<int>(char)`, `f::<T>` and Go's `f[int]` become `f`. Brackets that are part of a
/// name are kept: Rust's `<T as Trait>::f`, `(anonymous namespace)`, Go's `main.(*T).f`, `operator<` and `operator()`,
/// Python's `f.<locals>.g`.
fn without_arguments(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut open: Vec<Bracket> = Vec::new();
    let mut dropping = 0usize;
    // Ends of the last parameter list and of the last identifier before it, at the outermost level.
    let mut parameters = None;
    let mut word = 0;
    // The brackets at the outermost level that may be those of a C++ declarator: where they were opened, and those that
    // were closed last.
    let (mut opened, mut declarator) = (None, 0..0);
    let mut previous = ' ';
    for (at, letter) in name.char_indices() {
        let opens = matches!(letter, '<' | '(' | '[') && !is_operator(&kept, letter);
        let closes = !(letter == '>' && (previous == '-' || is_operator(&kept, letter)))
            && open.last().is_some_and(|open| open.close == letter);
        previous = letter;
        if opens {
            let outermost = open.is_empty();
            let behind_declarator = outermost && matches!(letter, '(' | '[') && declarator.end == kept.len();
            let named = if behind_declarator { declared(&kept[declarator.clone()]).map(str::to_owned) } else { None };
            let dropped = match letter {
                _ if named.is_some() => true,
                // Go's type arguments, or the hash that tells two Rust crates of one name apart: not the brackets of a
                // type, as in `<[T]>::len`, or of a name, as in `operator[]`.
                '[' => kept.ends_with(is_identifier) && !name[at..].starts_with("[]"),
                '<' => ends_in_operator(&kept) || !(kept.is_empty() || kept.ends_with([' ', '&', '*', '(', '<', '.'])),
                _ => {
                    ends_in_operator(&kept)
                        || kept.ends_with(|last: char| is_identifier(last) || ">})]~'".contains(last))
                }
            };
            if dropped && dropping == 0 && letter == '<' && kept.ends_with("::") {
                kept.truncate(kept.len() - 2);
            }
            match named {
                // The parameters of a type, as in `int (*)(char) f(int)`.
                Some(named) if named.is_empty() => {}
                // The parameters of the function that this one returns, as in `int (*f(int))(char)`.
                Some(named) => {
                    kept = named;
                    word = 0;
                    parameters = Some(kept.len());
                }
                None if dropped && letter == '(' && outermost && !kept.ends_with("decltype") => {
                    parameters = Some(kept.len());
                }
                None => {}
            }
            if outermost && !dropped && letter == '(' {
                opened = kept.ends_with(' ').then_some(kept.len());
            }
            let close = match letter {
                '<' => '>',
                '[' => ']',
                _ => ')',
            };
            open.push(Bracket { close, dropped });
            dropping += usize::from(dropped);
            if dropping == 0 {
                kept.push(letter);
            }
        } else if closes {
            if dropping == 0 {
                kept.push(letter);
            }
            dropping -= usize::from(open.pop().is_some_and(|open| open.dropped));
            if let Some(start) = opened.take_if(|_| open.is_empty()) {
                declarator = start..kept.len();
            }
        } else if dropping == 0 {
            let ends_word = letter == ' ' && open.is_empty() && !ends_in_operator(&kept);
            kept.push(letter);
            if ends_word && parameters.is_none() {
                word = kept.len();
            }
        }
    }
    let Some(end) = parameters else { return kept };
    // Only C++ has parameter lists: a return type before the name, and ` const` or ` [clone]` after it.
    if kept[end..].starts_with(' ') {
        kept.truncate(end);
    }
    kept.split_off(word.min(end))
}

/// The name that a declarator in brackets declares, as `f` in `(*f)` and nothing in `(*)`. None if these brackets are
/// no declarator.
fn declared(brackets: &str) -> Option<&str> {
    let inside = brackets.strip_prefix('(')?.strip_suffix(')')?;
    let (class, name) = inside.split_at(inside.find(['*', '&'])?);
    (class.is_empty() || class.ends_with("::")).then(|| name.trim_start_matches(['*', '&', ' ']))
}

/// Returns true if a bracket after `kept` belongs to the name of a C++ operator.
fn is_operator(kept: &str, bracket: char) -> bool {
    let symbol = kept.trim_end_matches(['<', '>', '=', '-']);
    let behind = &kept[symbol.len()..];
    let operator = symbol.strip_suffix("operator").is_some_and(|before| !before.ends_with(is_identifier));
    operator
        && match bracket {
            '(' => behind.is_empty(),
            '<' => matches!(behind, "" | "<"),
            _ => matches!(behind, "" | ">" | "-" | "<="),
        }
}

/// Returns true if `kept` ends in the name of a C++ operator, complete or not.
fn ends_in_operator(kept: &str) -> bool {
    let symbol = kept.trim_end().trim_end_matches(['<', '>', '=', '-', '(', ')']);
    symbol.strip_suffix("operator").is_some_and(|before| !before.ends_with(is_identifier))
}

fn is_identifier(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::stable;

    #[test]
    fn arguments_and_parameters_are_left_out() {
        let names = [
            ("int protect<int>(int)", "protect"),
            ("std::vector<int, std::allocator<int> >::at(unsigned long) const", "std::vector::at"),
            ("(anonymous namespace)::parse(char const*)", "(anonymous namespace)::parse"),
            ("alloc::vec::Vec<T,A>::push", "alloc::vec::Vec::push"),
            ("bank::pay::<u8, fn(i32) -> i32>", "bank::pay"),
            ("<bank::Account<u8> as bank::Pay>::pay", "<bank::Account as bank::Pay>::pay"),
            (
                "<&dyn core::ops::Fn<(), Output = i32> as core::ops::FnOnce<()>>::call_once",
                "<&dyn core::ops::Fn as core::ops::FnOnce>::call_once",
            ),
            ("main.(*Account).Withdraw", "main.(*Account).Withdraw"),
            ("main.(*Stack[go.shape.string]).pop", "main.(*Stack).pop"),
            ("main.Reduce[go.shape.int,go.shape.[]uint8]", "main.Reduce"),
            ("main.Map[...].Each", "main.Map.Each"),
            ("<[T]>::len", "<[T]>::len"),
            ("A::operator[](int)", "A::operator[]"),
            ("operator new[](unsigned long)", "operator new[]"),
            ("Guard::~Guard()", "Guard::~Guard"),
            ("middle.<locals>.<listcomp>", "middle.<locals>.<listcomp>"),
            ("shop.Order.<init>", "shop.Order.<init>"),
            ("int (*app::pick<int>(int*))(int*)", "app::pick"),
            ("int (*)(int*) app::pick<int>(int*)", "app::pick"),
            ("int (*app::pick<int>(int*))(int*)::'lambda'(int*)::__invoke(int*)", "app::pick::{lambda}::__invoke"),
            ("int (*)(int*) app::pick<int>(int*)::{lambda(int*)#1}::__invoke(int*)", "app::pick::{lambda}::__invoke"),
            ("char (&name(int))[8]", "name"),
            ("int (Shop::*handler<int>(char))(int) const", "handler"),
            ("decltype(fp()) apply<main::$_0>(main::$_0)", "apply"),
            ("decltype ({parm#1}()) apply<main::$_0>(main::$_0)", "apply"),
            ("sum", "sum"),
        ];
        for (name, expected) in names {
            assert_eq!(stable(name), expected, "{name}");
        }
    }

    #[test]
    fn operators_keep_their_symbols() {
        let names = [
            ("bool operator< <int>(A<int> const&, A<int> const&)", "operator<"),
            ("A::operator<<(int)", "A::operator<<"),
            ("A::operator<=>(A const&) const", "A::operator<=>"),
            ("A::operator->() const", "A::operator->"),
            ("f(int)::'lambda1'(int)::operator()(int) const", "f::{lambda}::operator()"),
            ("f(int)::{lambda(int)#2}::operator()(int) const", "f::{lambda}::operator()"),
            ("g('unnamed0')::h()", "g::h"),
            ("f()::'unnamed0'::g()", "f::{unnamed}::g"),
            ("f()::{unnamed type#2}::g()", "f::{unnamed}::g"),
            ("operator new(unsigned long)", "operator new"),
        ];
        for (name, expected) in names {
            assert_eq!(stable(name), expected, "{name}");
        }
    }

    #[test]
    fn numbers_and_hashes_of_a_build_are_left_out() {
        let names = [
            ("trap::baz::h0123456789abcdef", "trap::baz"),
            ("std[cbe7e9478c45f7a8]::rt::lang_start_internal::{closure#0}", "std::rt::lang_start_internal::{closure}"),
            ("trap::main::{{closure}}", "trap::main::{closure}"),
            ("copy.isra.0.cold", "copy"),
            ("debug.panicExtra__func_25", "debug.panicExtra"),
            ("fmt.format__anon_1234", "fmt.format"),
            ("wasi:cli/run@0.2.0#run", "wasi:cli/run#run"),
            ("__original_main", "main"),
        ];
        for (name, expected) in names {
            assert_eq!(stable(name), expected, "{name}");
        }
    }

    #[test]
    fn unbalanced_and_endless_names_are_survived() {
        for name in ["<<<<", ">>>>", "f(((", ")))", "operator", "", " ", &"a<".repeat(100_000)] {
            assert!(stable(name).chars().count() <= 201);
        }
        assert_eq!(stable("a\nb | c"), "a b|c");
    }
}
