//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf` (Go 1.24, fmt/print.go and fmt/format.go).

use std::fmt::Write;

use serde_json::Value;

use super::value::{Val, number_text, plain, shortest};

/// What `print` gives: a space between operands where neither is a text.
pub fn sprint(args: &[Val]) -> String {
    let mut out = String::new();
    for (n, arg) in args.iter().enumerate() {
        if n > 0 && arg.text().is_none() && args[n - 1].text().is_none() {
            out.push(' ');
        }
        out.push_str(&plain_or_nil(arg));
    }
    out
}

/// What `println` gives: a space between all operands, and a newline.
pub fn sprintln(args: &[Val]) -> String {
    let texts: Vec<String> = args.iter().map(plain_or_nil).collect();
    texts.join(" ") + "\n"
}

fn plain_or_nil(arg: &Val) -> String {
    plain(arg.json())
}

/// What one `%` of a format asks for.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The widest a `%…` may pad to. Go has no limit but memory.
const WIDEST: usize = 1 << 16;

/// What `printf` gives.
pub fn sprintf(format: &str, args: &[Val]) -> String {
    let mut out = String::new();
    let mut rest = args.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let verb = Verb::read(&mut chars, &mut rest);
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(letter) => match rest.next() {
                None => write!(out, "%!{letter}(MISSING)").expect("a String takes all"),
                Some(arg) => out.push_str(&verb.one(letter, arg.json(), arg)),
            },
        }
    }
    extra(rest.as_slice(), &mut out);
    out
}

fn extra(args: &[Val], out: &mut String) {
    if args.is_empty() {
        return;
    }
    let named = |arg: &Val| match arg.json() {
        Value::Null => "<nil>".to_string(),
        value => format!("{}={}", arg.kind(), plain(value)),
    };
    let list: Vec<String> = args.iter().map(named).collect();
    write!(out, "%!(EXTRA {})", list.join(", ")).expect("a String takes all");
}

