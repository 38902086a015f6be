//! Every error a client can meet: RFC 9457 problems, and the only table from error to status.

use std::{any::Any, time::Duration};

use axum::{
    Json,
    body::Body,
    http::{
        HeaderName, HeaderValue, Response, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use golden_jobs::{
    batch::Dropped,
    store::{StoreError, budgets::Budget},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{clock, limits::ceil_secs};

/// The media type of problems (RFC 9457, section 3).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($variant:ident $code:literal $status:ident $title:literal $remedy:literal;)*) => {
        /// The kinds of problems. Each has a page under `/docs/problems/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word for programs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What the client should do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

problems! {
    Malformed "malformed-request" BAD_REQUEST "The request cannot be read"
        "Send well-formed UTF-8 JSON without duplicate keys and at most 64 levels deep, query parameters \
         that the route knows, and cursors as they were given. The detail says what and where.";
    BadIdempotencyKey "malformed-idempotency-key" BAD_REQUEST "The Idempotency-Key cannot be used"
        "Send one Idempotency-Key of 1 to 255 visible ASCII characters, for example a UUID.";
    Unauthenticated "unauthenticated" UNAUTHORIZED "A valid token is needed"
        "Send `Authorization: Bearer TOKEN` with a token that has not expired; `golden token mint` makes one.";
    BudgetExhausted "budget-exhausted" PAYMENT_REQUIRED "The tenant's budget is gone"
        "Have an admin raise it (`golden budgets set`, `PUT /v1/budgets/TENANT`), or wait until its period turns, which \
         is at `retry_at`. Jobs that were accepted wait for it and keep their attempts; kinds that spend nothing run.";
    Forbidden "forbidden" FORBIDDEN "The token's role may not do this"
        "Use a token of the role that the detail names.";
    SelfApproval "self-approval" FORBIDDEN "Nobody decides on work of their own"
        "Have somebody else decide: whoever had the work made, or proposed the change, may not, whatever their role.";
    TenantSuspended "tenant-suspended" FORBIDDEN "The tenant is suspended"
        "Ask the operator. Jobs that were accepted before still run.";
    NotFound "not-found" NOT_FOUND "There is no such thing"
        "Check the path and the id. What belongs to another tenant is not found either.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The method is not allowed here"
        "Use one of the methods of the Allow header.";
    RequestTimeout "request-timeout" REQUEST_TIMEOUT "The request did not arrive in time"
        "Send the whole body at once; it has 30 seconds to arrive.";
    Conflict "conflict" CONFLICT "Its present state does not allow this"
        "Read what the path names: the detail says which state it is in and what would be needed.";
    DecideReview "decide-review" CONFLICT "It is resolved by deciding the review that it is about"
        "Decide the review that the escalation's `subject` names (`POST /v1/reviews/ID/decide`, `golden reviews decide`): \
         that resolves the escalation as well. Where there is no such review, cancel the escalation's job.";
    GovernanceCooldown "governance-cooldown" CONFLICT "The policy changed too short a while ago"
        "Activate it at `retry_at` or later, or have it activated then: `activate` with `at`.";
    GovernanceFrozen "governance-frozen" CONFLICT "The policy stays as it is for now"
        "Have an admin look at why it is frozen and unfreeze the role (`golden policies unfreeze`), or have what was \
         activated against the rules reviewed: the detail says which.";
    GovernanceQuota "governance-quota" CONFLICT "The policy changed as often as it may within 24 hours"
        "Activate it at `retry_at` or later, or have it activated then: `activate` with `at`.";
    NameTaken "name-taken" CONFLICT "The name is in use"
        "Choose another name, or change the one that has it.";
    LimitReached "limit-reached" CONFLICT "The tenant has as many of these as it may"
        "Remove what is no longer needed: the detail names the limit.";
    TokensMadeElsewhere "tokens-made-elsewhere" CONFLICT "This server makes no tokens"
        "It verifies tokens by an identity provider's public keys (GOLDEN_JWKS): have the provider make one, with \
         the claims `tenant`, `role` and `exp`.";
    Stale "stale" PRECONDITION_FAILED "It is for something else than is there now"
        "Read the change and its policy again. An approval names the digest and the base of the change as it is; a \
         change whose base is not active any more is proposed anew.";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The request is too large"
        "Keep bodies under 1 MiB (batches under 8 MiB) and payloads under 256 KiB; put large data elsewhere and \
         pass its address.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body must be JSON"
        "Send `Content-Type: application/json`.";
    Invalid "validation-failed" UNPROCESSABLE_ENTITY "The request breaks a rule"
        "Mend what `errors` lists: each entry has a JSON pointer into the request and says what is wrong. \
         `GET /v1/kinds/KIND` shows a kind's schema and limits.";
    UnknownKind "unknown-kind" UNPROCESSABLE_ENTITY "There is no such kind of job"
        "Use one of the kinds that `GET /v1/kinds` lists.";
    KeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The Idempotency-Key was used for another request"
        "Use a new key for a new request, or send the first request again as it was.";
    RateLimited "rate-limited" TOO_MANY_REQUESTS "There were too many requests within a minute"
        "Wait for as long as the Retry-After header says; the RateLimit header of every answer tells what is \
         left. A token of its own for each program gives each its own limit.";
    QueueFull "queue-full" TOO_MANY_REQUESTS "The queue holds as many jobs as it may"
        "Try again later with the same Idempotency-Key, or ask the operator for a larger quota.";
    TooManyStreams "too-many-streams" TOO_MANY_REQUESTS "The tenant has too many streams open"
        "Close streams that nobody reads, or share one between those who read it; then try again.";
    Internal "internal-error" INTERNAL_SERVER_ERROR "Something went wrong on our side"
        "Try again with the same Idempotency-Key; tell the operator the request_id if it stays.";
    StoreUnavailable "store-unavailable" SERVICE_UNAVAILABLE "The store does not answer"
        "Try again after the time of the Retry-After header, with the same Idempotency-Key.";
    StreamsFull "streams-full" SERVICE_UNAVAILABLE "Too many streams are open here"
        "Try again after the time of the Retry-After header, or ask without a stream.";
    KeysUnavailable "keys-unavailable" SERVICE_UNAVAILABLE "Tokens cannot be verified yet"
        "Try again after the time of the Retry-After header: the token may be good, and the keys that verify it \
         have not been read yet. `/readyz` says why.";
    SandboxUnavailable "sandbox-unavailable" SERVICE_UNAVAILABLE "Sandbox jobs cannot run here"
        "Install what the detail names and start Golden again, or use kinds of another role.";
}

impl Code {
    /// The path of its page.
    pub(crate) fn page(self) -> String {
        format!("/docs/problems/{}", self.as_str())
    }
}

/// One error, on its way to the client.
///
/// As a response it is only its status until the outermost layer writes its body, which
/// needs the request's id.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What is wrong in one place of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FieldError {
    /// JSON pointer into the body.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: shortened(detail.into()) }
    }
}

/// More errors than anybody reads at once are not sent.
const ERRORS_SHOWN: usize = 50;
/// A detail may quote what was sent: up to here, in characters.
const DETAIL_SHOWN: usize = 500;

fn shortened(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(DETAIL_SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = shortened(detail.into());
        Self(Box::new(Details { code, detail, errors: Vec::new(), retry_after: None, header: None }))
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    pub(crate) fn queue_full(max_queued: u64) -> Self {
        let detail = format!("{max_queued} jobs of this role may be queued, which is the tenant's quota");
        Self::new(Code::QueueFull, detail).retry_after(Duration::from_secs(1))
    }

    /// Why new work that spends is refused, where the budget is gone.
    pub(crate) fn budget_gone(budget: &Budget) -> Option<Self> {
        if !budget.is_exhausted() {
            return None;
        }
        let Budget { limit, spent, reserved, waiting, .. } = budget;
        let detail = format!(
            "of a limit of {limit} micro-USD {spent} are spent and {reserved} reserved; {waiting} jobs wait for more"
        );
        let problem = Self::new(Code::BudgetExhausted, detail);
        let wait = budget.turns_at.and_then(|turns_at| (turns_at - clock::now()).to_std().ok());
        Some(wait.map_or(problem.clone(), |wait| problem.retry_after(wait)))
    }

    pub(crate) fn key_reused() -> Self {
        Self::new(Code::KeyReused, "within 24 hours a key stands for one request")
    }

    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            more => format!("{} things are wrong with the request", more.len()),
        };
        errors.truncate(ERRORS_SHOWN);
        let mut problem = Self::new(Code::Invalid, detail);
        problem.0.errors = errors;
        problem
    }

    /// What is wrong with several parts of one request, each named by its pointer, as one problem.
    ///
    /// Broken rules are told of all parts at once. Anything else would have ended the request had
    /// its part come alone, and speaks for all.
    pub(crate) fn gathered(parts: Vec<(String, Self)>) -> Self {
        let mut all = Vec::new();
        for (part, mut problem) in parts {
            let Details { code, detail, errors, .. } = &mut *problem.0;
            if code.status() != StatusCode::UNPROCESSABLE_ENTITY {
                *detail = shortened(format!("{part}: {detail}"));
                return problem;
            }
            if errors.is_empty() {
                all.push(FieldError::new(part, detail.as_str()));
            } else {
                all.extend(
                    errors.drain(..).map(|error| FieldError { pointer: part.clone() + &error.pointer, ..error }),
                );
            }
        }
        Self::invalid(all)
    }

    /// Says which one place of the request it is about.
    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.0.errors = vec![FieldError::new(pointer, self.0.detail.as_str())];
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// All that it says, for where there is no place for its parts.
    pub(crate) fn in_words(&self) -> String {
        match self.0.errors.as_slice() {
            [] | [_] => self.0.detail.clone(),
            errors => {
                let errors: Vec<_> =
                    errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
                format!("{}: {}", self.0.detail, errors.join("; "))
            }
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// Whether the same request may well do later.
    pub(crate) fn is_ours(&self) -> bool {
        self.status().is_server_error()
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// The answer to a request whose handler panicked. The text stays in the log.
    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("not a text");
        tracing::error!(panic = text, "a handler panicked");
        Self::new(Code::Internal, "the request was not completed").into_response()
    }

    /// The whole response, body included.
    pub(crate) fn render(self, request_id: &str) -> axum::response::Response {
        let mut response = (self.status(), Json(self.body(Some(request_id)))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, ceil_secs(wait).max(1).into());
        }
        if let Some((name, value)) = self.0.header {
            headers.insert(name, value);
        }
        response
    }

    fn body<'a>(&'a self, request_id: Option<&'a str>) -> ProblemBody<'a> {
        let Details { code, detail, errors, retry_after, .. } = &*self.0;
        ProblemBody {
            kind: code.page(),
            title: code.title(),
            status: code.status().as_u16(),
            detail,
            code: code.as_str(),
            errors,
            retry_at: retry_after.map(|wait| clock::now() + wait),
            request_id,
        }
    }
}

/// As a part of an answer whose request has an id already.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body(None).serialize(serializer)
    }
}

