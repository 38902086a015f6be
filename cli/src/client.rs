//! The API as client commands call it.

use std::{borrow::Cow, fmt, time::Duration};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::config::{Secret, Settings, without_password};

/// Longer than the server waits for a job (30 s), so that its answer is not cut off.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A stream that is silent for three times as long as it should be (15 s) is broken.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a request is made again that the server put off for coming too soon.
const PATIENCE: u32 = 3;

/// Talks to one server as the holder of one token.
pub(crate) struct Client {
    http: reqwest::Client,
    /// For answers that take as long as they take.
    streams: reqwest::Client,
    server: Url,
    token: Option<Secret>,
}

/// One request: a method, the path's segments, and what goes with them.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: Vec<String>,
    query: Vec<(Cow<'static, str>, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Json(Box<RawValue>),
    /// One JSON text a line.
    Lines(String),
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(
        "no answer from {server}: {reason}\nIs `golden dev` or `golden api` running there? --server or GOLDEN_SERVER names another address."
    )]
    Unreachable { server: String, reason: String },
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Something answered, and it is not Golden.
    #[error("unexpected answer with status {status}: {body}")]
    Unexpected { status: u16, body: String },
    #[error("GOLDEN_TOKEN is not a token: expected three parts with dots between them; `golden token mint` makes one")]
    Token,
}

/// An error as the API tells it (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) errors: Vec<Fault>,
    pub(crate) retry_at: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// One of the things that are wrong with a request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fault {
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("golden/", env!("CARGO_PKG_VERSION")))
        };
        let built = |http: reqwest::ClientBuilder| http.build().context("the HTTP client could not be made");
        let (http, streams) = (built(builder().timeout(TIMEOUT))?, built(builder().read_timeout(SILENCE))?);
        Ok(Self { http, streams, server: settings.server.clone(), token: settings.token.clone() })
    }

    /// Sends a request and gives the JSON of its answer, or the problem.
    pub(crate) async fn send(&self, request: Request) -> Result<Value, ClientError> {
        let (status, body) = self.in_turn(self.call(&self.http, &request)?).await?;
        if status.is_success() && body.is_empty() {
            return Ok(Value::Null);
        }
        if status.is_success()
            && let Ok(value) = serde_json::from_slice(&body)
        {
            return Ok(value);
        }
        Err(refusal(status, &body))
    }

    /// Opens a stream, which goes on after the event with the id `after`. `None` where the server
    /// says that there is nothing more.
    pub(crate) async fn stream(&self, request: &Request, after: Option<&str>) -> Result<Option<Response>, ClientError> {
        let mut call = self.call(&self.streams, request)?;
        if let Some(after) = after {
            call = call.header("last-event-id", after);
        }
        let answer = call.send().await.map_err(|error| self.unreachable(&error))?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NO_CONTENT => Ok(None),
            status => Err(refusal(status, &answer.bytes().await.map_err(|error| self.unreachable(&error))?)),
        }
    }

    fn call(&self, http: &reqwest::Client, request: &Request) -> Result<RequestBuilder, ClientError> {
        let mut call = http.request(request.method.clone(), self.url(request));
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            call = call.header(AUTHORIZATION, bearer.map_err(|_| ClientError::Token)?);
        }
        for (name, value) in &request.headers {
            call = call.header(*name, value);
        }
        Ok(match &request.body {
            Some(Body::Json(json)) => call.json(json),
            Some(Body::Lines(text)) => call.header(CONTENT_TYPE, "application/x-ndjson").body(text.clone()),
            None => call,
        })
    }

    /// Sends a request, and again once the server is ready for it, if it was one too many within a minute.
    async fn in_turn(&self, mut call: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let mut put_off = 0;
        loop {
            // A body in memory can be sent again.
            let again = call.try_clone();
            let answer = call.send().await.map_err(|error| self.unreachable(&error))?;
            let (status, wait) = (answer.status(), wait_asked_for(&answer));
            let body = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
            let limited = || serde_json::from_slice(&body).is_ok_and(|problem: Problem| problem.code == RATE_LIMITED);
            match (again, wait) {
                (Some(again), Some(wait)) if put_off < PATIENCE && limited() => {
                    eprintln!("There were too many requests within a minute: going on in {} s.", wait.as_secs());
                    tokio::time::sleep(wait).await;
                    (call, put_off) = (again, put_off + 1);
                }
                _ => return Ok((status, body.to_vec())),
            }
        }
    }

    /// The tenant that the token speaks for. Only the server can say whether the token is good.
    pub(crate) fn tenant(&self) -> Result<Option<String>, ClientError> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let claims = token.reveal().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let claims = claims.ok_or(ClientError::Token)?;
        Ok(claims["tenant"].as_str().map(str::to_owned))
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        // The innermost cause says what happened; those around it repeat the address.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ClientError::Unreachable { server: without_password(self.server.as_str()), reason: cause.to_string() }
    }
}

