//! `llm.complete` against a server that answers as providers do.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use golden_jobs::{
    Context, Failure, JobId, Role, WorkerId,
    breakers::{self, Board, Dependency, State},
    context::Ports,
    functions::KnownFunctions,
    journal::Journal,
    kinds::registry,
    metrics::Metrics,
    models::{
        Model, ModelError, ModelTerms, Models, OFFLINE, Offline, Price,
        exchange::{AgentRole, Message, Request, Speaker},
    },
    outcome::{End, JobError, Verdict},
    store::{Claimed, Due, NewJob, RunEnd},
};
use golden_workers::models::{ChatCompletions, Provider};
use serde_json::{Value, json, value::to_raw_value};
use tokio::io::AsyncWriteExt;

use crate::{
    dev,
    server::{Server, answer},
    webhooks::Fresh,
};

const KEY: &str = "key-of-the-provider";
const PRICE: Price = Price { input: 1_000_000, output: 2_000_000 };

/// A provider that gives these answers, one after the other, and a Golden that asks it.
struct Bed {
    fresh: Fresh,
    server: Server,
    models: Models,
    board: Board,
    metrics: Metrics,
}

fn provider(server: &Server) -> ChatCompletions {
    let base_url = server.url("/v1").parse().unwrap();
    ChatCompletions::new(Provider { base_url, key: Some(KEY.to_owned()) }).unwrap()
}

fn terms(model: &str, price: Option<Price>) -> ModelTerms {
    ModelTerms { model: model.to_owned(), temperature: Some(0.5), max_tokens: 500, price }
}

async fn answering(answers: impl IntoIterator<Item = Vec<u8>>) -> Server {
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    Server::serving(move |mut stream| {
        let next = answers.lock().unwrap().pop_front().unwrap_or_else(|| answer("404 Not Found", "", ""));
        async move { stream.write_all(&next).await.unwrap_or_default() }
    })
    .await
}

/// A chat completion as OpenAI has it.
fn said(text: &str, finish: &str) -> Vec<u8> {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-test-2026",
        "choices": [{
            "index": 0, "finish_reason": finish, "logprobs": null,
            "message": {"role": "assistant", "content": text, "refusal": null},
        }],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    });
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

impl Bed {
    async fn answering(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let server = answering(answers).await;
        let roles = BTreeMap::from([
            (AgentRole::Developer, terms("gpt-test", Some(PRICE))),
            (AgentRole::Tester, terms("gpt-test", None)),
        ]);
        let models = Models::new(Arc::new(provider(&server)), roles);
        let metrics = Metrics::new();
        let board = Board::new(breakers::Options::default(), metrics.clone());
        Self { fresh: Fresh::open().await, server, models, board, metrics }
    }

    async fn submit(&self, payload: &Value) -> JobId {
        let job = NewJob {
            id: JobId::new(),
            tenant_id: "acme".to_owned(),
            kind: "llm.complete".to_owned(),
            role: Role::Orchestrator,
            priority: 5,
            payload: to_raw_value(payload).unwrap(),
            max_attempts: 5,
            timeout: Duration::from_secs(60),
            due: Due::Now,
            metadata: None,
            callback_url: None,
            parent_id: None,
            max_cost: None,
            trace: None,
            idempotency: None,
        };
        let id = job.id;
        self.fresh.store.insert(vec![job]).await.unwrap();
        id
    }

    /// One run of whatever is due.
    async fn run(&self) -> (Arc<Claimed>, Result<Value, Failure>) {
        let store = &self.fresh.store;
        let claimed = Arc::new(store.claim(Role::Orchestrator, 1, WorkerId::new()).await.unwrap().remove(0));
        let ports = Ports {
            store: Arc::clone(store),
            metrics: self.metrics.clone(),
            outbound: Arc::new(dev()),
            models: Ok(self.models.clone()),
            executor: Err("not here".to_owned()),
            breakers: self.board.clone(),
            functions: KnownFunctions::new(Arc::clone(store)),
        };
        let kinds = registry();
        let journal = Journal::unread(claimed.run, claimed.attempt);
        let context = Context::new(Arc::clone(&claimed), ports, journal);
        let outcome = kinds.get("llm.complete").unwrap().run(claimed.payload.clone(), context).await;
        let result = outcome.map(|end| match end {
            End::Done(Some(result)) => serde_json::from_str(result.get()).unwrap(),
            other => panic!("{other:?}"),
        });
        (claimed, result)
    }

