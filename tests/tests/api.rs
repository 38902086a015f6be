//! A job's whole way, from the request to the webhook, on both stores.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Golden, PATIENCE, Receiver};

/// Runs a case on the embedded default and on PostgreSQL, each a test of its own.
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(std::sync::Arc::new(crate::support::Golden::dev().await)).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let (golden, _worker) = crate::support::Golden::production().await;
                super::$case(std::sync::Arc::new(golden)).await;
            })+
        }
    };
}

on_both_stores!(
    failures_are_retried_buried_replayed_once_and_called_back,
    a_job_is_answered_with_its_result_when_asked_to_wait,
    a_panic_is_that_jobs_failed_attempt_and_nothing_more,
    a_running_job_is_cancelled_within_two_seconds,
    a_run_that_takes_too_long_is_a_failed_attempt,
    a_delayed_job_waits_and_a_retry_brings_it_forward,
    a_webhook_is_tried_again_until_it_is_taken,
    http_calls_follow_what_the_endpoint_says,
    one_idempotency_key_makes_one_job,
    a_job_is_followed_while_it_runs,
);

async fn failures_are_retried_buried_replayed_once_and_called_back(golden: Arc<Golden>) {
    let receiver = Receiver::answering(|_| "200 OK").await;
    let job = |fail: u32, attempts: u32| json!({"kind": "noop", "payload": {"fail": fail}, "max_attempts": attempts, "callback_url": receiver.url});
    let healed = golden.submit_many(vec![job(2, 3); 1000]).await;
    let doomed = golden.submit_many(vec![job(99, 2); 100]).await;
    for id in &healed {
        let job = golden.ended(id).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(3)), "{job}");
    }
    for id in &doomed {
        assert_eq!(golden.ended(id).await["state"], "dead");
    }

    let (status, letters) = golden.call("GET", "/v1/dlq?limit=100", None).await;
    assert_eq!(status, 200, "{letters}");
    let letters = letters["data"].as_array().unwrap();
    let dead: HashSet<&str> = letters.iter().map(|letter| letter["job_id"].as_str().unwrap()).collect();
    assert_eq!(dead, doomed.iter().map(String::as_str).collect());
    assert!(letters.iter().all(|letter| letter.to_string().contains("noop_failed")), "{}", letters[0]);
    assert_eq!(
        golden.store.column("SELECT original_subject FROM dlq_messages WHERE resolved = FALSE").await,
        ["jobs.orchestrator.noop"].repeat(100)
    );

    // All of them once, though two ask at the same time.
    let replays: Vec<_> = (0..2)
        .map(|_| {
            let golden = Arc::clone(&golden);
            tokio::task::spawn_blocking(move || golden.cli(&["dlq", "replay", "--all", "--kind", "noop"]))
        })
        .collect();
    for replay in replays {
        let (code, text) = replay.await.unwrap();
        assert_eq!(code, Some(0), "{text}");
    }
    let replayed = golden.store.column("SELECT resolution FROM dlq_messages WHERE resolved = TRUE").await;
    assert_eq!(replayed, ["replayed"].repeat(100));
    for id in &doomed {
        assert_eq!(golden.ended(id).await["state"], "dead");
    }
    let open = golden.store.column("SELECT kind FROM dlq_messages WHERE resolved = FALSE").await;
    assert_eq!(open.len(), 100, "each came back once, and died once more");

    // 1,000 successes and 100 jobs that died twice.
    let (_, secret) = golden.call("GET", "/v1/webhooks/secret", None).await;
    let verifier = standardwebhooks::Webhook::new(secret["secret"].as_str().unwrap()).unwrap();
    let until = Instant::now() + PATIENCE;
    let ids = loop {
        let ids: HashSet<String> =
            receiver.received().iter().map(|hook| hook.header("webhook-id").unwrap().to_owned()).collect();
        if ids.len() == 1200 {
            break ids;
        }
        assert!(Instant::now() < until, "{} of 1200 webhooks arrived", ids.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(ids.iter().all(|id| id.starts_with("msg_")));
    let mut about = Vec::new();
    for hook in receiver.received() {
        let headers: http::HeaderMap = hook
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        verifier.verify(&hook.body, &headers).unwrap();
        let body: Value = serde_json::from_slice(&hook.body).unwrap();
        about.push((body["type"].as_str().unwrap().to_owned(), body["data"]["id"].as_str().unwrap().to_owned()));
    }
    let told: HashSet<&str> =
        about.iter().filter(|(event, _)| event == "job.succeeded").map(|(_, id)| id.as_str()).collect();
    assert_eq!(told, healed.iter().map(String::as_str).collect());
    let told: HashSet<&str> =
        about.iter().filter(|(event, _)| event == "job.dead").map(|(_, id)| id.as_str()).collect();
    assert_eq!(told, doomed.iter().map(String::as_str).collect());
}

async fn a_job_is_answered_with_its_result_when_asked_to_wait(golden: Arc<Golden>) {
    let job = json!({"kind": "noop", "payload": {"output": {"answer": 42}}});
    let (status, job) = golden.call_with("POST", "/v1/jobs", Some(job), &[("prefer", "wait=10")]).await;
    assert_eq!((status, &job["state"], &job["result"]), (200, &json!("succeeded"), &json!({"answer": 42})), "{job}");

    let job = json!({"kind": "noop", "payload": {"sleep_ms": 5000}});
    let (status, job) = golden.call_with("POST", "/v1/jobs", Some(job), &[("prefer", "wait=1")]).await;
    assert_eq!(status, 202, "{job}");
}

async fn a_panic_is_that_jobs_failed_attempt_and_nothing_more(golden: Arc<Golden>) {
    let panics = golden.submit_with(json!({"kind": "noop", "payload": {"panic": true}, "max_attempts": 1})).await;
    let fine = golden.submit("noop", json!({"sleep_ms": 200})).await;
    let job = golden.ended(&panics).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("panic")), "{job}");
    assert!(!job.to_string().contains("asked to panic"), "the panic's text is shown: {job}");
    assert_eq!(golden.ended(&fine).await["state"], "succeeded");
}

