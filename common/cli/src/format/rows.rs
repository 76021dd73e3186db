//! Lists as docker's commands print them: a table, JSON Lines, or a template a row.

use std::io::{self, Write};
use std::ops::Range;

use serde_json::{Map, Value};

use super::{Methods, Template, TemplateError};
use crate::table::{Cells, Table};
use crate::{json, parallel};

/// A column: the name of its field and what stands above it.
pub type Column = (&'static str, &'static str);

/// One row: its fields, and the labels that `.Label "name"` looks up.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Docker's fields and further ones, by name.
    pub fields: Map<String, Value>,
    /// Labels by name.
    pub labels: Vec<(String, String)>,
}

impl Row {
    /// A row without labels.
    pub fn new(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Row {
        Row { fields: fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect(), labels: Vec::new() }
    }

    /// The same row with labels.
    pub fn labelled(self, labels: &[(String, String)]) -> Row {
        Row { labels: labels.to_vec(), ..self }
    }
}

/// How a list is printed.
#[derive(Clone, Debug)]
pub enum Format {
    /// A table whose rows are a template, cells parted by tabs.
    Table(Template),
    /// One object a line, all fields.
    Json,
    /// Each row by a template, one a line.
    Template(Template),
}

impl Format {
    /// Reads what `--format` was given: `json`, `table`, `table TEMPLATE`, or a template. `\t` and `\n` may be written
    /// out, as docker has it. `usual` is the template of the usual table.
    pub fn parse(given: Option<&str>, usual: &str) -> Result<Format, TemplateError> {
        match given.map(str::trim_start) {
            Some("json") => Ok(Format::Json),
            None | Some("" | "table") => Ok(Format::Table(Template::parse(usual)?)),
            Some(text) => {
                match text.strip_prefix("table ").or_else(|| text.strip_prefix("table{{").map(|_| &text[5..])) {
                    Some(template) => Ok(Format::Table(Template::parse(&unescaped(template.trim()))?)),
                    None => Ok(Format::Template(Template::parse(&unescaped(given.unwrap_or_default()))?)),
                }
            }
        }
    }

    /// Whether a field is asked for, so that what costs much to find need not be found.
    pub fn uses(&self, field: &str) -> bool {
        match self {
            Format::Json => true,
            Format::Table(template) | Format::Template(template) => template.source.contains(&format!(".{field}")),
        }
    }
}

impl Format {
    /// Whether a field may be left out of the rows: it is not named, and nothing takes the row as a whole.
    pub fn spares(&self, field: &str) -> bool {
        let (Format::Table(template) | Format::Template(template)) = self else { return false };
        let source = template.source.as_bytes();
        let is_named_only = |at: usize| source.get(at + 1).is_some_and(u8::is_ascii_uppercase);
        let takes_all = source.contains(&b'$') || (0..source.len()).any(|at| source[at] == b'.' && !is_named_only(at));
        !takes_all && !self.uses(field)
    }
}

// Docker replaces these two before it parses, even inside of quotes (cli/command/formatter/formatter.go, preFormat).
fn unescaped(template: &str) -> String {
    template.replace("\\t", "\t").replace("\\n", "\n")
}

/// A list: what its rows are called in Go, its columns' headers, and how it is printed.
#[derive(Debug)]
pub struct Rows<'a> {
    /// Go's name of docker's row, for the message about an unknown field: `*formatter.ContainerContext`.
    pub kind: &'static str,
    /// All fields that have a header.
    pub headers: &'a [Column],
    /// How they are printed.
    pub format: &'a Format,
}

/// Why a list was not printed whole.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The template does not fit the rows.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Stdout took no more.
    #[error("cannot write to stdout")]
    Write(#[from] io::Error),
}

