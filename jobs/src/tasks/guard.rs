//! Ends a task that goes in a circle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::canonical::fingerprint;

/// A step is not made for the fourth time with the same input.
const SAME_INPUT: u8 = 4;
/// Nor does a task go on after the third time of the same error.
const SAME_ERROR: u8 = 3;

/// What was asked and what went wrong, each by a digest and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guard {
    inputs: BTreeMap<String, u8>,
    errors: BTreeMap<String, u8>,
}

/// A task goes in a circle; says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stuck(pub(super) String);

impl Guard {
    /// Counts a step that is about to be made.
    pub(super) fn step(&mut self, name: &str, input: &Value) -> Result<(), Stuck> {
        let times = count(&mut self.inputs, name, &fingerprint(input));
        if times < SAME_INPUT {
            return Ok(());
        }
        Err(Stuck(format!("`{name}` would be done for the {SAME_INPUT}th time with the same input")))
    }

    /// Counts an error of a step. Numbers in it are as good as each other: times and addresses differ each time.
    pub(super) fn error(&mut self, name: &str, error: &str) -> Result<(), Stuck> {
        let mut plain = String::with_capacity(error.len());
        for c in error.chars() {
            match c.is_ascii_digit() {
                true if plain.ends_with('0') => {}
                true => plain.push('0'),
                false => plain.push(c),
            }
        }
        let times = count(&mut self.errors, name, &Sha256::digest(plain).into());
        if times < SAME_ERROR {
            return Ok(());
        }
        Err(Stuck(format!("`{name}` failed in the same way for the {SAME_ERROR}rd time")))
    }
}

fn count(known: &mut BTreeMap<String, u8>, name: &str, digest: &[u8; 32]) -> u8 {
    let short: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let times = known.entry(format!("{name}/{short}")).or_default();
    *times = times.saturating_add(1);
    *times
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fourth_time_of_an_input_and_the_third_of_an_error_are_too_many() {
        let mut guard = Guard::default();
        for _ in 0..3 {
            assert_eq!(guard.step("run", &json!({"a": 1})), Ok(()));
            assert_eq!(guard.step("repair", &json!({"a": 1})), Ok(()), "another step");
        }
        assert_eq!(guard.step("run", &json!({"a": 2})), Ok(()), "another input");
        assert!(guard.step("run", &json!({"a": 1})).unwrap_err().0.contains("`run`"));

        for time in ["0.013", "0.2"] {
            assert_eq!(guard.error("run", &format!("FAILED in {time}s")), Ok(()));
        }
        assert_eq!(guard.error("run", "FAILED otherwise"), Ok(()));
        assert!(guard.error("run", "FAILED in 11.5s").is_err());
    }
}
