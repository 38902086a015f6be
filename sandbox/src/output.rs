//! What is kept of what a program prints.

use bollard::container::LogOutput;

/// What is kept of each stream, in bytes of UTF-8.
const KEPT: usize = 256 * 1024;
/// What is read of each stream, in bytes. Up to here a program may print more than is kept;
/// beyond, it is flooding.
const READ: usize = 8 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Output {
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

#[derive(Default)]
pub(crate) struct Captured {
    bytes: Vec<u8>,
    read: usize,
}

/// The program prints more than anyone reads.
pub(crate) struct Flooded;

impl Output {
    pub(crate) fn take(&mut self, printed: LogOutput) -> Result<(), Flooded> {
        match printed {
            LogOutput::StdOut { message } => self.stdout.take(&message),
            LogOutput::StdErr { message } => self.stderr.take(&message),
            // Docker sends these only for terminals and echoes, of which there are none.
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => Ok(()),
        }
    }
}

impl Captured {
    fn take(&mut self, printed: &[u8]) -> Result<(), Flooded> {
        self.read += printed.len();
        let room = KEPT - self.bytes.len();
        self.bytes.extend_from_slice(&printed[..room.min(printed.len())]);
        if self.read > READ { Err(Flooded) } else { Ok(()) }
    }

    /// The text, and whether it was cut. Bytes that are no UTF-8 become U+FFFD, which takes three
    /// bytes where there may have been one: hence the second cut.
    pub(crate) fn into_text(self) -> (String, bool) {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        let cut = self.read > KEPT || text.len() > KEPT;
        text.truncate(text.floor_char_boundary(KEPT));
        (text, cut)
    }
}
