//! Encodes values of components as bytes: for the calls of a recording, and for the last calls in a dump.
//!
//! Numbers are LEB128; strings and lists follow their length; variants, options and results begin with their case. The
//! meaning of the bytes follows only from the type of the function.

use std::fmt::Write;

/// A reader of encoded values.
pub struct Input<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Input<'b> {
    /// A reader that begins at the first byte.
    pub fn new(bytes: &'b [u8]) -> Input<'b> {
        Input { bytes, at: 0 }
    }

    /// Returns true if all bytes were read.
    pub fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    /// The next `len` bytes, or all that are left if there are fewer.
    fn take_up_to(&mut self, len: usize) -> &'b [u8] {
        let len = len.min(self.bytes.len() - self.at);
        self.take(len).unwrap_or_default()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// The contents of a list of bytes.
    pub fn list(&mut self) -> Option<&'b [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }
}

/// Writes a number as LEB128.
fn number(mut value: u64, output: &mut Vec<u8>) {
    while value >= 0x80 {
        output.push(value as u8 | 0x80);
        value >>= 7;
    }
    output.push(value as u8);
}

/// A value that can be encoded. Reading returns `None` if the bytes do not encode a value of this type.
pub trait Value: Sized {
    /// Encodes the value.
    fn write(&self, output: &mut Vec<u8>);

    /// Decodes a value.
    fn read(input: &mut Input<'_>) -> Option<Self>;

    /// Appends the value as text, as far as its bytes are there.
    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()>;

    /// True if the first byte of the value can say that a call failed.
    const FALLIBLE: bool = false;

    /// Encodes the elements of a list.
    fn write_list(list: &[Self], output: &mut Vec<u8>) {
        list.iter().for_each(|item| item.write(output));
    }

    /// Decodes the elements of a list.
    fn read_list(len: usize, input: &mut Input<'_>) -> Option<Vec<Self>> {
        // Each element takes at least one byte, so a false length costs nothing.
        (0..len).map(|_| Self::read(input)).collect()
    }

    /// Appends the elements of a list as text.
    fn show_list(len: usize, input: &mut Input<'_>, text: &mut String) -> Option<()> {
        text.push('[');
        for index in 0..len {
            text.push_str(if index > 0 { ", " } else { "" });
            Self::show(input, text)?;
        }
        text.push(']');
        Some(())
    }
}

impl Value for u8 {
    fn write(&self, output: &mut Vec<u8>) {
        output.push(*self);
    }

    fn read(input: &mut Input<'_>) -> Option<u8> {
        input.byte()
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        write!(text, "{}", input.byte()?).ok()
    }

    fn write_list(list: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(list);
    }

    fn read_list(len: usize, input: &mut Input<'_>) -> Option<Vec<u8>> {
        input.take(len).map(<[u8]>::to_vec)
    }

    /// Bytes that a program reads and writes may be secret, so they are not shown.
    fn show_list(len: usize, input: &mut Input<'_>, text: &mut String) -> Option<()> {
        write!(text, "{len} bytes").ok()?;
        input.take(len).map(|_| ())
    }
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn write(&self, output: &mut Vec<u8>) {
                number(u64::from(*self), output);
            }

            fn read(input: &mut Input<'_>) -> Option<$ty> {
                <$ty>::try_from(input.number()?).ok()
            }

            fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
                write!(text, "{}", input.number()?).ok()
            }
        }
    )*};
}

numbers!(u16, u32, u64);

impl Value for bool {
    fn write(&self, output: &mut Vec<u8>) {
        output.push(u8::from(*self));
    }

    fn read(input: &mut Input<'_>) -> Option<bool> {
        match input.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        write!(text, "{}", bool::read(input)?).ok()
    }
}

impl Value for String {
    fn write(&self, output: &mut Vec<u8>) {
        number(self.len() as u64, output);
        output.extend_from_slice(self.as_bytes());
    }

    fn read(input: &mut Input<'_>) -> Option<String> {
        let len = input.len()?;
        String::from_utf8(input.take(len)?.to_vec()).ok()
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        let len = input.len()?;
        let bytes = input.take_up_to(len);
        // A string that is cut off may end in the middle of a character.
        let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        write!(text, "{valid:?}").ok()?;
        (bytes.len() == len).then_some(())
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, output: &mut Vec<u8>) {
        number(self.len() as u64, output);
        T::write_list(self, output);
    }

    fn read(input: &mut Input<'_>) -> Option<Vec<T>> {
        let len = input.len()?;
        T::read_list(len, input)
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        let len = input.len()?;
        T::show_list(len, input, text)
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, output: &mut Vec<u8>) {
        self.is_some().write(output);
        self.iter().for_each(|value| value.write(output));
    }

    fn read(input: &mut Input<'_>) -> Option<Option<T>> {
        match bool::read(input)? {
            true => T::read(input).map(Some),
            false => Some(None),
        }
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        match bool::read(input)? {
            true => T::show(input, text)?,
            false => text.push_str("none"),
        }
        Some(())
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    const FALLIBLE: bool = true;

    fn write(&self, output: &mut Vec<u8>) {
        self.is_err().write(output);
        match self {
            Ok(value) => value.write(output),
            Err(error) => error.write(output),
        }
    }

    fn read(input: &mut Input<'_>) -> Option<Result<T, E>> {
        Some(match bool::read(input)? {
            false => Ok(T::read(input)?),
            true => Err(E::read(input)?),
        })
    }

    /// The caller shows whether this is a value or an error.
    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        match bool::read(input)? {
            false => T::show(input, text),
            true => E::show(input, text),
        }
    }
}

/// A list of parameters, or of results.
pub trait Values: Value {
    /// Each value as text. Values or parts whose bytes were cut off are left out, which is marked.
    fn texts(bytes: &[u8]) -> Vec<String>;
}

/// The function that shows a value of some type.
type Show = fn(&mut Input<'_>, &mut String) -> Option<()>;

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Value),*> Value for ($($name,)*) {
            const FALLIBLE: bool = false $(|| $name::FALLIBLE)*;

            #[allow(non_snake_case, unused_variables)]
            fn write(&self, output: &mut Vec<u8>) {
                let ($($name,)*) = self;
                $($name.write(output);)*
            }

            #[allow(unused_variables, clippy::unused_unit)]
            fn read(input: &mut Input<'_>) -> Option<Self> {
                Some(($($name::read(input)?,)*))
            }

            fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
                let shown: &[Show] = &[$($name::show),*];
                for (index, show) in shown.iter().enumerate() {
                    text.push_str(if index == 0 { "(" } else { ", " });
                    show(input, text)?;
                }
                text.push_str(if shown.is_empty() { "" } else { ")" });
                Some(())
            }
        }

        impl<$($name: Value),*> Values for ($($name,)*) {
            fn texts(bytes: &[u8]) -> Vec<String> {
                let mut input = Input::new(bytes);
                let mut texts = Vec::new();
                let shown: &[Show] = &[$($name::show),*];
                for show in shown {
                    let mut text = String::new();
                    let whole = show(&mut input, &mut text).is_some();
                    texts.push(if whole { text } else { text + "…" });
                    if !whole {
                        break;
                    }
                }
                texts
            }
        }
    )*};
}

tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
