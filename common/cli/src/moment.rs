//! Moments as docker's `--since` takes them (moby api/types/time/timestamp.go, v28.5.2).

use model::Timestamp;

/// A time: RFC 3339 or its beginning, seconds since 1970, or how long ago (`1h30m`).
pub fn parse(text: &str) -> Result<Timestamp, String> {
    let found = ago(text).or_else(|| Timestamp::parse_decimal(text)).or_else(|| calendar(text));
    found.ok_or_else(|| {
        "a time (2026-01-02T03:04:05Z), seconds since 1970, or a duration (1h30m) is expected".to_string()
    })
}

fn ago(text: &str) -> Option<Timestamp> {
    let nanos = duration(text)?;
    let now = crate::human::now();
    let at = i128::from(now.seconds) * 1_000_000_000 + i128::from(now.nanos) - nanos;
    let seconds = i64::try_from(at.div_euclid(1_000_000_000)).ok()?;
    Some(Timestamp::new(seconds, at.rem_euclid(1_000_000_000) as u32))
}

/// Go's durations: numbers with units, one after the other.
fn duration(text: &str) -> Option<i128> {
    const UNITS: [(&str, f64); 8] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        nanos += number * factor;
        rest = &rest[end..];
    }
    Some(if negative { -(nanos as i128) } else { nanos as i128 })
}

/// RFC 3339, or what it begins with: a date, a time without seconds or without zone, which is then UTC.
fn calendar(text: &str) -> Option<Timestamp> {
    let padded = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        13 => format!("{text}:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_string(),
    };
    Timestamp::parse_rfc3339(&padded).or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_times_are_taken() {
        for (text, time) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.5+01:00", "2026-01-02T02:04:05.5Z"),
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04", "2026-01-02T03:04:00Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("1136073845.000000001", "2006-01-01T00:04:05.000000001Z"),
            ("0", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(text).map(|time| time.rfc3339()), Ok(time.to_string()), "{text}");
        }
        for text in ["", "x", "1y", "2026-13-02", "-"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, nanos) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("10ms", Some(10_000_000)),
            ("5", None),
            ("", None),
            ("m", None),
        ] {
            assert_eq!(duration(text), nanos, "{text}");
        }
    }
}
