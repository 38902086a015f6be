//! What a worker reads of a sandbox, in which a guest may write as it likes.

#![no_main]

use golden_sandbox_protocol::{ARTIFACT_BYTES, ARTIFACTS, KEPT, Kind, Transcript, VERSION, encode, is_inside};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Past READY and BEGUN, which noise hardly ever gets, and cut where the first byte says.
    let Some((cut, stream)) = data.split_first() else { return };
    let mut transcript = Transcript::default();
    let begun = [encode(Kind::Ready, &[VERSION]), encode(Kind::Begun, &[])].concat();
    transcript.take(&begun, |_| {}).expect("it has begun");
    let _ = stream.chunks(usize::from(*cut) + 1).try_for_each(|piece| transcript.take(piece, |_| {}));

    let outcome = transcript.into_outcome();
    assert!(outcome.stdout.text.len() <= KEPT && outcome.stderr.text.len() <= KEPT);
    assert!(outcome.artifacts.len() <= ARTIFACTS);
    assert!(outcome.artifacts.iter().map(|file| file.content.len()).sum::<usize>() <= ARTIFACT_BYTES);
    assert!(outcome.artifacts.iter().all(|file| is_inside(&file.path)));
});
