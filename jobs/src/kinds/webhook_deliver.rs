//! Delivers one webhook: a signed POST to where somebody asked to be called back.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    backoff::Backoff,
    breakers::Dependency,
    context::Context,
    egress,
    id::{EndpointId, JobId, MessageId},
    job::{Invalid, Job, Policy},
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    outcome::{Failure, Outcome, done},
    role::Role,
    store::{
        deliveries::{DeliveryAttempt, NewAttempt},
        endpoints::Format,
    },
    webhooks::{self, Secret, WEBHOOK_TEST},
};

/// Delivers one webhook. The job's id is the message's: `job_X` delivers `msg_X`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookDeliver {
    /// The receiver's, as the job that the message is about was submitted with it. Absent for an
    /// endpoint: it has its own, which may change between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The endpoint that takes the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<EndpointId>,
    /// For example `job.succeeded`.
    pub event: String,
    /// How the body is laid out.
    #[serde(default)]
    pub format: Format,
    /// The exact text to sign and send: the same at every attempt.
    pub body: String,
    /// The job that the message is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_job_id: Option<JobId>,
}

/// What a delivered webhook leaves behind; the attempts are on record by themselves.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The receiver's, 200 to 299.
    pub status: u16,
}

/// How long the receiver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The status of a receiver that wants no more.
const GONE: u16 = 410;

/// What is kept of its answer, in bytes.
const ANSWER_LIMIT: usize = 1024;

/// The longest wait that a receiver may ask for: that of the schedule.
const WAIT_LIMIT: Duration = Duration::from_secs(24 * 3600);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The waits between attempts: three days in all, so that a receiver may be down for a weekend.
const SCHEDULE: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];

impl WebhookDeliver {
    /// The policy with an operator's own waits between attempts, one attempt more than waits;
    /// for [`Registry::with_policy`](crate::Registry::with_policy).
    pub fn scheduled(policy: Policy, waits: Vec<Duration>) -> Policy {
        let attempts = u32::try_from(waits.len()).unwrap_or(u32::MAX).saturating_add(1);
        // Settings are read once in the life of a process.
        policy.attempts(attempts).backoff(Backoff::Steps { steps: waits.leak(), jitter: JITTER })
    }

    /// The request of one attempt, signed for `now`.
    pub fn request(&self, id: MessageId, url: &str, secrets: &[Secret], now: DateTime<Utc>) -> OutboundRequest {
        let signed = webhooks::headers(secrets, &id.to_string(), now.timestamp(), self.body.as_bytes());
        let media = match self.format {
            Format::Standard => "application/json",
            Format::CloudEvents => "application/cloudevents+json; charset=utf-8",
        };
        let mut headers = vec![("content-type".to_owned(), media.to_owned())];
        headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
        OutboundRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers,
            body: Bytes::from(self.body.clone()),
            timeout: ANSWER_WITHIN,
            body_cap: ANSWER_LIMIT,
        }
    }

    /// Where it goes now, and what signs it.
    async fn destination(&self, cx: &Context) -> Result<(String, Vec<Secret>), Failure> {
        let tenant = &cx.claimed().tenant_id;
        let Some(endpoint) = self.endpoint_id else {
            let url = self.url.clone().ok_or_else(|| Failure::fatal("no_receiver", "it says nothing of a receiver"))?;
            let secrets = cx.store().callback_secrets(tenant).await?;
            return Ok((url, secrets.all().map(Secret::from).collect()));
        };
        match cx.store().target(tenant, endpoint).await? {
            None => Err(Failure::fatal("endpoint_deleted", "the endpoint was deleted")),
            // A test is how one finds out whether to enable it.
            Some(target) if target.disabled && self.event != WEBHOOK_TEST => {
                Err(Failure::fatal("endpoint_disabled", "the endpoint is disabled; replay this once it is enabled"))
            }
            Some(target) => Ok((target.url, target.secrets.into_iter().map(Secret::from).collect())),
        }
    }
}

const JITTER: f64 = 0.2;

impl Job for WebhookDeliver {
    const KIND: &'static str = "webhook.deliver";
    const ROLE: Role = Role::Webhook;
    const POLICY: Policy = Policy::DEFAULT
        .attempts(SCHEDULE.len() as u32 + 1)
        // Over the time that the receiver has, so that its slowness is recorded as an attempt.
        .timeout_secs(20)
        .backoff(Backoff::Steps { steps: &SCHEDULE, jitter: JITTER });
    const PUBLIC: bool = false;
    type Output = Delivered;

    fn check(&self) -> Result<(), Invalid> {
        let Some(url) = &self.url else { return Ok(()) };
        egress::parse(url).map(drop).map_err(|refusal| Invalid::new("/url", refusal.to_string()))
    }

