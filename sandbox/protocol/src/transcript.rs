//! Everything a worker takes from one sandbox.

use crate::{
    VERSION,
    exit::Exit,
    frame::{Decoder, Frame, Kind, Malformed, PIECE},
    path::is_inside,
};

/// What is kept of each stream, in bytes of UTF-8.
pub const KEPT: usize = 256 * 1024;
/// What is read of each stream, in bytes. Up to here a program may print more than is kept;
/// beyond, it is flooding.
pub const READ: usize = 8 << 20;
/// Files that are taken, and their bytes together.
pub const ARTIFACTS: usize = 256;
pub const ARTIFACT_BYTES: usize = 8 << 20;

/// What was told so far, held to the order and the bounds of the protocol.
pub struct Transcript {
    decoder: Decoder,
    stage: Stage,
    out: Captured,
    err: Captured,
    exit: Option<Exit>,
    artifacts: Vec<Artifact>,
    artifact_bytes: usize,
    omitted: u32,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Booting,
    /// For what to run.
    Waiting,
    Running,
    Ended,
    Done,
}

/// How far the sandbox has come with one frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It waits for what to run.
    Ready,
    /// It knows what to run.
    Begun,
    Printed(Stream, &'a [u8]),
    /// It prints more than anyone reads.
    Flooded,
    Ended,
    /// It has nothing more to say.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// A file that a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Relative, and with no way up.
    pub path: String,
    pub content: Vec<u8>,
}

/// What is left when all is said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub stdout: Text,
    pub stderr: Text,
    /// `None` where it never came.
    pub exit: Option<Exit>,
    pub artifacts: Vec<Artifact>,
    /// Files that were wanted and are not here: too large, too many, or with names that are refused.
    pub omitted: u32,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text {
    /// With U+FFFD in place of bytes that are no UTF-8.
    pub text: String,
    pub cut: bool,
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    read: usize,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(PIECE),
            stage: Stage::Booting,
            out: Captured::default(),
            err: Captured::default(),
            exit: None,
            artifacts: Vec::new(),
            artifact_bytes: 0,
            omitted: 0,
        }
    }
}

