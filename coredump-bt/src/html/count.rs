//! Numbers and times as people read them.

use std::time::SystemTime;

/// Seconds from the beginning of 1970 to that of the year 10000.
const YEAR_10000: u64 = 253_402_300_800;

/// `1 frame`, `100,000 frames`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count as u64), if count == 1 { "" } else { "s" })
}

/// A number with commas between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time for people; `None` for a year without four digits, which comes from a wrong clock.
pub fn moment(time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let written = || humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC");
    (since.as_secs() < YEAR_10000).then(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 12, 999, 1000, 100_000, 1_234_567].map(grouped),
            ["0", "12", "999", "1,000", "100,000", "1,234,567"]
        );
        assert_eq!([counted(1, "frame"), counted(2, "frame")], ["1 frame", "2 frames"]);
    }
}
