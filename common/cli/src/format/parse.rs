//! A Go template as a tree (Go 1.24, text/template/parse/parse.go).

use std::collections::HashMap;
use std::fmt;

use super::TemplateError;
use super::functions;
use super::lex::{Kind, Token, lex};
use super::value::{self, Constant};

/// A parsed template and those that it defines, by name; its own is the empty name.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    pub by_name: HashMap<String, Vec<Node>>,
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipeline),
    Branch { kind: Branch, pipeline: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    Template { name: String, at: usize, pipeline: Option<Pipeline> },
    Break,
    Continue,
}

/// The three that have a body and an `else`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Branch {
    If,
    Range,
    With,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    pub at: usize,
    /// Variables that are set by it: `$x :=`, `$i, $e :=`.
    pub variables: Vec<String>,
    /// Whether they are new (`:=`), not set anew (`=`).
    pub declares: bool,
    pub commands: Vec<Command>,
}

/// A function or a value with its arguments.
#[derive(Clone, Debug)]
pub struct Command {
    pub args: Vec<Operand>,
}

/// One operand and where it stands.
#[derive(Clone, Debug)]
pub struct Operand {
    pub at: usize,
    pub form: Form,
}

/// What an operand is.
#[derive(Clone, Debug)]
pub enum Form {
    Dot,
    Nil,
    Constant(Constant),
    /// `.A.B`.
    Field(Vec<String>),
    /// `$x.A.B`.
    Variable(String, Vec<String>),
    Function(String),
    Pipeline(Pipeline),
    /// `(…).A.B`.
    Chain(Box<Operand>, Vec<String>),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names = |f: &mut fmt::Formatter, names: &[String]| names.iter().try_for_each(|name| write!(f, ".{name}"));
        match &self.form {
            Form::Dot => f.write_str("."),
            Form::Nil => f.write_str("nil"),
            Form::Constant(constant) => f.write_str(&constant.source),
            Form::Field(path) => names(f, path),
            Form::Variable(name, path) => f.write_str(name).and_then(|()| names(f, path)),
            Form::Function(name) => f.write_str(name),
            Form::Pipeline(pipeline) => write!(f, "({pipeline})"),
            Form::Chain(first, path) => write!(f, "{first}").and_then(|()| names(f, path)),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let args: Vec<String> = self.args.iter().map(ToString::to_string).collect();
        f.write_str(&args.join(" "))
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.declares { ":=" } else { "=" })?;
        }
        let commands: Vec<String> = self.commands.iter().map(ToString::to_string).collect();
        f.write_str(&commands.join(" | "))
    }
}

/// Parses a template.
pub fn parse(source: &str) -> Result<Trees, TemplateError> {
    let tokens = lex(source)?;
    let mut parser =
        Parser { source, tokens, at: 0, trees: Trees::default(), variables: vec!["$".into()], loops: 0, depth: 0 };
    let (nodes, end) = parser.list("")?;
    if let Some(end) = end {
        return parser.fail_at(&end.0, format!("unexpected {}", end.1));
    }
    parser.trees.by_name.insert(String::new(), nodes);
    Ok(parser.trees)
}

/// How deep actions and parentheses may stand in each other. Go has no such limit; a stack has.
const DEEPEST: usize = 200;

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    trees: Trees,
    variables: Vec<String>,
    loops: usize,
    depth: usize,
}