    /// One run of a new job, which ends with it.
    async fn asked(&self, payload: Value) -> Result<Value, Failure> {
        self.submit(&payload).await;
        let (claimed, result) = self.run().await;
        let verdict = Verdict::Succeeded { result: None };
        let end = RunEnd { run: claimed.run, role: claimed.role, verdict };
        assert!(self.fresh.store.finish(vec![end]).await.unwrap().is_empty());
        result
    }

    async fn budget(&self) -> (i64, i64) {
        let budget = self.fresh.store.budget("acme").await.unwrap();
        (budget.spent, budget.reserved)
    }

    fn failures(&self, reason: &str) -> bool {
        self.metrics
            .render()
            .lines()
            .filter(|line| line.starts_with("llm_validation_failures_total{") && line.contains(&format!("{reason:?}")))
            .any(|line| line.contains("developer") && line.ends_with(" 1"))
    }
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn question() -> Value {
    let count = json!({"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}});
    json!({"role": "developer", "system": "Be brief.", "prompt": "How many?", "data": {"list": ["a"]}, "schema": count})
}

#[tokio::test]
async fn an_answer_that_fits_is_the_result_and_every_call_is_paid_for_once() {
    let answers = [
        said(r#"{"count": 1}"#, "stop"),
        said("Sure:\n```json\n{\"count\": \"2\",}\n```", "stop"),
        said(r#"{"count": "hunter2"}"#, "stop"),
        said(r#"{"count": 3}"#, "stop"),
        said("Key: ghp_0123456789abcdefghijABCDEFGHIJ0123456789", "stop"),
    ];
    let bed = Bed::answering(answers).await;

    let strict = bed.asked(question()).await.unwrap();
    assert_eq!((&strict["outcome"], &strict["answer"]), (&json!("ok_strict"), &json!({"count": 1})));
    assert_eq!(strict["usage"], json!({"input_tokens": 100, "output_tokens": 20}));
    assert_eq!((&strict["cost"], &strict["model"]), (&json!(140), &json!("gpt-test-2026")));

    let repaired = bed.asked(question()).await.unwrap();
    assert_eq!((&repaired["outcome"], &repaired["answer"]), (&json!("ok_repaired"), &json!({"count": 2})));
    let names: Vec<_> = repaired["repairs"].as_array().unwrap().iter().map(|repair| repair["name"].clone()).collect();
    assert_eq!(names, ["outermost_value", "trailing_comma", "text_to_number"]);
    assert_eq!(repaired["repairs"][2]["patch"], json!([{"op": "replace", "path": "/count", "value": 2}]));

    let reasked = bed.asked(question()).await.unwrap();
    assert_eq!((&reasked["outcome"], &reasked["cost"]), (&json!("ok_reasked"), &json!(280)));
    assert_eq!(reasked["calls"][0]["reason"], json!("mismatch"));
    assert!(bed.failures("mismatch"));

    let text = bed.asked(json!({"role": "developer", "prompt": "Say."})).await.unwrap();
    assert_eq!((&text["answer"], &text["redacted"]), (&json!("Key: [redacted:github_token]"), &json!(1)));

    assert_eq!(bed.budget().await, (5 * 140, 0), "what was reserved is settled");

    let requests = bed.server.requests();
    assert_eq!(requests.len(), 5);
    assert!(requests[0].starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(requests[0].contains(&format!("authorization: Bearer {KEY}\r\n")));
    let first = body(&requests[0]);
    assert_eq!((&first["model"], &first["max_tokens"]), (&json!("gpt-test"), &json!(500)));
    assert_eq!(first["response_format"]["json_schema"]["schema"], question()["schema"]);
    let said = |request: &Value, nth: usize| request["messages"][nth]["content"].as_str().unwrap().to_owned();
    assert!(said(&first, 0).starts_with("Be brief.") && said(&first, 1).starts_with("How many?\n\n<data "));
    let again = body(&requests[3]);
    assert!(said(&again, 2).contains("\"/count\" type") && !again.to_string().contains("hunter2"), "{again}");
    assert!(body(&requests[4]).get("response_format").is_none());
}

#[tokio::test]
async fn what_is_refused_or_cut_off_is_not_asked_for_again_and_what_stays_wrong_twice() {
    let refusal = json!({"model": "m", "choices": [{"finish_reason": "stop",
        "message": {"content": null, "refusal": "I will not."}}]});
    let answers = [
        said(r#"{"count": 1}"#, "length"),
        answer("200 OK", "", &refusal.to_string()),
        said("{", "stop"),
        said("{", "stop"),
        said("{", "stop"),
    ];
    let bed = Bed::answering(answers).await;
    for (outcome, reason, calls) in
        [("truncated", "truncated", 1), ("refused", "refused", 1), ("invalid", "unfinished", 3)]
    {
        let result = bed.asked(question()).await.unwrap();
        assert_eq!((&result["outcome"], &result["reason"]), (&json!(outcome), &json!(reason)), "{result}");
        assert_eq!((result["answer"].clone(), result["calls"].as_array().unwrap().len()), (Value::Null, calls));
    }
    let (spent, reserved) = bed.budget().await;
    assert!(spent == 4 * 140 && reserved > 0, "tokens that nobody counted are kept back: {spent}, {reserved}");

    let unpriced = bed.asked(json!({"role": "tester", "prompt": "?"})).await.unwrap_err();
    assert!(matches!(&unpriced, Failure::Fatal(error) if error.code == "model_without_price"), "{unpriced}");
    let nobody = bed.asked(json!({"role": "security", "prompt": "?"})).await.unwrap_err();
    assert!(matches!(&nobody, Failure::Retry { error, .. } if error.code == "no_model"), "{nobody}");
    assert_eq!(bed.server.requests().len(), 5);
}

#[tokio::test]
async fn a_provider_that_is_busy_or_away_is_a_retry_and_what_was_paid_for_is_not_asked_for_again() {
    let answers = [
        said("{", "stop"),
        answer("429 Too Many Requests", "Retry-After: 7\r\n", ""),
        said(r#"{"count": 5}"#, "stop"),
        answer("400 Bad Request", "", r#"{"error": {"code": "context_length_exceeded", "message": "How many?"}}"#),
    ];
    let cannot = vec![answer("503 Service Unavailable", "", "{}"); 5];
    let bed = Bed::answering(answers.into_iter().chain(cannot)).await;

    let id = bed.submit(&question()).await;
    let (claimed, busy) = bed.run().await;
    let after = Some(Duration::from_secs(7));
    assert!(
        matches!(busy.unwrap_err(), Failure::Retry { error, after: wait } if error.code == "model_busy" && wait == after)
    );
    let verdict = Verdict::Retry { delay: Duration::ZERO, error: JobError::new("model_busy", "") };
    let end = RunEnd { run: claimed.run, role: claimed.role, verdict };
    bed.fresh.store.finish(vec![end]).await.unwrap();
    bed.fresh.store.promote(10).await.unwrap();
    let (claimed, result) = bed.run().await;
    let result = result.unwrap();
    assert_eq!((claimed.run.id, &result["outcome"], &result["cost"]), (id, &json!("ok_reasked"), &json!(280)));
    assert_eq!(bed.budget().await, (280, 0));

    let rejected = bed.asked(question()).await.unwrap_err();
    assert!(matches!(&rejected, Failure::Fatal(error) if error.message.contains("context_length_exceeded")));
    assert!(!rejected.to_string().contains("How many?"));
    let name = Dependency::llm(&bed.server.url("/v1"));
    assert_eq!(bed.board.state(&name), State::Closed, "an answer is an answer");

    for _ in 0..5 {
        let away = bed.asked(question()).await.unwrap_err();
        assert!(matches!(&away, Failure::Retry { error, .. } if error.code == "model_unavailable"), "{away}");
    }
    assert_eq!(bed.board.state(&name), State::Open);
    assert!(matches!(bed.asked(question()).await.unwrap_err(), Failure::Later(_)));
    assert_eq!(bed.server.requests().len(), 9, "while it is open, nobody is asked");
}

fn request(timeout: Duration) -> Request {
    Request {
        model: "m".to_owned(),
        messages: vec![Message { speaker: Speaker::User, content: "?".to_owned() }],
        schema: None,
        temperature: None,
        max_tokens: 1,
        timeout,
    }
}

#[tokio::test]
async fn a_slow_large_or_garbled_answer_is_none() {
    let slow = Server::serving(|stream| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let begun = Instant::now();
    let error = provider(&slow).complete(&request(Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(error, ModelError::Broken(_)) && begun.elapsed() < Duration::from_secs(20), "{error}");

    let large = said(&"x".repeat(300 * 1024), "stop");
    let server = answering([large, answer("200 OK", "", "<html>"), answer("200 OK", "", r#"{"choices": []}"#)]).await;
    for _ in 0..3 {
        let error = provider(&server).complete(&request(Duration::from_secs(20))).await.unwrap_err();
        assert!(matches!(error, ModelError::Unreadable(_)) && !error.is_fault(), "{error}");
    }

    let nobody =
        ChatCompletions::new(Provider { base_url: "http://127.0.0.1:1/v1".parse().unwrap(), key: None }).unwrap();
    let error = nobody.complete(&request(Duration::from_secs(20))).await.unwrap_err();
    assert!(matches!(error, ModelError::Unreachable(_)) && error.is_free(), "{error}");
    let shown =
        format!("{:?}", Provider { base_url: "http://127.0.0.1/v1".parse().unwrap(), key: Some(KEY.to_owned()) });
    assert!(!shown.contains(KEY) && !format!("{:?}", request(Duration::ZERO)).contains('?'), "{shown}");
}

#[tokio::test]
async fn a_model_that_refuses_one_name_of_the_limit_gets_the_other() {
    let told = r#"{"error": {"message": "Use 'max_completion_tokens'.", "param": "max_tokens", "code": "unsupported_parameter"}}"#;
    let refused = answer("400 Bad Request", "", told);
    let server = answering([refused, said("a", "stop"), said("b", "stop"), answer("401 Unauthorized", "", "{}")]).await;
    let provider = provider(&server);
    let request = request(Duration::from_secs(20));
    assert_eq!(provider.complete(&request).await.unwrap().text, "a");
    assert_eq!(provider.complete(&request).await.unwrap().text, "b");
    let sent: Vec<_> = server.requests().iter().map(|request| body(request)).collect();
    let limits = |sent: &Value| [sent["max_tokens"].as_u64(), sent["max_completion_tokens"].as_u64()];
    assert_eq!(sent.iter().map(limits).collect::<Vec<_>>(), [[Some(1), None], [None, Some(1)], [None, Some(1)]]);

    let key = Failure::from(provider.complete(&request).await.unwrap_err());
    assert!(matches!(key, Failure::Retry { .. }), "the key is the operator's to mend: {key}");
}

#[tokio::test]
async fn without_a_provider_the_offline_model_answers_and_says_so() {
    let mut bed = Bed::answering([]).await;
    let free = terms(OFFLINE, Some(Price::default()));
    bed.models = Models::new(Arc::new(Offline), BTreeMap::from([(AgentRole::Developer, free)]));
    let result = bed.asked(question()).await.unwrap();
    assert_eq!((&result["model"], &result["outcome"]), (&json!("offline"), &json!("ok_strict")));
    assert_eq!((&result["answer"], &result["cost"]), (&json!({"count": 0}), &json!(0)));
    assert_eq!(bed.budget().await, (0, 0));
}
