//! What a worker and the supervisor in a sandbox say to each other.
//!
//! A worker holds the standard streams of the sandbox's first process, the supervisor. Over
//! them go frames: one byte that says what it is, four (big-endian) that count the bytes to
//! follow, and those.
//!
//! ```text
//! supervisor   READY         BEGUN   OUT, ERR …    EXIT   (FILE DATA …) …   DONE
//! worker                RUN
//! ```
//!
//! READY carries the version, RUN a [`Run`], which BEGUN says has come; OUT and ERR are what the program
//! printed, EXIT is an [`Exit`]; then come the files it left: for each its path, then its content. The worker's
//! end of the stream is a lease: when it closes, the supervisor kills the program and ends.
//!
//! Nothing that comes out of a sandbox is to be believed: the program in it runs as the
//! same user as the supervisor and may write into its streams. All that it can forge is its
//! own outcome, within the bounds that [`Transcript`] sets.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | frames, and [`Decoder`], which finds them in a stream |
//! | `run` | [`Run`]: what the worker asks for |
//! | `exit` | [`Exit`]: how the program ended |
//! | `transcript` | [`Transcript`]: everything a worker takes from one sandbox |
//! | `path` | which names files may have, and which of them a pattern means |

mod exit;
mod frame;
mod path;
mod run;
mod transcript;

pub use exit::{End, Exit};
pub use frame::{Decoder, Frame, Kind, Malformed, PIECE, encode};
pub use path::{is_inside, matches};
pub use run::{Launch, Limits, RUN_LIMIT, Run};
pub use transcript::{ARTIFACT_BYTES, ARTIFACTS, Artifact, KEPT, Outcome, Progress, READ, Stream, Text, Transcript};

/// Raised with every change of what is said.
pub const VERSION: u8 = 2;

/// Where the supervisor is in an image.
pub const SUPERVISOR: &str = "/.golden/supervisor";