/// `{{end}}` or `{{else …}}`, which close a body: the word, and how messages name it.
type Closing = (Token, &'static str);

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn next_word(&mut self) -> Token {
        self.skip_space();
        self.next()
    }

    fn fail_at<T>(&self, token: &Token, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::parse(self.source, token.at, message))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, TemplateError> {
        self.fail_at(token, format!("unexpected {} in {context}", named(token)))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>) -> Result<T, TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail_at(&self.peek().clone(), "nested too deeply");
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Nodes up to the end, or to an `end` or `else` that belongs to whoever called.
    fn list(&mut self, context: &'static str) -> Result<(Vec<Node>, Option<Closing>), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::Text => nodes.push(Node::Text(token.text)),
                Kind::End if context.is_empty() => return Ok((nodes, None)),
                Kind::End => return self.fail_at(&token, "unexpected EOF"),
                _ => {
                    self.skip_space();
                    if let Some(closing) = self.closing() {
                        return Ok((nodes, Some(closing)));
                    }
                    let node = self.deeper(|parser| parser.action())?;
                    nodes.extend(node);
                }
            }
        }
    }

    fn closing(&mut self) -> Option<Closing> {
        let word = match (self.peek().kind, self.peek().text.as_str()) {
            (Kind::Keyword, "end") => "{{end}}",
            (Kind::Keyword, "else") => "{{else}}",
            _ => return None,
        };
        Some((self.next(), word))
    }

    fn action(&mut self) -> Result<Option<Node>, TemplateError> {
        let token = self.peek().clone();
        if token.kind != Kind::Keyword {
            let pipeline = self.pipeline("command", Kind::Close)?;
            return Ok(Some(Node::Action(pipeline)));
        }
        match token.text.as_str() {
            "if" => self.branch(Branch::If, "if"),
            "range" => self.branch(Branch::Range, "range"),
            "with" => self.branch(Branch::With, "with"),
            "template" => self.template(),
            "define" => self.define(),
            "block" => self.block(),
            "break" => self.leave(Node::Break, "break"),
            "continue" => self.leave(Node::Continue, "continue"),
            _ => self.pipeline("command", Kind::Close).map(|pipeline| Some(Node::Action(pipeline))),
        }
    }

    fn branch(&mut self, kind: Branch, context: &'static str) -> Result<Option<Node>, TemplateError> {
        self.next();
        self.branch_body(kind, context).map(Some)
    }

    fn branch_body(&mut self, kind: Branch, context: &'static str) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let pipeline = self.pipeline(context, Kind::Close)?;
        self.loops += usize::from(kind == Branch::Range);
        let (body, closing) = self.list(context)?;
        self.loops -= usize::from(kind == Branch::Range);
        let otherwise = match closing {
            Some((_, "{{else}}")) => self.otherwise(kind, context)?,
            _ => {
                self.close(context)?;
                Vec::new()
            }
        };
        self.variables.truncate(scope);
        Ok(Node::Branch { kind, pipeline, body, otherwise })
    }

    /// What follows `else`: a body of its own, or another `if` or `with`, whose `end` closes both.
    fn otherwise(&mut self, kind: Branch, context: &'static str) -> Result<Vec<Node>, TemplateError> {
        self.skip_space();
        let chained = match kind {
            Branch::If => self.peek().text == "if",
            Branch::With => self.peek().text == "with",
            Branch::Range => false,
        };
        if chained {
            self.next();
            return Ok(vec![self.deeper(|parser| parser.branch_body(kind, context))?]);
        }
        self.close("else")?;
        let (body, closing) = self.list(context)?;
        match closing {
            Some((token, word @ "{{else}}")) => self.fail_at(&token, format!("expected end; found {word}")),
            _ => {
                self.close(context)?;
                Ok(body)
            }
        }
    }

    fn close(&mut self, context: &str) -> Result<(), TemplateError> {
        let token = self.next_word();
        if token.kind == Kind::Close { Ok(()) } else { self.unexpected(&token, context) }
    }

    fn leave(&mut self, node: Node, word: &str) -> Result<Option<Node>, TemplateError> {
        let token = self.next();
        self.close(&format!("{{{{{word}}}}}"))?;
        if self.loops == 0 {
            return self.fail_at(&token, format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(Some(node))
    }

    fn template(&mut self) -> Result<Option<Node>, TemplateError> {
        self.next();
        self.skip_space();
        let at = self.peek().at;
        let name = self.name("template clause")?;
        self.skip_space();
        let pipeline = if self.peek().kind == Kind::Close {
            self.next();
            None
        } else {
            Some(self.pipeline("template clause", Kind::Close)?)
        };
        Ok(Some(Node::Template { name, at, pipeline }))
    }

    fn define(&mut self) -> Result<Option<Node>, TemplateError> {
        self.next();
        let name = self.name("define clause")?;
        self.close("define clause")?;
        self.body_of(name)?;
        Ok(None)
    }

    fn block(&mut self) -> Result<Option<Node>, TemplateError> {
        self.next();
        self.skip_space();
        let at = self.peek().at;
        let name = self.name("block clause")?;
        let pipeline = Some(self.pipeline("block clause", Kind::Close)?);
        self.body_of(name.clone())?;
        Ok(Some(Node::Template { name, at, pipeline }))
    }

    fn name(&mut self, context: &str) -> Result<String, TemplateError> {
        let token = self.next_word();
        let text = (token.kind == Kind::Quoted).then(|| value::unquoted(&token.text)).flatten();
        text.map_or_else(|| self.unexpected(&token, context), Ok)
    }

    fn body_of(&mut self, name: String) -> Result<(), TemplateError> {
        let outside = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, closing) = self.list("define clause")?;
        if let Some((token, word @ "{{else}}")) = closing {
            return self.fail_at(&token, format!("unexpected {word} in define clause"));
        }
        self.close("define clause")?;
        (self.variables, self.loops) = (outside, loops);
        self.trees.by_name.insert(name, body);
        Ok(())
    }

    fn pipeline(&mut self, context: &str, until: Kind) -> Result<Pipeline, TemplateError> {
        self.skip_space();
        let at = self.peek().at;
        let mut pipeline = Pipeline { at, ..Pipeline::default() };
        self.declarations(&mut pipeline, context)?;
        loop {
            let token = self.next_word();
            match token.kind {
                kind if kind == until => {
                    self.checked(&pipeline, &token, context)?;
                    return Ok(pipeline);
                }
                Kind::Bool
                | Kind::Number
                | Kind::Quoted
                | Kind::Field
                | Kind::Dot
                | Kind::Variable
                | Kind::Name
                | Kind::Keyword
                | Kind::LeftParen => {
                    self.at -= 1;
                    let command = self.command()?;
                    pipeline.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    /// `$x :=`, `$x =`, and in a range `$i, $e :=`.
    fn declarations(&mut self, pipeline: &mut Pipeline, context: &str) -> Result<(), TemplateError> {
        let begin = self.at;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Variable {
            let name = self.next();
            self.skip_space();
            names.push(name.text);
            match self.peek().kind {
                kind @ (Kind::Declare | Kind::Assign) => {
                    self.next();
                    pipeline.declares = kind == Kind::Declare;
                    if pipeline.declares {
                        self.variables.extend(names.iter().cloned());
                    }
                    pipeline.variables = names;
                    return Ok(());
                }
                Kind::Comma if context == "range" && names.len() < 2 => {
                    self.next();
                    self.skip_space();
                }
                Kind::Comma => {
                    let token = self.peek().clone();
                    return self.fail_at(&token, format!("too many declarations in {context}"));
                }
                _ => break,
            }
        }
        self.at = begin;
        Ok(())
    }

    fn checked(&self, pipeline: &Pipeline, token: &Token, context: &str) -> Result<(), TemplateError> {
        if pipeline.commands.is_empty() {
            return self.fail_at(token, format!("missing value for {context}"));
        }
        for (n, command) in pipeline.commands.iter().enumerate().skip(1) {
            if matches!(command.args[0].form, Form::Constant(_) | Form::Dot | Form::Nil) {
                return self.fail_at(token, format!("non executable command in pipeline stage {}", n + 1));
            }
        }
        Ok(())
    }

    /// Operands up to a pipe or to what closes the pipeline.
    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut command = Command { args: Vec::new() };
        loop {
            self.skip_space();
            let operand = self.deeper(|parser| parser.operand())?;
            command.args.extend(operand);
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::Close | Kind::RightParen => self.at -= 1,
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.args.is_empty() {
            return self.fail_at(&self.peek().clone(), "empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        // Go puts a chain of fields where its second one stands.
        let at = self.peek().at;
        let mut more = Vec::new();
        while self.peek().kind == Kind::Field {
            more.push(self.next().text[1..].to_string());
        }
        match &mut operand.form {
            Form::Field(path) | Form::Variable(_, path) => path.extend(more),
            Form::Constant(_) | Form::Nil => {
                let token = Token { kind: Kind::Field, text: String::new(), at };
                return self.fail_at(
                    &token,
                    format!("unexpected . after term {}", super::printf::quoted(&operand.to_string())),
                );
            }
            _ => operand = Operand { at, form: Form::Chain(Box::new(operand), more) },
        }
        operand.at = at;
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>, TemplateError> {
        let token = self.next_word();
        let form = match token.kind {
            Kind::Name if functions::is_known(&token.text) => Form::Function(token.text.clone()),
            Kind::Name => {
                return self.fail_at(&token, format!("function {} not defined", super::printf::quoted(&token.text)));
            }
            Kind::Dot => Form::Dot,
            Kind::Keyword if token.text == "nil" => Form::Nil,
            Kind::Variable if self.variables.contains(&token.text) => Form::Variable(token.text.clone(), Vec::new()),
            Kind::Variable => {
                return self.fail_at(&token, format!("undefined variable {}", super::printf::quoted(&token.text)));
            }
            Kind::Field => Form::Field(vec![token.text[1..].to_string()]),
            Kind::Bool | Kind::Number | Kind::Quoted => match value::constant(&token.text) {
                Some(constant) => Form::Constant(constant),
                None => return self.fail_at(&token, "invalid syntax"),
            },
            Kind::LeftParen => Form::Pipeline(self.pipeline("parenthesized pipeline", Kind::RightParen)?),
            Kind::Keyword => return self.unexpected(&token, "operand"),
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { at: token.at, form }))
    }
}

/// A word as Go's messages name it.
fn named(token: &Token) -> String {
    match token.kind {
        Kind::End => "EOF".into(),
        Kind::Keyword => format!("<{}>", token.text),
        _ if token.text.len() > 10 => {
            let cut: String = token.text.chars().take(10).collect();
            format!("{}...", super::printf::quoted(&cut))
        }
        _ => super::printf::quoted(&token.text),
    }
}
