//! Instructions out of text: comments left out, lines that end in a backslash joined.

/// The instructions as name and rest, both trimmed.
pub fn split(text: &str) -> Vec<(String, String)> {
    let mut instructions = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        if line.trim_start().starts_with('#') || open.is_some() && line.trim().is_empty() {
            continue;
        }
        let line = if open.is_none() { line.trim_start() } else { line };
        let trimmed = line.trim_end_matches([' ', '\t']);
        let mut whole = open.take().unwrap_or_default();
        match trimmed.strip_suffix('\\') {
            Some(begun) => {
                whole.push_str(begun);
                open = Some(whole);
            }
            None => {
                whole.push_str(line);
                instructions.extend(instruction(&whole));
            }
        }
    }
    instructions.extend(open.as_deref().and_then(instruction));
    instructions
}

fn instruction(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    (!name.is_empty()).then(|| (name.to_string(), rest.trim().to_string()))
}
