//! An instant: seconds and nanoseconds since 1970, also before it, with the texts that docker and tar write for it.

use std::fmt;

/// An instant in UTC. `nanos` counts forward from `seconds`, also before 1970: -1.5 s is `seconds -2, nanos 500_000_000`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Timestamp {
    /// Go's zero time, 0001-01-01T00:00:00Z: what docker writes for "never".
    pub const ZERO: Timestamp = Timestamp { seconds: -62_135_596_800, nanos: 0 };
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp { seconds: 0, nanos: 0 };

    /// An instant from whole seconds and nanoseconds; more than a second of nanoseconds is carried over.
    pub fn new(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp { seconds: seconds.saturating_add(i64::from(nanos / 1_000_000_000)), nanos: nanos % 1_000_000_000 }
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(self) -> bool {
        self == Timestamp::ZERO
    }

    /// Reads RFC 3339 as Go writes it: 0 to 9 digits of fraction (more are cut), `Z` or an offset, which is applied.
    /// Also takes a space for the `T`, and docker's `2006-01-02 15:04:05 +0000 UTC`. `None` when it is no time.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let b = text.as_bytes();
        if b.len() < 20
            || b[4] != b'-'
            || b[7] != b'-'
            || !matches!(b[10], b'T' | b't' | b' ')
            || b[13] != b':'
            || b[16] != b':'
        {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<i64> {
            b[from..to]
                .iter()
                .all(u8::is_ascii_digit)
                .then(|| b[from..to].iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        let mut nanos = 0u32;
        if b.get(at) == Some(&b'.') {
            at += 1;
            let digits = b[at..].iter().take_while(|d| d.is_ascii_digit()).count();
            for i in 0..9 {
                nanos = nanos * 10 + if i < digits { u32::from(b[at + i] - b'0') } else { 0 };
            }
            at += digits;
        }
        let offset = parse_offset(text[at..].trim_start())?;
        let days = days_from_civil(year, month, day);
        Some(Timestamp { seconds: days * 86_400 + hour * 3600 + minute * 60 + second - offset, nanos })
    }

    /// The text that Go's RFC3339Nano gives in UTC: trailing zeros of the fraction are dropped.
    pub fn rfc3339(self) -> String {
        let (date, time) = self.civil();
        format!("{date}T{time}{}Z", fraction(self.nanos))
    }

    /// What docker's tables show: `2026-01-02 03:04:05 +0000 UTC`.
    pub fn docker(self) -> String {
        let (date, time) = self.civil();
        format!("{date} {time} +0000 UTC")
    }

    /// What docker's log timestamps show: RFC 3339 with all nine digits.
    pub fn rfc3339_nine(self) -> String {
        let (date, time) = self.civil();
        format!("{date}T{time}.{:09}Z", self.nanos)
    }

    /// Decimal seconds as pax headers hold them: `-1.5`, `12.000000001`, `12`.
    pub fn decimal(self) -> String {
        if self.seconds < 0 && self.nanos > 0 {
            let whole = -(self.seconds + 1);
            return format!("-{whole}{}", fraction(1_000_000_000 - self.nanos));
        }
        format!("{}{}", self.seconds, fraction(self.nanos))
    }

    /// Reads decimal seconds as pax headers hold them; more than nine digits of fraction are cut towards the past.
    pub fn parse_decimal(text: &str) -> Option<Timestamp> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty() || !whole.bytes().chain(part.bytes()).all(|d| d.is_ascii_digit()) {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut nanos = 0u32;
        for i in 0..9 {
            nanos = nanos * 10 + part.as_bytes().get(i).map_or(0, |d| u32::from(d - b'0'));
        }
        if !negative {
            return Some(Timestamp { seconds: whole, nanos });
        }
        let cut = part.len() > 9 && part.as_bytes()[9..].iter().any(|&d| d != b'0');
        let nanos = nanos + u32::from(cut);
        Some(if nanos == 0 { Timestamp::new(-whole, 0) } else { Timestamp::new(-whole - 1, 1_000_000_000 - nanos) })
    }

    fn civil(self) -> (String, String) {
        let days = self.seconds.div_euclid(86_400);
        let rest = self.seconds.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        (format!("{year:04}-{month:02}-{day:02}"), format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

fn fraction(nanos: u32) -> String {
    if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_string() }
}

/// Seconds east of UTC. Takes `Z`, `UTC`, `+01:00`, `+0100`, and a zone's name after the digits.
fn parse_offset(text: &str) -> Option<i64> {
    let digits = text.split(' ').next().unwrap_or(text);
    match digits {
        "Z" | "z" | "UTC" => return Some(0),
        _ => {}
    }
    let sign = match digits.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let plain: String = digits[1..].chars().filter(|&c| c != ':').collect();
    if !(plain.len() == 4 || plain.len() == 6) || !plain.bytes().all(|d| d.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| plain[from..from + 2].parse::<i64>().ok();
    let seconds = if plain.len() == 6 { part(4)? } else { 0 };
    Some(sign * (part(0)? * 3600 + part(2)? * 60 + seconds))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's algorithm `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_engines_wrote() {
        for (text, seconds, nanos) in [
            ("2013-11-01T19:29:07.143233156-07:00", 1_383_359_347, 143_233_156),
            ("2014-09-06T10:53:26.583568469Z", 1_410_000_806, 583_568_469),
            ("0001-01-01T00:00:00Z", Timestamp::ZERO.seconds, 0),
            ("2013-06-26T13:12:29.57812Z", 1_372_252_349, 578_120_000),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
            ("2026-11-21 03:06:16 +0000 UTC", 1_795_230_376, 0),
            ("1901-12-13T20:45:52.0000000001Z", -2_147_483_648, 0),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Some(Timestamp { seconds, nanos }), "{text}");
        }
        for text in [
            "",
            "5",
            "2014-09-06",
            "2014-13-06T10:53:26Z",
            "2014-09-06T10:53:26",
            "2014-09-06T10:53:26+1:0",
            "ääääääääääää",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn decimal_seconds_count_backwards_before_1970() {
        for (text, seconds, nanos) in [
            ("-1.5", -2, 500_000_000),
            ("-0.000000001", -1, 999_999_999),
            ("0.5", 0, 500_000_000),
            ("-3", -3, 0),
            ("-0.0000000001", -1, 999_999_999),
        ] {
            assert_eq!(Timestamp::parse_decimal(text), Some(Timestamp { seconds, nanos }), "{text}");
        }
        assert_eq!(Timestamp::new(-2, 500_000_000).decimal(), "-1.5");
        assert_eq!(Timestamp::parse_decimal("1e5"), None);
    }

    proptest! {
        #[test]
        fn both_texts_come_back(seconds in -62_135_596_800i64..253_402_300_800, nanos in 0u32..1_000_000_000) {
            let time = Timestamp { seconds, nanos };
            prop_assert_eq!(Timestamp::parse_rfc3339(&time.rfc3339()), Some(time));
            prop_assert_eq!(Timestamp::parse_decimal(&time.decimal()), Some(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = (Timestamp::parse_rfc3339(&text), Timestamp::parse_decimal(&text));
        }
    }
}
