//! Jobs that come in as messages, and messages that are to be tried again.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};
use golden_jobs::{
    JobId,
    audit::Actor,
    canonical,
    intake::{Intake, Message, Refused},
    store::{DeadLetter, DeadLetterFilter, Idempotency, Inserted, NewJob, Page},
    trace,
};
use serde_json::{Value, value::RawValue};
use tracing::field;

use crate::{
    Service,
    app::App,
    body::JsonObject,
    problem::{Code, FieldError, Problem},
    submission::{self, Rules, Submission},
};

/// The scope of idempotency keys, beside the tenant.
const ROUTE: &str = "message";

/// Dead letters that are read at once, and whose messages are tried again at once.
const PAGE: u32 = 50;

#[async_trait]
impl Intake for Service {
    async fn submit(&self, message: &Message) -> Result<JobId, Refused> {
        let span = tracing::info_span!(
            "message",
            tenant = message.tenant_id,
            job.kind = message.kind,
            trace_id = field::Empty,
            span_id = field::Empty,
        );
        let submitted = trace::within(span, message.trace.clone(), submit(&self.0, message));
        submitted.await.map_err(|problem| {
            // A queue empties, a suspension ends, money comes, and what is ours is mended.
            if problem.is_ours()
                || matches!(problem.code(), Code::QueueFull | Code::TenantSuspended | Code::BudgetExhausted)
            {
                Refused::Later(problem.in_words())
            } else {
                Refused::Invalid { code: problem.code().as_str().to_owned(), message: problem.in_words() }
            }
        })
    }
}

async fn submit(app: &App, message: &Message) -> Result<JobId, Problem> {
    let body = str::from_utf8(&message.body)
        .map_err(|error| Problem::malformed(format!("the message is not UTF-8 at byte {}", error.valid_up_to())))?;
    let key = message.key.as_deref().map(submission::checked_key).transpose()?;
    let (mut job, value) = read(app, &message.tenant_id, &message.kind, body).await?;
    job.id = JobId(message.id);
    job.idempotency =
        key.map(|key| Idempotency { route: ROUTE.to_owned(), key, fingerprint: canonical::fingerprint(&value) });
    record(app, &job).await
}

/// Reads a message as a request to `POST /v1/jobs` whose kind is known.
async fn read(app: &App, tenant: &str, kind: &str, body: &str) -> Result<(NewJob, Value), Problem> {
    let mut object: JsonObject<Submission> =
        JsonObject::read(body).map_err(|reason| Problem::malformed(format!("the message {reason}")))?;
    let said = object.value.entry("kind").or_insert_with(|| kind.into());
    if said.as_str() != Some(kind) {
        return Err(Problem::invalid(vec![FieldError::new("/kind", format!("the subject says {kind:?}"))]));
    }
    if app.terms.of(tenant).await?.suspended {
        return Err(Problem::new(Code::TenantSuspended, format!("the tenant {tenant} is suspended")));
    }
    let job = {
        let rules = Rules::of(app, tenant, &[&object.value]).await?;
        submission::read(&object, tenant, &rules)?.unless_refused()?
    };
    Ok((job, Value::Object(object.value)))
}

async fn record(app: &App, job: &NewJob) -> Result<JobId, Problem> {
    match app.intake.insert(job).await? {
        Inserted::New { id, .. } => Ok(id),
        Inserted::Replayed { id } => {
            app.metrics.idempotency_hits.inc();
            Ok(id)
        }
        Inserted::KeyReused => Err(Problem::key_reused()),
        Inserted::QueueFull { max_queued } => Err(Problem::queue_full(max_queued)),
        Inserted::Failed(error) => Err(error.into()),
    }
}

/// Submits the message of an open letter again, or `instead` of it. The letter's id is the job's, so that many who
/// ask for it get one job.
pub(crate) async fn resubmit(
    app: &App,
    letter: &DeadLetter,
    instead: Option<&RawValue>,
    by: &Actor,
) -> Result<JobId, Problem> {
    let body = instead.unwrap_or(&letter.payload).get();
    let (job, _) = read(app, &letter.tenant_id, &letter.kind, body).await?;
    let job = NewJob { id: JobId(letter.id.0), ..job };
    let id = record(app, &job).await?;
    app.store.resubmitted(&letter.tenant_id, letter.id, id, by).await?;
    Ok(id)
}

/// Submits the messages of up to `limit` open letters again, those that can be jobs now. The others stay.
pub(crate) async fn resubmit_all(
    app: &Arc<App>,
    filter: &DeadLetterFilter,
    limit: usize,
    by: &Actor,
) -> Result<Vec<JobId>, Problem> {
    let (mut jobs, mut before) = (Vec::new(), None);
    while jobs.len() < limit {
        let page = app.store.dead_letters(filter, Page { before, limit: PAGE }).await?;
        let Some(last) = page.letters.last().map(|letter| letter.id).or(page.looked_to) else { break };
        before = Some(last);
        // Boxed, since a future over borrowed items is not known to be `Send` here.
        let mut tried: Vec<BoxFuture<'_, _>> = Vec::new();
        for letter in page.letters.iter().filter(|letter| letter.job_id.is_none()).take(limit - jobs.len()) {
            tried.push(Box::pin(resubmit(app, letter, None, by)));
        }
        for answer in join_all(tried).await {
            match answer {
                Ok(job) => jobs.push(job),
                Err(problem) if problem.is_ours() => return Err(problem),
                Err(_) => {}
            }
        }
    }
    Ok(jobs)
}
