//! What a supervisor reads of a worker.

#![no_main]

use golden_sandbox_protocol::Run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(run) = Run::decode(data) {
        // There is one way to say each thing.
        assert_eq!(run.encode(), data);
    }
});