impl Transcript {
    /// Takes what came from the sandbox and hands what it says to `heed`, frame by frame.
    pub fn take(&mut self, came: &[u8], mut heed: impl FnMut(Progress<'_>)) -> Result<(), Malformed> {
        let Self { decoder, stage, out, err, exit, artifacts, artifact_bytes, omitted } = self;
        decoder.take(came);
        while let Some(Frame { kind, body }) = decoder.next()? {
            match (*stage, kind) {
                (Stage::Booting, Kind::Ready) if body == [VERSION] => {
                    *stage = Stage::Waiting;
                    heed(Progress::Ready);
                }
                (Stage::Booting, Kind::Ready) => return Err(Malformed("a supervisor of another version")),
                (Stage::Waiting, Kind::Begun) if body.is_empty() => {
                    *stage = Stage::Running;
                    heed(Progress::Begun);
                }
                (Stage::Running, Kind::Out) => heed(out.take(Stream::Out, body)),
                (Stage::Running, Kind::Err) => heed(err.take(Stream::Err, body)),
                (Stage::Running, Kind::Exit) => {
                    *exit = Some(Exit::decode(body)?);
                    *stage = Stage::Ended;
                    heed(Progress::Ended);
                }
                (Stage::Ended, Kind::File) => {
                    let path = std::str::from_utf8(body).ok().filter(|path| is_inside(path));
                    let path = path.ok_or(Malformed("a file of a name that is refused"))?.to_owned();
                    if artifacts.len() == ARTIFACTS {
                        return Err(Malformed("too many files"));
                    }
                    artifacts.push(Artifact { path, content: Vec::new() });
                }
                (Stage::Ended, Kind::Data) => {
                    let file = artifacts.last_mut().ok_or(Malformed("content of no file"))?;
                    *artifact_bytes += body.len();
                    if *artifact_bytes > ARTIFACT_BYTES {
                        return Err(Malformed("files too large"));
                    }
                    file.content.extend_from_slice(body);
                }
                (Stage::Ended, Kind::Done) => {
                    let count: [u8; 4] = body.try_into().map_err(|_| Malformed("no DONE"))?;
                    *omitted = u32::from_be_bytes(count);
                    *stage = Stage::Done;
                    heed(Progress::Done);
                }
                _ => return Err(Malformed("a frame out of turn")),
            }
        }
        Ok(())
    }

    pub fn into_outcome(self) -> Outcome {
        // A file that broke off is not one.
        let artifacts = if self.stage == Stage::Done { self.artifacts } else { Vec::new() };
        Outcome {
            stdout: self.out.into_text(),
            stderr: self.err.into_text(),
            exit: self.exit,
            artifacts,
            omitted: self.omitted,
        }
    }
}

impl Captured {
    fn take<'a>(&mut self, stream: Stream, printed: &'a [u8]) -> Progress<'a> {
        self.read = self.read.saturating_add(printed.len());
        let room = KEPT - self.bytes.len();
        self.bytes.extend_from_slice(&printed[..room.min(printed.len())]);
        if self.read > READ { Progress::Flooded } else { Progress::Printed(stream, printed) }
    }

    /// Bytes that are no UTF-8 become U+FFFD, which takes three bytes where there may have been
    /// one: hence the second cut.
    fn into_text(self) -> Text {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        let cut = self.read > KEPT || text.len() > KEPT;
        text.truncate(text.floor_char_boundary(KEPT));
        Text { text, cut }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{End, encode};

    fn exit() -> Vec<u8> {
        encode(Kind::Exit, &Exit { end: End::Status(3), cpu_ms: 5, max_rss_kib: 6 }.encode())
    }

    fn whole() -> Vec<u8> {
        [
            encode(Kind::Ready, &[VERSION]),
            encode(Kind::Begun, b""),
            encode(Kind::Out, b"one"),
            encode(Kind::Err, b"two"),
            encode(Kind::Out, b" and more"),
            exit(),
            encode(Kind::File, b"a/b"),
            encode(Kind::Data, b"con"),
            encode(Kind::Data, b"tent"),
            encode(Kind::File, b"empty"),
            encode(Kind::Done, &2_u32.to_be_bytes()),
        ]
        .concat()
    }

    fn read(stream: &[u8], cut: usize) -> (Result<(), Malformed>, Outcome) {
        let mut transcript = Transcript::default();
        let end = stream.chunks(cut).try_for_each(|piece| transcript.take(piece, |_| {}));
        (end, transcript.into_outcome())
    }

    fn begun() -> Vec<u8> {
        [encode(Kind::Ready, &[VERSION]), encode(Kind::Begun, b"")].concat()
    }

    fn refused(frames: &[Vec<u8>]) -> &'static str {
        let stream = [begun(), frames.concat()].concat();
        read(&stream, stream.len()).0.unwrap_err().0
    }

    #[test]
    fn all_that_a_sandbox_says_is_kept() {
        for cut in [1, 7, 4096] {
            let (end, outcome) = read(&whole(), cut);
            assert_eq!(end, Ok(()));
            assert_eq!((outcome.stdout.text.as_str(), outcome.stderr.text.as_str()), ("one and more", "two"));
            assert_eq!(outcome.exit.map(|exit| exit.end), Some(End::Status(3)));
            let files: Vec<_> = outcome.artifacts.iter().map(|file| (file.path.as_str(), &file.content[..])).collect();
            assert_eq!(files, [("a/b", &b"content"[..]), ("empty", b"")]);
            assert_eq!(outcome.omitted, 2);
        }
    }

    #[test]
    fn what_is_out_of_turn_or_out_of_bounds_is_refused() {
        let data = |bytes| encode(Kind::Data, &vec![0; bytes]);
        let file = |path: &str| encode(Kind::File, path.as_bytes());

        assert_eq!(refused(&[file("a")]), "a frame out of turn");
        assert_eq!(refused(&[exit(), exit()]), "a frame out of turn");
        assert_eq!(refused(&[exit(), encode(Kind::Out, b"late")]), "a frame out of turn");
        assert_eq!(refused(&[encode(Kind::Ready, &[VERSION])]), "a frame out of turn");
        assert_eq!(refused(&[encode(Kind::Begun, b"")]), "a frame out of turn");
        assert_eq!(refused(&[encode(Kind::Run, b"")]), "a frame out of turn");
        assert_eq!(refused(&[encode(Kind::Out, &[0; PIECE + 1])]), "a frame too long");
        assert_eq!(refused(&[vec![99; 5]]), "a frame of no known kind");
        for path in ["../a", "/a", "a/", "a\u{7}"] {
            assert_eq!(refused(&[exit(), file(path)]), "a file of a name that is refused");
        }
        assert_eq!(refused(&[exit(), data(1)]), "content of no file");
        assert_eq!(refused(&[exit(), vec![file("a"); ARTIFACTS + 1].concat()]), "too many files");
        let much = vec![data(PIECE); ARTIFACT_BYTES / PIECE].concat();
        assert_eq!(refused(&[exit(), file("a"), much, data(1)]), "files too large");
        let early = [encode(Kind::Ready, &[VERSION]), encode(Kind::Out, b"early")].concat();
        assert_eq!(read(&early, 6).0, Err(Malformed("a frame out of turn")));
        let other = read(&encode(Kind::Ready, &[VERSION + 1]), 6).0;
        assert_eq!(other, Err(Malformed("a supervisor of another version")));
    }

    #[test]
    fn a_flood_is_told_and_little_of_it_kept() {
        let mut transcript = Transcript::default();
        transcript.take(&begun(), |_| {}).unwrap();
        let piece = encode(Kind::Err, &[b'x'; PIECE]);
        let mut flooded = false;
        for _ in 0..=READ / PIECE {
            transcript.take(&piece, |progress| flooded |= progress == Progress::Flooded).unwrap();
        }
        let outcome = transcript.into_outcome();
        assert!(flooded && outcome.stderr.cut && !outcome.stdout.cut);
        assert_eq!((outcome.stderr.text.len(), outcome.stdout.text.len()), (KEPT, 0));
    }

    #[test]
    fn what_is_no_text_stays_within_the_limit() {
        let captured = Captured { bytes: vec![0xff; KEPT], read: KEPT };
        let Text { text, cut } = captured.into_text();
        assert!(cut && text.len() <= KEPT && text.len() > KEPT - 3, "{}", text.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever a guest makes of the stream, the worker reads it without harm and within bounds.
        #[test]
        fn a_spoiled_stream_does_no_harm(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..8),
            cut in 1..64_usize,
        ) {
            let mut stream = whole();
            for (at, byte, how) in changes {
                let at = at.index(stream.len());
                match how {
                    0 => stream[at] = byte,
                    1 => stream.insert(at, byte),
                    _ => drop(stream.remove(at)),
                }
            }
            let (_, outcome) = read(&stream, cut);
            prop_assert!(outcome.artifacts.iter().all(|file| is_inside(&file.path)));
            prop_assert!(outcome.artifacts.iter().map(|file| file.content.len()).sum::<usize>() <= stream.len());
            prop_assert!(outcome.stdout.text.len() <= 3 * stream.len());
        }

        #[test]
        fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..400), cut in 1..64_usize) {
            let _ = read(&noise, cut);
        }
    }
}
