//! The streams to the worker.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
};

use golden_sandbox_protocol::{Decoder, Frame, Kind, RUN_LIMIT, Run, encode};

/// Reads without a buffer of its own: what follows may be another's to read.
pub(crate) fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    let owned: OwnedFd = stream.as_fd().try_clone_to_owned()?;
    Ok(File::from(owned))
}

/// Where frames go; several threads have something to say.
#[derive(Clone)]
pub(crate) struct Worker(Arc<Mutex<File>>);

impl Worker {
    pub(crate) fn on_stdout() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(unbuffered(io::stdout())?))))
    }

    /// One frame, whole, however often it has to be written: gVisor takes what it likes of a write.
    pub(crate) fn tell(&self, kind: Kind, body: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&encode(kind, body))
    }
}

/// Waits for what to run. `None` when the worker has gone, or talks nonsense.
pub(crate) fn asked(from: &mut File) -> Option<Run> {
    let mut decoder = Decoder::new(RUN_LIMIT);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).ok().filter(|read| *read > 0)?;
        decoder.take(&buffer[..read]);
        match decoder.next().ok()? {
            Some(Frame { kind: Kind::Run, body }) => return Run::decode(body).ok(),
            Some(_) => return None,
            None => {}
        }
    }
}