impl Rows<'_> {
    /// Prints rows that `make` makes by their number, on all processors.
    pub fn print_each(
        &self,
        out: &mut impl Write,
        count: usize,
        make: impl Fn(usize) -> Row + Sync,
    ) -> Result<(), PrintError> {
        if let Format::Table(template) = self.format {
            let blocks = in_blocks(0..count, |block| self.cells(template, block.map(&make)));
            out.write_all(self.under_header(template, blocks)?.as_bytes())?;
            return Ok(out.flush()?);
        }
        for from in (0..count).step_by(AT_ONCE) {
            let text = |block: Range<usize>| {
                let mut text = Vec::new();
                self.print(&mut text, block.map(&make)).map(|()| text)
            };
            for text in in_blocks(from..count.min(from + AT_ONCE), text) {
                out.write_all(&text?)?;
            }
        }
        Ok(out.flush()?)
    }

    /// Prints rows as they come; a table once all are there.
    pub fn print(&self, out: &mut impl Write, rows: impl IntoIterator<Item = Row>) -> Result<(), PrintError> {
        match self.format {
            Format::Table(template) => out.write_all(self.table(template, rows)?.as_bytes())?,
            Format::Json => {
                for mut row in rows {
                    // Docker's rows are maps in JSON, whose keys Go sorts.
                    row.fields.sort_keys();
                    writeln!(out, "{}", json::line(&Value::Object(row.fields)))?;
                }
            }
            Format::Template(template) => {
                for row in rows {
                    writeln!(out, "{}", self.one(template, row)?)?;
                }
            }
        }
        Ok(out.flush()?)
    }

    fn one(&self, template: &Template, row: Row) -> Result<String, TemplateError> {
        let (fields, labels) = (Value::Object(row.fields), row.labels);
        template.run_with(&fields, &Labelled { kind: self.kind, labels })
    }

    fn table(&self, template: &Template, rows: impl IntoIterator<Item = Row>) -> Result<String, TemplateError> {
        self.under_header(template, vec![self.cells(template, rows)])
    }

    fn under_header(
        &self,
        template: &Template,
        blocks: Vec<Result<Vec<Cells>, TemplateError>>,
    ) -> Result<String, TemplateError> {
        let headers = self.headers.iter().map(|(name, header)| (name.to_string(), Value::from(*header))).collect();
        let mut table = Table::bare();
        for line in template.run_with(&Value::Object(headers), &Headers)?.split('\n') {
            table.row(line.split('\t'));
        }
        for block in blocks {
            table.rows(block?);
        }
        Ok(table.text())
    }

    fn cells(&self, template: &Template, rows: impl IntoIterator<Item = Row>) -> Result<Vec<Cells>, TemplateError> {
        let mut all = Vec::new();
        for row in rows {
            all.extend(self.one(template, row)?.split('\n').map(|line| Cells::new(line.split('\t'))));
        }
        Ok(all)
    }
}

/// Rows whose text is held in memory before it is printed.
const AT_ONCE: usize = 16 << 10;
/// Rows that a processor makes at a time.
const BLOCK: usize = 256;

/// What `work` makes of the parts of a range, in order.
fn in_blocks<T: Send>(all: Range<usize>, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let end = all.end;
    parallel::map(all.step_by(BLOCK).map(|from| from..end.min(from + BLOCK)).collect(), work)
}

struct Labelled {
    kind: &'static str,
    labels: Vec<(String, String)>,
}

impl Methods for Labelled {
    fn call(&self, name: &str, args: &[&str]) -> Option<String> {
        let ("Label", [wanted]) = (name, args) else { return None };
        Some(self.labels.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default())
    }

    fn kind(&self) -> &str {
        self.kind
    }

    fn is_row(&self) -> bool {
        true
    }
}

/// The row of headers: functions of docker's leave them as they are.
struct Headers;

impl Methods for Headers {
    fn call(&self, name: &str, args: &[&str]) -> Option<String> {
        let ("Label", [wanted]) = (name, args) else { return None };
        // Only what stands behind the last dot, words apart (cli/command/formatter/custom.go, SubHeaderContext.Label).
        let last = wanted.rsplit('.').next().unwrap_or(wanted);
        Some(last.replace(['-', '_'], " "))
    }

    fn is_header(&self) -> bool {
        true
    }

    fn is_row(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_spared_only_where_nothing_may_show_it() {
        for (given, spared) in [
            ("{{.ID}}", true),
            ("table {{.ID}}\t{{.Names}}", true),
            ("{{.ID}} {{.Ports}}", false),
            ("{{json .}}", false),
            ("{{.}}", false),
            ("{{$.Ports}}", false),
            ("{{range $k, $v := .}}{{$v}}{{end}}", false),
            ("json", false),
            ("{{.Label \"a.b\"}}", false),
        ] {
            assert_eq!(Format::parse(Some(given), "{{.ID}}").unwrap().spares("Ports"), spared, "{given}");
        }
    }
}
