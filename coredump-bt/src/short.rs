//! Cuts long values to fit on a line, and closes open brackets and quotes, so that the rest of the line is readable.

/// A value in at most `longest` characters: cut between its parts or in a string, with `...` where something is left
/// out.
pub fn short(text: &str, longest: usize) -> String {
    if text.chars().nth(longest).is_none() {
        return text.to_owned();
    }
    let mut best = None;
    let mut open: Vec<char> = Vec::new();
    let mut chars = text.char_indices().enumerate();
    let mut quote: Option<char> = None;
    while let Some((count, (at, char))) = chars.next() {
        if count + CUT.len() + open.len() > longest {
            break;
        }
        let end = at + char.len_utf8();
        match quote {
            Some(_) if char == '\\' => {
                chars.next();
            }
            Some(mark) if char == mark => quote = None,
            // A cut in a string is followed by the closing quote.
            Some('"') if count + 2 + CUT.len() + open.len() <= longest => best = Some((end, "\"", open.clone())),
            Some(_) => {}
            None => match char {
                '"' => quote = Some('"'),
                '\'' if is_character(&text[end..]) => quote = Some('\''),
                '{' | '[' | '(' => {
                    open.push(match char {
                        '{' => '}',
                        '[' => ']',
                        _ => ')',
                    });
                    if count + 1 + CUT.len() + open.len() <= longest {
                        best = Some((end, "", open.clone()));
                    }
                }
                '}' | ']' | ')' => {
                    open.pop();
                }
                ' ' if text[..at].ends_with(',') && count + 1 + CUT.len() + open.len() <= longest => {
                    best = Some((end, "", open.clone()));
                }
                _ => {}
            },
        }
    }
    match best {
        Some((end, quote, open)) => {
            let closing: String = open.into_iter().rev().collect();
            format!("{}{quote}{CUT}{closing}", &text[..end])
        }
        None => {
            let end = text.char_indices().nth(longest.saturating_sub(CUT.len())).map_or(text.len(), |(end, _)| end);
            format!("{}{CUT}", &text[..end])
        }
    }
}

const CUT: &str = "...";

/// Returns true if a character in single quotes follows the first of them: Rust's and C's characters, not an
/// apostrophe.
fn is_character(rest: &str) -> bool {
    match rest.strip_prefix('\\') {
        Some(escaped) => escaped.find('\'').is_some_and(|end| end <= "u{10ffff}".len()),
        None => rest.chars().nth(1) == Some('\''),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(short("{x = 1, y = 2}", 14), "{x = 1, y = 2}");
        assert_eq!(short("", 3), "");
    }

    #[test]
    fn braces_that_are_open_where_it_is_cut_are_closed() {
        assert_eq!(short("{x = 1, in = {y = 2, z = 30000}, w = 4}", 30), "{x = 1, in = {y = 2, ...}}");
        assert_eq!(short("Some([1, 2, 3, 4, 5, 6])", 17), "Some([1, 2, ...])");
        assert_eq!(short("{accounts = {{1}, {2}}, total = 7}", 20), "{accounts = {{...}}}");
    }

    #[test]
    fn a_text_ends_with_its_quote_and_what_is_in_it_opens_nothing() {
        assert_eq!(short(r#"0x400 "a long text {with [brackets""#, 25), r#"0x400 "a long text {w"..."#);
        assert_eq!(short(r#"{name = "it's \"long\" and on", n = 1}"#, 26), r#"{name = "it's \"long"...}"#);
        assert_eq!(
            short("{open = 123 '{', quote = 39 '\\'', rest = 1000}", 38),
            "{open = 123 '{', quote = 39 '\\'', ...}"
        );
    }

    #[test]
    fn a_word_without_parts_is_cut_where_it_is_too_long() {
        assert_eq!(short("123456789", 8), "12345...");
        assert_eq!(short("é€😀é€😀", 5), "é€...");
    }

    #[test]
    fn it_is_never_longer_than_asked_and_what_is_open_is_closed() {
        let text = r#"{a = {b = [1, 2, 3], c = "x{y", d = Some(4)}, e = ['}', 'x', '\u{1b}'], f = (1, (2, (3, 4)))}"#;
        for longest in 3..text.len() {
            let short = short(text, longest);
            assert!(short.chars().count() <= longest, "{longest}: {short}");
            let outside: String = short.split('"').step_by(2).collect();
            let count = |char| outside.replace("'}'", "").chars().filter(|&other| other == char).count();
            if longest > 8 {
                assert_eq!(count('{'), count('}'), "{longest}: {short}");
                assert_eq!(count('('), count(')'), "{longest}: {short}");
            }
        }
    }
}
