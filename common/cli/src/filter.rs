//! `--filter KEY=VALUE`, as docker has it: several values of one key are alternatives, several keys all hold.

use regex_lite::Regex;

use crate::wrong_usage;

/// The flag. Flatten into a program's arguments, and say in its help which keys there are.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct FilterArg {
    /// Show only what fits, as KEY=VALUE; several values of a key are alternatives
    #[arg(long, short = 'f', value_name = "FILTER")]
    filter: Vec<String>,
}

/// Filters by key.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(String, String)>);

impl FilterArg {
    /// Whether any was given.
    pub fn is_given(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Reads the filters; `known` are the keys that the list has.
    pub fn read(&self, known: &[&str]) -> anyhow::Result<Filters> {
        Filters::read(&self.filter, known)
    }
}

impl Filters {
    /// Reads filters; `known` are the keys that the list has.
    pub fn read(given: &[String], known: &[&str]) -> anyhow::Result<Filters> {
        let mut filters = Vec::new();
        for filter in given {
            let Some((key, value)) = filter.split_once('=') else {
                wrong_usage!("bad format of filter '{}' (expected name=value)", shown(filter));
            };
            let key = key.trim().to_ascii_lowercase();
            if !known.contains(&key.as_str()) {
                wrong_usage!("invalid filter '{}': one of {} is expected", shown(&key), known.join(", "));
            }
            filters.push((key, value.trim().to_string()));
        }
        Ok(Filters(filters))
    }

    /// Adds one.
    pub fn add(&mut self, key: &str, value: &str) {
        self.0.push((key.to_string(), value.to_string()));
    }

    /// The values of a key.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key was given.
    pub fn has(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// Whether one of a key's values fits, or the key was not given.
    pub fn any(&self, key: &str, fits: impl FnMut(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).any(fits)
    }

    /// Whether one of a key's values, as a regular expression or as it is, is found in one of the texts.
    pub fn matches(&self, key: &str, texts: &[&str]) -> bool {
        self.any(key, |value| {
            texts.contains(&value) || Regex::new(value).is_ok_and(|regex| texts.iter().any(|text| regex.is_match(text)))
        })
    }

    /// Whether all `label` filters, `NAME` or `NAME=VALUE`, fit.
    pub fn labels(&self, labels: &[(String, String)]) -> bool {
        self.values("label").all(|wanted| {
            let (name, value) = wanted.split_once('=').map_or((wanted, None), |(name, value)| (name, Some(value)));
            labels.iter().any(|(n, v)| n == name && value.is_none_or(|value| v == value))
        })
    }

    /// A key that is true or false, where given.
    pub fn flag(&self, key: &str) -> anyhow::Result<Option<bool>> {
        let mut flag = None;
        for value in self.values(key) {
            flag = match value.to_ascii_lowercase().as_str() {
                "1" | "true" | "t" => Some(true),
                "0" | "false" | "f" => Some(false),
                _ => wrong_usage!("invalid filter '{key}={}': true or false is expected", shown(value)),
            };
        }
        Ok(flag)
    }
}

fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    model::path::shown(text.as_bytes())
}

/// Whether a text fits a pattern of Go's `path.Match`: `*` and `?` match no slash, `[a-z]` and `[^a-z]` one character.
/// A malformed pattern matches nothing.
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    glob_chars(&pattern, &text)
}

// Goes back to the last star only, so that no pattern takes longer than pattern times text.
fn glob_chars(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(_) => one(&pattern[p..], text[t]),
            None => None,
        };
        match (step, star) {
            (Some(width), _) => (p, t) = (p + width, t + 1),
            (None, Some((after, from))) if text[from] != '/' => {
                star = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether one character fits the beginning of a pattern: how much of the pattern that was.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => (c != '/').then_some(1),
        ['\\', wanted, ..] => (*wanted == c).then_some(2),
        ['[', inside @ ..] => class(inside, c).map(|width| width + 1),
        [wanted, ..] => (*wanted == c).then_some(1),
        [] => None,
    }
}

fn class(inside: &[char], c: char) -> Option<usize> {
    let negated = inside.first() == Some(&'^');
    let mut at = usize::from(negated);
    let mut fits = false;
    while *inside.get(at)? != ']' {
        let low = inside[at];
        let is_range = inside.get(at + 1) == Some(&'-') && inside.get(at + 2).is_some_and(|high| *high != ']');
        let high = if is_range { inside[at + 2] } else { low };
        fits |= low <= c && c <= high;
        at += if is_range { 3 } else { 1 };
    }
    (fits != negated).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(given: &[&str]) -> Filters {
        Filters::read(&given.iter().map(ToString::to_string).collect::<Vec<_>>(), &["name", "label", "dangling"])
            .unwrap()
    }

    #[test]
    fn values_of_a_key_are_alternatives_labels_all_hold() {
        let labels = [("a".to_string(), "1".to_string()), ("b".to_string(), String::new())];
        assert!(filters(&["name=^/web$", "name=db"]).matches("name", &["/web", "web"]));
        assert!(!filters(&["name=^we$"]).matches("name", &["/web", "web"]));
        assert!(filters(&["name=a["]).matches("name", &["a["]), "what is no regular expression is a name");
        assert!(filters(&["label=a=1", "label=b"]).labels(&labels));
        assert!(!filters(&["label=a=1", "label=c"]).labels(&labels));
        assert!(filters(&[]).labels(&labels) && filters(&[]).matches("name", &[]));
        assert_eq!(filters(&["dangling=True"]).flag("dangling").unwrap(), Some(true));
    }

    #[test]
    fn mistakes_are_told() {
        let mistake = |given: &str| Filters::read(&[given.to_string()], &["name"]).unwrap_err().to_string();
        assert_eq!(mistake("name"), "bad format of filter 'name' (expected name=value)");
        assert_eq!(mistake("x=1"), "invalid filter 'x': one of name is expected");
    }

    #[test]
    fn patterns_are_gos() {
        for (pattern, text, fits) in [
            ("app*", "app:1", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("[", "[", false),
            ("\\*", "*", true),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
