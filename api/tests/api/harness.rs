//! One API on a store of its own, and requests to it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode},
};
use golden_api::{Api, ApiOptions, Auth, CallerRole, Grant, RateLimits, Service, auth::Expected};
use golden_jobs::{
    Context, Job, JobId, Outcome, Policy, Registry, Role, WorkerId,
    breakers::{self, Board},
    done,
    egress::Egress,
    metrics::Metrics,
    outcome::{JobError, Verdict},
    store::{self, Claimed, ConnectOptions, Pool, RunEnd, SharedStore, WorkerInfo},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::openapi;

pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

pub(crate) struct Golden {
    pub(crate) store: SharedStore,
    pub(crate) metrics: Metrics,
    pub(crate) router: Router,
    pub(crate) service: Service,
    _dir: Dir,
}

/// A directory that goes with the test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("golden-api-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) async fn store(&self) -> SharedStore {
        let url = format!("sqlite://{}", self.0.join("golden.db").display());
        store::migrate(&url).await.unwrap();
        store::connect(ConnectOptions::new(url)).await.unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn api(store: SharedStore) -> Api {
    Api {
        store,
        registry: Arc::new(registry()),
        metrics: Metrics::new(),
        auth: auth(),
        breakers: Board::new(breakers::Options::default(), Metrics::new()),
        windows: None,
        // The tests of the limits turn them on; no other is to stumble over them.
        options: ApiOptions { egress: Egress::with_loopback(), rate_limits: RateLimits::Off, ..ApiOptions::default() },
        parts: Vec::new(),
        sandbox_missing: None,
    }
}

impl Golden {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Api)) -> Self {
        let dir = Dir::new();
        let mut api = api(dir.store().await);
        change(&mut api);
        Self::of(api, dir)
    }

    /// A second one on the same store.
    pub(crate) async fn on(store: SharedStore) -> Self {
        Self::of(api(store), Dir::new())
    }

    fn of(api: Api, dir: Dir) -> Self {
        let (store, metrics) = (Arc::clone(&api.store), api.metrics.clone());
        let service = Service::from(api);
        Self { store, metrics, router: golden_api::router(service.clone()), service, _dir: dir }
    }

    /// Sends a request, and holds the answer against the OpenAPI document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let answer = Self::read(self.head(request).await).await;
        openapi::check(method.as_str(), &path, answer.status.as_u16(), answer.header("content-type"), &answer.text);
        answer
    }

    /// The answer without its body, which may have no end.
    pub(crate) async fn head(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn read(response: Response<Body>) -> Answer {
        let (head, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path).json(&body)).await
    }

    /// Submits a job that is meant to be accepted.
    pub(crate) async fn submit(&self, body: Value) -> Value {
        let answer = self.post("/v1/jobs", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        answer.body
    }

    /// Takes one job as a worker of `role` would.
    pub(crate) async fn claim(&self, role: Role) -> Claimed {
        let worker = worker(role);
        let _ = self.store.heartbeat(&worker).await.unwrap();
        let mut claimed = self.store.claim(role, 1, worker.id).await.unwrap();
        claimed.pop().expect("a ready job")
    }

    pub(crate) async fn finish(&self, claimed: &Claimed, verdict: Verdict) {
        let end = RunEnd { run: claimed.run, role: claimed.role, verdict };
        let lost = self.store.finish(vec![end]).await.unwrap();
        assert!(lost.is_empty());
    }

    /// Submits a job and has it die of `message`. Answers its id.
    pub(crate) async fn dead(&self, message: &str) -> String {
        let job = self.submit(json!({"kind": "noop"})).await;
        let claimed = self.claim(Role::Orchestrator).await;
        let error = JobError::new("test", message);
        self.finish(&claimed, Verdict::Dead { error }).await;
        text(&job["id"])
    }
}

