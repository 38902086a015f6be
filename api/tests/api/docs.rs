//! `/docs`, as a browser asks for it.

use std::collections::HashSet;

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use golden_api::problem::Code;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Golden, request};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn page(golden: &Golden, path: &str) -> Answer {
    let answer = golden.send(request(Method::GET, path).token(None).header("accept", BROWSER).empty()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
    answer
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).map(move |rest| rest.split(end).next().unwrap())
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere() {
    let golden = Golden::start().await;
    let text = page(&golden, "/docs").await.text;
    let ids: Vec<_> = between(&text, " id=\"", "\"").collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id is there twice");
    for link in between(&text, "href=\"", "\"").collect::<HashSet<_>>() {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(&id), "{link}"),
            None if link == "data:," => {}
            None => assert_eq!(golden.get(link).await.status, 200, "{link}"),
        }
    }
    for operation in golden_api::openapi(&golden_jobs::kinds::registry())["paths"].as_object().unwrap().values() {
        for operation in operation.as_object().unwrap().values() {
            assert!(ids.contains(&operation["operationId"].as_str().unwrap()), "{}", operation["operationId"]);
        }
    }
}

#[tokio::test]
async fn pages_take_nothing_from_elsewhere_and_run_nothing() {
    let golden = Golden::start().await;
    for path in ["/docs", "/docs/problems", "/docs/problems/conflict"] {
        let page = page(&golden, path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        let style = between(&page.text, "<style>", "</style>").next().unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{path} {policy}");
        for outside in ["<script", "src=", "url(", "@import", "<link rel=\"stylesheet\""] {
            assert!(!page.text.contains(outside), "{path} {outside}");
        }
        assert!(!page.text.contains(" style="), "{path}: the policy forbids it");
    }
}

#[tokio::test]
async fn the_page_names_the_server_it_is_read_from() {
    let golden = Golden::start().await;
    for (host, proto, shown) in [
        ("127.0.0.1:8123", None, "http://127.0.0.1:8123"),
        ("golden.example", Some("https"), "https://golden.example"),
        ("<b>", None, "http://localhost:8000"),
    ] {
        let mut sent = request(Method::GET, "/docs").header("host", host);
        if let Some(proto) = proto {
            sent = sent.header("x-forwarded-proto", proto);
        }
        let text = golden.send(sent.empty()).await.text;
        assert!(text.contains(&format!("export GOLDEN_SERVER={shown} GOLDEN_TOKEN=")), "{host}");
    }
}

#[tokio::test]
async fn every_problem_has_a_page_for_people() {
    let golden = Golden::start().await;
    let list = page(&golden, "/docs/problems").await;
    assert_eq!(list.header("vary"), "accept");
    for code in Code::ALL {
        let path = format!("/docs/problems/{}", code.as_str());
        assert!(list.text.contains(&format!("href=\"{path}\"")), "{path}");
        let text = page(&golden, &path).await.text;
        assert!(text.contains(code.as_str()) && text.contains(&code.status().as_u16().to_string()), "{text}");
    }
}
