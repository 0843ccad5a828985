//! Reads and writes packets: `$data#checksum`, acknowledged by `+` until the client asks to stop that. Specification:
//! GDB manual, "Remote Protocol, Overview".

use std::io::{self, BufRead, Read, Write};

/// The size limit of a packet's data, in bytes: no request of a client that only reads is longer.
pub const MAX_PACKET: usize = 1 << 17;

/// The result of reading from the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The data of a packet.
    Packet(Vec<u8>),
    /// A packet with a wrong checksum.
    Garbled,
    /// A packet of more than [`MAX_PACKET`] bytes, which were skipped.
    TooLong,
    /// The client asks to repeat the last packet.
    Resend,
    /// The client closed the connection.
    End,
}

/// Reads up to the end of a packet. Bytes between packets are skipped: acknowledgements, and requests to interrupt the
/// program, which has ended.
pub fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    loop {
        match byte(input)? {
            None => return Ok(Incoming::End),
            Some(b'$') => return packet(input),
            Some(b'-') => return Ok(Incoming::Resend),
            Some(_) => {}
        }
    }
}

fn packet(input: &mut impl BufRead) -> io::Result<Incoming> {
    let mut data = Vec::new();
    input.by_ref().take(MAX_PACKET as u64 + 1).read_until(b'#', &mut data)?;
    let kept = data.pop_if(|last| *last == b'#').is_some();
    if !kept && data.len() <= MAX_PACKET {
        return Ok(Incoming::End);
    }
    if !kept {
        input.skip_until(b'#')?;
    }
    let (Some(high), Some(low)) = (byte(input)?, byte(input)?) else { return Ok(Incoming::End) };
    if !kept {
        return Ok(Incoming::TooLong);
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let sum = digit(high).zip(digit(low)).map(|(high, low)| (high * 16 + low) as u8);
    Ok(if sum == Some(checksum(&data)) { Incoming::Packet(data) } else { Incoming::Garbled })
}

fn byte(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A packet as it is sent. Bytes with a special meaning in the protocol are escaped.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(data.len() + 4);
    packet.push(b'$');
    for &byte in data {
        match byte {
            b'#' | b'$' | b'}' | b'*' => packet.extend([b'}', byte ^ 0x20]),
            byte => packet.push(byte),
        }
    }
    let sum = checksum(&packet[1..]);
    let _ = write!(packet, "#{sum:02x}");
    packet
}

fn checksum(data: &[u8]) -> u8 {
    data.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from(b"0123456789abcdef"[usize::from(digit)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Incoming> {
        let mut found = Vec::new();
        loop {
            match read(&mut bytes).unwrap() {
                Incoming::End => return found,
                incoming => found.push(incoming),
            }
        }
    }

    #[test]
    fn packets_follow_each_other_with_acknowledgements_between() {
        assert_eq!(
            all(b"+$g#67+$#00\x03-"),
            [Incoming::Packet(b"g".to_vec()), Incoming::Packet(Vec::new()), Incoming::Resend]
        );
    }

    #[test]
    fn a_wrong_checksum_is_noticed() {
        assert_eq!(all(b"$g#68$g#zz$g#67"), [Incoming::Garbled, Incoming::Garbled, Incoming::Packet(b"g".to_vec())]);
        assert_eq!(all(b"$g"), []);
        assert_eq!(all(b"$g#6"), []);
    }

    #[test]
    fn a_packet_without_end_is_not_kept() {
        let mut long = vec![b'a'; 3 * MAX_PACKET];
        long[0] = b'$';
        long.extend(b"#00$g#67");
        assert_eq!(all(&long), [Incoming::TooLong, Incoming::Packet(b"g".to_vec())]);
        // A packet that just fits is accepted.
        let mut data = vec![b'$'];
        data.extend(vec![0; MAX_PACKET]);
        data.extend(b"#00");
        assert_eq!(all(&data), [Incoming::Packet(vec![0; MAX_PACKET])]);
    }

    #[test]
    fn bytes_of_the_protocol_are_escaped() {
        assert_eq!(framed(b"OK"), b"$OK#9a");
        assert_eq!(framed(b"}#"), b"$}]}\x03#5a");
        assert_eq!(hex(&[0, 0xaf]), "00af");
    }
}
