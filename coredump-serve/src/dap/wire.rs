//! Reads and writes messages: a header with the length, an empty line, JSON. Specification: Debug Adapter Protocol,
//! "Base protocol".

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// The size limit of a message, in bytes. Requests are small: the largest ones contain an expression or a list of
/// breakpoints.
const MAX_MESSAGE: usize = 16 << 20;
/// The size limit of a line of a header, in bytes.
const MAX_HEADER: u64 = 4096;

/// The result of reading from the client.
pub enum Incoming {
    /// A message.
    Message(Value),
    /// A message that is not valid JSON, with the reason.
    Malformed(String),
    /// The client closed the connection.
    End,
}

/// Reads one message. Fails if its length is not known, as nothing after it could be understood.
pub fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut length = None;
    let mut begun = false;
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if read == 0 {
            return if begun { Err(wrong("the header ends early")) } else { Ok(Incoming::End) };
        }
        let line = String::from_utf8_lossy(&line);
        let Some(line) = line.strip_suffix('\n') else { return Err(wrong("a line of the header is too long")) };
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            match length {
                Some(_) => break,
                None if begun => return Err(wrong("a message has no Content-Length")),
                // Between messages, there may only be empty lines.
                None => continue,
            }
        }
        if line.starts_with('{') {
            return Err(wrong("a message has no header with its Content-Length"));
        }
        begun = true;
        let Some((name, value)) = line.split_once(':') else { return Err(wrong("a line of the header has no colon")) };
        // The request line of a browser may contain a colon as well, but an HTTP request that a web page sends to this
        // port must not be taken for a message.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(wrong("a line of the header does not begin with a name"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>().map_err(|_| wrong("Content-Length is no number"))?);
        }
    }
    let length = length.unwrap_or(0);
    if length > MAX_MESSAGE {
        return Err(wrong("a message is longer than 16 MiB"));
    }
    let mut bytes = Vec::new();
    if input.take(length as u64).read_to_end(&mut bytes)? < length {
        return Err(wrong("a message ends early"));
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Malformed(format!("the message is no JSON: {error}")),
    })
}

/// Writes one message.
pub fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            match read(&mut bytes) {
                Ok(Incoming::Message(message)) => found.push(message.to_string()),
                Ok(Incoming::Malformed(why)) => found.push(why),
                Ok(Incoming::End) => return found,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }

    #[test]
    fn messages_follow_each_other() {
        let text = b"Content-Length: 2\r\n\r\n{}content-length: 3\r\nX: y\r\n\r\n[1]";
        assert_eq!(all(text), ["{}", "[1]"]);
    }

    #[test]
    fn what_is_no_json_does_not_end_the_conversation() {
        let found = all(b"Content-Length: 2\r\n\r\n{xContent-Length: 2\r\n\r\n{}");
        assert!(found[0].starts_with("the message is no JSON") && found[1] == "{}", "{found:?}");
    }

    #[test]
    fn a_length_is_not_believed() {
        assert_eq!(all(b"Content-Length: 99999999999\r\n\r\n{}"), ["a message is longer than 16 MiB"]);
        assert_eq!(all(b"Content-Length: 10\r\n\r\n{}"), ["a message ends early"]);
        assert_eq!(all(&[b'a'; 5000]), ["a line of the header is too long"]);
        let posted = b"POST /a:b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(all(posted), ["a line of the header does not begin with a name"]);
    }

    #[test]
    fn a_message_without_its_length_is_told_from_a_header() {
        assert_eq!(all(b"{\"seq\":1}\n"), ["a message has no header with its Content-Length"]);
        assert_eq!(all(b"Host: here\r\n\r\n"), ["a message has no Content-Length"]);
        assert_eq!(all(b"GET / HTTP/1.1\r\n"), ["a line of the header has no colon"]);
        assert_eq!(all(b"Content-Type: x\r\n"), ["the header ends early"]);
    }
}
