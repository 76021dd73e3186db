//! `--format`: Go's templates with docker's functions, `json`, and `table …`, over JSON.
//!
//! Go's text/template rewritten from its documentation and checked against docker 28's own client: [`lex`] cuts a
//! template into words, [`parse`] makes a tree, [`eval`] runs it over a [`value`]; [`functions`] and [`printf`] are what
//! it can call. Here: [`Template`], one template; and [`rows`], the lists that docker's commands print.

mod eval;
mod functions;
mod lex;
mod parse;
mod printf;
pub mod rows;
mod value;

use std::fmt;

use serde_json::Value;

pub use eval::{Methods, NoMethods};
pub use printf::quoted;
pub use rows::{Column, Format, PrintError, Row, Rows};

/// A parsed Go template.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    trees: parse::Trees,
}

/// What is wrong with a template, in Go's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "template parsing error: {}", self.0)
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    fn parse(source: &str, at: usize, message: impl Into<String>) -> TemplateError {
        TemplateError(format!("template: :{}: {}", line(source, at), message.into()))
    }

    fn run(source: &str, at: usize, node: &str, message: &str) -> TemplateError {
        let column = at - source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        TemplateError(format!("template: :{}:{column}: executing \"\" at <{node}>: {message}", line(source, at)))
    }
}

fn line(source: &str, at: usize) -> usize {
    1 + source[..at.min(source.len())].matches('\n').count()
}

impl Template {
    /// Parses a template.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        Ok(Template { source: source.to_string(), trees: parse::parse(source)? })
    }

    /// Runs it over data. Nothing is escaped but in `json`: that is for whoever prints it.
    pub fn run(&self, data: &Value) -> Result<String, TemplateError> {
        self.run_with(data, &NoMethods)
    }

    /// Runs it over data that has methods.
    pub fn run_with(&self, data: &Value, methods: &dyn Methods) -> Result<String, TemplateError> {
        eval::run(&self.source, &self.trees, value::Val::borrowed(data), methods)
    }
}

#[cfg(test)]
mod tests;
