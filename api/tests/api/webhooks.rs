//! `/v1/webhooks`: secrets, endpoints and deliveries.

use axum::http::{Method, StatusCode};
use golden_api::CallerRole;
use golden_jobs::{
    JobId, MessageId, Role,
    outcome::{JobError, Verdict},
    store::{
        deliveries::{DeliveryAttempt, NewAttempt},
        endpoints::ENDPOINTS_LIMIT,
    },
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, succeeded, text, token};

#[tokio::test]
async fn a_tenant_has_one_secret() {
    let golden = Golden::start().await;
    let secret = golden.get("/v1/webhooks/secret").await;
    let value = text(&secret.body["secret"]);
    assert!(value.starts_with("whsec_") && value.len() == 6 + 44, "{value}");
    assert_eq!(secret.header("cache-control"), "no-store");
    assert_eq!(golden.get("/v1/webhooks/secret").await.body, secret.body);
}

#[tokio::test]
async fn the_secret_of_callbacks_is_rotated() {
    let golden = Golden::start().await;
    let (rotate, revoke) = ("/v1/webhooks/secret/rotate", "/v1/webhooks/secret/revoke-old");
    let first = golden.act(Method::POST, rotate).await;
    assert_eq!(first.status, StatusCode::OK, "of a tenant that was not known before: {}", first.text);
    assert_eq!(first.header("cache-control"), "no-store");
    assert!(first.body["old_secret_until"].is_string());
    assert_eq!(golden.get("/v1/webhooks/secret").await.body, first.body);
    assert_eq!(golden.act(Method::POST, rotate).await.problem(), (409, "conflict"));

    let revoked = golden.act(Method::POST, revoke).await;
    assert_eq!(revoked.body, json!({"secret": first.body["secret"], "old_secret_until": null}));
    let at_once = golden.act(Method::POST, &format!("{rotate}?overlap=0")).await;
    assert_eq!(at_once.body["old_secret_until"], Value::Null);
    assert_ne!(at_once.body["secret"], first.body["secret"]);
    assert_eq!(
        golden.act(Method::POST, &format!("{rotate}?overlap=604801")).await.problem(),
        (400, "malformed-request")
    );
}