/// What an answer means that is not what was asked for.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !status.is_success() => ClientError::Problem(Box::new(problem)),
        _ => {
            let start: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect();
            ClientError::Unexpected { status: status.as_u16(), body: start }
        }
    }
}

/// The code of the problem that passes with time alone: nothing was done, and it is safe to ask again.
const RATE_LIMITED: &str = "rate-limited";

/// How long the server says to wait. Not where it takes us for anybody: our token does not
/// count, and waiting mends no token.
fn wait_asked_for(answer: &Response) -> Option<Duration> {
    let header = |name: &str| answer.headers().get(name)?.to_str().ok();
    let anonymous = header("ratelimit-policy").is_some_and(|policy| policy.starts_with("\"anonymous\""));
    let seconds = header("retry-after")?.parse().ok()?;
    (answer.status() == StatusCode::TOO_MANY_REQUESTS && !anonymous).then(|| Duration::from_secs(seconds))
}

impl Request {
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &[&str]) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn put(path: &[&str]) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn patch(path: &[&str]) -> Self {
        Self::new(Method::PATCH, path)
    }

    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// What the process says of itself, which is not below `/v1`.
    pub(crate) fn health() -> Self {
        Self { path: vec!["health".to_owned()], ..Self::get(&[]) }
    }

    /// Below `/v1`; each segment is encoded, so that an id with a slash names nothing else.
    fn new(method: Method, path: &[&str]) -> Self {
        let path = ["v1"].iter().chain(path).map(|segment| (*segment).to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// Adds a query parameter, if there is one.
    pub(crate) fn query(mut self, name: impl Into<Cow<'static, str>>, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name.into(), value.to_string())));
        self
    }

    /// Adds a header, if there is one.
    pub(crate) fn header(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Sends `body` as JSON; what is [`RawValue`] in it goes out as it was typed.
    pub(crate) fn body(mut self, body: &impl Serialize) -> serde_json::Result<Self> {
        self.body = Some(Body::Json(to_raw_value(body)?));
        Ok(self)
    }

    /// Sends JSON texts as they are, one a line.
    pub(crate) fn lines(mut self, lines: &[String]) -> Self {
        self.body = Some(Body::Lines(lines.join("\n")));
        self
    }
}

impl ClientError {
    /// Whether asking again later may do better.
    pub(crate) fn may_pass(&self) -> bool {
        let passes = |status| status == 429 || status >= 500;
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => passes(problem.status),
            Self::Unexpected { status, .. } => passes(*status),
            Self::Token => false,
        }
    }
}

impl Problem {
    /// What the one at the keyboard can do about it.
    fn advice(&self) -> Option<&'static str> {
        Some(match self.status {
            401 => {
                "Set GOLDEN_TOKEN to a valid token: `golden token mint --tenant T --role developer --ttl 1h` makes one."
            }
            403 => "Set GOLDEN_TOKEN to a token of that role.",
            404 => "Only what belongs to the token's tenant can be seen.",
            422 if self.errors.iter().any(|fault| fault.pointer.contains("/payload")) => {
                "`golden kinds KIND` shows what a kind takes."
            }
            503 if self.code == "store-unavailable" => "`/readyz` on the server names the part that is down.",
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.title, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        f.write_str(")")?;
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        for Fault { pointer, detail } in &self.errors {
            let fault = if pointer.is_empty() { detail.clone() } else { format!("{pointer}: {detail}") };
            // Of a single fault the detail above is all there is to say.
            let alone = if self.errors.len() == 1 { detail } else { &fault };
            if !self.detail.as_ref().is_some_and(|told| told.contains(alone)) {
                write!(f, "\n  {fault}")?;
            }
        }
        if let Some(retry_at) = &self.retry_at {
            write!(f, "\nTry again at {retry_at}.")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, "\n{advice}")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, "\nRequest id: {request_id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::config::Layers;

    fn client(server: &str, token: Option<&str>) -> Client {
        let mut layers = Layers::default();
        layers.environment.insert("GOLDEN_SERVER".to_owned(), server.to_owned());
        layers.environment.extend(token.map(|token| ("GOLDEN_TOKEN".to_owned(), token.to_owned())));
        crate::install_crypto();
        Client::new(&Settings::from_layers(&layers).unwrap()).unwrap()
    }

    #[test]
    fn paths_and_queries_are_encoded_below_the_server() {
        let request = || Request::get(&["jobs", "../a b"]).query("kind", Some("x&y")).query("state", None::<&str>);
        let url = |server| client(server, None).url(&request()).to_string();
        assert_eq!(url("http://h:1"), "http://h:1/v1/jobs/..%2Fa%20b?kind=x%26y");
        assert_eq!(url("https://h/golden/"), "https://h/golden/v1/jobs/..%2Fa%20b?kind=x%26y");
    }

    #[test]
    fn a_problem_says_where_and_what_to_do() {
        let problem: Problem = serde_json::from_value(json!({
            "type": "x", "title": "The payload does not fit", "status": 422, "code": "schema-violation",
            "detail": "See errors.", "errors": [{"pointer": "/payload/sleep_ms", "detail": "not an integer"}],
            "request_id": "r1",
        }))
        .unwrap();
        assert_eq!(
            problem.to_string(),
            "The payload does not fit (422 schema-violation)\nSee errors.\n  /payload/sleep_ms: not an integer\n\
             `golden kinds KIND` shows what a kind takes.\nRequest id: r1"
        );
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_said_once() {
        let problem: Problem = serde_json::from_value(json!({
            "title": "The request breaks a rule", "status": 422, "detail": "name ids or all",
            "errors": [{"pointer": "", "detail": "name ids or all"}],
        }))
        .unwrap();
        assert_eq!(problem.to_string(), "The request breaks a rule (422)\nname ids or all");
    }

    #[tokio::test]
    async fn a_token_that_no_header_can_hold_is_told_from_a_server_that_is_down() {
        let sent = client("http://127.0.0.1:1", Some("a\nb")).send(Request::get(&["jobs"])).await;
        assert!(matches!(sent, Err(ClientError::Token)));
    }

    /// A server that answers these to one connection, one after the other.
    async fn answering(answers: Vec<(&'static str, &'static str)>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for (head, body) in answers {
                let mut asked = vec![0; 4096];
                let length = stream.read(&mut asked).await.unwrap();
                assert!(asked[..length].ends_with(b"{\"a\":1}"));
                let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        server
    }

    const LIMITED: &str = r#"{"title": "x", "status": 429, "code": "rate-limited"}"#;

    #[tokio::test]
    async fn one_request_too_many_waits_for_its_turn() {
        let limited = ("429 Too Many Requests\r\nretry-after: 1", LIMITED);
        let server = answering(vec![limited, ("200 OK", "[]")]).await;
        let request = Request::post(&["jobs"]).body(&json!({"a": 1})).unwrap();
        assert_eq!(client(&server, None).send(request).await.unwrap(), json!([]));
    }

    #[tokio::test]
    async fn who_is_taken_for_anybody_does_not_wait() {
        let head = "429 Too Many Requests\r\nretry-after: 60\r\nratelimit-policy: \"anonymous\";q=5;w=60";
        let server = answering(vec![(head, LIMITED)]).await;
        let request = Request::post(&["jobs"]).body(&json!({"a": 1})).unwrap();
        assert!(matches!(client(&server, None).send(request).await, Err(ClientError::Problem(_))));
    }

    #[test]
    fn the_tenant_is_read_from_the_token() {
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"tenant":"acme"}"#));
        assert_eq!(client("http://h", Some(&token)).tenant().unwrap().as_deref(), Some("acme"));
        assert!(client("http://h", None).tenant().unwrap().is_none());
        assert!(matches!(client("http://h", Some("nonsense")).tenant(), Err(ClientError::Token)));
    }
}
