//! The one table that a benchmark prints.

/// Rows in the order they were measured.
pub(crate) struct Table {
    /// What the first column tells.
    by: &'static str,
    /// That, what was measured, and the figure.
    rows: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn by(by: &'static str) -> Self {
        Self { by, rows: Vec::new() }
    }

    /// Adds a row and prints it at once, since a benchmark takes its time.
    pub(crate) fn row(&mut self, of: &str, what: &str, value: f64, unit: &str) {
        self.note(of, what, &figure(value, unit));
    }

    /// A row with words in place of a figure.
    pub(crate) fn note(&mut self, of: &str, what: &str, words: &str) {
        eprintln!("{of}: {what}: {words}");
        self.rows.push([of, what, words].map(str::to_owned));
    }

    pub(crate) fn print(&self) {
        println!("| {} | what | measured |", self.by);
        println!("|---|---|---|");
        for [of, what, figure] in &self.rows {
            println!("| {of} | {what} | {figure} |");
        }
    }
}

fn figure(value: f64, unit: &str) -> String {
    if value < 100.0 { format!("{value:.2} {unit}") } else { format!("{value:.0} {unit}") }
}