    #[expect(clippy::disallowed_methods, reason = "receivers compare the signature's time with their own wall clock")]
    async fn run(self, cx: &Context) -> Outcome<Delivered> {
        let (url, secrets) = self.destination(cx).await?;
        let call = cx.call(&Dependency::webhook(&url)).await?;
        let (claimed, now) = (cx.claimed(), Utc::now());
        let id = MessageId::from(claimed.run.id);

        let started = std::time::Instant::now();
        let answer = cx.outbound().send(self.request(id, &url, &secrets, now)).await;
        let latency = started.elapsed();
        call.answered(&answer, |status| status >= 500);

        let outcome = settle(&answer, now);
        let label = match &outcome {
            Ok(_) => "delivered",
            Err(Failure::Retry { .. } | Failure::Later(_) | Failure::Unfunded { .. }) => "failed",
            Err(Failure::Fatal(_)) => "refused",
        };
        cx.metrics().webhook_attempts.with_label_values(&[label]).inc();
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let attempt = NewAttempt {
            message_id: id,
            endpoint_id: self.endpoint_id,
            delivered: outcome.is_ok(),
            gone: status == Some(GONE),
            attempt: DeliveryAttempt {
                run_lease: claimed.run.lease,
                attempt: claimed.attempt,
                url,
                status,
                latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
                answer: answer.as_ref().ok().map(excerpt),
                error: outcome.as_ref().err().map(ToString::to_string),
                at: now,
            },
        };
        if let Err(error) = cx.store().record_attempt(&attempt).await {
            // What the receiver took is not sent again for want of a note about it.
            tracing::warn!(job.id = %claimed.run.id, %error, "an attempt to deliver a webhook is not on record");
        }
        match outcome {
            Ok(delivered) => done(delivered),
            Err(failure) => Err(failure),
        }
    }
}

/// What follows from an attempt: 2xx is delivered, 410 and an address that Golden refuses are
/// final, everything else (redirects too) is tried again.
fn settle(answer: &Result<OutboundResponse, OutboundError>, now: DateTime<Utc>) -> Result<Delivered, Failure> {
    let answer = answer.as_ref().map_err(|error| Failure::from(error.clone()))?;
    let status = answer.status;
    match status {
        200..300 => Ok(Delivered { status }),
        GONE => Err(Failure::fatal("gone", "the receiver answered 410 Gone: it wants no more webhooks")),
        _ => {
            let (code, message) = match status {
                300..400 => ("redirected", format!("the receiver answered {status}; redirects are not followed")),
                _ => ("rejected", format!("the receiver answered {status}")),
            };
            Err(match answer.retry_after(now, WAIT_LIMIT) {
                Some(wait) => Failure::retry_after(code, message, wait),
                None => Failure::retry(code, message),
            })
        }
    }
}

/// The start of an answer as text that every database takes: PostgreSQL has no NUL.
fn excerpt(answer: &OutboundResponse) -> String {
    let start = &answer.body[..answer.body.len().min(ANSWER_LIMIT)];
    String::from_utf8_lossy(start).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::JobError;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<OutboundResponse, OutboundError> {
        Ok(OutboundResponse {
            status,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Bytes::from_static(b"a\xff\0b"),
            truncated: false,
            latency: Duration::ZERO,
        })
    }

    fn settled(answer: &Result<OutboundResponse, OutboundError>) -> Result<Delivered, Failure> {
        settle(answer, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn only_2xx_is_delivered_and_only_gone_is_final() {
        for status in [200, 202, 204, 299] {
            assert_eq!(settled(&answer(status, &[])), Ok(Delivered { status }));
        }
        for status in [199, 301, 302, 307, 308, 400, 401, 404, 408, 429, 500, 503] {
            assert!(matches!(settled(&answer(status, &[])), Err(Failure::Retry { after: None, .. })), "{status}");
        }
        assert!(matches!(settled(&answer(410, &[])), Err(Failure::Fatal(JobError { code, .. })) if code == "gone"));
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait_up_to_a_day() {
        for (asked, granted) in [("120", 120), ("999999", 24 * 3600)] {
            let after = Some(Duration::from_secs(granted));
            let settled = settled(&answer(503, &[("retry-after", asked)]));
            assert!(matches!(settled, Err(Failure::Retry { after: got, .. }) if got == after), "{settled:?}");
        }
    }

    #[test]
    fn a_refused_address_is_final_and_silence_is_not() {
        let refused = Err(OutboundError::Refused("`x` is not at a public address".to_owned()));
        assert!(matches!(settled(&refused), Err(Failure::Fatal(_))));
        assert!(matches!(settled(&Err(OutboundError::Timeout(ANSWER_WITHIN))), Err(Failure::Retry { .. })));
        let broken = Err(OutboundError::Connection("broken".to_owned()));
        assert!(matches!(settled(&broken), Err(Failure::Retry { .. })));
    }

    /// 0, 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, ± 20 %.
    #[test]
    fn the_schedule_is_the_documented_one() {
        let policy = WebhookDeliver::POLICY;
        let waits: Vec<u64> = (1..policy.max_attempts).map(|n| policy.backoff.delay(n, 0.5).as_secs()).collect();
        assert_eq!(waits, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(policy.backoff.delay(1, 0.0).as_secs(), 4);
        assert_eq!(policy.backoff.delay(1, 1.0).as_secs(), 6);
        assert!(policy.timeout > ANSWER_WITHIN);

        let own = WebhookDeliver::scheduled(policy, vec![Duration::from_secs(1)]);
        assert_eq!((own.max_attempts, own.backoff.delay(1, 0.5).as_secs()), (2, 1));
    }

    #[test]
    fn what_is_kept_of_an_answer_is_text_that_every_database_takes() {
        assert_eq!(excerpt(&answer(200, &[]).unwrap()), "a\u{fffd}\u{fffd}b");
    }
}
