//! Server-Sent Events as they come over a connection (the HTML standard, section 9.2.6).

use std::{mem, time::Duration};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Puts events together from pieces of text.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// What is no whole line yet.
    pending: Vec<u8>,
    name: String,
    data: Vec<String>,
    id: Option<String>,
    /// The id of the last event that was whole.
    pub(crate) last_id: Option<String>,
    /// How long to wait before trying again, where the server said so.
    pub(crate) retry: Option<Duration>,
}

impl Parser {
    /// Takes a piece, and gives the events that are whole with it.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<Event> {
        self.pending.extend_from_slice(piece);
        let Some(end) = self.pending.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.pending.split_off(end + 1);
        let lines = mem::replace(&mut self.pending, rest);
        let lines = String::from_utf8_lossy(&lines);
        lines.lines().filter_map(|line| self.line(line)).collect()
    }

    /// Forgets what was not whole when the connection broke.
    pub(crate) fn begin_again(&mut self) {
        *self = Self { last_id: self.last_id.take(), retry: self.retry, ..Self::default() };
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            "id" => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
            // A comment, or what nobody knows yet.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let (name, data) = (mem::take(&mut self.name), mem::take(&mut self.data));
        (!data.is_empty()).then(|| Event { name, data: data.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        let text = "retry: 1500\n: open\n\nevent: a\nid: 1\ndata: x\n\n: ping\n\nevent: b\r\nid: 2\r\ndata: ü\r\ndata:z\r\n\r\nevent: cut\nid: 3\ndata: o";
        let whole =
            [("a", "x"), ("b", "ü\nz")].map(|(name, data)| Event { name: name.to_owned(), data: data.to_owned() });
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = text.as_bytes().chunks(size).flat_map(|piece| parser.feed(piece)).collect();
            assert_eq!(events, whole, "{size}");
            assert_eq!((parser.last_id.as_deref(), parser.retry), (Some("2"), Some(Duration::from_millis(1500))));
        }
    }
}
