use serde_json::{Value, json};

use super::*;
use crate::{id::JobId, kinds::registry, outcome::JobError, store::Run};

fn call(payload: Value) -> HttpCall {
    serde_json::from_value(payload).unwrap()
}

fn claimed() -> Claimed {
    Claimed {
        run: Run { id: JobId::new(), lease: 1 },
        tenant_id: "acme".to_owned(),
        kind: HttpCall::KIND.to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        attempt: 3,
        max_attempts: 5,
        timeout: Duration::from_secs(60),
        payload: serde_json::value::to_raw_value(&json!({})).unwrap(),
        checkpoint: None,
        parent_id: None,
        trace: None,
        run_at: DateTime::UNIX_EPOCH,
        claimed_at: DateTime::UNIX_EPOCH,
    }
}

fn request(payload: Value) -> OutboundRequest {
    call(payload).request(&claimed(), "key".to_owned()).unwrap()
}

fn header<'a>(request: &'a OutboundRequest, name: &str) -> Vec<&'a str> {
    request.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
}

fn judged(payload: Value, status: u16, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
    let answer = OutboundResponse {
        status,
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: Bytes::from_static(b"why\nnot"),
        truncated: false,
        latency: Duration::ZERO,
    };
    call(payload).judge(answer, DateTime::UNIX_EPOCH)
}

fn url() -> Value {
    json!({"url": "https://example.com/"})
}

#[test]
fn what_is_wrong_with_a_payload_is_said_where_it_is() {
    let kinds = registry();
    let kind = kinds.get(HttpCall::KIND).unwrap();
    let pointer = |payload: Value| {
        let payload = serde_json::value::to_raw_value(&payload).unwrap();
        kind.validate(&payload).err().map(|errors| errors[0].pointer.clone())
    };
    let with = |name: &str, value: Value| {
        let mut payload = url();
        payload[name] = value;
        pointer(payload)
    };
    assert_eq!(pointer(url()), None);
    assert_eq!(with("url", json!("http://127.0.0.1:3000/")), None, "for the operator to decide, at run time");
    assert_eq!(with("body", json!({"a": [1, null]})), None);
    assert_eq!(with("expect", json!([200, 404, 503])), None);
    for url in ["ftp://example.com", "https://user:s3cret@example.com/", "nowhere", ""] {
        assert_eq!(with("url", json!(url)).as_deref(), Some("/url"), "{url}");
    }
    assert_eq!(with("method", json!("TRACE")).as_deref(), Some("/method"));
    assert_eq!(with("method", json!("CONNECT")).as_deref(), Some("/method"));
    assert_eq!(with("expect", json!([99])).as_deref(), Some("/expect/0"));
    assert_eq!(with("bodi", json!(1)).as_deref(), Some(""));
    assert_eq!(pointer(json!({"url": "https://a.example", "method": "GET", "body": 1})).as_deref(), Some("/body"));
}

#[test]
fn headers_of_the_connection_and_of_golden_are_not_the_users() {
    let refused = |name: &str, value: &str| {
        let mut payload = url();
        payload["headers"] = json!({ name: value });
        call(payload).check().err().map(|error| error.pointer)
    };
    for name in ["Host", "content-length", "Connection", "Transfer-Encoding", "golden-job-id", "Golden-Attempt", "TE"] {
        assert_eq!(refused(name, "x"), Some(format!("/headers/{name}")));
    }
    for (name, value) in [("", "x"), ("a b", "x"), ("a:b", "x"), ("x", "a\r\nb: c"), ("x", "a\0"), ("x", "ü")] {
        assert!(refused(name, value).is_some(), "{name}: {value}");
    }
    assert_eq!(refused("a/b~c", "x").unwrap(), "/headers/a~1b~0c");
    assert_eq!(refused("Authorization", "Bearer abc"), None);
    let mut twice = url();
    twice["headers"] = json!({"X-A": "1", "x-a": "2"});
    assert!(call(twice).check().is_err());
    let mut many = url();
    many["headers"] = (0..65).map(|n| (format!("x-{n}"), json!("1"))).collect::<serde_json::Map<_, _>>().into();
    assert!(call(many).check().is_err());
}

#[test]
fn json_is_sent_as_it_was_given_and_text_as_text() {
    let json = r#"{"url":"https://a.example","body":{"z":1.0,"a":123456789012345678901234567890}}"#;
    let call: HttpCall = serde_json::from_str(json).unwrap();
    let sent = call.request(&claimed(), "key".to_owned()).unwrap();
    assert_eq!(sent.body, r#"{"z":1.0,"a":123456789012345678901234567890}"#);
    assert_eq!((sent.method.as_str(), header(&sent, "content-type")), ("POST", vec!["application/json"]));

    let sent = request(json!({"url": "https://a.example", "body": "a\n\"b\""}));
    assert_eq!(sent.body, "a\n\"b\"");
    assert_eq!(header(&sent, "content-type"), ["text/plain; charset=utf-8"]);

    let payload = json!({"url": "https://a.example", "body": "<a/>", "headers": {"Content-Type": "text/xml"}});
    assert_eq!(header(&request(payload), "content-type"), ["text/xml"]);

    let sent = request(url());
    assert_eq!((sent.method.as_str(), sent.body.len(), header(&sent, "content-type").len()), ("GET", 0, 0));
}

#[test]
fn every_run_says_which_it_is() {
    let sent = request(url());
    assert_eq!(header(&sent, "golden-attempt"), ["3"]);
    assert!(header(&sent, "golden-job-id")[0].starts_with("job_"));
    assert_eq!(header(&sent, "idempotency-key"), ["key"]);
    assert!(sent.timeout < Duration::from_secs(60));
}

#[test]
fn each_status_has_its_consequence() {
    for status in [200, 201, 204, 299] {
        assert_eq!(judged(url(), status, &[]).unwrap().status, status);
    }
    for status in [408, 429, 500, 501, 502, 503, 504, 599] {
        assert!(matches!(judged(url(), status, &[]), Err(Failure::Retry { after: None, .. })), "{status}");
    }
    for status in [101, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 410, 418, 422, 425] {
        assert!(matches!(judged(url(), status, &[]), Err(Failure::Fatal(_))), "{status}");
    }
}

#[test]
fn what_is_expected_is_what_succeeds() {
    let expecting = |status| judged(json!({"url": "https://a.example", "expect": [404, 503, 302]}), status, &[]);
    for status in [404, 503, 302] {
        assert_eq!(expecting(status).unwrap().status, status);
    }
    assert!(matches!(expecting(200), Err(Failure::Fatal(_))));
    assert!(matches!(expecting(500), Err(Failure::Retry { .. })));
}

#[test]
fn retry_after_is_honoured_up_to_an_hour() {
    for (asked, granted) in [("7", 7), ("86400", 3600), ("Thu, 01 Jan 1970 00:00:30 GMT", 30)] {
        let failure = judged(url(), 429, &[("retry-after", asked)]).unwrap_err();
        let after = Some(Duration::from_secs(granted));
        assert!(matches!(failure, Failure::Retry { after: got, .. } if got == after), "{asked}: {failure:?}");
    }
}

#[test]
fn a_failure_shows_the_start_of_the_answer_on_one_line() {
    let Err(Failure::Fatal(JobError { code, message })) = judged(url(), 400, &[]) else { panic!("not fatal") };
    assert_eq!((code.as_str(), message.as_str()), ("http_status", "the endpoint answered 400: why not"));
}
