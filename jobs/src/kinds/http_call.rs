//! Calls an HTTP endpoint of the user's and keeps what it answers.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    breakers::Dependency,
    context::Context,
    egress,
    job::{Invalid, Job, Policy},
    outbound::{OutboundRequest, OutboundResponse},
    outcome::{Failure, Outcome, done},
    role::Role,
    store::Claimed,
};

mod answer;

pub use answer::Answer;

/// Calls an HTTP endpoint. 2xx, or a status in `expect`, succeeds; 408, 429, 5xx, silence and
/// broken connections are tried again, after `Retry-After` where there is one; redirects and
/// all other statuses are final.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpCall {
    /// An https URL. Other schemes, ports and addresses that are not public are for the operator
    /// to allow.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// POST where there is a body, else GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Method")]
    pub method: Option<Method>,
    /// Sent along. Golden adds `content-type` and `idempotency-key` where they are missing, and
    /// always `golden-job-id` and `golden-attempt`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A string is sent as it is, as text/plain unless a content-type says otherwise; anything
    /// else is sent as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub body: Option<Box<RawValue>>,
    /// The statuses that succeed, instead of 2xx.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(range(min = 200, max = 599)))]
    pub expect: Vec<u16>,
}

/// The methods a call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Headers of the connection itself, which is not the caller's; `host` would let a request
/// that was checked for one host reach another behind the same address.
const NOT_YOURS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const HEADERS_LIMIT: usize = 64;
const HEADER_BYTES_LIMIT: usize = 16 * 1024;

/// The longest wait that an endpoint may ask for: the cap of the kind's own backoff.
const WAIT_LIMIT: Duration = Duration::from_secs(3600);

impl Job for HttpCall {
    const KIND: &'static str = "http.call";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(60);
    type Output = Answer;

    fn check(&self) -> Result<(), Invalid> {
        egress::parse(&self.url).map_err(|refusal| Invalid::new("/url", refusal.to_string()))?;
        if self.body.is_some() && matches!(self.method, Some(Method::Get | Method::Head)) {
            return Err(Invalid::new("/body", "GET and HEAD have no body"));
        }
        check_headers(&self.headers)
    }

    #[expect(clippy::disallowed_methods, reason = "an endpoint's date is compared with the wall clock it was read at")]
    async fn run(self, cx: &Context) -> Outcome<Answer> {
        let request = self.request(cx.claimed(), cx.idempotency_key("call"))?;
        let call = cx.call(&Dependency::http(&self.url)).await?;
        let answer = cx.outbound().send(request).await;
        call.answered(&answer, |status| status >= 500 && !self.expect.contains(&status));
        done(self.judge(answer?, Utc::now())?)
    }
}

impl HttpCall {
    /// The request of one run. `idempotency_key` is the same for every run of the job.
    pub fn request(&self, run: &Claimed, idempotency_key: String) -> Result<OutboundRequest, Failure> {
        let (body, content_type) = self.body_bytes()?;
        let default = if self.body.is_some() { Method::Post } else { Method::Get };
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let mut add = |name: &str, value: String| {
            if !headers.iter().any(|(taken, _)| taken == name) {
                headers.push((name.to_owned(), value));
            }
        };
        if let Some(content_type) = content_type {
            add("content-type", content_type.to_owned());
        }
        add("idempotency-key", idempotency_key);
        add("golden-job-id", run.run.id.to_string());
        add("golden-attempt", run.attempt.to_string());
        Ok(OutboundRequest {
            method: self.method.unwrap_or(default).as_str().to_owned(),
            url: self.url.clone(),
            headers,
            body,
            // A little under the run's own, so that the failure names the endpoint.
            timeout: run.timeout.mul_f64(0.95),
            body_cap: answer::BODY_LIMIT,
        })
    }

    fn body_bytes(&self) -> Result<(Bytes, Option<&'static str>), Failure> {
        let Some(body) = &self.body else { return Ok((Bytes::new(), None)) };
        if !body.get().starts_with('"') {
            return Ok((Bytes::from(body.get().to_owned()), Some("application/json")));
        }
        let text: String = serde_json::from_str(body.get())
            .map_err(|error| Failure::fatal("payload_undecodable", format!("the body is no text: {error}")))?;
        Ok((Bytes::from(text), Some("text/plain; charset=utf-8")))
    }

    /// What an answer means for the job.
    pub fn judge(&self, answer: OutboundResponse, now: DateTime<Utc>) -> Result<Answer, Failure> {
        let status = answer.status;
        let succeeds =
            if self.expect.is_empty() { (200..300).contains(&status) } else { self.expect.contains(&status) };
        if succeeds {
            return Ok(Answer::from(answer));
        }
        let message = format!("the endpoint answered {status}{}", answer::excerpt(&answer));
        Err(match status {
            // 408 says that the request came too slowly, and invites a repeat (RFC 9110, section 15.5.9).
            408 | 429 | 500.. => match answer.retry_after(now, WAIT_LIMIT) {
                Some(wait) => Failure::retry_after("http_status", message, wait),
                None => Failure::retry("http_status", message),
            },
            300..400 => Failure::fatal("redirected", format!("{message}; redirects are not followed")),
            _ => Failure::fatal("http_status", message),
        })
    }
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), Invalid> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > HEADERS_LIMIT || bytes > HEADER_BYTES_LIMIT {
        let detail = format!("at most {HEADERS_LIMIT} headers and {HEADER_BYTES_LIMIT} bytes in all");
        return Err(Invalid::new("/headers", detail));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let detail = if name.is_empty() || !name.bytes().all(is_token) {
            "a header's name is letters, digits and !#$%&'*+-.^_`|~"
        } else if !value.bytes().all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte)) {
            "a header's value is visible ASCII, spaces and tabs"
        } else if NOT_YOURS.contains(&lower.as_str()) || lower.starts_with("golden-") {
            "this header is set by Golden"
        } else if !seen.insert(lower) {
            "this header is given twice, in another case"
        } else {
            continue;
        };
        // RFC 6901: these two have a meaning in a pointer.
        let name = name.replace('~', "~0").replace('/', "~1");
        return Err(Invalid::new(format!("/headers/{name}"), detail));
    }
    Ok(())
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
