//! The port behind which models answer.

use std::time::Duration;

use async_trait::async_trait;

use super::exchange::{Reply, Request};
use crate::{breakers::Dependency, outcome::Failure};

/// Answers what it is asked, once.
#[async_trait]
pub trait Model: Send + Sync + 'static {
    /// What its breaker stands in front of; `None` where it cannot be away.
    fn provider(&self) -> Option<&Dependency>;

    /// One answer, usable or not. It logs neither what it is asked nor what it answers.
    async fn complete(&self, request: &Request) -> Result<Reply, ModelError>;
}

/// Why there is no answer. None of these is shown to a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke before the answer was there, or there was none in time.
    #[error("{0}")]
    Broken(String),
    /// The provider says that it cannot now.
    #[error("the provider answered {status}")]
    Unavailable { status: u16, after: Option<Duration> },
    /// It asks to come less often.
    #[error("the provider answered {status}")]
    Busy { status: u16, after: Option<Duration> },
    /// It will not take this request, now or later.
    #[error("the provider answered {status} ({code})")]
    Rejected { status: u16, code: String },
    /// What came is no answer.
    #[error("the provider's answer cannot be read: {0}")]
    Unreadable(&'static str),
    /// This model has no answer to that.
    #[error("{0}")]
    Unable(&'static str),
}

impl ModelError {
    /// The word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "model_unreachable",
            Self::Broken(_) => "model_connection",
            Self::Unavailable { .. } => "model_unavailable",
            Self::Busy { .. } => "model_busy",
            Self::Rejected { .. } => "model_rejected",
            Self::Unreadable(_) => "model_unreadable",
            Self::Unable(_) => "model_unable",
        }
    }

    /// Whether it says that the provider is not there.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Broken(_) | Self::Unavailable { .. })
    }

    /// Whether it is certain that nothing was charged for it.
    pub const fn is_free(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. } | Self::Rejected { .. } | Self::Unable(_))
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            // The key is the operator's to mend, and no fault of the job.
            ModelError::Rejected { status: 401 | 403, .. } => Self::retry(code, message),
            ModelError::Rejected { .. } | ModelError::Unable(_) => Self::fatal(code, message),
            ModelError::Unavailable { after: Some(wait), .. } | ModelError::Busy { after: Some(wait), .. } => {
                Self::retry_after(code, message, wait)
            }
            _ => Self::retry(code, message),
        }
    }
}
