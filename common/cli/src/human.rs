//! Sizes and ages as docker's tables show them (github.com/docker/go-units 0.5, size.go and duration.go).

use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/// A size with three significant digits, base 1000: `78.5MB`. What `images`, `history` and `ps -s` show.
pub fn size(bytes: u64) -> String {
    scaled(bytes as f64, 3, "")
}

/// A size with four significant digits, base 1000: `78.54MB`. What `df` shows.
pub fn size_four(bytes: u64) -> String {
    scaled(bytes as f64, 4, "")
}

/// A size as docker before 1.10 showed it: `180.1 MB`.
pub fn size_spaced(bytes: u64) -> String {
    scaled(bytes as f64, 4, " ")
}

fn scaled(mut size: f64, digits: usize, between: &str) -> String {
    let mut unit = 0;
    while size >= 1000.0 && unit < DECIMAL.len() - 1 {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{between}{}", general(size, digits), DECIMAL[unit])
}

/// C's `%.<digits>g`, which Go's is too: `1e+03` for 999.9 in three digits, as docker prints it.
pub fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    // The exponent is that of the rounded value.
    let scientific = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    trimmed(&format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize)).to_string()
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// How long something is, in docker's words: `3 hours`, `About a minute`, `Less than a second`.
pub fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0 + 0.5) as i64;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long ago an instant is, in docker's words: `2 weeks ago`. Docker prints `N/A` where there is no instant.
pub fn ago(time: Option<Timestamp>, now: Timestamp) -> String {
    match time {
        Some(time) if !time.is_zero() => format!("{} ago", between(time, now)),
        _ => "N/A".into(),
    }
}

/// How long it is from one instant to another, in docker's words. An instant still to come is less than a second away.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    let whole = to.seconds.saturating_sub(from.seconds);
    duration(if to.nanos < from.nanos { whole - 1 } else { whole })
}

/// The first twelve characters of an id without `sha256:`, as docker's tables show ids.
pub fn short_id(id: &str) -> &str {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    bare.char_indices().nth(12).map_or(bare, |(end, _)| &bare[..end])
}

/// A text cut to `length` characters, the last of them `…` where something was cut (docker/cli,
/// cli/command/formatter/displayutils.go).
pub fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_string();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// The moment that ages are counted from: now, or what `SOURCE_DATE_EPOCH` says in seconds since 1970, so that an
/// answer about a host's past can be given again word by word (reproducible-builds.org/specs/source-date-epoch).
pub fn now() -> Timestamp {
    moment(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())
}

fn moment(said: Option<&str>) -> Timestamp {
    if let Some(seconds) = said.and_then(|text| text.parse().ok()) {
        return Timestamp::new(seconds, 0);
    }
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::new(since.as_secs() as i64, since.subsec_nanos()),
        Err(_) => Timestamp::EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        for (bytes, three, four) in [
            (0, "0B", "0B"),
            (5, "5B", "5B"),
            (999, "999B", "999B"),
            (1000, "1kB", "1kB"),
            (1_234_567, "1.23MB", "1.235MB"),
            (78_540_000, "78.5MB", "78.54MB"),
            (999_900, "1e+03kB", "999.9kB"),
            (180_099_999, "180MB", "180.1MB"),
            (1 << 40, "1.1TB", "1.1TB"),
            (u64::MAX, "18.4EB", "18.45EB"),
        ] {
            assert_eq!((size(bytes).as_str(), size_four(bytes).as_str()), (three, four), "{bytes}");
        }
        assert_eq!(size_spaced(24_653), "24.65 kB");
    }

    #[test]
    fn a_moment_may_be_said() {
        assert_eq!(moment(Some("1383360187")), Timestamp::new(1_383_360_187, 0));
        for odd in [None, Some(""), Some("yesterday")] {
            assert!(moment(odd) > Timestamp::new(1_700_000_000, 0), "{odd:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(ellipsis("/bin/sh -c 'echo keep'", 20), "/bin/sh -c 'echo ke…");
        assert_eq!(
            (ellipsis("äöü", 3).as_str(), ellipsis("äöü", 2).as_str(), ellipsis("ab", 0).as_str()),
            ("äöü", "ä…", "…")
        );
        assert_eq!((short_id("sha256:0123456789abcdef"), short_id("ab")), ("0123456789ab", "ab"));
    }

    #[test]
    fn general_is_cs() {
        for (value, digits, text) in [
            (100_000.0, 4, "1e+05"),
            (0.000_01, 3, "1e-05"),
            (0.000_123_4, 3, "0.000123"),
            (1.5, 6, "1.5"),
            (12.0, 1, "1e+01"),
        ] {
            assert_eq!(general(value, digits), text);
        }
    }

    #[test]
    fn ages_are_dockers() {
        const HOUR: i64 = 3600;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 1800, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (14 * 24 * HOUR, "2 weeks"),
            (60 * 24 * HOUR, "2 months"),
            (2 * 365 * 24 * HOUR, "2 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn never_is_no_age() {
        assert_eq!(ago(None, Timestamp::new(5, 0)), "N/A");
        assert_eq!(ago(Some(Timestamp::new(1, 500)), Timestamp::new(3, 400)), "1 second ago");
    }
}
