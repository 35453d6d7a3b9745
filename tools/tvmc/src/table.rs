//! Aligned columns.

use std::io::{self, Write};

/// On which side a column's cells are filled up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells under headings.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings. Empty headings make a table without a heading line.
    pub fn new(columns: impl Into<Vec<(&'static str, Align)>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// A table of names and values without headings.
    pub fn of_facts() -> Self {
        Self::new([("", Align::Left), ("", Align::Left)])
    }

    /// Adds a row. Cells beyond the columns are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) -> &mut Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// Adds a name and its value.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.row([name.to_owned(), value.into()])
    }

    /// Writes the table, each line with `indent` spaces in front.
    pub fn write(&self, out: &mut dyn Write, indent: usize) -> io::Result<()> {
        let headings: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let has_headings = headings.iter().any(|name| !name.is_empty());
        let lines: Vec<&Vec<String>> = has_headings.then_some(&headings).into_iter().chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| lines.iter().map(|line| line.get(column).map_or(0, |cell| width(cell))).max().unwrap_or(0))
            .collect();
        for line in lines {
            let mut text = " ".repeat(indent);
            for ((cell, &(_, align)), &wide) in line.iter().zip(&self.columns).zip(&widths) {
                let fill = " ".repeat(wide - width(cell));
                match align {
                    Align::Left => text.extend([cell.as_str(), &fill, "  "]),
                    Align::Right => text.extend([&fill, cell.as_str(), "  "]),
                }
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// Columns a cell takes on a terminal, near enough for names and numbers.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out, 2).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([("FILE", Align::Left), ("BYTES", Align::Right)]);
        table.row(["a".into(), "7".into()]).row(["long name".into(), "1,000,000".into()]);
        assert_eq!(text(&table), "  FILE           BYTES\n  a                  7\n  long name  1,000,000\n");
    }

    #[test]
    fn facts_have_no_headings_and_no_trailing_blanks() {
        let mut table = Table::of_facts();
        table.fact("gas", "7").fact("container", "");
        assert_eq!(text(&table), "  gas        7\n  container\n");
    }
}
