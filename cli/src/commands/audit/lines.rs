//! The lines of an export, from a file or as a server sends them.

use std::{
    fs::File,
    io::{BufRead, BufReader, stdin},
    path::Path,
};

use anyhow::Context;
use reqwest::Response;

/// One line after the other: no more than one is in memory.
pub(super) struct Lines(Source);

enum Source {
    File(Box<dyn BufRead + Send>),
    Answer { answer: Option<Response>, pending: Vec<u8> },
}

impl Lines {
    /// `-` is standard input.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self(Source::File(Box::new(BufReader::new(stdin())))));
        }
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self(Source::File(Box::new(BufReader::new(file)))))
    }

    pub(super) fn of_answer(answer: Option<Response>) -> Self {
        Self(Source::Answer { answer, pending: Vec::new() })
    }

    /// The next line without its end; `None` after the last.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        let line = match &mut self.0 {
            Source::File(file) => {
                let mut line = Vec::new();
                if file.read_until(b'\n', &mut line).context("the export cannot be read")? == 0 {
                    return Ok(None);
                }
                line
            }
            Source::Answer { answer, pending } => match next_of(answer, pending).await? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        // What is no text is no entry, and is said to be none.
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

async fn next_of(answer: &mut Option<Response>, pending: &mut Vec<u8>) -> anyhow::Result<Option<Vec<u8>>> {
    let mut looked = 0;
    loop {
        if let Some(end) = pending[looked..].iter().position(|byte| *byte == b'\n') {
            let rest = pending.split_off(looked + end + 1);
            return Ok(Some(std::mem::replace(pending, rest)));
        }
        looked = pending.len();
        let piece = match answer {
            Some(answer) => answer.chunk().await.context("the export broke off")?,
            None => None,
        };
        match piece {
            Some(piece) => pending.extend_from_slice(&piece),
            None if pending.is_empty() => return Ok(None),
            None => return Ok(Some(std::mem::take(pending))),
        }
    }
}