impl Verb {
    fn read<'v>(
        chars: &mut std::iter::Peekable<std::str::Chars>,
        args: &mut impl Iterator<Item = &'v Val<'v>>,
    ) -> Verb {
        let mut verb = Verb::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.space = true,
                _ => verb.zero = true,
            }
        }
        verb.width = count(chars, args, &mut verb.minus);
        if chars.next_if_eq(&'.').is_some() {
            verb.precision = Some(count(chars, args, &mut false).unwrap_or(0));
        }
        verb
    }

    fn one(&self, letter: char, value: &Value, arg: &Val) -> String {
        match (letter, value) {
            ('T', _) => self.padded(if value.is_null() { "<nil>" } else { arg.kind() }.to_string()),
            ('v', Value::Null) => self.padded("<nil>".into()),
            (_, Value::Null) => format!("%!{letter}(<nil>)"),
            (_, Value::Array(items)) => {
                let items: Vec<String> =
                    items.iter().map(|item| self.one(letter, item, &Val::borrowed(item))).collect();
                format!("[{}]", items.join(" "))
            }
            (_, Value::Object(object)) => {
                let mut pairs: Vec<(&String, &Value)> = object.iter().collect();
                pairs.sort_by_key(|(key, _)| *key);
                let text = |value: &Value| self.one(letter, value, &Val::borrowed(value));
                let pairs: Vec<String> =
                    pairs.iter().map(|(k, v)| format!("{}:{}", text(&Value::from(k.as_str())), text(v))).collect();
                format!("map[{}]", pairs.join(" "))
            }
            ('t' | 'v', Value::Bool(b)) => self.padded(b.to_string()),
            (_, Value::String(text)) => self.text(letter, text).unwrap_or_else(|| bad(letter, arg)),
            (_, Value::Number(number)) if number.is_f64() => {
                self.float(letter, number.as_f64().unwrap_or(f64::NAN)).unwrap_or_else(|| bad(letter, arg))
            }
            (_, Value::Number(number)) => self.whole(letter, number).unwrap_or_else(|| bad(letter, arg)),
            _ => bad(letter, arg),
        }
    }

    fn text(&self, letter: char, text: &str) -> Option<String> {
        let cut: String = self.precision.map_or_else(|| text.to_string(), |n| text.chars().take(n).collect());
        Some(match letter {
            's' | 'v' if !(self.sharp && letter == 'v') => self.padded(cut),
            'q' if self.sharp && !cut.contains('`') => self.padded(format!("`{cut}`")),
            'q' | 'v' => self.padded(quoted(&cut)),
            'x' => self.padded(cut.bytes().map(|b| format!("{b:02x}")).collect()),
            'X' => self.padded(cut.bytes().map(|b| format!("{b:02X}")).collect()),
            _ => return None,
        })
    }

    fn whole(&self, letter: char, number: &serde_json::Number) -> Option<String> {
        let value = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))?;
        let size = value.unsigned_abs();
        let digits = match letter {
            'd' | 'v' => size.to_string(),
            'x' => format!("{}{size:x}", if self.sharp { "0x" } else { "" }),
            'X' => format!("{}{size:X}", if self.sharp { "0X" } else { "" }),
            'o' => format!("{}{size:o}", if self.sharp { "0" } else { "" }),
            'O' => format!("0o{size:o}"),
            'b' => format!("{size:b}"),
            'c' => {
                return Some(self.padded(char::from_u32(u32::try_from(value).ok()?).unwrap_or('\u{fffd}').to_string()));
            }
            'q' => return Some(self.padded(format!("'{}'", char::from_u32(u32::try_from(value).ok()?)?))),
            'U' => return Some(self.padded(format!("U+{size:04X}"))),
            _ => return None,
        };
        let digits = format!("{:0>1$}", digits, self.precision.unwrap_or(0).min(WIDEST));
        Some(self.number(value < 0, digits))
    }

    fn float(&self, letter: char, value: f64) -> Option<String> {
        let size = value.abs();
        let digits = match (letter, self.precision) {
            ('v' | 'g' | 'G', None) => shortest(size),
            ('v' | 'g' | 'G', Some(precision)) => crate::human::general(size, precision.clamp(1, 40)),
            ('f' | 'F', precision) => format!("{size:.*}", precision.unwrap_or(6).min(WIDEST)),
            ('e' | 'E', precision) => {
                let text = format!("{size:.*e}", precision.unwrap_or(6).min(WIDEST));
                let (mantissa, exponent) = text.split_once('e')?;
                let exponent: i32 = exponent.parse().ok()?;
                format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
            }
            _ => return None,
        };
        let digits = if letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        Some(self.number(value.is_sign_negative() && value != 0.0, digits))
    }

    fn number(&self, is_negative: bool, digits: String) -> String {
        let sign = match (is_negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        if self.zero && !self.minus && self.precision.is_none() {
            let width = self.width.unwrap_or(0).saturating_sub(sign.len());
            return format!("{sign}{digits:0>width$}");
        }
        self.padded(format!("{sign}{digits}"))
    }

    fn padded(&self, text: String) -> String {
        let width = self.width.unwrap_or(0);
        match (self.minus, self.zero) {
            (true, _) => format!("{text:<width$}"),
            (false, true) => format!("{text:0>width$}"),
            (false, false) => format!("{text:>width$}"),
        }
    }
}

fn bad(letter: char, arg: &Val) -> String {
    format!("%!{letter}({}={})", arg.kind(), plain(arg.json()))
}

/// Digits, or a `*` that takes them from the next argument; a negative one is a minus flag.
fn count<'v>(
    chars: &mut std::iter::Peekable<std::str::Chars>,
    args: &mut impl Iterator<Item = &'v Val<'v>>,
    minus: &mut bool,
) -> Option<usize> {
    if chars.next_if_eq(&'*').is_some() {
        let given = args.next()?.json().as_i64()?;
        *minus |= given < 0;
        return Some((given.unsigned_abs() as usize).min(WIDEST));
    }
    let mut number = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        number = Some((number.unwrap_or(0) * 10 + (digit as usize - '0' as usize)).min(WIDEST));
    }
    number
}

/// A text as Go's `%q` writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => write!(out, "\\x{:02x}", c as u32).expect("a String takes all"),
            c if model::path::is_unsafe(c) || c == '\u{a0}' || c == '\u{ad}' => {
                write!(out, "\\u{:04x}", c as u32).expect("a String takes all")
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A number or text as `fmt.Sprint` gives it alone; what `join` puts between separators.
pub fn alone(value: &Value) -> String {
    match value {
        Value::Number(number) => number_text(number),
        other => plain(other),
    }
}
