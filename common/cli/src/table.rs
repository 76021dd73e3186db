//! Tables for people: docker's layout, columns three spaces apart, no lines.

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Comfy, TableStyle, Width};
use model::path::shown;

use crate::parallel;

/// Docker's tables pad columns to ten characters at least (cli/command/formatter/formatter.go: tabwriter with minimum
/// width 10, padding 3).
const NARROWEST: u16 = 10;
/// Docker before 1.10 padded to twenty.
const NARROWEST_OLD: u16 = 20;
const PADDING: u16 = 3;

/// A row's cells, each escaped on its way in.
#[derive(Clone, Debug)]
pub struct Cells(Vec<String>);

impl Cells {
    /// A row of these cells.
    pub fn new(cells: impl IntoIterator<Item = impl Into<String>>) -> Cells {
        Cells(cells.into_iter().map(|cell| safe(cell.into())).collect())
    }
}

/// A table: a header, and rows of the same number of cells.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Cells>,
    narrowest: u16,
}

impl Table {
    /// A table with this header.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Table {
        let mut table = Table::bare();
        table.row(header);
        table
    }

    /// A table without a header.
    pub fn bare() -> Table {
        Table { rows: Vec::new(), narrowest: NARROWEST }
    }

    /// A table as docker before 1.10 printed it, with this header.
    pub fn old(header: impl IntoIterator<Item = impl Into<String>>) -> Table {
        let mut table = Table { rows: Vec::new(), narrowest: NARROWEST_OLD };
        table.row(header);
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(Cells::new(cells));
    }

    /// Adds rows.
    pub fn rows(&mut self, rows: Vec<Cells>) {
        self.rows.extend(rows);
    }

    /// The text, a newline after each row.
    pub fn text(self) -> String {
        let narrowest = self.narrowest;
        let parts = parts(self.rows);
        let mut widths: Vec<u16> = Vec::new();
        for part in &parts {
            let here = part.column_max_content_widths();
            widths.resize(widths.len().max(here.len()), 0);
            widths.iter_mut().zip(here).for_each(|(width, here)| *width = here.max(*width));
        }
        for width in &mut widths {
            *width = width.saturating_add(PADDING).max(narrowest);
        }
        parallel::map(parts, |part| lines(part, &widths)).concat()
    }
}

/// Rows beyond which a table is laid out in parts, on all processors: ten thousand take comfy-table 40 ms.
const PART: usize = 1024;

fn parts(rows: Vec<Cells>) -> Vec<Comfy> {
    let columns = rows.iter().map(|cells| cells.0.len()).max().unwrap_or(0);
    let mut parts: Vec<Vec<Cells>> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        parts.push(rows.by_ref().take(PART).collect());
    }
    parallel::map(parts, |rows| {
        let mut table = Comfy::new();
        table.load_style(TableStyle::default()).set_content_arrangement(ContentArrangement::Disabled);
        // So that every part has every column.
        table.add_rows(rows.into_iter().map(|mut cells| {
            cells.0.resize(columns, String::new());
            cells.0
        }));
        table
    })
}

fn lines(mut table: Comfy, widths: &[u16]) -> String {
    for (at, width) in widths.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, PADDING));
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
        }
    }
    // Docker's tabwriter pads no row's last cell, but the cells before it even where that one is empty.
    let last = widths.last().map_or(0, |width| usize::from(*width));
    let mut text = String::new();
    for line in table.lines() {
        let spaces = line.len() - line.trim_end_matches(' ').len();
        text.push_str(&line[..line.len() - spaces.min(last)]);
        text.push('\n');
    }
    text
}

/// Control characters escaped. A backslash stays as it is: tables are read by people and need not be turned back.
fn safe(cell: String) -> String {
    if !cell.chars().any(model::path::is_unsafe) {
        return cell;
    }
    cell.chars()
        .map(|c| if model::path::is_unsafe(c) { shown(c.to_string().as_bytes()).into_owned() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[&[&str]], text: &str) {
        let mut table = Table::bare();
        rows.iter().for_each(|row| table.row(row.iter().copied()));
        assert_eq!(table.text(), text);
    }

    #[test]
    fn columns_stand_as_dockers_do() {
        check(
            &[
                &["CONTAINER ID", "IMAGE", "NAMES"],
                &["4f1c0b7a12d3", "registry.example.com/app:1", "web"],
                &["0123456789ab", "x", ""],
            ],
            "CONTAINER ID   IMAGE                        NAMES\n\
             4f1c0b7a12d3   registry.example.com/app:1   web\n\
             0123456789ab   x                            \n",
        );
        check(&[&["A", "B", "C"], &["1", "2", "3"]], "A         B         C\n1         2         3\n");
        check(&[], "");
    }

    #[test]
    fn no_cell_reaches_the_terminal_raw_or_breaks_the_columns() {
        check(&[&["a\u{1b}[31m\nb", "c\\d"], &["日本", "x"]], "a\\x1b[31m\\nb   c\\d\n日本           x\n");
    }
}
