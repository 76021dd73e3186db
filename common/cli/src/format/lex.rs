//! Words of a Go template (Go 1.24, text/template/parse/lex.go).

use super::TemplateError;

/// A word and where it begins in the template, in bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub at: usize,
}

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text outside of actions, with trim marks applied.
    Text,
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// Space inside of an action.
    Space,
    /// `true`, `false`.
    Bool,
    /// A number or a character constant.
    Number,
    /// `"…"` or `` `…` ``, still quoted.
    Quoted,
    /// `.name`.
    Field,
    /// `.` alone.
    Dot,
    /// `$` or `$name`.
    Variable,
    /// A function's name.
    Name,
    /// `if`, `range`, `end`, … and `nil`.
    Keyword,
    /// `|`.
    Pipe,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    /// `(`.
    LeftParen,
    /// `)`.
    RightParen,
    /// `,`.
    Comma,
    /// Any other printable character of ASCII.
    Other,
    /// The end.
    End,
}

const KEYWORDS: [&str; 12] =
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with", "."];

/// Cuts a template into words; the last is [`Kind::End`].
pub fn lex(source: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    while lexer.text()? {
        lexer.action()?;
    }
    lexer.push(Kind::End, source.len(), source.len());
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, from: usize, to: usize) {
        self.tokens.push(Token { kind, text: self.source[from..to].to_string(), at: from });
        self.at = to;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::parse(self.source, self.at, message))
    }

    /// Takes text up to an action or the end, and comments; false at the end.
    fn text(&mut self) -> Result<bool, TemplateError> {
        let Some(length) = self.rest().find("{{") else {
            let end = self.source.len();
            self.push_text(self.at, end, end);
            return Ok(false);
        };
        let (from, open) = (self.at, self.at + length);
        let trims = is_trim_open(&self.source[open + 2..]);
        let to = if trims { from + trim_end(&self.source[from..open]).len() } else { open };
        self.push_text(from, to, open);
        let inside = open + 2 + if trims { 2 } else { 0 };
        if self.source[inside..].starts_with("/*") {
            self.at = inside;
            self.comment()?;
            return self.text();
        }
        self.push(Kind::Open, open, inside);
        Ok(true)
    }

    fn push_text(&mut self, from: usize, to: usize, next: usize) {
        if to > from {
            self.push(Kind::Text, from, to);
        }
        self.at = next;
    }

    fn comment(&mut self) -> Result<(), TemplateError> {
        let Some(length) = self.rest().find("*/") else { return self.fail("unclosed comment") };
        self.at += length + 2;
        match close(self.rest()) {
            Some((length, trims)) => self.leave(length, trims),
            None => return self.fail("comment ends before closing delimiter"),
        }
        Ok(())
    }

    fn leave(&mut self, length: usize, trims: bool) {
        self.at += length;
        if trims {
            self.at = self.source.len() - trim_start(self.rest()).len();
        }
    }

    /// Takes everything up to `}}`.
    fn action(&mut self) -> Result<(), TemplateError> {
        let mut depth = 0usize;
        loop {
            if let Some((length, trims)) = close(self.rest()) {
                if depth > 0 {
                    return self.fail("unclosed left paren");
                }
                let from = self.at;
                self.push(Kind::Close, from, from + length);
                self.at = from;
                self.leave(length, trims);
                return Ok(());
            }
            self.word(&mut depth)?;
        }
    }

    fn word(&mut self, depth: &mut usize) -> Result<(), TemplateError> {
        let from = self.at;
        let Some(c) = self.rest().chars().next() else { return self.fail("unclosed action") };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.push_while(Kind::Space, is_space),
            '=' => self.push(Kind::Assign, from, from + 1),
            ':' if self.rest().starts_with(":=") => self.push(Kind::Declare, from, from + 2),
            ':' => return self.fail("expected :="),
            '|' => self.push(Kind::Pipe, from, from + 1),
            ',' => self.push(Kind::Comma, from, from + 1),
            '(' => {
                *depth += 1;
                self.push(Kind::LeftParen, from, from + 1);
            }
            ')' if *depth == 0 => return self.fail("unexpected right paren"),
            ')' => {
                *depth -= 1;
                self.push(Kind::RightParen, from, from + 1);
            }
            '"' => self.quoted('"', "unterminated quoted string")?,
            '`' => self.quoted('`', "unterminated raw quoted string")?,
            '\'' => self.character()?,
            '$' => self.named(Kind::Variable, 1)?,
            '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.dot()?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_letter(c) => self.named(Kind::Name, 0)?,
            ' '..='~' => self.push(Kind::Other, from, from + 1),
            c => return self.fail(format!("unrecognized character in action: {}", unicode(c))),
        }
        Ok(())
    }

    fn push_while(&mut self, kind: Kind, holds: impl Fn(char) -> bool) {
        let length = self.rest().find(|c| !holds(c)).unwrap_or(self.rest().len());
        self.push(kind, self.at, self.at + length);
    }

    fn quoted(&mut self, quote: char, unterminated: &str) -> Result<(), TemplateError> {
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote != '`' => drop(chars.next()),
                '\n' if quote != '`' => return self.fail(unterminated),
                c if c == quote => {
                    let to = self.at + at + 1;
                    self.push(Kind::Quoted, self.at, to);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.fail(unterminated)
    }

    fn character(&mut self) -> Result<(), TemplateError> {
        self.quoted('\'', "unterminated character constant")?;
        self.tokens.last_mut().expect("a word was taken").kind = Kind::Number;
        Ok(())
    }

    fn dot(&mut self) -> Result<(), TemplateError> {
        if self.rest()[1..].starts_with(is_letter) {
            return self.named(Kind::Field, 1);
        }
        self.push(Kind::Dot, self.at, self.at + 1);
        self.terminated()
    }

    /// A name after `mark` bytes; what follows it must be able to follow a name.
    fn named(&mut self, kind: Kind, mark: usize) -> Result<(), TemplateError> {
        let from = self.at;
        let length = self.source[from + mark..].find(|c| !is_letter(c)).unwrap_or(self.source.len() - from - mark);
        let kind = match &self.source[from..from + mark + length] {
            "true" | "false" => Kind::Bool,
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => kind,
        };
        self.push(kind, from, from + mark + length);
        self.terminated()
    }

    fn terminated(&self) -> Result<(), TemplateError> {
        match self.rest().chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(' | '=') => Ok(()),
            Some('}') if self.rest().starts_with("}}") => Ok(()),
            Some(c) => self.fail(format!("bad character {}", unicode(c))),
        }
    }

    fn number(&mut self) -> Result<(), TemplateError> {
        let from = self.at;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
        let mut to = from + 1;
        for c in self.source[from + 1..].chars() {
            // A sign is part of a number only behind its exponent's letter.
            let is_exponent = matches!(self.source.as_bytes()[to - 1], b'e' | b'E' | b'p' | b'P')
                && !self.source[from..to].starts_with("0x");
            if !is_part(c) || matches!(c, '+' | '-') && !is_exponent {
                break;
            }
            to += 1;
        }
        if super::value::number(&self.source[from..to]).is_none() {
            return self.fail(format!("bad number syntax: {}", super::printf::quoted(&self.source[from..to])));
        }
        self.push(Kind::Number, from, to);
        Ok(())
    }
}

/// Whether `{{` is followed by a trim mark: a minus and a space.
fn is_trim_open(inside: &str) -> bool {
    inside.starts_with('-') && inside[1..].starts_with(is_space)
}

/// `}}` or ` -}}` at the beginning: its length, and whether it trims.
fn close(rest: &str) -> Option<(usize, bool)> {
    if rest.starts_with("}}") {
        return Some((2, false));
    }
    (rest.starts_with(is_space) && rest[1..].starts_with("-}}")).then_some((4, true))
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// A character as Go's `%#U` writes it.
fn unicode(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", c as u32) } else { format!("U+{:04X} '{c}'", c as u32) }
}
