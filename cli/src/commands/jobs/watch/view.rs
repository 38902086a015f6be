//! How a watched job is shown: on a terminal, in a pipe, as JSON.

use std::{io, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    commands::jobs::end,
    output::{Cell, Output},
};

/// How far a job says it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Progress {
    /// So many of so many.
    Of { done: u64, total: u64 },
    /// From 0 to 1.
    Fraction(f64),
}

/// A place to show one job.
pub(super) struct View {
    output: Output,
    /// On a terminal: where the job is, under what it logs.
    bar: Option<ProgressBar>,
}

/// A fraction is drawn in so many steps.
const STEPS: u64 = 1000;

impl View {
    pub(super) fn new(output: Output) -> Self {
        let bar = output.is_live().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { output, bar }
    }

    pub(super) fn show(&self, event: &str, data: &Value) -> io::Result<()> {
        if self.output.is_json() {
            return self.output.line(&json!({ "event": event, "data": data }).to_string());
        }
        match (event, &self.bar) {
            ("state", Some(bar)) => {
                bar.set_message(moment(data).join(", "));
                draw(bar, &data["progress"]);
                Ok(())
            }
            ("progress", Some(bar)) => {
                draw(bar, data);
                Ok(())
            }
            ("log", Some(bar)) => bar.suspend(|| self.output.log(data)),
            // Of a job that had ended before, the log comes after its state: it is told with the end.
            ("state", None) if end(data).is_some() => Ok(()),
            ("state", None) => self.state(data),
            ("progress", None) => self.output.line(&format!("progress\t{}", words(data))),
            ("log", None) => {
                let text = data["text"].as_str().unwrap_or_default();
                self.output.line(&format!("log\t{}\t{text}", Cell::of(data, "/stream")))
            }
            _ => Ok(()),
        }
    }

    /// Nothing more comes: clears a terminal, and says in a pipe how the job ended.
    pub(super) fn close(&self, job: &Value) -> io::Result<()> {
        match &self.bar {
            Some(bar) => {
                bar.finish_and_clear();
                Ok(())
            }
            None if self.output.is_json() => Ok(()),
            None => self.state(job),
        }
    }

    fn state(&self, job: &Value) -> io::Result<()> {
        self.output.line(&format!("state\t{}", moment(job).join("\t")))
    }
}

/// Where a job is, in a few words.
fn moment(job: &Value) -> Vec<String> {
    let mut words =
        vec![Cell::of(job, "/state").to_string(), format!("attempt {} of {}", job["attempt"], job["max_attempts"])];
    let error = Cell::of(job, "/error/message").cut(200);
    if !error.is_empty() {
        words.push(error.to_string());
    }
    words
}

fn draw(bar: &ProgressBar, progress: &Value) {
    let (template, place) = match Progress::of(progress) {
        Some(Progress::Of { done, total }) => {
            ("{spinner} {msg} {bar:30} {pos}/{len} in {elapsed}", Some((done, total)))
        }
        Some(Progress::Fraction(fraction)) => {
            ("{spinner} {msg} {bar:30} {percent}% in {elapsed}", Some(((fraction * STEPS as f64) as u64, STEPS)))
        }
        None => ("{spinner} {msg} {prefix} {elapsed}", None),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    match place {
        Some((done, total)) => {
            bar.set_length(total);
            bar.set_position(done);
        }
        None => bar.set_prefix(words(progress)),
    }
}

/// Progress in a pipe, and where no bar can be drawn of it.
pub(super) fn words(progress: &Value) -> String {
    match (Progress::of(progress), progress) {
        (Some(Progress::Of { done, total }), _) => format!("{done}/{total}"),
        (Some(Progress::Fraction(fraction)), _) => format!("{:.0}%", fraction * 100.0),
        (None, Value::Null) => String::new(),
        (None, other) => Cell::plain(&other.to_string()).cut(80).to_string(),
    }
}

impl Progress {
    fn of(progress: &Value) -> Option<Self> {
        match (progress["done"].as_u64(), progress["total"].as_u64()) {
            (Some(done), Some(total)) if total > 0 => Some(Self::Of { done: done.min(total), total }),
            _ => progress.as_f64().filter(|fraction| (0.0..=1.0).contains(fraction)).map(Self::Fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar_where_it_can_be() {
        for (progress, expected) in [
            (json!({"done": 3, "total": 10}), "3/10"),
            (json!({"done": 30, "total": 10}), "10/10"),
            (json!({"done": 3, "total": 0}), r#"{"done":3,"total":0}"#),
            (json!(0.256), "26%"),
            (json!(1), "100%"),
            (json!(7), "7"),
            (json!("fetching\u{1b}[2J"), "\"fetching\\u001b[2J\""),
            (Value::Null, ""),
        ] {
            assert_eq!(words(&progress), expected);
        }
    }
}
