//! Words of an instruction, quotes still in them.

use super::ChangeError;

/// The words of `rest`, split at spaces outside of quotes.
pub fn split(rest: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = rest.chars();
    let mut begun = false;
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
                continue;
            }
            ('\\', None | Some('"')) => {
                word.push(c);
                word.extend(chars.next());
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.push(c);
            }
            (c, Some(q)) => {
                quote = (c != q).then_some(q);
                word.push(c);
            }
            (c, None) => word.push(c),
        }
        begun = true;
    }
    if begun {
        words.push(word);
    }
    words
}

/// Names and values: `a=b c=d`, or in the old form a name, a space, and all the rest.
pub fn pairs(instruction: &str, rest: &str) -> Result<Vec<(String, String)>, ChangeError> {
    let words = split(rest);
    let Some(first) = words.first() else {
        return Err(ChangeError::new(format!("{instruction} requires at least one argument")));
    };
    if !first.contains('=') {
        let (name, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| ChangeError::new(format!("{instruction} must have two arguments")))?;
        return Ok(vec![(name.to_string(), value.trim().to_string())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) => Ok((name.to_string(), value.to_string())),
            None => Err(ChangeError::new(format!(
                "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
            ))),
        })
        .collect()
}

/// The texts of a JSON list; `None` where `rest` is none. What comes after the list is not looked at.
pub fn json(rest: &str) -> Result<Option<Vec<String>>, ChangeError> {
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Some(Ok(list)) = serde_json::Deserializer::from_str(rest).into_iter::<Vec<serde_json::Value>>().next() else {
        return Ok(None);
    };
    let texts = list.into_iter().map(|item| match item {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(ChangeError::new("when using JSON array syntax, arrays must be comprised of strings only")),
    });
    texts.collect::<Result<_, _>>().map(Some)
}
