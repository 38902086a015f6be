//! That the ledger notices: books that balance, and what is said once a loss is planted in them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Off, dispatch, jobs, lists,
    records::Kept,
    told::{self, Told},
};
use crate::{
    load::Answered,
    plan::{End, LISTENING, Planned, TENANTS},
    support::Received,
};

struct Books {
    answered: Answered,
    kept: BTreeMap<String, Kept>,
    listed: BTreeMap<String, String>,
    told: Told,
    callbacks: Vec<Received>,
    endpoint: Vec<Received>,
    through: u64,
}

/// A job that is called back about, one that dies, of the tenant with an endpoint, and one that is cancelled.
const JOBS: [(&str, usize, End, bool, &str); 3] = [
    ("job_called", 0, End::Succeeds, true, "succeeded"),
    ("job_dead", LISTENING, End::Dies, false, "dead"),
    ("job_cancelled", 1, End::MayBeCancelled, false, "cancelled"),
];

impl Books {
    fn balanced() -> Self {
        let mut books = Self {
            answered: Answered::default(),
            kept: BTreeMap::new(),
            listed: BTreeMap::new(),
            told: Told::default(),
            callbacks: vec![message("job_called", "msg_1", &secret(0))],
            endpoint: vec![message("job_dead", "msg_2", &secret(9))],
            through: 3,
        };
        for (id, tenant, end, callback, state) in JOBS {
            let job = id.to_owned();
            let ran = i32::from(state != "cancelled");
            let spent = i64::from(state == "dead");
            let events = vec![format!("job.{state}")];
            let kept = Kept { state: state.to_owned(), attempt: ran, attempts: spent, letters: spent, events };
            books.answered.accepted.insert(job.clone(), (tenant, Planned { body: json!({}), end, callback }));
            books.kept.insert(job.clone(), kept);
            books.listed.insert(job, state.to_owned());
            books.told.hear(vec![event(id, state, "evt_1")], Vec::new());
        }
        books.told.hear(Vec::new(), vec![json!({"job_id": "job_dead", "id": "dlq_1"})]);
        books
    }

    fn job(&mut self, id: &str) -> &mut Kept {
        self.kept.get_mut(id).unwrap()
    }

    /// What the ledger says of them.
    fn off(&self) -> Vec<String> {
        let mut off = Off::default();
        jobs(&self.kept, &self.answered, &mut off);
        lists(&self.listed, &self.kept, &mut off);
        dispatch(self.through, &self.answered, &mut off);
        told::nats(&self.told, &self.answered, &mut off);
        let secrets: Vec<_> = (0..TENANTS.len()).map(secret).collect();
        told::webhooks(&self.callbacks, &secrets, &self.endpoint, &secret(9), &self.answered, &mut off);
        off.0
    }
}

fn secret(number: usize) -> String {
    format!("whsec_{}", STANDARD.encode([u8::try_from(number).unwrap(); 24]))
}

fn event(job: &str, state: &str, id: &str) -> Value {
    json!({"type": format!("job.{state}"), "subject": job, "id": id})
}

fn message(job: &str, id: &str, secret: &str) -> Received {
    let body = json!({"data": {"id": job}}).to_string().into_bytes();
    let sign = standardwebhooks::Webhook::new(secret).unwrap().sign(id, 1_767_000_000, &body).unwrap();
    let headers = [("webhook-id", id), ("webhook-timestamp", "1767000000"), ("webhook-signature", &*sign)];
    Received { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), body }
}

#[test]
fn books_that_balance_are_not_off() {
    assert_eq!(Books::balanced().off(), [""; 0]);
}

#[test]
fn every_planted_loss_is_named_with_whose_it_is() {
    type Plant = fn(&mut Books);
    let planted: [(&str, &str, Plant); 17] = [
        ("accepted and not on record", "job_called", |books| drop(books.kept.remove("job_called"))),
        ("on record and never accepted", "job_called", |books| drop(books.answered.accepted.remove("job_called"))),
        ("not ended as planned", "job_called", |books| books.job("job_called").state = "running".to_owned()),
        // It ended twice: once as it should, and once more.
        ("not one end in the log of events", "job_called", |books| {
            books.job("job_called").events.push("job.succeeded".to_owned());
        }),
        ("not one end in the log of events", "job_dead", |books| books.job("job_dead").events.clear()),
        ("attempts that do not add up", "job_called", |books| books.job("job_called").attempt += 1),
        ("not one dead letter for each dead job", "job_dead", |books| books.job("job_dead").letters = 0),
        ("on record and not in the API's lists", "job_dead", |books| drop(books.listed.remove("job_dead"))),
        ("in the API's lists and not on record", "job_else", |books| {
            books.listed.insert("job_else".to_owned(), "queued".to_owned());
        }),
        ("in the API's lists not as on record", "job_dead", |books| {
            books.listed.insert("job_dead".to_owned(), "retrying".to_owned());
        }),
        ("ends that NATS was not told of", "job_cancelled", |books| drop(books.told.events.remove("job_cancelled"))),
        ("ends that NATS was told of more than once, as different events", "job_called", |books| {
            books.told.hear(vec![event("job_called", "succeeded", "evt_2")], Vec::new());
        }),
        ("dead and without a letter in NATS, or the other way", "job_dead", |books| books.told.letters.clear()),
        ("callbacks that never came", "job_called", |books| books.callbacks.clear()),
        ("messages to the endpoint that never came", "job_dead", |books| books.endpoint.clear()),
        ("webhooks whose signature does not fit", "job_called", |books| books.callbacks[0].body.push(b' ')),
        ("jobs that were told of under several ids", "job_called", |books| {
            books.callbacks.push(message("job_called", "msg_3", &secret(0)));
        }),
    ];
    for (what, whose, plant) in planted {
        let mut books = Books::balanced();
        plant(&mut books);
        let off = books.off();
        let named = off.iter().any(|entry| entry.starts_with(&format!("{what}: 1 (")) && entry.contains(whose));
        assert!(named, "{what} of {whose} is not among {off:?}");
    }
    let past_redis = Books { through: 1, ..Books::balanced() };
    assert_eq!(past_redis.off(), ["only 1 of 3 jobs came through Redis"]);
}