/// What went wrong, and what to do about it (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemBody<'a> {
    /// The path of the problem's page.
    #[serde(rename = "type")]
    kind: String,
    /// The problem in a few words, the same each time.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What it was this time.
    detail: &'a str,
    /// The stable word for programs.
    code: &'a str,
    /// Each thing that is wrong with the request, at most 50.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// When the same request may do better, where waiting helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<DateTime<Utc>>,
    /// The answer's `x-request-id`, for the operator's logs; not where it is a part of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What the database said stays in the log.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::warn!(reason, "the store is not available");
                Self::new(Code::StoreUnavailable, "nothing was changed or it cannot be told; it is safe to try again")
                    .retry_after(Duration::from_secs(1))
            }
            StoreError::Rejected(reason) => {
                tracing::warn!(reason, "the store refused the data of a request");
                Self::invalid(vec![FieldError::new("", "the store cannot hold this request as it is")])
            }
            StoreError::LeaseLost => {
                tracing::error!("a read or an insert was told that its lease is lost");
                Self::new(Code::Internal, "the request was not completed")
            }
        }
    }
}

impl From<Dropped> for Problem {
    fn from(error: Dropped) -> Self {
        tracing::error!(%error, "an insert has no answer");
        Self::new(Code::Internal, "it is not known whether the job was recorded")
    }
}
