//! What a program prints, put into its job's log while it runs.

use tokio::sync::mpsc;

use super::Printed;
use crate::{context::Context, store::LogStream};

/// A line this long goes to the log before its end is there.
const LONG: usize = 8 * 1024;

/// Logs what is printed until nobody prints any more.
pub async fn read_along(cx: &Context, mut printed: mpsc::Receiver<Printed>) {
    let mut lines = [(LogStream::Stdout, Lines::default()), (LogStream::Stderr, Lines::default())];
    while let Some(Printed { stream, bytes }) = printed.recv().await {
        for (of, lines) in &mut lines {
            if *of == stream
                && let Some(text) = lines.take(&bytes)
            {
                cx.log(stream, &text).await;
            }
        }
    }
    for (stream, lines) in lines {
        cx.log(stream, &lines.rest()).await;
    }
}

/// Puts together the lines of pieces that are cut anywhere.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// What is ready to be shown: whole lines, or as much of a long one as is whole characters.
    fn take(&mut self, piece: &[u8]) -> Option<String> {
        self.0.extend_from_slice(piece);
        let end = match self.0.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.0.len() < LONG => return None,
            // A character of UTF-8 has at most three bytes after its first.
            None => {
                (self.0.len() - 3..self.0.len()).rev().find(|at| self.0[*at] & 0xC0 == 0xC0).unwrap_or(self.0.len())
            }
        };
        let ready: Vec<u8> = self.0.drain(..end).collect();
        Some(String::from_utf8_lossy(&ready).into_owned())
    }

    fn rest(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"on"), None);
        assert_eq!(lines.take(b"e\ntwo\nth").as_deref(), Some("one\ntwo\n"));
        assert_eq!(lines.take(&"ä".as_bytes()[..1]), None);
        assert_eq!(lines.take(&"ä".as_bytes()[1..]), None);
        assert_eq!(lines.rest(), "thä");
    }

    #[test]
    fn a_long_line_is_shown_in_parts_and_no_character_in_two() {
        let mut lines = Lines::default();
        let long = "ä".repeat(LONG);
        let (begin, end) = long.as_bytes().split_at(LONG + 1);
        let mut shown = lines.take(begin).unwrap();
        assert_eq!(shown.len(), LONG);
        shown += &lines.take(end).unwrap();
        assert_eq!(shown + &lines.rest(), long);
    }
}
