//! HTTP to addresses that users name, kept from reaching inside (SSRF).
//!
//! The URL is checked by its text, then its host is resolved once and every address it has
//! is checked; the connection goes to those addresses and no others, so a name that resolves
//! differently the second time gains nothing. A connection kept for reuse was checked when
//! it was made, and still leads where it led.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use golden_jobs::{
    egress::{Egress, Refusal},
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
    trace,
};
use reqwest::{
    Client, Method, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use tracing::field;

/// How long an unused connection is kept for the next request to the same host.
const IDLE: Duration = Duration::from_secs(30);

/// Unused connections kept for one host.
const IDLE_PER_HOST: usize = 8;

/// [`Outbound`] over the network, within an [`Egress`].
pub struct HttpOutbound {
    client: Client,
    egress: Arc<Egress>,
}

/// There is no HTTPS client, most likely for want of root certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTPS client: {0}")]
pub struct NoClient(String);

impl NoClient {
    /// A key with characters that no header has.
    pub(crate) fn key() -> Self {
        Self("the key cannot be sent in a header".to_owned())
    }
}

impl From<&reqwest::Error> for NoClient {
    fn from(error: &reqwest::Error) -> Self {
        Self(format!("{} (root certificates are in the package ca-certificates)", root_cause(error)))
    }
}

impl HttpOutbound {
    /// Resolves names as the system does, and trusts the roots that the system trusts.
    pub fn new(egress: Egress) -> Result<Self, NoClient> {
        Self::with_lookup(egress, Arc::new(SystemLookup))
    }

    /// Resolves names by `lookup`.
    pub fn with_lookup(egress: Egress, lookup: Arc<dyn Lookup>) -> Result<Self, NoClient> {
        // Fails when a provider is there already, which will do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let egress = Arc::new(egress);
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // A proxy would resolve the name again, out of our sight.
            .no_proxy()
            .dns_resolver(GuardedResolver { egress: Arc::clone(&egress), lookup })
            .user_agent(concat!("golden/", env!("CARGO_PKG_VERSION")))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build()
            .map_err(|error| NoClient::from(&error))?;
        Ok(Self { client, egress })
    }

    async fn exchange(
        &self,
        method: Method,
        url: Url,
        request: OutboundRequest,
    ) -> Result<OutboundResponse, reqwest::Error> {
        let started = Instant::now();
        let mut builder = self.client.request(method, url).body(request.body);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        // Whoever sends one of their own has their own idea of what it is part of.
        if let Some(context) = trace::current()
            && !request.headers.iter().any(|(name, _)| name == "traceparent")
        {
            builder = builder.header("traceparent", context.traceparent());
            builder =
                context.tracestate().into_iter().fold(builder, |builder, state| builder.header("tracestate", state));
        }
        let mut response = builder.send().await?;
        let (body, truncated) = read(&mut response, request.body_cap).await?;
        Ok(OutboundResponse {
            status: response.status().as_u16(),
            headers: headers(&response),
            body,
            truncated,
            latency: started.elapsed(),
        })
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let url = self.egress.check(&request.url).map_err(|refusal| OutboundError::Refused(refusal.to_string()))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|error| OutboundError::Refused(format!("this request cannot be sent: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let limit = request.timeout;
        // Neither path nor query: both may hold what only the receiver should know.
        let span = tracing::info_span!(
            "call",
            method = request.method,
            host,
            port = url.port_or_known_default(),
            status = field::Empty,
            error.code = field::Empty,
        );
        let exchange = trace::within(span.clone(), None, self.exchange(method, url, request));
        let answer = match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer.map_err(|error| outbound_error(&error, &host)),
            Err(_) => Err(OutboundError::Timeout(limit)),
        };
        match &answer {
            Ok(answer) => span.record("status", answer.status),
            Err(error) => span.record("error.code", error.code()),
        };
        answer
    }
}

/// Reads a body up to `cap`, and no further: what is left goes with the connection.
pub(crate) async fn read(response: &mut Response, cap: usize) -> Result<(Bytes, bool), reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        let room = cap - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body.freeze(), true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), false))
}

pub(crate) fn headers(response: &Response) -> Vec<(String, String)> {
    response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// Names the host alone: the rest of a URL may hold secrets.
fn outbound_error(error: &reqwest::Error, host: &str) -> OutboundError {
    if let Some(refusal) = causes(error).find_map(|cause| cause.downcast_ref::<Refusal>()) {
        return OutboundError::Refused(refusal.to_string());
    }
    let cause = root_cause(error);
    if error.is_builder() {
        OutboundError::Refused(format!("this request cannot be sent: {cause}"))
    } else if error.is_connect() {
        OutboundError::Connection(format!("cannot connect to `{host}`: {cause}"))
    } else {
        OutboundError::Connection(format!("the connection to `{host}` failed: {cause}"))
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost error, which is the one that says what happened and does not hold the URL.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    causes(error).skip(1).last().map_or_else(|| "malformed".to_owned(), ToString::to_string)
}

/// Finds the addresses of a host.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `host`. Each is checked, and no other is connected to.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver, with its hosts file and its search rules.
struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Gives the client only addresses that were checked.
struct GuardedResolver {
    egress: Arc<Egress>,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, lookup) = (Arc::clone(&self.egress), Arc::clone(&self.lookup));
        Box::pin(async move {
            let addresses = lookup.lookup(name.as_str()).await?;
            // One that is not allowed spoils them all: a host with a foot inside is not outside.
            for address in &addresses {
                egress.check_address(name.as_str(), *address)?;
            }
            // The client puts the URL's port in place of 0.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
