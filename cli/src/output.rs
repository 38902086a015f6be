//! What commands print: tables and colour on a terminal, plain columns in a pipe, JSON where asked.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

/// Where and how a command prints its results. Messages about them go to standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    terminal: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { json, terminal, colour: terminal && !no_color }
    }

    /// Whether the server's own JSON is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody looks at it as it comes.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Whether it is drawn anew as it comes, for whoever looks.
    pub(crate) fn is_live(self) -> bool {
        self.terminal && !self.json
    }

    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// JSON that ends in a newline: readable on a terminal, one line in a pipe.
    pub(crate) fn json(self, value: &Value) -> io::Result<()> {
        if self.terminal { self.line(&format!("{value:#}")) } else { self.line(&value.to_string()) }
    }

    /// A line of a job's log: on a terminal without what would drive it, in a pipe as it was written.
    pub(crate) fn log(self, line: &Value) -> io::Result<()> {
        if !self.terminal {
            return self.line(line["text"].as_str().unwrap_or_default());
        }
        let mut cell = Cell::of(line, "/text");
        cell.style = match line["stream"].as_str() {
            Some("stderr") => AnsiColor::Yellow.on_default(),
            Some("system") => Style::new().dimmed(),
            _ => Style::new(),
        };
        self.line(&self.paint(&cell, 0))
    }

    /// Rows of a list. In a pipe there are tabs between the columns, and no titles.
    pub(crate) fn table<const N: usize>(self, titles: Option<[&str; N]>, rows: &[[Cell; N]]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.terminal {
            for row in rows {
                writeln!(out, "{}", row.each_ref().map(|cell| cell.text.as_str()).join("\t"))?;
            }
            return Ok(());
        }
        self.aligned(titles, rows).iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// The lines of a table, its columns under each other.
    pub(crate) fn aligned<const N: usize>(self, titles: Option<[&str; N]>, rows: &[[Cell; N]]) -> Vec<String> {
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = rows.iter().map(|row| row[column].text.chars().count());
            cells.chain(titles.map(|titles| titles[column].len())).max().unwrap_or(0)
        });
        let titles =
            titles.map(|titles| titles.map(|title| Cell { text: title.to_owned(), style: Style::new().bold() }));
        let line = |row: &[Cell; N]| {
            let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| self.paint(cell, width)).collect();
            cells.join("  ").trim_end().to_owned()
        };
        titles.iter().chain(rows).map(line).collect()
    }

    /// One thing, a fact a line. Facts that are not there are left out.
    pub(crate) fn facts(self, facts: &[(&str, Cell)]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, cell) in facts.iter().filter(|(_, cell)| !cell.is_empty()) {
            writeln!(out, "{name:width$}  {}", self.paint(cell, 0))?;
        }
        Ok(())
    }

    fn paint(self, cell: &Cell, width: usize) -> String {
        let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()));
        if self.colour {
            let style = cell.style;
            format!("{style}{}{style:#}{padding}", cell.text)
        } else {
            format!("{}{padding}", cell.text)
        }
    }
}

/// A piece of text with no control characters, so that no job's error can drive a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.replace(|c: char| c.is_control(), " "), style: Style::new() }
    }

    /// A member of an object: text as it is, other values as JSON, nothing where there is none.
    pub(crate) fn of(object: &Value, pointer: &str) -> Self {
        match object.pointer(pointer) {
            None | Some(Value::Null) => Self::plain(""),
            Some(Value::String(text)) => Self::plain(text),
            Some(value) => Self::plain(&value.to_string()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The same in at most `most` characters.
    pub(crate) fn cut(mut self, most: usize) -> Self {
        if self.text.chars().count() > most {
            self.text = self.text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
        }
        self
    }

    /// A job's state in the colour people expect.
    pub(crate) fn state(object: &Value) -> Self {
        Self::of(object, "/state").coloured()
    }

    /// A delivery's status, likewise.
    pub(crate) fn status(object: &Value) -> Self {
        Self::of(object, "/status").coloured()
    }

    fn coloured(self) -> Self {
        let mut cell = self;
        cell.style = match cell.text.as_str() {
            "succeeded" | "delivered" => AnsiColor::Green.on_default(),
            "dead" | "failed" => AnsiColor::Red.on_default(),
            "running" => AnsiColor::Cyan.on_default(),
            "retrying" | "pending" => AnsiColor::Yellow.on_default(),
            "cancelled" => Style::new().dimmed(),
            _ => Style::new(),
        };
        cell
    }

    pub(crate) fn in_colour(text: &str, colour: AnsiColor) -> Self {
        Self { style: colour.on_default(), ..Self::plain(text) }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_shows_what_is_there_and_nothing_that_drives_a_terminal() {
        let job = json!({"error": {"message": "a\u{1b}[2Jb\nc"}, "attempt": 3, "result": null});
        assert_eq!(Cell::of(&job, "/error/message").text, "a [2Jb c");
        assert_eq!(Cell::of(&job, "/attempt").text, "3");
        assert_eq!(Cell::of(&job, "/result").text, "");
        assert_eq!(Cell::of(&job, "/nothing/here").text, "");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(Cell::plain("äöüß").cut(3).text, "äö…");
        assert_eq!(Cell::plain("äöü").cut(3).text, "äöü");
    }
}