pub(crate) fn succeeded(result: &str) -> Verdict {
    Verdict::Succeeded { result: Some(serde_json::from_str(result).unwrap()) }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

pub(crate) fn id(job: &Value) -> JobId {
    text(&job["id"]).parse().unwrap()
}

pub(crate) fn worker(role: Role) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::new(),
        host: "test".into(),
        pid: 1,
        pools: vec![Pool { role, capacity: 4 }],
        version: "test".into(),
        started_at: chrono::DateTime::UNIX_EPOCH,
        heartbeat_at: chrono::DateTime::UNIX_EPOCH,
        draining_since: None,
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem, once it is one in every respect.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], self.status.as_u16());
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        for field in ["title", "detail"] {
            assert!(!text(&self.body[field]).is_empty(), "{}", self.text);
        }
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("/docs/problems/{code}"));
        (self.status.as_u16(), code)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.body["data"].as_array().unwrap().iter().map(|entry| text(&entry["id"])).collect()
    }
}

/// A request of an admin of tenant `acme`, unless it says otherwise.
pub(crate) struct Builder {
    request: axum::http::request::Builder,
    token: Option<String>,
}

pub(crate) fn request(method: Method, path: &str) -> Builder {
    Builder { request: Request::builder().method(method).uri(path), token: Some(token("acme", CallerRole::Admin)) }
}

impl Builder {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    pub(crate) fn json(self, body: &Value) -> Request<Body> {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// One JSON text a line.
    pub(crate) fn ndjson(self, lines: &[Value]) -> Request<Body> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.header("content-type", "application/x-ndjson").body(text)
    }

    pub(crate) fn empty(self) -> Request<Body> {
        self.body(Body::empty())
    }

    pub(crate) fn body(self, body: impl Into<Body>) -> Request<Body> {
        let request = match self.token {
            Some(token) => self.request.header("authorization", format!("Bearer {token}")),
            None => self.request,
        };
        request.body(body.into()).unwrap()
    }
}

pub(crate) fn auth() -> Auth {
    Auth::hs256(SECRET, Expected::default()).unwrap()
}

pub(crate) fn token(tenant: &str, role: CallerRole) -> String {
    let grant = Grant { tenant: tenant.into(), role, subject: "tester".into(), rate_limit: None };
    minted(&grant)
}

pub(crate) fn minted(grant: &Grant) -> String {
    auth().mint(grant, Duration::from_secs(600)).unwrap()
}

/// The kinds of this build, and four for the tests.
fn registry() -> Registry {
    golden_jobs::kinds::registry().with::<Internal>().with::<Panics>().with::<Picky>().with::<Spends>()
}

/// A kind that clients may not submit.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Internal {}

impl Job for Internal {
    const KIND: &'static str = "internal";
    const ROLE: Role = Role::Supervisor;
    const PUBLIC: bool = false;
    type Output = ();

    async fn run(self, _: &Context) -> Outcome<()> {
        done(())
    }
}

/// A kind whose check is broken.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Panics {}

impl Job for Panics {
    const KIND: &'static str = "panics";
    const ROLE: Role = Role::Orchestrator;
    type Output = ();

    fn check(&self) -> Result<(), golden_jobs::job::Invalid> {
        panic!("the secret text of a panic")
    }

    async fn run(self, _: &Context) -> Outcome<()> {
        done(())
    }
}

/// A kind whose runs cost money.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Spends {}

impl Job for Spends {
    const KIND: &'static str = "spends";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT.spends();
    type Output = ();

    async fn run(self, _: &Context) -> Outcome<()> {
        done(())
    }
}

/// A kind with rules beyond its schema.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Picky {
    count: u32,
    #[serde(default)]
    note: String,
}

impl Job for Picky {
    const KIND: &'static str = "picky";
    const ROLE: Role = Role::Orchestrator;
    type Output = ();

    fn check(&self) -> Result<(), golden_jobs::job::Invalid> {
        match self.count {
            13 => Err(golden_jobs::job::Invalid::new("/count", "any number but thirteen")),
            _ => Ok(()),
        }
    }

    async fn run(self, _: &Context) -> Outcome<()> {
        done(())
    }
}
