//! Frames, and how to find them in a stream that is cut anywhere.

/// Content is sent in frames of at most so many bytes: gVisor cuts a write to a pipe at 64 KiB.
pub const PIECE: usize = 32 * 1024;
const HEADER: usize = 5;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The supervisor waits for a RUN; the version.
    Ready = 1,
    /// The supervisor has its RUN. Whoever hears no more than READY may ask another one: nothing was run.
    Begun = 8,
    /// A piece of the program's standard output.
    Out = 2,
    /// And of its standard error.
    Err = 3,
    /// The program has ended, and all that it started: an [`Exit`](crate::Exit).
    Exit = 4,
    /// A file that the program left: its path.
    File = 5,
    /// A piece of that file's content.
    Data = 6,
    /// There is nothing more: how many files were left out, in four bytes.
    Done = 7,
    /// What to run: a [`Run`](crate::Run). The only frame from the worker.
    Run = 16,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Ready, Self::Begun, Self::Out, Self::Err, Self::Exit, Self::File, Self::Data, Self::Done, Self::Run]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A frame, as it lies in its decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: Kind,
    pub body: &'a [u8],
}

/// Those are no frames, or not these, or not here. What follows cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// The frame's bytes.
///
/// # Panics
/// When the body has 4 GiB or more.
pub fn encode(kind: Kind, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("nothing here is as long as 4 GiB");
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.push(kind as u8);
    frame.extend(length.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// Finds frames in what is read, however it is cut. Holds one frame of the largest size and what
/// was read with its end, and no more.
pub struct Decoder {
    read: Vec<u8>,
    /// Up to here it was given out.
    begin: usize,
    most: usize,
}

impl Decoder {
    /// For frames whose bodies have at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { read: Vec::new(), begin: 0, most }
    }

    /// Takes what was read. Call [`next`](Self::next) until there is none before taking more.
    pub fn take(&mut self, read: &[u8]) {
        self.read.drain(..self.begin);
        self.begin = 0;
        self.read.extend_from_slice(read);
    }

    /// The next frame, if all of it was read.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed, which an iterator's items cannot be")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Malformed> {
        let Some((header, rest)) = self.read[self.begin..].split_at_checked(HEADER) else { return Ok(None) };
        let kind = Kind::of(header[0]).ok_or(Malformed("a frame of no known kind"))?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > self.most {
            return Err(Malformed("a frame too long"));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        self.begin += HEADER + length;
        Ok(Some(Frame { kind, body }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_are_found_however_they_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..10),
            cut in 1..50_usize,
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| encode(Kind::Out, body)).collect();
            let mut decoder = Decoder::new(100);
            let mut found = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.take(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    prop_assert_eq!(frame.kind, Kind::Out);
                    found.push(frame.body.to_vec());
                }
            }
            prop_assert_eq!(found, bodies);
        }
    }

    #[test]
    fn a_long_frame_is_refused_before_it_is_read() {
        let mut decoder = Decoder::new(9);
        decoder.take(&encode(Kind::Out, &[0; 10])[..HEADER]);
        assert!(decoder.next().is_err());
    }
}
