//! `golden jobs submit --batch`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

use serde_json::Value;

use crate::{
    client::{Client, Request},
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Jobs and bytes of one request, at most: what the API takes, and a little less.
const CHUNK_JOBS: usize = 1000;
const CHUNK_BYTES: usize = 7 * 1024 * 1024;

/// What to submit and how.
pub(super) struct Batch<'a> {
    /// A path, or - for standard input.
    pub(super) file: &'a str,
    pub(super) partial: bool,
    pub(super) idempotency_key: Option<&'a str>,
}

/// Lines that go together, and the number of the first.
struct Chunk {
    first: usize,
    lines: Vec<String>,
}

/// Submits the lines of a file, as many at once as the API takes, and prints what became of each.
pub(super) async fn run(batch: Batch<'_>, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let unreadable = |error: io::Error| Usage(format!("cannot read the jobs from {}: {error}", batch.file));
    let mut input: Box<dyn BufRead> = match batch.file {
        "-" => Box::new(BufReader::new(io::stdin())),
        path => Box::new(BufReader::new(File::open(path).map_err(unreadable)?)),
    };
    let mut worst = Exit::Ok;
    let mut ahead = None;
    let mut read = 0;
    for number in 1.. {
        let Some(chunk) = next_chunk(&mut *input, &mut read, &mut ahead).map_err(unreadable)? else { break };
        let last = chunk.first + chunk.lines.len() - 1;
        let request = Request::post(&["jobs", "batch"])
            .query("partial", batch.partial.then_some(true))
            .header("idempotency-key", batch.idempotency_key.map(|key| format!("{key}/{number}")))
            .lines(&chunk.lines);
        let answer = client.send(request).await.inspect_err(|_| {
            eprintln!("jobs {} to {last} were not accepted; places below count from 0:", chunk.first);
        })?;
        let entries = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
        for (entry, number) in entries.iter().zip(chunk.first..) {
            if batch.partial && entry.get("problem").is_some() {
                worst = Exit::Refused;
                eprintln!("error: job {number}: {}", Cell::of(entry, "/problem/detail"));
            }
        }
        show(entries, batch.partial, output)?;
    }
    Ok(worst)
}

fn show(entries: &[Value], partial: bool, output: Output) -> io::Result<()> {
    if output.is_json() {
        return entries.iter().try_for_each(|entry| output.line(&entry.to_string()));
    }
    let jobs = entries.iter().filter_map(|entry| if partial { entry.get("job") } else { Some(entry) });
    let rows: Vec<_> = jobs.map(|job| [Cell::of(job, "/id"), Cell::state(job)]).collect();
    output.table(None, &rows)
}

/// Reads as many lines as go together; `ahead` keeps the one that did not fit any more. Empty
/// lines are nothing, and do not count.
fn next_chunk(input: &mut dyn BufRead, read: &mut usize, ahead: &mut Option<String>) -> io::Result<Option<Chunk>> {
    let mut lines: Vec<String> = Vec::new();
    let mut bytes = 0;
    loop {
        let line = match ahead.take() {
            Some(line) => line,
            None => {
                let mut line = String::new();
                if input.read_line(&mut line)? == 0 {
                    break;
                }
                line
            }
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if lines.len() == CHUNK_JOBS || bytes + line.len() > CHUNK_BYTES && !lines.is_empty() {
            *ahead = Some(line.to_owned());
            break;
        }
        bytes += line.len() + 1;
        lines.push(line.to_owned());
    }
    let first = *read + 1;
    *read += lines.len();
    Ok((!lines.is_empty()).then_some(Chunk { first, lines }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_together_as_far_as_the_api_takes_them() {
        let chunks = |text: &str| {
            let (mut input, mut read, mut ahead, mut chunks) = (text.as_bytes(), 0, None, Vec::new());
            while let Some(chunk) = next_chunk(&mut input, &mut read, &mut ahead).unwrap() {
                chunks.push((chunk.first, chunk.lines.len()));
            }
            chunks
        };
        assert_eq!(chunks("\n{}\r\n\n {} \n"), [(1, 2)]);
        assert_eq!(chunks(&"{}\n".repeat(2001)), [(1, 1000), (1001, 1000), (2001, 1)]);
        let heavy = format!("{}\n", "x".repeat(3 * 1024 * 1024));
        assert_eq!(chunks(&heavy.repeat(5)), [(1, 2), (3, 2), (5, 1)]);
        // What is too large alone goes alone, and the API says so.
        let too_heavy = format!("{}\n{{}}", "x".repeat(9 * 1024 * 1024));
        assert_eq!(chunks(&too_heavy), [(1, 1), (2, 1)]);
    }
}
