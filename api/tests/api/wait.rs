//! `Prefer: wait=N`.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use golden_jobs::Role;
use serde_json::json;

use crate::harness::{Answer, Golden, request, succeeded};

async fn submit_and_wait(golden: &Golden, wait: &str) -> Answer {
    let sent = request(Method::POST, "/v1/jobs").header("prefer", wait);
    golden.send(sent.json(&json!({"kind": "noop"}))).await
}

/// Runs ready jobs to their success until `count` have.
async fn work(golden: &Golden, count: usize) {
    let mut done = 0;
    while done < count {
        let worker = golden_jobs::WorkerId::new();
        for claimed in golden.store.claim(Role::Orchestrator, 100, worker).await.unwrap() {
            golden.finish(&claimed, succeeded("[1]")).await;
            done += 1;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_that_ends_in_time_is_answered_finished() {
    let golden = Golden::start().await;
    let (answer, ()) = tokio::join!(submit_and_wait(&golden, "wait=20"), work(&golden, 1));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!((&answer.body["state"], &answer.body["result"]), (&json!("succeeded"), &json!([1])));
    assert_eq!(answer.header("preference-applied"), "wait=20");
    assert!(answer.header("location").starts_with("/v1/jobs/job_"));
}

#[tokio::test]
async fn a_job_that_takes_longer_is_answered_as_it_stands() {
    let golden = Golden::start().await;
    let begun = Instant::now();
    let claim = async {
        let worker = golden_jobs::WorkerId::new();
        while golden.store.claim(Role::Orchestrator, 1, worker).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(submit_and_wait(&golden, "wait=1"), claim);
    assert_eq!((answer.status, &answer.body["state"]), (StatusCode::ACCEPTED, &json!("running")));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn many_wait_at_once() {
    let golden = Golden::start().await;
    let waiting = join_all((0..50).map(|_| submit_and_wait(&golden, "wait=20")));
    let (answers, ()) = tokio::join!(waiting, work(&golden, 50));
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
}
