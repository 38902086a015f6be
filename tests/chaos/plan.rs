//! What is submitted: all of it follows from the seed.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

pub(crate) const TENANTS: [&str; 4] = ["acme", "globex", "initech", "umbrella"];

/// The tenant whose every end goes to an endpoint; the others' go where a job's `callback_url` says.
pub(crate) const LISTENING: usize = 3;

/// Jobs of one batch.
const BATCH: usize = 50;

/// One job, and what is to become of it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) body: Value,
    pub(crate) end: End,
    pub(crate) callback: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Succeeds,
    Dies,
    /// Somebody asks for it while it waits or runs, or too late.
    MayBeCancelled,
}

impl End {
    pub(crate) fn allows(self, state: &str) -> bool {
        match self {
            Self::Succeeds => state == "succeeded",
            Self::Dies => state == "dead",
            Self::MayBeCancelled => state == "succeeded" || state == "cancelled",
        }
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Submission {
    /// The idempotency key.
    pub(crate) key: String,
    pub(crate) tenant: usize,
    /// Alone, or in one transaction with others.
    pub(crate) batch: bool,
    pub(crate) jobs: Vec<Planned>,
    /// Sent again though it was answered, or given up so early that its answer is lost.
    pub(crate) twice: bool,
    pub(crate) impatient: bool,
}

/// `jobs` jobs as requests, a fifth of the jobs each in one of its own.
pub(crate) fn submissions(seed: u64, jobs: usize, callback_url: &str) -> Vec<Submission> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut left = jobs;
    let mut sizes = Vec::new();
    while left > 0 {
        let size = if left > jobs / 5 { BATCH.min(left - jobs / 5) } else { 1 };
        sizes.push(size);
        left -= size;
    }
    sizes.shuffle(&mut dice);
    let mut number = 0;
    sizes
        .into_iter()
        .enumerate()
        .map(|(place, size)| {
            let tenant = [0, 0, 0, 1, 1, 1, 2, 2, 2, LISTENING][dice.random_range(0..10)];
            let jobs = (0..size)
                .map(|_| {
                    number += 1;
                    job(&mut dice, number, callback_url)
                })
                .collect();
            let (twice, impatient) = (dice.random_bool(0.05), dice.random_bool(0.05));
            Submission { key: format!("{seed}-{place}"), tenant, batch: size > 1, jobs, twice, impatient }
        })
        .collect()
}

fn job(dice: &mut StdRng, number: usize, callback_url: &str) -> Planned {
    let (payload, more, end) = match dice.random_range(0..100) {
        0..60 => (json!({"output": number}), json!({}), End::Succeeds),
        60..72 => (json!({"sleep_ms": dice.random_range(1..200)}), json!({}), End::Succeeds),
        // Long enough to be held by whatever dies.
        72..75 => (json!({"sleep_ms": dice.random_range(1000..8000)}), json!({}), End::Succeeds),
        75..77 => (json!({"steps": 5, "sleep_ms": 500}), json!({}), End::Succeeds),
        77..85 => (json!({"fail": dice.random_range(1..3)}), json!({"max_attempts": 8}), End::Succeeds),
        85..88 => (json!({"fail": 99}), json!({"max_attempts": dice.random_range(1..3)}), End::Dies),
        88..89 => (json!({"panic": true}), json!({"max_attempts": 1}), End::Dies),
        89..97 => (json!({}), json!({"delay": dice.random_range(1..30)}), End::Succeeds),
        _ => (json!({"sleep_ms": 400}), json!({"delay": dice.random_range(0..3)}), End::MayBeCancelled),
    };
    let callback = dice.random_bool(0.05);
    let mut body = json!({
        "kind": "noop",
        "payload": payload,
        "priority": dice.random_range(0..10),
        "metadata": {"number": number.to_string()},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    if callback {
        body["callback_url"] = callback_url.into();
    }
    Planned { body, end, callback }
}
