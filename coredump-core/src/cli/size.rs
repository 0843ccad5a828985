//! Sizes, as people write and read them.

/// A size in bytes, or with a binary unit: `65536`, `64k`, `1m`, `2g`.
pub fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a size: 65536, 64k, 1m, 2g");
    let lower = text.to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let shift = match &lower[digits..] {
        "" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(bad()),
    };
    let number: u64 = lower[..digits].parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// A number of bytes, for a person.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = if count == 0 { 0 } else { (count.ilog2() / 10) as usize };
    let whole = 1u64 << (10 * unit);
    match count % whole {
        0 => format!("{} {}", count / whole, UNITS[unit]),
        _ => format!("{:.1} {}", count as f64 / whole as f64, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_binary_unit_or_none() {
        let sizes = ["65536", "64k", "1M", "2g", "3GiB"].map(|text| size(text).unwrap());
        assert_eq!(sizes, [65536, 65536, 1 << 20, 2 << 30, 3 << 30]);
        assert!(["", "k", "-1", "1x", "99999999999g"].iter().all(|text| size(text).is_err()));
    }

    #[test]
    fn sizes_read_well() {
        let all: Vec<_> = [0, 1023, 1024, 131072, 1536, u64::MAX].into_iter().map(bytes).collect();
        assert_eq!(all, ["0 bytes", "1023 bytes", "1 KiB", "128 KiB", "1.5 KiB", "16.0 EiB"]);
    }
}
