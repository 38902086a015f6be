//! The port for HTTP requests to addresses that users name.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::outcome::Failure;

mod retry_after;

/// Sends one HTTP request to an address a user chose, guarded against reaching inside
/// (SSRF): see the implementation in `golden-workers`.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Neither follows redirects nor uses proxies; an answer of any status is an answer.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;
}

/// A request as a job wants it sent.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// In upper case, for example `POST`.
    pub method: String,
    /// As the user wrote it. The guard parses and checks it; nobody else needs to.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// From connecting to the last byte of the answer.
    pub timeout: Duration,
    /// The answer is read up to here, in bytes.
    pub body_cap: usize,
}

/// An answer, of whatever status.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Whether the answer was longer than the cap.
    pub truncated: bool,
    /// From connecting to the last byte that was read.
    pub latency: Duration,
}

impl OutboundResponse {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OutboundError {
    /// Golden will not go there, now or later: the URL or its address is not allowed.
    #[error("{0}")]
    Refused(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Could not connect, or the connection broke.
    #[error("{0}")]
    Connection(String),
}

impl OutboundError {
    /// The word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "address_refused",
            Self::Timeout(_) => "timeout",
            Self::Connection(_) => "connection",
        }
    }
}

impl From<OutboundError> for Failure {
    fn from(error: OutboundError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            OutboundError::Refused(_) => Self::fatal(code, message),
            OutboundError::Timeout(_) | OutboundError::Connection(_) => Self::retry(code, message),
        }
    }
}
