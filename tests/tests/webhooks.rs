//! Webhook endpoints, from the event to a receiver that verifies it with the specification's own
//! library.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Golden, PATIENCE, Received, Receiver};

mod verifiers;

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
    an_endpoint_verifies_with_either_secret_while_one_rotates,
    an_endpoint_hears_of_what_it_chose_and_of_nothing_else,
    an_endpoint_that_is_gone_is_disabled_and_its_neighbour_is_told,
);

async fn endpoint(golden: &Golden, body: Value) -> Value {
    let (status, endpoint) = golden.call("POST", "/v1/webhooks/endpoints", Some(body)).await;
    assert_eq!(status, 201, "{endpoint}");
    endpoint
}

/// Waits for so many messages.
async fn received(receiver: &Receiver, number: usize) -> Vec<Received> {
    let until = Instant::now() + PATIENCE;
    loop {
        let received = receiver.received();
        if received.len() >= number {
            return received;
        }
        assert!(Instant::now() < until, "{} of {number} messages came", received.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn body(message: &Received) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

/// Whether a receiver with this secret takes the message for genuine.
fn verifies(message: &Received, secret: &Value) -> bool {
    let headers: http::HeaderMap = message
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let verifier = standardwebhooks::Webhook::new(secret.as_str().unwrap()).unwrap();
    verifier.verify(&message.body, &headers).is_ok()
}

async fn an_endpoint_verifies_with_either_secret_while_one_rotates(golden: Arc<Golden>) {
    let receiver = Receiver::answering(|_| "200 OK").await;
    let endpoint = endpoint(&golden, json!({"url": receiver.url, "events": ["job.*"]})).await;
    let (link, old) = (endpoint["links"]["self"].as_str().unwrap(), &endpoint["secret"]);
    let next = async |number| {
        golden.submit("noop", json!({})).await;
        received(&receiver, number).await.pop().unwrap()
    };
    let first = next(1).await;
    assert!(verifies(&first, old));
    assert_eq!((body(&first)["type"].as_str(), body(&first)["sequence"].as_u64()), (Some("job.succeeded"), Some(1)));

    let (status, rotated) = golden.call("POST", &format!("{link}/rotate"), None).await;
    assert_eq!(status, 200, "{rotated}");
    let new = &rotated["secret"];
    let second = next(2).await;
    assert!(verifies(&second, old) && verifies(&second, new));
    assert!(!verifies(&first, new));

    let (status, _) = golden.call("POST", &format!("{link}/revoke-old"), None).await;
    assert_eq!(status, 200);
    let third = next(3).await;
    assert!(!verifies(&third, old) && verifies(&third, new));

    let (status, test) = golden.call("POST", &format!("{link}/test"), None).await;
    assert_eq!(
        (status, &test["status"], &test["attempts"][0]["status"]),
        (200, &json!("delivered"), &json!(200)),
        "{test}"
    );
    let fourth = received(&receiver, 4).await.pop().unwrap();
    assert!(verifies(&fourth, new));
    assert_eq!((&body(&fourth)["type"], fourth.header("webhook-id")), (&json!("webhook.test"), test["id"].as_str()));

    let (status, replayed) =
        golden.call("POST", &format!("/v1/webhooks/deliveries/{}/replay", test["id"].as_str().unwrap()), None).await;
    assert_eq!(status, 200, "{replayed}");
    let fifth = received(&receiver, 5).await.pop().unwrap();
    assert_eq!(fifth.header("webhook-id"), fourth.header("webhook-id"));
    for secret in [old, new] {
        let text = secret.as_str().unwrap();
        let (_, list) = golden.call("GET", "/v1/webhooks/endpoints", None).await;
        let (_, jobs) = golden.call("GET", "/v1/jobs?kind=webhook.deliver", None).await;
        assert!(!format!("{list}{jobs}").contains(text) && !golden.api.log().contains(text));
    }
}

async fn an_endpoint_hears_of_what_it_chose_and_of_nothing_else(golden: Arc<Golden>) {
    let all = Receiver::answering(|_| "200 OK").await;
    let some = Receiver::answering(|_| "200 OK").await;
    let thin = json!({"url": all.url, "events": ["*"], "format": "cloudevents", "thin": true});
    endpoint(&golden, thin).await;
    endpoint(&golden, json!({"url": some.url, "events": ["job.dead"], "kinds": ["noop"]})).await;
    golden.submit("noop", json!({"output": "confidential"})).await;
    let dead = golden.submit_with(json!({"kind": "noop", "payload": {"fail": 9}, "max_attempts": 1})).await;
    let other = golden
        .submit_with(json!({"kind": "http.call", "payload": {"url": "http://127.0.0.1:9/"}, "max_attempts": 1}))
        .await;
    golden.ended(&other).await;

    let told = received(&all, 3).await;
    for message in &told {
        let event = body(message);
        assert_eq!(message.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
        assert_eq!((&event["specversion"], &event["id"]), (&json!("1.0"), &json!(message.header("webhook-id"))));
        assert_eq!((&event["subject"], &event["data"]["id"]), (&event["data"]["id"], &event["subject"]));
        assert!(!event.to_string().contains("confidential"), "{event}");
    }
    let told = received(&some, 1).await;
    assert_eq!(
        (body(&told[0])["data"]["id"].as_str(), body(&told[0])["type"].as_str()),
        (Some(&*dead), Some("job.dead"))
    );
    assert_eq!(some.received().len(), 1);
}

async fn an_endpoint_that_is_gone_is_disabled_and_its_neighbour_is_told(golden: Arc<Golden>) {
    let gone = Receiver::answering(|_| "410 Gone").await;
    let neighbour = Receiver::answering(|_| "200 OK").await;
    let lost = endpoint(&golden, json!({"url": gone.url, "events": ["job.*"]})).await;
    endpoint(&golden, json!({"url": neighbour.url, "events": ["endpoint.*"]})).await;
    golden.submit("noop", json!({})).await;

    let told = body(&received(&neighbour, 1).await[0]);
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("endpoint.disabled"), &lost["id"]));
    assert_eq!(told["data"]["reason"], "gone");
    let (_, shown) = golden.call("GET", lost["links"]["self"].as_str().unwrap(), None).await;
    assert_eq!((&shown["enabled"], &shown["disabled"]["reason"]), (&json!(false), &json!("gone")));

    golden.submit("noop", json!({})).await;
    let (_, list) =
        golden.call("GET", &format!("{}&status=failed", lost["links"]["deliveries"].as_str().unwrap()), None).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(gone.received().len(), 1);
}
