//! How a program ended.

use crate::frame::Malformed;

/// How it ended, and what it took, as its sandbox tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub end: End,
    /// Of the program and all that it started, in ms.
    pub cpu_ms: u64,
    /// The most memory that one process of it held, in KiB.
    pub max_rss_kib: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    pub fn encode(&self) -> Vec<u8> {
        let (how, number) = match self.end {
            End::Status(status) => (0, status),
            End::Signal(signal) => (1, signal),
        };
        [&[how][..], &number.to_be_bytes(), &self.cpu_ms.to_be_bytes(), &self.max_rss_kib.to_be_bytes()].concat()
    }

    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        const WRONG: Malformed = Malformed("no EXIT");
        let (how, rest) = body.split_first().ok_or(WRONG)?;
        let (number, rest) = rest.split_first_chunk().ok_or(WRONG)?;
        let (cpu_ms, rest) = rest.split_first_chunk().ok_or(WRONG)?;
        let (max_rss_kib, rest) = rest.split_first_chunk().ok_or(WRONG)?;
        let end = match (how, i32::from_be_bytes(*number)) {
            (0, status @ 0..=255) => End::Status(status),
            (1, signal @ 1..=64) => End::Signal(signal),
            _ => return Err(WRONG),
        };
        if !rest.is_empty() {
            return Err(WRONG);
        }
        Ok(Self { end, cpu_ms: u64::from_be_bytes(*cpu_ms), max_rss_kib: u64::from_be_bytes(*max_rss_kib) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_arrives_as_it_was_sent() {
        for end in [End::Status(0), End::Status(255), End::Signal(9)] {
            let exit = Exit { end, cpu_ms: 1 << 40, max_rss_kib: 7 };
            assert_eq!(Exit::decode(&exit.encode()), Ok(exit));
        }
        let valid = Exit { end: End::Status(1), cpu_ms: 0, max_rss_kib: 0 }.encode();
        assert!(Exit::decode(&valid[1..]).is_err());
        assert!(Exit::decode(&[&valid[..], &[0]].concat()).is_err());
        assert!(Exit::decode(&Exit { end: End::Status(256), cpu_ms: 0, max_rss_kib: 0 }.encode()).is_err());
    }
}
