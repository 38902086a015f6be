//! The one table that `make bench` prints.

/// Rows in the order they were measured.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, String, f64, &'static str)>);

impl Table {
    /// Adds a row and prints it at once, since a benchmark takes its time.
    pub(crate) fn row(&mut self, store: &str, what: &str, value: f64, unit: &'static str) {
        eprintln!("{store}: {what}: {}", figure(value, unit));
        self.0.push((store.to_owned(), what.to_owned(), value, unit));
    }

    pub(crate) fn print(&self) {
        println!("| store | what | measured |");
        println!("|---|---|---|");
        for (store, what, value, unit) in &self.0 {
            println!("| {store} | {what} | {} |", figure(*value, unit));
        }
    }
}

fn figure(value: f64, unit: &str) -> String {
    if value < 100.0 { format!("{value:.2} {unit}") } else { format!("{value:.0} {unit}") }
}
