//! The files that a program left and somebody wants.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use golden_sandbox_protocol::{ARTIFACT_BYTES, ARTIFACTS, Kind, PIECE, is_inside, matches};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use crate::wire::Worker;

/// Entries of folders that are looked at. A program can make very many.
const LOOKED_AT: usize = 10_000;

/// Tells of the regular files below `root` that one of the patterns means, in the order of their
/// names, as many as may be told of, and then that this was all. Nobody writes there any more.
pub(crate) fn files(root: &Path, patterns: &[String], worker: &Worker) -> io::Result<()> {
    let mut omitted: u32 = 0;
    if !patterns.is_empty() {
        let (mut count, mut room) = (0, ARTIFACT_BYTES as u64);
        for (name, size) in wanted(root, patterns, &mut omitted) {
            // A sparse file counts as what it seems to be.
            if count == ARTIFACTS || size > room {
                omitted += 1;
                continue;
            }
            match tell(&root.join(&name), &name, size, worker) {
                Ok(()) => (count, room) = (count + 1, room - size),
                Err(Untold::Unreadable) => omitted += 1,
                Err(Untold::NobodyListens(error)) => return Err(error),
            }
        }
    }
    worker.tell(Kind::Done, &omitted.to_be_bytes())
}

enum Untold {
    Unreadable,
    NobodyListens(io::Error),
}

/// Names and sizes, by name.
fn wanted(root: &Path, patterns: &[String], omitted: &mut u32) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries.flatten() {
            looked_at += 1;
            if looked_at > LOOKED_AT {
                *omitted += 1;
                return found;
            }
            // Of the entry itself: no link is followed.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = folder.join(entry.file_name());
            let name = path.to_str().filter(|name| is_inside(name));
            match name {
                None => *omitted += 1,
                Some(_) if metadata.is_dir() => folders.push(path),
                Some(name) if metadata.is_file() && patterns.iter().any(|pattern| matches(pattern, name)) => {
                    found.push((name.to_owned(), metadata.len()));
                }
                Some(_) => {}
            }
        }
    }
    found.sort();
    found
}

fn tell(path: &Path, name: &str, size: u64, worker: &Worker) -> Result<(), Untold> {
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK)
        .open(path)
        .map_err(|_| Untold::Unreadable)?;
    worker.tell(Kind::File, name.as_bytes()).map_err(Untold::NobodyListens)?;
    let mut content = file.take(size);
    let mut buffer = vec![0; PIECE];
    // One that cannot be read to its end ends where it can.
    while let Ok(read @ 1..) = content.read(&mut buffer) {
        worker.tell(Kind::Data, &buffer[..read]).map_err(Untold::NobodyListens)?;
    }
    Ok(())
}
