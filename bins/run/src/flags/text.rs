//! Words of docker's flags that several of them share: sizes, durations, files of lines, comma-separated fields.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// Docker's sizes: `64m`, `1.5g`, plain bytes, -1.
pub fn bytes(text: &Option<String>, flag: &str) -> Result<Option<i64>> {
    text.as_ref().map(|text| size(text, flag)).transpose()
}

/// One size.
pub fn size(text: &str, flag: &str) -> Result<i64> {
    let wrong = || format!("invalid argument \"{text}\" for \"{flag}\" flag: invalid size: '{text}'");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower[number.len()..].trim_end_matches('b').trim_end_matches('i');
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => bail!(wrong()),
    };
    let value: f64 = number.trim().parse().with_context(wrong)?;
    Ok((value * (1i64 << shift) as f64) as i64)
}

/// Go's durations in nanoseconds: `1m30s`, `500ms`, `-1s`, `0`.
pub fn duration(text: &str, flag: &str) -> Result<i64> {
    let wrong = || format!("invalid argument \"{text}\" for \"{flag}\" flag: time: invalid duration \"{text}\"");
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut nanoseconds = 0.0;
    if rest.is_empty() {
        bail!(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).with_context(wrong)?;
        let number: f64 = rest[..digits].parse().with_context(wrong)?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        nanoseconds += number
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => bail!(wrong()),
            };
        rest = &rest[unit..];
    }
    Ok((sign * nanoseconds) as i64)
}

/// Fields of one line of comma-separated values, where a field in quotes may hold commas and doubled quotes.
pub fn fields(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let at = all.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => all[at].extend(chars.next()),
            '"' if quoted => quoted = false,
            '"' if all[at].is_empty() => quoted = true,
            ',' if !quoted => all.push(String::new()),
            other => all[at].push(other),
        }
    }
    all
}

/// Go's truths.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Pairs as an object.
pub fn map(list: &[String], separator: char) -> Value {
    let pairs = list.iter().map(|text| text.split_once(separator).unwrap_or((text, "")));
    Value::Object(pairs.map(|(key, value)| (key.to_string(), json!(value))).collect::<Map<_, _>>())
}

/// A list; a bare string is a list of one.
pub fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        Value::String(_) => vec![value.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanoseconds) in [
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("500ms", Some(500_000_000)),
            ("0", Some(0)),
            ("-2h", Some(-7_200_000_000_000)),
            ("5", None),
            ("", None),
            ("1x", None),
        ] {
            assert_eq!(duration(text, "--x").ok(), nanoseconds, "{text}");
        }
    }

    #[test]
    fn fields_may_be_quoted() {
        assert_eq!(fields("type=bind,\"src=/a,b\",ro"), ["type=bind", "src=/a,b", "ro"]);
        assert_eq!(fields("\"a\"\"b\",c"), ["a\"b", "c"]);
    }
}
