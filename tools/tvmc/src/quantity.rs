//! Numbers as people read and write them: grouped digits, durations, sizes with a unit, hexadecimal bytes.

use std::fmt::Write;
use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration with three digits that matter: `412 ns`, `1.23 ms`, `4.5 s`.
pub fn duration(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    let (value, unit) = match nanos {
        ..1e3 => return format!("{nanos} ns"),
        ..1e6 => (nanos / 1e3, "us"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// A duration in nanoseconds, for programs.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How long ago something was, coarsely: `3 days ago`.
pub fn ago(secs: u64) -> String {
    let (count, unit) = match secs {
        0..90 => return "just now".to_owned(),
        90..5_400 => (secs / 60, "minute"),
        5_400..129_600 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{} ago", counted(count, unit))
}

/// Bytes as `0x…`.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Bytes from hexadecimal digits, with or without `0x`.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{} hexadecimal digits, expected two for each byte", digits.len()));
    }
    hex::decode(digits).map_err(|error| format!("{error}; expected hexadecimal digits, such as 0x2a00"))
}

/// A whole number in decimal, or hexadecimal with `0x`; underscores may group digits.
pub fn parse_number(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let parsed = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    parsed.map_err(|error| format!("{error}; expected a number from 0 to 2^64 - 1"))
}

/// A size in bytes: a number, or one with `K`, `M` or `G` for powers of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    with_unit(text, &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)])
        .ok_or_else(|| "expected bytes, such as 1000000, 512M or 4G".to_owned())
}

/// An age: a number with `s`, `m`, `h` or `d`.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let has_unit = units.iter().any(|(unit, _)| text.ends_with(unit));
    let secs = with_unit(text, &units).filter(|_| has_unit || text == "0");
    secs.map(Duration::from_secs).ok_or_else(|| "expected an age, such as 12h or 30d".to_owned())
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
        .unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A number and what it counts: `1 file`, `2 files`.
pub fn counted(number: u64, unit: &str) -> String {
    format!("{} {unit}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Text from outside, made safe for a terminal: control characters are escaped.
pub fn defused(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            write!(out, "{}", c.escape_default()).expect("strings take any text");
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        cases.into_iter().for_each(|(number, expected)| assert_eq!(grouped(number), expected));
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn one_of_a_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "file")), ["0 files", "1 file", "2 files"]);
        assert_eq!([ago(89), ago(90), ago(7_200)], ["just now", "1 minute ago", "2 hours ago"]);
    }

    #[test]
    fn durations_have_three_digits() {
        let cases =
            [(0, "0 ns"), (999, "999 ns"), (1_234, "1.23 us"), (12_345_678, "12.3 ms"), (123_456_789, "123 ms")];
        cases.into_iter().for_each(|(ns, expected)| assert_eq!(duration(Duration::from_nanos(ns)), expected));
        assert_eq!(duration(Duration::from_secs(4)), "4.00 s");
    }

    #[test]
    fn hexadecimal_arguments() {
        assert_eq!(parse_hex("0x2aFf"), Ok(vec![0x2a, 0xff]));
        assert_eq!(parse_hex(""), Ok(vec![]));
        assert_eq!(parse_hex("0x"), Ok(vec![]));
        assert!(parse_hex("0x2").is_err() && parse_hex("zz").is_err() && parse_hex("0x0x").is_err());
    }

    #[test]
    fn numbers_up_to_the_limit_and_no_further() {
        assert_eq!(parse_number("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_number("0xffffffffffffffff"), Ok(u64::MAX));
        assert_eq!(parse_number("1_000"), Ok(1000));
        assert!(parse_number("18446744073709551616").is_err() && parse_number("-1").is_err());
        assert!(parse_number("").is_err());
    }

    #[test]
    fn sizes_and_ages_have_units() {
        assert_eq!(parse_size("3"), Ok(3));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size(&format!("{}G", (1_u64 << 34) - 1)), Ok(((1 << 34) - 1) << 30));
        assert!(
            parse_size(&format!("{}G", 1_u64 << 34)).is_err() && parse_size("M").is_err() && parse_size("1T").is_err()
        );
        assert_eq!(parse_age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_age("0"), Ok(Duration::ZERO));
        assert!(parse_age("30").is_err() && parse_age("d").is_err());
    }

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(defused("a\x1b[2Jb"), "a\\u{1b}[2Jb");
    }
}
