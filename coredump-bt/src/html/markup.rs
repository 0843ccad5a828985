//! Markup, written piece by piece: text that is part of this program is written as it is, and everything else is
//! escaped.

use std::fmt::Display;

use coredump_core::text;

/// A part of a page.
#[derive(Debug, Default)]
pub struct Markup(String);

impl Markup {
    /// Adds markup. It must be `'static`, so that no text from a file can be passed by mistake.
    pub fn tag(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, on one line. It may also stand between the quotes of an attribute.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&text::markup(text));
        self
    }

    /// Adds text of several lines.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&text::markup_lines(text));
        self
    }

    /// Adds what something is written as.
    pub fn shown(&mut self, shown: impl Display) -> &mut Self {
        self.text(&shown.to_string())
    }

    /// Adds text between the tags `open` and `close`.
    pub fn within(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.tag(open).text(text).tag(close)
    }

    /// Adds markup that was written separately.
    pub fn append(&mut self, other: &Markup) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Returns true if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of bytes that were written.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Markup;

    proptest! {
        #[test]
        fn whatever_the_text_is_no_markup_comes_of_it(text in ".*", lines in "(?s).*") {
            let mut out = Markup::default();
            out.text(&text).lines(&lines).shown(&text).within("", &text, "");
            prop_assert!(!out.as_str().contains(['<', '>', '"', '\'']), "{}", out.as_str());
        }

        #[test]
        fn markup_of_any_text_is_text(text in r#"[<>&"'/=!\-a-z ;#x0-9\n]*"#) {
            let mut out = Markup::default();
            out.text(&text);
            prop_assert!(!out.as_str().contains(['<', '>', '"', '\'']), "{}", out.as_str());
        }
    }
}