pub(crate) async fn a_running_job_is_cancelled_within_two_seconds(golden: Arc<Golden>) {
    let id = golden.submit("noop", json!({"sleep_ms": 60_000})).await;
    golden.until(&id, &["running"]).await;
    let asked = Instant::now();
    let (status, answer) = golden.call("POST", &format!("/v1/jobs/{id}/cancel"), None).await;
    assert!(status == 200 || status == 202, "{status} {answer}");
    assert_eq!(golden.ended(&id).await["state"], "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
}

async fn a_run_that_takes_too_long_is_a_failed_attempt(golden: Arc<Golden>) {
    let job = json!({"kind": "noop", "payload": {"sleep_ms": 60_000}, "timeout": 1, "max_attempts": 2});
    let id = golden.submit_with(job).await;
    let job = golden.ended(&id).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("timeout")), "{job}");
    let (_, attempts) = golden.call("GET", &format!("/v1/jobs/{id}/attempts"), None).await;
    let outcomes: Vec<&str> =
        attempts["data"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["retry", "dead"]);
}

async fn a_delayed_job_waits_and_a_retry_brings_it_forward(golden: Arc<Golden>) {
    let soon = golden.submit_with(json!({"kind": "noop", "delay": 1})).await;
    let late = golden.submit_with(json!({"kind": "noop", "delay": 3600})).await;
    assert_eq!(golden.job(&late).await["state"], "scheduled");
    assert_eq!(golden.ended(&soon).await["state"], "succeeded");
    assert_eq!(golden.job(&late).await["state"], "scheduled");
    let (status, answer) = golden.call("POST", &format!("/v1/jobs/{late}/retry"), None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(golden.ended(&late).await["state"], "succeeded");
}

pub(crate) async fn a_webhook_is_tried_again_until_it_is_taken(golden: Arc<Golden>) {
    let receiver = Receiver::answering(|n| if n < 2 { "500 Oops" } else { "204 No Content" }).await;
    let id = golden.submit_with(json!({"kind": "noop", "callback_url": receiver.url})).await;
    let until = Instant::now() + PATIENCE;
    let attempts = loop {
        let (_, deliveries) = golden.call("GET", &format!("/v1/webhooks/deliveries?job={id}"), None).await;
        if deliveries["data"][0]["status"] == "delivered" {
            let delivery = deliveries["data"][0]["links"]["self"].as_str().unwrap();
            let (_, delivery) = golden.call("GET", delivery, None).await;
            break delivery["attempts"].as_array().unwrap().clone();
        }
        assert!(Instant::now() < until, "{deliveries}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let statuses: Vec<u64> = attempts.iter().map(|a| a["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [500, 500, 204]);
    let ids: HashSet<String> =
        receiver.received().iter().map(|hook| hook.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "the id is the same for every attempt");
}

async fn http_calls_follow_what_the_endpoint_says(golden: Arc<Golden>) {
    let flaky = Receiver::answering(|n| if n == 0 { "503 Busy\r\nretry-after: 1" } else { "200 OK" }).await;
    let gone = Receiver::answering(|_| "404 Not Found").await;
    let flaky_job = golden.submit("http.call", json!({"url": flaky.url, "body": {"n": 1}})).await;
    let gone_job = golden.submit("http.call", json!({"url": gone.url})).await;

    let job = golden.ended(&flaky_job).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!((&job["result"]["status"], &job["result"]["body"]), (&json!(200), &json!("ok")), "{job}");
    let keys: HashSet<String> =
        flaky.received().iter().map(|call| call.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!((flaky.received().len(), keys.len()), (2, 1));
    assert_eq!(flaky.received()[0].body, br#"{"n":1}"#);

    let job = golden.ended(&gone_job).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("dead"), &json!(1)), "{job}");
}

async fn one_idempotency_key_makes_one_job(golden: Arc<Golden>) {
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let golden = Arc::clone(&golden);
            tokio::spawn(async move {
                let job = json!({"kind": "noop", "payload": {}});
                golden.call_with("POST", "/v1/jobs", Some(job), &[("idempotency-key", "k1")]).await
            })
        })
        .collect();
    let mut ids = HashSet::new();
    for call in calls {
        let (status, job) = call.await.unwrap();
        assert_eq!(status, 202, "{job}");
        ids.insert(job["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(golden.store.column("SELECT kind FROM jobs").await, ["noop"]);

    let other = json!({"kind": "noop", "payload": {"sleep_ms": 1}});
    let (status, problem) = golden.call_with("POST", "/v1/jobs", Some(other), &[("idempotency-key", "k1")]).await;
    assert_eq!(status, 422, "{problem}");
}

/// With workers of another process on PostgreSQL: what they write is seen here within a moment.
async fn a_job_is_followed_while_it_runs(golden: Arc<Golden>) {
    let id = golden.submit("noop", json!({"steps": 10, "sleep_ms": 3000})).await;

    let mut events = golden.stream(&format!("/v1/jobs/{id}/events")).await;
    let (mut lines, mut states, mut seen, mut shown) = (Vec::new(), Vec::new(), Vec::new(), 0);
    while let Some((name, data)) = events.next().await {
        match name.as_str() {
            "log" => {
                lines.push(data["text"].as_str().unwrap().to_owned());
                seen.push(Instant::now());
            }
            "state" => states.push(data["state"].as_str().unwrap().to_owned()),
            "progress" => shown += 1,
            _ => {}
        }
    }

    assert_eq!(lines, (1..=10).map(|step| format!("step {step} of 10")).collect::<Vec<_>>());
    assert_eq!(states.last().unwrap(), "succeeded");
    assert!(states.contains(&"running".to_owned()), "{states:?}");
    // What comes quickly is shown together; that it is shown at all while the job runs is what matters.
    assert!(shown >= 2, "progress was shown {shown} times");
    // A step takes 300 ms, and what it wrote is there within about that time.
    let early = seen.iter().filter(|at| at.elapsed() > Duration::from_secs(1)).count();
    assert!(early >= 5, "{early} of 10 lines came more than a second before the end");
}
