//! Language models behind the API that OpenAI made common: chat completions over HTTP.
//!
//! The operator names the address, so it may be inside: this is not the way to addresses that users name. What is asked
//! and answered is in no log and no span, and neither is the key.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use golden_jobs::{
    breakers::Dependency,
    models::{
        Model, ModelError,
        exchange::{Finish, Reply, Request},
    },
    outbound::OutboundResponse,
    trace,
};
use reqwest::{
    Client, RequestBuilder, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect,
};
use tracing::field;

use crate::outbound::{NoClient, headers, read, root_cause};

mod wire;

/// To connect. The provider is there, or a breaker should know soon.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const BODY_LIMIT: usize = 256 * 1024;
/// The longest wait that a provider may ask for.
const WAIT_LIMIT: Duration = Duration::from_secs(3600);

/// Where models are, and what shows that we may ask them.
#[derive(Clone)]
pub struct Provider {
    /// What `/chat/completions` is below, for example `https://api.openai.com/v1`.
    pub base_url: Url,
    /// Sent as a bearer token, where there is one.
    pub key: Option<String>,
}

/// A key is never shown.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("host", &self.base_url.host_str()).finish_non_exhaustive()
    }
}

/// [`Model`] over HTTP.
pub struct ChatCompletions {
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    provider: Dependency,
    /// Models that want the limit of an answer by its newer name. OpenAI's own refuse the older one; of the others, some
    /// do not heed the newer one, and would answer beyond what was reserved.
    newer: Mutex<BTreeSet<String>>,
}

impl ChatCompletions {
    /// Trusts the roots that the system trusts. Fails where there are none, or the key is no text for a header.
    pub fn new(provider: Provider) -> Result<Self, NoClient> {
        // Fails when a provider is there already, which will do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent(concat!("golden/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NoClient::from(&error))?;
        let mut url = provider.base_url;
        url.set_path(&format!("{}/chat/completions", url.path().trim_end_matches('/')));
        let authorization = provider.key.map(|key| bearer(&key)).transpose()?;
        Ok(Self { client, provider: Dependency::llm(url.as_str()), url, authorization, newer: Mutex::default() })
    }

    /// The answer, of whatever status. Once a model refused one name of the limit, it is called by the other.
    async fn exchange(&self, request: &Request) -> Result<OutboundResponse, reqwest::Error> {
        let newer = self.newer().contains(&request.model);
        let answer = self.exchange_once(request, newer).await?;
        if newer || !wire::refuses_max_tokens(answer.status, &answer.body) {
            return Ok(answer);
        }
        self.newer().insert(request.model.clone());
        self.exchange_once(request, true).await
    }

    async fn exchange_once(&self, request: &Request, newer: bool) -> Result<OutboundResponse, reqwest::Error> {
        let started = Instant::now();
        let mut response = self.post(request, newer).send().await?;
        let (body, truncated) = read(&mut response, BODY_LIMIT).await?;
        Ok(OutboundResponse {
            status: response.status().as_u16(),
            headers: headers(&response),
            body,
            truncated,
            latency: started.elapsed(),
        })
    }

    fn newer(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.newer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, request: &Request, newer: bool) -> RequestBuilder {
        let mut builder = self.client.post(self.url.clone()).json(&wire::Asked::new(request, newer));
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let Some(context) = trace::current() else { return builder };
        let builder = builder.header("traceparent", context.traceparent());
        context.tracestate().into_iter().fold(builder, |builder, state| builder.header("tracestate", state))
    }

    async fn answered(&self, request: &Request) -> Result<Reply, ModelError> {
        let limit = request.timeout;
        match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(Ok(answer)) => judge(&answer),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(ModelError::Broken(format!("no answer from {} within {limit:?}", self.provider))),
        }
    }

    /// Names the host alone: what else an error says may have the address, and in it a key.
    fn broken(&self, error: &reqwest::Error) -> ModelError {
        let (provider, cause) = (&self.provider, root_cause(error));
        if error.is_connect() {
            ModelError::Unreachable(format!("cannot connect to {provider}: {cause}"))
        } else {
            ModelError::Broken(format!("the connection to {provider} failed: {cause}"))
        }
    }
}

#[async_trait]
impl Model for ChatCompletions {
    fn provider(&self) -> Option<&Dependency> {
        Some(&self.provider)
    }

    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let span = tracing::info_span!(
            "chat",
            model = request.model,
            max_tokens = request.max_tokens,
            temperature = request.temperature,
            host = self.url.host_str(),
            port = self.url.port_or_known_default(),
            answered_by = field::Empty,
            finish = field::Empty,
            input_tokens = field::Empty,
            output_tokens = field::Empty,
            error.code = field::Empty,
        );
        let answer = trace::within(span.clone(), None, self.answered(request)).await;
        match &answer {
            Ok(reply) => {
                span.record("answered_by", reply.model.as_str());
                span.record("finish", finish(reply.finish));
                if let Some(usage) = reply.usage {
                    span.record("input_tokens", usage.input_tokens);
                    span.record("output_tokens", usage.output_tokens);
                }
            }
            Err(error) => {
                span.record("error.code", error.code());
            }
        }
        answer
    }
}

fn bearer(key: &str) -> Result<HeaderValue, NoClient> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| NoClient::key())?;
    value.set_sensitive(true);
    Ok(value)
}

/// As OpenTelemetry's conventions have it.
const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Refusal => "refusal",
        Finish::ContentFilter => "content_filter",
    }
}

/// What an answer means.
#[expect(clippy::disallowed_methods, reason = "a provider's date is compared with the wall clock it was read at")]
fn judge(answer: &OutboundResponse) -> Result<Reply, ModelError> {
    let after = || answer.retry_after(chrono::Utc::now(), WAIT_LIMIT);
    match answer.status {
        200..300 if answer.truncated => Err(ModelError::Unreadable("it is longer than 256 KiB")),
        200..300 => wire::read(&answer.body),
        status @ (408 | 425 | 429) => Err(ModelError::Busy { status, after: after() }),
        status @ 500.. => Err(ModelError::Unavailable { status, after: after() }),
        status => Err(ModelError::Rejected { status, code: wire::error_code(&answer.body) }),
    }
}
