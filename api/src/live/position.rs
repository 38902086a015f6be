//! How far a stream has come: the ids of its events.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
};

use golden_jobs::store::Moment;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// What a stream of one job has sent. A client that shows it again goes on from there.
///
/// Opaque to clients: the last line, and what stands for the job and its progress as they were
/// sent. Of another build it may stand for something else, and then the job is sent once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u64,
    /// 0 before the job was sent.
    pub(crate) moment: u64,
    pub(crate) progress: u64,
    /// The last event of all was sent.
    pub(crate) ended: bool,
}

impl Position {
    /// What every position looks like, for the documentation.
    pub(crate) const PATTERN: &str = "^[0-9]{1,19}-[0-9a-f]{1,16}-[0-9a-f]{1,16}(-end)?$";
    /// The same in a header, round which blanks mean nothing.
    pub(crate) const OR_NONE: &str = r"^\s*([0-9]{1,19}-[0-9a-f]{1,16}-[0-9a-f]{1,16}(-end)?)?\s*$";
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Not an id that a stream gave.
#[derive(Debug, thiserror::Error)]
#[error("the id of the last event is not one that this stream gave")]
pub(crate) struct NotAPosition;

pub(crate) fn of_moment(moment: &Moment) -> u64 {
    hash(moment)
}

pub(crate) fn of_progress(progress: Option<&RawValue>) -> u64 {
    progress.map_or(0, |progress| hash(progress.get()))
}

fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    // 0 stands for nothing.
    hasher.finish().max(1)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, moment, progress, ended } = self;
        write!(f, "{line}-{moment:x}-{progress:x}{}", if *ended { "-end" } else { "" })
    }
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(s: &str) -> Result<Self, NotAPosition> {
        let (id, ended) = s.strip_suffix("-end").map_or((s, false), |id| (id, true));
        let [line, moment, progress] =
            id.split('-').collect::<Vec<_>>().try_into().map_err(|_: Vec<&str>| NotAPosition)?;
        let hex = |text| u64::from_str_radix(text, 16).map_err(|_| NotAPosition);
        Ok(Self {
            line: line.parse().map_err(|_| NotAPosition)?,
            moment: hex(moment)?,
            progress: hex(progress)?,
            ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back() {
        for position in [
            Position::default(),
            Position { line: 42, moment: u64::MAX, progress: 7, ended: false },
            Position { line: u64::MAX, moment: 1, progress: 0, ended: true },
        ] {
            assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        }
        for bad in ["", "1", "1-2", "1-2-3-4", "x-2-3", "1-g-3", "-1-2-3", "1-2-3-end-end"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