impl Golden {
    async fn endpoint(&self, body: Value) -> Value {
        let answer = self.post("/v1/webhooks/endpoints", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        assert_eq!(answer.header("location"), answer.body["links"]["self"]);
        answer.body
    }

    async fn act(&self, method: Method, path: &str) -> Answer {
        self.send(request(method, path).empty()).await
    }

    /// Sends a test to an endpoint, and gives the job that delivers it. Nobody does.
    async fn sent(&self, endpoint: &Value) -> (String, JobId) {
        let path = text(&endpoint["links"]["test"]);
        let (answer, claimed) = tokio::join!(self.act(Method::POST, &path), async {
            loop {
                let claimed = self.store.claim(Role::Webhook, 1, golden_jobs::WorkerId::new()).await.unwrap();
                match claimed.into_iter().next() {
                    Some(claimed) => {
                        self.finish(&claimed, Verdict::Dead { error: JobError::new("rejected", "it said no") }).await;
                        return claimed;
                    }
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        });
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        (text(&answer.body["id"]), claimed.run.id)
    }
}

fn any() -> Value {
    json!({"url": "https://example.com/events", "events": ["*"]})
}

#[tokio::test]
async fn an_endpoint_shows_its_secret_once() {
    let golden = Golden::start().await;
    let created = golden.endpoint(json!({
        "url": "https://example.com/events", "description": "or\u{202e}ders", "events": ["job.*", "job.dead", "job.*"],
        "kinds": ["noop"], "format": "cloudevents", "thin": true,
    })).await;
    let secret = text(&created["secret"]);
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    assert_eq!((&created["description"], &created["events"]), (&json!("orders"), &json!(["job.*", "job.dead"])));
    assert_eq!(
        (&created["format"], &created["thin"], &created["enabled"]),
        (&json!("cloudevents"), &json!(true), &json!(true))
    );

    let path = text(&created["links"]["self"]);
    let rotated = golden.act(Method::POST, &text(&created["links"]["rotate"])).await;
    let second = text(&rotated.body["secret"]);
    assert_ne!(second, secret);
    assert!(rotated.body["old_secret_until"].is_string());
    let again = golden.act(Method::POST, &format!("{path}/rotate?overlap=60")).await;
    assert_eq!(again.problem(), (409, "conflict"));

    for answer in [
        golden.get("/v1/webhooks/endpoints").await,
        golden.get(&path).await,
        golden.send(request(Method::PATCH, &path).json(&json!({"thin": false}))).await,
        golden.act(Method::POST, &format!("{path}/revoke-old")).await,
        golden.act(Method::POST, &format!("{path}/disable")).await,
        golden.act(Method::POST, &format!("{path}/enable")).await,
    ] {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(!answer.text.contains("whsec_") && !answer.text.contains(&second[6..]), "{}", answer.text);
    }
    assert_eq!(golden.get(&path).await.body["old_secret_until"], Value::Null);
    for overlap in ["604801", "-1", "x"] {
        let answer = golden.act(Method::POST, &format!("{path}/rotate?overlap={overlap}")).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{overlap}");
    }
}

#[tokio::test]
async fn an_endpoint_is_changed_disabled_and_deleted() {
    let golden = Golden::start().await;
    let path = text(&golden.endpoint(any()).await["links"]["self"]);
    let change = json!({"url": "https://example.com/2", "description": null, "kinds": ["noop"]});
    let changed = golden.send(request(Method::PATCH, &path).json(&change)).await;
    assert_eq!((&changed.body["url"], &changed.body["kinds"]), (&change["url"], &json!(["noop"])), "{}", changed.text);
    assert_eq!(changed.body["events"], json!(["*"]));

    let disabled = golden.act(Method::POST, &format!("{path}/disable")).await;
    assert_eq!((&disabled.body["enabled"], &disabled.body["disabled"]["reason"]), (&json!(false), &json!("asked")));
    let enabled = golden.act(Method::POST, &format!("{path}/enable")).await;
    assert_eq!((&enabled.body["enabled"], &enabled.body["disabled"]), (&json!(true), &Value::Null));

    assert_eq!(golden.act(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/enable")),
        (Method::POST, format!("{path}/rotate")),
        (Method::POST, format!("{path}/revoke-old")),
        (Method::POST, format!("{path}/test")),
    ] {
        assert_eq!(golden.act(method, &path).await.problem(), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_said_all_at_once() {
    let golden = Golden::start().await;
    let path = text(&golden.endpoint(any()).await["links"]["self"]);
    let bad: &[(Value, &[&str])] = &[
        (json!({"url": "https://10.0.0.1/", "events": ["*"]}), &["/url"]),
        (json!({"url": "http://example.com/", "events": ["*"]}), &["/url"]),
        (json!({"url": "https://u:p@example.com/", "events": ["*"]}), &["/url"]),
        (json!({"url": "https://example.com/", "events": []}), &["/events"]),
        (json!({"url": "x", "events": ["job.*", "jobs.*", "webhook.test"]}), &["/url", "/events/1", "/events/2"]),
        (json!({"url": "https://example.com/", "events": ["*"], "kinds": ["noop", "nope"]}), &["/kinds/1"]),
        (json!({"url": "https://example.com/", "events": ["*"], "kinds": ["webhook.deliver"]}), &["/kinds/0"]),
        (json!({"url": "https://example.com/", "events": ["*"], "format": "xml"}), &["/format"]),
        (json!({"url": "https://example.com/", "events": ["*"], "secret": "x"}), &["/secret"]),
        (json!({"url": "https://example.com/", "events": ["*"], "description": "x".repeat(501)}), &["/description"]),
    ];
    for (body, pointers) in bad {
        let answers = [
            golden.post("/v1/webhooks/endpoints", body.clone()).await,
            golden.send(request(Method::PATCH, &path).json(body)).await,
        ];
        for answer in answers {
            assert_eq!(answer.problem(), (422, "validation-failed"), "{body}");
            let found: Vec<_> =
                answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
            assert_eq!(found, *pointers, "{}", answer.text);
        }
    }
    let unsaid = golden.post("/v1/webhooks/endpoints", json!({"url": "https://example.com/"})).await;
    assert_eq!(unsaid.problem(), (422, "validation-failed"));
}

#[tokio::test]
async fn a_tenant_has_so_many_endpoints() {
    let golden = Golden::start().await;
    for _ in 0..ENDPOINTS_LIMIT {
        golden.endpoint(any()).await;
    }
    let answer = golden.post("/v1/webhooks/endpoints", any()).await;
    assert_eq!(answer.problem(), (409, "limit-reached"));
    assert_eq!(golden.get("/v1/webhooks/endpoints").await.ids().len(), ENDPOINTS_LIMIT as usize);
}

#[tokio::test]
async fn the_types_of_events_are_listed() {
    let golden = Golden::start().await;
    let answer = golden.send(request(Method::GET, "/v1/webhooks/events").token(None).empty()).await;
    assert_eq!(answer.body["data"][0]["event"], "job.succeeded", "{}", answer.text);
}

#[tokio::test]
async fn endpoints_and_deliveries_of_other_tenants_are_not_there() {
    let golden = Golden::start().await;
    let endpoint = golden.endpoint(any()).await;
    let (delivery, _) = golden.sent(&endpoint).await;
    let path = text(&endpoint["links"]["self"]);
    let other = || Some(token("globex", CallerRole::Admin));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/enable")),
        (Method::POST, format!("{path}/disable")),
        (Method::POST, format!("{path}/rotate")),
        (Method::POST, format!("{path}/revoke-old")),
        (Method::POST, format!("{path}/test")),
        (Method::GET, format!("/v1/webhooks/deliveries?endpoint={}", text(&endpoint["id"]))),
        (Method::GET, format!("/v1/webhooks/deliveries/{delivery}")),
        (Method::POST, format!("/v1/webhooks/deliveries/{delivery}/replay")),
    ] {
        let answer = golden.send(request(method, &path).token(other()).empty()).await;
        assert_eq!(answer.problem(), (404, "not-found"), "{path}");
    }
    let all = golden.send(request(Method::GET, "/v1/webhooks/deliveries").token(other()).empty()).await;
    assert_eq!(all.body["data"], json!([]));
    let replay = request(Method::POST, "/v1/webhooks/deliveries/replay").token(other());
    let replay = golden.send(replay.json(&json!({"ids": [delivery]}))).await;
    assert_eq!(replay.body["replayed"], json!([]));
}

#[tokio::test]
async fn a_test_is_answered_with_what_came_of_it() {
    let golden = Golden::start().await;
    let endpoint = golden.endpoint(any()).await;
    let (id, job) = golden.sent(&endpoint).await;
    assert_eq!(id, MessageId::from(job).to_string());
    let attempt = DeliveryAttempt {
        run_lease: 1,
        attempt: 1,
        url: "https://example.com/events".into(),
        status: Some(500),
        latency_ms: 12,
        answer: Some("oops".into()),
        error: Some("it said no".into()),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    let new = NewAttempt { message_id: job.into(), endpoint_id: None, delivered: false, gone: false, attempt };
    golden.store.record_attempt(&new).await.unwrap();

    let delivery = golden.get(&format!("/v1/webhooks/deliveries/{id}")).await;
    assert_eq!((&delivery.body["status"], &delivery.body["event"]), (&json!("failed"), &json!("webhook.test")));
    assert_eq!((&delivery.body["endpoint_id"], &delivery.body["job_id"]), (&endpoint["id"], &Value::Null));
    assert_eq!(delivery.body["error"]["message"], "it said no");
    assert_eq!(
        (&delivery.body["attempts"][0]["status"], &delivery.body["attempts"][0]["answer"]),
        (&json!(500), &json!("oops"))
    );
    let payload = golden.get(&format!("/v1/jobs/{job}")).await;
    assert!(!payload.text.contains("whsec_") && !payload.text.contains("tenant_id"), "{}", payload.text);
}

#[tokio::test]
async fn deliveries_are_listed_and_replayed() {
    let golden = Golden::start().await;
    let endpoint = golden.endpoint(any()).await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.insert(0, golden.sent(&endpoint).await.0);
    }
    let list = |query: String| {
        let golden = &golden;
        async move { golden.get(&format!("/v1/webhooks/deliveries?{query}")).await }
    };
    let of_endpoint = format!("endpoint={}", text(&endpoint["id"]));
    for (query, expected) in [
        (String::new(), &sent[..]),
        (of_endpoint.clone(), &sent[..]),
        (format!("{of_endpoint}&status=failed"), &sent[..]),
        ("status=delivered".to_owned(), &[]),
        ("status=pending".to_owned(), &[]),
        ("event=job.dead".to_owned(), &[]),
        ("since=2001-01-01T00:00:00Z".to_owned(), &sent[..]),
        ("until=2001-01-01T00:00:00Z".to_owned(), &[]),
        ("limit=2".to_owned(), &sent[..2]),
    ] {
        assert_eq!(list(query.clone()).await.ids(), expected, "{query}");
    }
    let cursor = text(&list("limit=2".to_owned()).await.body["next_cursor"]);
    assert_eq!(list(format!("limit=2&cursor={cursor}")).await.ids(), &sent[2..]);
    for query in ["job=1", "status=lost", "endpoint=hook_1", "knid=x", "limit=0"] {
        assert_eq!(list(query.to_owned()).await.problem(), (400, "malformed-request"), "{query}");
    }

    let one = format!("/v1/webhooks/deliveries/{}/replay", sent[0]);
    let replayed = golden.act(Method::POST, &one).await;
    assert_eq!(
        (&replayed.body["status"], &replayed.body["id"]),
        (&json!("pending"), &json!(sent[0])),
        "{}",
        replayed.text
    );
    assert_eq!(golden.act(Method::POST, &one).await.problem(), (409, "conflict"));

    let replay = |body: Value| {
        let golden = &golden;
        async move { golden.post("/v1/webhooks/deliveries/replay", body).await.body }
    };
    let dry = replay(json!({"all": true, "dry_run": true})).await;
    assert_eq!(dry, json!({"matched": sent[1..], "replayed": [], "next_cursor": null}));
    let named = replay(json!({"ids": [sent[0], MessageId::new()], "dry_run": true})).await;
    assert_eq!(named["matched"], json!([sent[0]]), "what is there, whatever came of it");
    let first = replay(json!({"endpoint": endpoint["id"], "limit": 1})).await;
    assert_eq!((&first["replayed"], &first["matched"]), (&json!([sent[1]]), &json!([sent[1]])));
    let rest = replay(json!({"all": true, "cursor": first["next_cursor"]})).await;
    assert_eq!(rest, json!({"matched": [sent[2]], "replayed": [sent[2]], "next_cursor": null}));
    assert_eq!(replay(json!({"ids": sent})).await["replayed"], json!([]), "they are under way");

    // What was taken can be sent again as well.
    for _ in 0..3 {
        let claimed = golden.claim(Role::Webhook).await;
        golden.finish(&claimed, succeeded("1")).await;
    }
    let again = replay(json!({"status": "delivered"})).await;
    assert_eq!(again["replayed"].as_array().unwrap().len(), 3, "{again}");
}

#[tokio::test]
async fn a_delivery_to_a_disabled_endpoint_is_not_replayed() {
    let golden = Golden::start().await;
    let endpoint = golden.endpoint(any()).await;
    let (id, _) = golden.sent(&endpoint).await;
    let path = text(&endpoint["links"]["self"]);
    golden.act(Method::POST, &format!("{path}/disable")).await;
    let replay = format!("/v1/webhooks/deliveries/{id}/replay");
    assert_eq!(golden.act(Method::POST, &replay).await.problem(), (409, "conflict"));
    golden.act(Method::DELETE, &path).await;
    assert_eq!(golden.act(Method::POST, &replay).await.problem(), (409, "conflict"));
}

#[tokio::test]
async fn a_selection_of_deliveries_says_what_it_means() {
    let golden = Golden::start().await;
    let id = MessageId::new();
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"all": true, "ids": [id]}), "/ids"),
        (json!({"ids": [id], "status": "failed"}), "/ids"),
        (json!({"ids": ["x"]}), "/ids/0"),
        (json!({"all": true, "limit": 0}), "/limit"),
        (json!({"all": true, "cursor": "x"}), "/cursor"),
        (json!({"status": "pending"}), "/status"),
        (json!({"all": true, "evnt": "x"}), "/evnt"),
    ] {
        let answer = golden.post("/v1/webhooks/deliveries/replay", body.clone()).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{body}");
        assert_eq!(answer.body["errors"][0]["pointer"], *pointer, "{body}");
    }
}
