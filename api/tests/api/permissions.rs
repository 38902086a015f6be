//! Every route with every role, against the table of the design.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request},
};
use chrono::DateTime;
use golden_api::CallerRole::{self, Admin, Developer, Observer, Operator};
use golden_jobs::{
    ChangeId, MessageId, Role, WorkerId,
    audit::Actor,
    governance::{
        change::{Order, Proposal},
        document::PolicyDocument,
    },
    job::Job,
    kinds::WebhookDeliver,
    models::exchange::AgentRole,
    outcome::Verdict,
    store::{
        Page, Run, RunEnd, SharedStore, Terms,
        endpoints::{Endpoint, EndpointSettings, Format},
        policies::ChangeFilter,
    },
    webhooks::test_delivery,
};
use serde_json::{Value, json};

use crate::{
    escalations,
    harness::{Golden, request, text, token, worker},
    reviews,
};

/// Method, path, and the least role (`None`: anybody).
const TABLE: [(&str, &str, Option<CallerRole>); 119] = [
    ("POST", "/v1/jobs", Some(Developer)),
    ("POST", "/v1/jobs/batch", Some(Developer)),
    ("GET", "/v1/jobs", Some(Observer)),
    ("GET", "/v1/jobs/{id}", Some(Observer)),
    ("GET", "/v1/jobs/{id}/attempts", Some(Observer)),
    ("GET", "/v1/jobs/{id}/logs", Some(Observer)),
    ("GET", "/v1/jobs/{id}/events", Some(Observer)),
    ("GET", "/v1/events", Some(Observer)),
    ("POST", "/v1/jobs/{id}/cancel", Some(Developer)),
    ("POST", "/v1/jobs/{id}/retry", Some(Operator)),
    ("POST", "/tasks", Some(Developer)),
    ("POST", "/v1/tasks", Some(Developer)),
    ("GET", "/v1/tasks", Some(Observer)),
    ("GET", "/v1/tasks/{id}", Some(Observer)),
    ("GET", "/v1/kinds", None),
    ("GET", "/v1/kinds/{kind}", None),
    ("POST", "/v1/functions", Some(Developer)),
    ("GET", "/v1/functions", Some(Observer)),
    ("GET", "/v1/functions/{function}", Some(Observer)),
    ("PATCH", "/v1/functions/{function}", Some(Developer)),
    ("DELETE", "/v1/functions/{function}", Some(Developer)),
    ("GET", "/v1/functions/{function}/versions/{version}", Some(Observer)),
    ("DELETE", "/v1/functions/{function}/versions/{version}", Some(Developer)),
    ("GET", "/v1/dlq", Some(Observer)),
    ("GET", "/v1/dlq/{id}", Some(Observer)),
    ("POST", "/v1/dlq/replay", Some(Operator)),
    ("POST", "/v1/dlq/purge", Some(Operator)),
    ("POST", "/v1/dlq/{id}/replay", Some(Operator)),
    ("GET", "/v1/escalations", Some(Observer)),
    ("GET", "/v1/escalations/{id}", Some(Observer)),
    ("POST", "/v1/escalations/{id}/acknowledge", Some(Operator)),
    ("POST", "/v1/escalations/{id}/resolve", Some(Operator)),
    ("POST", "/v1/schedules", Some(Developer)),
    ("GET", "/v1/schedules", Some(Observer)),
    ("GET", "/v1/schedules/{schedule}", Some(Observer)),
    ("PATCH", "/v1/schedules/{schedule}", Some(Developer)),
    ("DELETE", "/v1/schedules/{schedule}", Some(Developer)),
    ("POST", "/v1/schedules/{schedule}/pause", Some(Developer)),
    ("POST", "/v1/schedules/{schedule}/resume", Some(Developer)),
    ("POST", "/v1/schedules/{schedule}/run", Some(Developer)),
    ("POST", "/v1/reviews", Some(Developer)),
    ("GET", "/v1/reviews", Some(Observer)),
    ("GET", "/v1/reviews/{id}", Some(Observer)),
    ("POST", "/v1/reviews/{id}/decide", Some(Operator)),
    ("GET", "/v1/queues", Some(Observer)),
    ("GET", "/v1/queues/{role}", Some(Observer)),
    ("POST", "/v1/queues/{role}/pause", Some(Admin)),
    ("POST", "/v1/queues/{role}/resume", Some(Admin)),
    ("GET", "/v1/queues/{role}/tenants/{tenant}", Some(Observer)),
    ("POST", "/v1/queues/{role}/tenants/{tenant}/pause", Some(Operator)),
    ("POST", "/v1/queues/{role}/tenants/{tenant}/resume", Some(Operator)),
    ("PUT", "/v1/queues/{role}/tenants/{tenant}/quota", Some(Admin)),
    ("GET", "/v1/scaling", Some(Observer)),
    ("GET", "/v1/workers", Some(Observer)),
    ("GET", "/v1/workers/{id}", Some(Observer)),
    ("POST", "/v1/workers/{id}/drain", Some(Admin)),
    ("GET", "/v1/breakers", Some(Observer)),
    ("POST", "/v1/breakers/{breaker}/reset", Some(Operator)),
    ("POST", "/v1/breakers/{breaker}/force-open", Some(Admin)),
    ("POST", "/v1/breakers/{breaker}/disable", Some(Admin)),
    ("POST", "/admin/circuit-breaker/reset", Some(Operator)),
    ("GET", "/v1/guards", Some(Operator)),
    ("POST", "/v1/tenants", Some(Admin)),
    ("GET", "/v1/tenants", Some(Admin)),
    ("GET", "/v1/tenants/{tenant}", Some(Admin)),
    ("PATCH", "/v1/tenants/{tenant}", Some(Admin)),
    ("DELETE", "/v1/tenants/{tenant}", Some(Admin)),
    ("POST", "/v1/tenants/{tenant}/suspend", Some(Admin)),
    ("POST", "/v1/tenants/{tenant}/resume", Some(Admin)),
    ("POST", "/v1/tenants/{tenant}/tokens", Some(Admin)),
    ("GET", "/v1/budgets", Some(Admin)),
    ("GET", "/v1/budgets/{tenant}", Some(Observer)),
    ("PUT", "/v1/budgets/{tenant}", Some(Admin)),
    ("GET", "/v1/policies", Some(Observer)),
    ("GET", "/v1/policies/{role}", Some(Observer)),
    ("GET", "/v1/policies/{role}/versions", Some(Observer)),
    ("GET", "/v1/policies/{role}/versions/{version}", Some(Observer)),
    ("POST", "/v1/policies/{role}/rollback", Some(Operator)),
    ("POST", "/v1/policies/{role}/freeze", Some(Operator)),
    ("POST", "/v1/policies/{role}/unfreeze", Some(Admin)),
    ("POST", "/v1/policies/{role}/changes", Some(Developer)),
    ("GET", "/v1/policies/{role}/changes", Some(Observer)),
    ("GET", "/v1/policies/{role}/changes/{change}", Some(Observer)),
    ("POST", "/v1/policies/{role}/changes/{change}/withdraw", Some(Developer)),
    ("POST", "/v1/policies/{role}/changes/{change}/activate", Some(Operator)),
    ("POST", "/v1/policies/{role}/changes/{change}/break-glass", Some(Admin)),
    ("POST", "/v1/policies/{role}/changes/{change}/review", Some(Operator)),
    ("GET", "/v1/approvals", Some(Observer)),
    ("POST", "/v1/approvals/{change}/approve", Some(Operator)),
    ("POST", "/v1/approvals/{change}/reject", Some(Operator)),
    ("GET", "/v1/audit", Some(Operator)),
    ("GET", "/v1/audit/head", Some(Operator)),
    ("GET", "/v1/audit/export", Some(Operator)),
    ("GET", "/v1/webhooks/secret", Some(Developer)),
    ("POST", "/v1/webhooks/secret/rotate", Some(Developer)),
    ("POST", "/v1/webhooks/secret/revoke-old", Some(Developer)),
    ("GET", "/v1/webhooks/events", None),
    ("GET", "/v1/webhooks/endpoints", Some(Observer)),
    ("POST", "/v1/webhooks/endpoints", Some(Developer)),
    ("GET", "/v1/webhooks/endpoints/{id}", Some(Observer)),
    ("PATCH", "/v1/webhooks/endpoints/{id}", Some(Developer)),
    ("DELETE", "/v1/webhooks/endpoints/{id}", Some(Developer)),
    ("POST", "/v1/webhooks/endpoints/{id}/enable", Some(Developer)),
    ("POST", "/v1/webhooks/endpoints/{id}/disable", Some(Developer)),
    ("POST", "/v1/webhooks/endpoints/{id}/rotate", Some(Developer)),
    ("POST", "/v1/webhooks/endpoints/{id}/revoke-old", Some(Developer)),
    ("POST", "/v1/webhooks/endpoints/{id}/test", Some(Developer)),
    ("GET", "/v1/webhooks/deliveries", Some(Observer)),
    ("GET", "/v1/webhooks/deliveries/{id}", Some(Observer)),
    ("POST", "/v1/webhooks/deliveries/replay", Some(Developer)),
    ("POST", "/v1/webhooks/deliveries/{id}/replay", Some(Developer)),
    ("GET", "/health", None),
    ("GET", "/livez", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", Some(Observer)),
    ("GET", "/openapi.json", None),
    ("GET", "/docs", None),
    ("GET", "/docs/problems", None),
    ("GET", "/docs/problems/{code}", None),
];

#[test]
fn the_table_has_every_route() {
    let mut routes = golden_api::routes();
    let mut table: Vec<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    routes.sort_unstable();
    table.sort_unstable();
    assert_eq!(routes, table);
}

/// What is left of a path without its placeholder: the things that it names one of.
fn collection(path: &str) -> &str {
    path.split("/{").next().unwrap_or(path)
}

/// The path to a new thing of tenant `acme`, and to one of the same kind that never was.
async fn owned(golden: &Golden, path: &str) -> (String, String) {
    let never = uuid::Uuid::now_v7();
    let (thing, never) = match collection(path) {
        _ if !path.contains('{') => return (path.to_owned(), path.to_owned()),
        "/v1/jobs" => (golden.dead("x").await, format!("job_{never}")),
        "/v1/dlq" => {
            golden.dead(&never.to_string()).await;
            let letters = golden.get(&format!("/v1/dlq?error={never}")).await;
            (text(&letters.body["data"][0]["id"]), format!("dlq_{never}"))
        }
        "/v1/escalations" => (escalations::opened(golden, "other", "x").await, format!("esc_{never}")),
        "/v1/tasks" => {
            let task = json!({"name": "greeting", "goal": "Greet.", "language": "python"});
            (text(&golden.post("/v1/tasks", task).await.body["id"]), format!("job_{never}"))
        }
        "/v1/schedules" => {
            let schedule = json!({"name": never, "cron": "@daily", "job": {"kind": "noop"}});
            let made = golden.post("/v1/schedules", schedule).await;
            (text(&made.body["id"]), format!("sch_{never}"))
        }
        "/v1/reviews" => (reviews::opened(golden, None).await.id.to_string(), format!("rev_{never}")),
        "/v1/webhooks/endpoints" => (endpoint(golden).await.id.to_string(), format!("hook_{never}")),
        "/v1/webhooks/deliveries" => {
            let to = endpoint(golden).await;
            let delivery = test_delivery(&to, &WebhookDeliver::POLICY, DateTime::UNIX_EPOCH).unwrap();
            let id = MessageId::from(delivery.job.id);
            golden.store.add_deliveries(vec![delivery]).await.unwrap();
            (id.to_string(), format!("msg_{never}"))
        }
        "/v1/queues" => {
            // One that the others do not wait for.
            let of = |tenant| path.replace("{role}", "supervisor").replace("{tenant}", tenant);
            return (of("acme"), of("nobody"));
        }
        "/v1/tenants" => {
            golden.store.create_tenant(&never.to_string(), &Terms::default(), &Actor::golden()).await.unwrap();
            (never.to_string(), format!("not-{never}"))
        }
        "/v1/approvals" => (proposed(golden).await.to_string(), format!("chg_{never}")),
        "/v1/policies" => {
            // Of a role that everybody has; versions, and changes, are of those who made them.
            let path = path.replace("{role}", "architect");
            let change = proposed(golden).await.to_string();
            let named = |version: &str, change: &str| path.replace("{version}", version).replace("{change}", change);
            return (named("1", &change), named("9999", &format!("chg_{never}")));
        }
        "/v1/budgets" => return (path.replace("{tenant}", "acme"), path.replace("{tenant}", "nobody")),
        // Nobody's either, and set by whoever may.
        "/v1/breakers" => ("docker".to_owned(), "docker".to_owned()),
        // Workers are nobody's: both are read, and drained, by whoever may.
        "/v1/workers" => {
            let worker = worker(Role::Supervisor);
            golden.store.heartbeat(&worker).await.unwrap();
            (worker.id.to_string(), worker.id.to_string())
        }
        "/v1/functions" => {
            // As a name: letters first.
            let name = format!("f{}", uuid::Uuid::now_v7());
            for source in ["1", "2"] {
                let function = json!({"name": name, "language": "python", "files": {"a.py": source}});
                golden.post("/v1/functions", function).await;
            }
            (name, format!("f{never}"))
        }
        "/v1/kinds" => ("noop".to_owned(), "never".to_owned()),
        "/docs/problems" => ("not-found".to_owned(), "never".to_owned()),
        other => {
            panic!("how does a test come by a thing of {other}? Say so here, and tenants are kept apart there too")
        }
    };
    let path = path.replace("{version}", "1");
    let named = |id: &str| path.replace(&path[path.find('{').unwrap()..=path.find('}').unwrap()], id);
    (named(&thing), named(&never))
}

/// A change of a policy of tenant `acme`, which somebody else proposed.
async fn proposed(golden: &Golden) -> ChangeId {
    let (role, tenant_id) = (AgentRole::Architect, "acme".to_owned());
    let filter = ChangeFilter { tenant_id, role: Some(role), ..ChangeFilter::default() };
    let known = golden.store.policy_changes(&filter, Page { before: None, limit: 1 }).await.unwrap();
    if let Some(known) = known.first() {
        return known.id;
    }
    let (id, document, reason) = (ChangeId::new(), PolicyDocument::default(), "x".to_owned());
    let proposal = Proposal { id, role, document, base_version: None, reason, activate_at: None };
    let by = Actor::caller("somebody", "acme", "developer");
    golden.store.govern("acme", &Order::Propose(proposal), &by).await.unwrap().unwrap();
    id
}

/// A new endpoint of tenant `acme`, or one that it has where it may have no more.
async fn endpoint(golden: &Golden) -> Endpoint {
    let settings = EndpointSettings {
        url: "https://example.com/".into(),
        description: String::new(),
        events: vec!["*".into()],
        kinds: vec![],
        format: Format::Standard,
        thin: false,
    };
    match golden.store.add_endpoint("acme", &settings, [1; 32], &Actor::golden()).await.unwrap() {
        Some(endpoint) => endpoint,
        None => golden.store.endpoints("acme").await.unwrap().remove(0),
    }
}

/// Ends every delivery, so that whoever waits for one need not wait long.
async fn deliver(store: SharedStore) {
    loop {
        let claimed = store.claim(Role::Webhook, 10, WorkerId::new()).await.unwrap();
        let end = |run: Run| RunEnd { run, role: Role::Webhook, verdict: Verdict::Succeeded { result: None } };
        store.finish(claimed.iter().map(|claimed| end(claimed.run)).collect()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A body that does the most harm, where it takes more than an id to do any.
fn body(path: &str) -> Value {
    match path {
        "/v1/tenants/{tenant}/tokens" => json!({"role": "operator", "sub": "me"}),
        "/v1/escalations/{id}/resolve" => json!({"resolution": "approved"}),
        "/v1/dlq/replay" | "/v1/dlq/purge" | "/v1/webhooks/deliveries/replay" => json!({"all": true}),
        "/v1/approvals/{change}/approve" => {
            json!({"content_sha256": "0".repeat(64), "base_version": 0, "reason": "x"})
        }
        "/v1/policies/{role}/changes/{change}/activate" => json!({}),
        _ if path.contains("/{change}/") => json!({"reason": "x"}),
        _ => json!({}),
    }
}

fn ask(method: &str, path: &str, body: &Value, caller: Option<(&str, CallerRole)>) -> Request<Body> {
    let token = caller.map(|(tenant, role)| token(tenant, role));
    request(method.parse::<Method>().unwrap(), path).token(token).json(body)
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let golden = Golden::start().await;
    tokio::spawn(deliver(golden.store.clone()));
    let callers = [None, Some(Observer), Some(Developer), Some(Operator), Some(Admin)];
    for (method, pattern, least) in TABLE {
        let denied_before = denials(&golden);
        let mut denied = 0;
        for caller in callers {
            let (path, _) = owned(&golden, pattern).await;
            let asked = ask(method, &path, &body(pattern), caller.map(|role| ("acme", role)));
            if caller >= least {
                let status = golden.head(asked).await.status().as_u16();
                assert!(![401, 403, 404, 405].contains(&status), "{method} {pattern} {caller:?}: {status}");
                continue;
            }
            denied += 1;
            let answer = golden.send(asked).await;
            match caller {
                None => {
                    assert_eq!(answer.problem(), (401, "unauthenticated"), "{method} {pattern}");
                    assert!(answer.header("www-authenticate").starts_with("Bearer"));
                }
                Some(_) => assert_eq!(answer.problem(), (403, "forbidden"), "{method} {pattern} {caller:?}"),
            }
        }
        assert_eq!(denials(&golden) - denied_before, denied, "{method} {pattern}");
    }
}

/// What says the same to all tenants, because it belongs to none.
const COMMON: [&str; 9] = [
    "/v1/breakers",
    "/v1/budgets",
    "/v1/guards",
    "/metrics",
    "/v1/policies",
    "/v1/queues",
    "/v1/scaling",
    "/v1/workers",
    "/v1/tenants",
];

/// Whether an admin, who runs the installation, reaches these things of every tenant. Its own tests show that
/// nobody else does.
fn run_by_admins(pattern: &str) -> bool {
    pattern.starts_with("/v1/queues/{role}/tenants/")
        || pattern.starts_with("/v1/budgets/")
        || pattern.starts_with("/v1/tenants/")
}

#[tokio::test]
async fn no_role_reaches_another_tenants_things_by_any_route() {
    let golden = Golden::start().await;
    let of_tenants = || TABLE.iter().filter(|(_, path, least)| least.is_some() && !COMMON.contains(path));
    for (method, pattern, least) in of_tenants() {
        let (path, never) = owned(&golden, pattern).await;
        let before = lists(&golden, "acme").await;
        for role in [Observer, Developer, Operator, Admin] {
            let place = format!("{method} {pattern} as {role}");
            let asked = |path: &str| ask(method, path, &body(pattern), Some(("emca", role)));
            if Some(role) < *least {
                assert_eq!(golden.send(asked(&path)).await.problem(), (403, "forbidden"), "{place}");
            } else if role == Admin && run_by_admins(pattern) {
                assert_eq!(golden.send(asked(&never)).await.problem(), (404, "not-found"), "{place}");
            } else if path != never {
                // That it is another's must not show, not even in a word.
                let (theirs, nobodys) = (golden.send(asked(&path)).await, golden.send(asked(&never)).await);
                assert_eq!((theirs.problem(), nobodys.problem()), ((404, "not-found"), (404, "not-found")), "{place}");
                assert_eq!(theirs.body["detail"], nobodys.body["detail"], "{place}");
            } else {
                golden.head(asked(&path)).await;
            }
        }
        assert_eq!(lists(&golden, "acme").await, before, "{method} {pattern} changed what is another's");
        for list in lists(&golden, "emca").await {
            assert!(list["data"] == json!([]) || list.get("data").is_none(), "{method} {pattern}: {list}");
        }
    }
}

/// What a tenant sees by every route that asks for no id.
async fn lists(golden: &Golden, tenant: &str) -> Vec<Value> {
    let mut lists = Vec::new();
    for (method, path, least) in TABLE {
        // That the secret is read, as it is here, is in the audit log, which has tests of its own of whose it is.
        let of_tenant = !COMMON.contains(&path) && !path.starts_with("/v1/audit");
        if method == "GET" && least.is_some() && !path.contains('{') && of_tenant {
            let answer = golden.head(ask(method, path, &json!({}), Some((tenant, Admin)))).await;
            if answer.status() == 200 && answer.headers()["content-type"] == "application/json" {
                lists.push(Golden::read(answer).await.body);
            }
        }
    }
    assert!(lists.len() > 2);
    lists
}

fn denials(golden: &Golden) -> u64 {
    let text = golden.metrics.render();
    let lines = text.lines().filter(|line| line.starts_with("rbac_permission_denied_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_token_that_does_not_count_is_401_on_every_guarded_route() {
    let golden = Golden::start().await;
    for authorization in ["Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "x"] {
        let sent = request(Method::GET, "/v1/jobs").token(None).header("authorization", authorization);
        let answer = golden.send(sent.empty()).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"), "{authorization}");
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
    // Of two, a proxy before us may have checked the other.
    let good = format!("Bearer {}", token("acme", Admin));
    let sent = request(Method::GET, "/v1/jobs").token(None).header("authorization", &good);
    let answer = golden.send(sent.header("authorization", "Bearer x.y.z").empty()).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"));

    let sent = request(Method::GET, "/livez").token(None).header("authorization", "Bearer x.y.z");
    assert_eq!(golden.send(sent.empty()).await.status, 200);
}

#[tokio::test]
async fn a_denied_request_is_not_read() {
    let golden = Golden::start().await;
    let sent = request(Method::POST, "/v1/jobs").token(Some(token("acme", Observer)));
    assert_eq!(golden.send(sent.body("{")).await.problem(), (403, "forbidden"));
}

#[tokio::test]
async fn denials_are_counted_by_role_and_route() {
    let golden = Golden::start().await;
    let observer = Some(token("acme", Observer));
    for token in [observer, None, Some("x.y.z".to_owned())] {
        golden.send(request(Method::POST, "/v1/jobs").token(token).json(&json!({}))).await;
    }
    let metrics = golden.metrics.render();
    for (role, count) in [("observer", 1), ("anonymous", 2)] {
        let line = format!("rbac_permission_denied_total{{role=\"{role}\",route=\"POST /v1/jobs\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}
