//! Those who were to be told: NATS, and the receivers of webhooks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Off;
use crate::{load::Answered, plan::LISTENING, support::Received};

/// What NATS was found to have, before every wipe and in the end.
#[derive(Default)]
pub(crate) struct Told {
    /// By job: the types of its events, and the ids that they came under.
    pub(crate) events: BTreeMap<String, BTreeSet<(String, String)>>,
    /// Jobs by their dead letters.
    pub(crate) letters: BTreeMap<String, BTreeSet<String>>,
}

impl Told {
    pub(crate) fn hear(&mut self, events: Vec<Value>, letters: Vec<Value>) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for event in events {
            let as_what = (text(&event["type"]), text(&event["id"]));
            self.events.entry(text(&event["subject"])).or_default().insert(as_what);
        }
        for letter in letters {
            self.letters.entry(text(&letter["job_id"])).or_default().insert(text(&letter["id"]));
        }
    }
}

/// NATS was told of every end, always under the same id, and of every death.
pub(crate) fn nats(told: &Told, answered: &Answered, off: &mut Off) {
    let accepted = &answered.accepted;
    off.all("ends that NATS was not told of", accepted.keys().filter(|id| !told.events.contains_key(*id)));
    off.all(
        "ends that NATS was told of more than once, as different events",
        told.events.iter().filter(|(_, ends)| ends.len() > 1).map(|(id, ends)| format!("{id}: {ends:?}")),
    );
    let dead: BTreeSet<&String> = told
        .events
        .iter()
        .filter(|(_, ends)| ends.iter().any(|(kind, _)| kind == "job.dead"))
        .map(|(id, _)| id)
        .collect();
    let letters: BTreeSet<&String> = told.letters.keys().collect();
    off.all("dead and without a letter in NATS, or the other way", dead.symmetric_difference(&letters));
    off.all(
        "with several letters in NATS",
        told.letters.iter().filter(|(_, letters)| letters.len() > 1).map(|(id, _)| id),
    );
}

/// Whoever was to be told by webhook was, under one id a message, and every signature fits.
pub(crate) fn webhooks(
    callbacks: &[Received],
    callback_secrets: &[String],
    endpoint: &[Received],
    endpoint_secret: &str,
    answered: &Answered,
    off: &mut Off,
) {
    let accepted = &answered.accepted;
    let secret = |id: &str| accepted.get(id).map(|(tenant, _)| &*callback_secrets[*tenant]);
    let called = verified(callbacks, secret, off);
    off.all(
        "callbacks that never came",
        accepted.iter().filter(|(id, (_, job))| job.callback && !called.contains(*id)).map(|(id, _)| id),
    );
    let heard = verified(endpoint, |_| Some(endpoint_secret), off);
    off.all(
        "messages to the endpoint that never came",
        accepted.iter().filter(|(id, (tenant, _))| *tenant == LISTENING && !heard.contains(*id)).map(|(id, _)| id),
    );
}

/// The jobs that messages are about.
fn verified<'a>(messages: &[Received], secret: impl Fn(&str) -> Option<&'a str>, off: &mut Off) -> BTreeSet<String> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut forged = Vec::new();
    for message in messages {
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        let job = body["data"]["id"].as_str().unwrap_or_default().to_owned();
        let header = |name| message.header(name).unwrap_or_default();
        let fits = |secret: &str| {
            let signer = standardwebhooks::Webhook::new(secret).unwrap();
            let at = header("webhook-timestamp").parse().unwrap_or_default();
            signer.sign(header("webhook-id"), at, &message.body).is_ok_and(|sign| sign == header("webhook-signature"))
        };
        if !secret(&job).is_some_and(fits) {
            forged.push(job.clone());
        }
        ids.entry(job).or_default().insert(header("webhook-id").to_owned());
    }
    off.all("webhooks whose signature does not fit", forged);
    off.all("jobs that were told of under several ids", ids.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, _)| id));
    ids.into_keys().collect()
}
