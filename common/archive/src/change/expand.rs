//! Quotes taken off and variables filled in, as a shell would.

use super::ChangeError;

/// What `word` comes to, with `env` as `NAME=value`.
pub fn word(word: &str, env: &[String]) -> Result<String, ChangeError> {
    let mut expansion = Expansion { rest: word.chars().peekable(), env };
    expansion.until(None).map_err(|why| ChangeError::new(format!("failed to process {word:?}: {why}")))
}

struct Expansion<'w> {
    rest: std::iter::Peekable<std::str::Chars<'w>>,
    env: &'w [String],
}

impl Expansion<'_> {
    /// Expands up to the character `end`, which is taken, or the end.
    fn until(&mut self, end: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                c if Some(c) == end => return Ok(out),
                '\'' => self.single(&mut out)?,
                '"' => self.double(&mut out)?,
                '$' => out.push_str(&self.variable()?),
                '\\' => out.extend(self.rest.next()),
                c => out.push(c),
            }
        }
        match end {
            Some(end) => Err(format!("unexpected end of statement while looking for matching {end}")),
            None => Ok(out),
        }
    }

    fn single(&mut self, out: &mut String) -> Result<(), String> {
        for c in self.rest.by_ref() {
            if c == '\'' {
                return Ok(());
            }
            out.push(c);
        }
        Err("unexpected end of statement while looking for matching single-quote".to_string())
    }

    fn double(&mut self, out: &mut String) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '"' => return Ok(()),
                '$' => out.push_str(&self.variable()?),
                '\\' => match self.rest.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    other => out.extend(std::iter::once('\\').chain(other)),
                },
                c => out.push(c),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".to_string())
    }

    /// What comes after `$`.
    fn variable(&mut self) -> Result<String, String> {
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_string() } else { self.value(&name).unwrap_or_default() });
        }
        self.rest.next();
        let name = self.name();
        match (self.rest.next(), name.is_empty()) {
            (Some('}'), false) => Ok(self.value(&name).unwrap_or_default()),
            (Some(':'), false) => self.modified(&name),
            (_, true) => Err("syntax error: bad substitution".to_string()),
            _ => Err("missing ':' in substitution".to_string()),
        }
    }

    fn modified(&mut self, name: &str) -> Result<String, String> {
        let modifier = self.rest.next();
        let word = self.until(Some('}'))?;
        let value = self.value(name).unwrap_or_default();
        match modifier {
            Some('+') => Ok(if value.is_empty() { value } else { word }),
            Some('-') => Ok(if value.is_empty() { word } else { value }),
            Some('?') if !value.is_empty() => Ok(value),
            Some('?') => Err(format!("{name}: {}", if word.is_empty() { "is not allowed to be empty" } else { &word })),
            other => {
                Err(format!("unsupported modifier ({}) in substitution", other.map(String::from).unwrap_or_default()))
            }
        }
    }

    /// A name: letters, digits and underscores, or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || matches!(c, '@' | '*' | '#')) {
            name.push(c);
            return name;
        }
        while let Some(c) = self.rest.next_if(|c| *c == '_' || c.is_alphanumeric()) {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        self.env
            .iter()
            .find_map(|entry| entry.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }
}
