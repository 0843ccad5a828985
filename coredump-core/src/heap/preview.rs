//! A preview of a block's contents whose type is not known.

use super::block::Block;
use super::view::View;

/// Bytes of a block that are looked at.
const LOOKED_AT: u64 = 64;
/// Characters that make a text.
const TEXT: usize = 4;

/// The text that a block begins with, in quotes, or that it is zero; `None` where it looks like neither, or is not
/// known.
pub fn preview(view: &View<'_>, block: &Block) -> Option<String> {
    let len = block.size.min(LOOKED_AT);
    let bytes = view.memory().bytes(block.address, len).ok()?;
    if len > 0 && bytes.iter().all(|&byte| byte == 0) {
        return (len == block.size).then(|| "zero".to_owned());
    }
    text(&bytes, len < block.size).or_else(|| wide_text(&bytes, len < block.size))
}

/// The text in UTF-8 up to a zero, or as long as the block; `more` says that the block is longer than what is looked
/// at.
fn text(bytes: &[u8], more: bool) -> Option<String> {
    let end = memchr::memchr(0, bytes);
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        // A character that is cut by the end of what is looked at.
        Err(error) if end.is_none() && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    quoted(text.chars(), "", end.is_none() && more)
}

/// Reads text in UTF-16, which is believed only if it begins with ASCII.
fn wide_text(bytes: &[u8], more: bool) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    if units.len() < TEXT || units.iter().take(TEXT).any(|&unit| !(0x20..0x7f).contains(&unit)) {
        return None;
    }
    let whole = units.len() == bytes.len() / 2;
    let letters: Result<Vec<char>, _> = char::decode_utf16(units).collect();
    quoted(letters.ok()?.into_iter(), "u", whole && more)
}

fn quoted(letters: impl Iterator<Item = char> + Clone, prefix: &str, cut: bool) -> Option<String> {
    let plain = |letter: char| !letter.is_control() || matches!(letter, '\t' | '\n' | '\r');
    if letters.clone().count() < TEXT || !letters.clone().all(plain) {
        return None;
    }
    let text: String = letters.collect();
    Some(format!("{prefix}\"{text}\"{}", if cut { "…" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_a_zero_or_with_the_block() {
        assert_eq!(text(b"hello\0\xff", false).as_deref(), Some("\"hello\""));
        assert_eq!(text(b"hello", true).as_deref(), Some("\"hello\"…"));
        assert_eq!(text(b"abc\0", false), None);
        assert_eq!(text(b"\x01\x02\x03\x04\x05", false), None);
        assert_eq!(text("caf\u{e9}s".as_bytes().get(..4).unwrap(), true), None);
        assert_eq!(wide_text(b"w\0i\0d\0e\0\0\0\xff\xff", false).as_deref(), Some("u\"wide\""));
    }
}
