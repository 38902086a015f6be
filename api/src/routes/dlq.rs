//! `/v1/dlq`: jobs that died, until they are put back to work or given up.

use std::{borrow::Cow, sync::Arc};

use axum::{Json, extract::State};
use golden_jobs::{
    DeadLetterId, JobId,
    store::{DeadLetter, DeadLetterFilter, DeadLetterPage, Page, Replay},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::{
    app::App,
    body::JsonObject,
    clock::Time,
    cursor,
    cursor::{Cursor, Limit, List},
    guard::Caller,
    messages,
    problem::{Code, FieldError, Problem},
    query::{Id, Params, Text},
    resource::DeadLetterResource,
    submission,
};

pub(super) mod doc;

/// Dead letters that one request replays or purges, at most. More take more requests, so
/// that no request takes long and none holds the store up.
const CHUNK: u32 = 1000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only those of jobs of this kind; `fn.NAME` means all versions of the function.
    kind: Option<Text>,
    /// Only those with this `original_subject`.
    subject: Option<Text>,
    /// Only those with this text in the error's message, whatever its case.
    error: Option<Text>,
    /// Only those that died at this time or later.
    since: Option<Time>,
    /// Only those that died before this time.
    until: Option<Time>,
    /// Also those that were replayed or purged.
    #[serde(default)]
    include_resolved: bool,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<List<DeadLetterResource>>, Problem> {
    let page = cursor::page(filter.limit, filter.cursor, DeadLetterId);
    let filter = DeadLetterFilter {
        tenant_id: caller.tenant,
        ids: Vec::new(),
        kind: filter.kind.map(|text| text.0),
        subject: filter.subject.map(|text| text.0),
        error: filter.error.map(|text| text.0),
        since: filter.since.map(|time| time.0),
        until: filter.until.map(|time| time.0),
        include_resolved: filter.include_resolved,
    };
    let DeadLetterPage { letters, looked_to } = app.store.dead_letters(&filter, page).await?;
    Ok(Json(List::as_far_as(looked_to.map(|id| id.0), letters, page, |letter| letter.id.0)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<DeadLetterId>,
) -> Result<Json<DeadLetterResource>, Problem> {
    Ok(Json(find(&app, caller.tenant, id).await?.into()))
}

/// Puts one job back to work, once however often it is asked for: the answer is the dead
/// letter with who replayed it. One that was purged stays so, and the answer is 409.
pub(super) async fn replay_one(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<DeadLetterId>,
) -> Result<Json<DeadLetterResource>, Problem> {
    let letter = find(&app, caller.tenant.clone(), id).await?;
    if is_message(&letter) {
        messages::resubmit(&app, &letter, None, &caller.actor()).await.map_err(|problem| {
            let detail = format!("the message still cannot be a job: {}", problem.in_words());
            if problem.is_ours() { problem } else { Problem::new(Code::Conflict, detail) }
        })?;
    } else {
        let by = caller.actor();
        let filter = DeadLetterFilter { tenant_id: caller.tenant.clone(), ids: vec![id], ..Default::default() };
        app.store.replay(&Replay { filter, by, payload: None }, 1).await?;
    }
    let letter = find(&app, caller.tenant, id).await?;
    if letter.resolution.as_deref() == Some("purged") {
        return Err(Problem::new(Code::Conflict, "the dead letter was purged; its job can still be retried"));
    }
    Ok(Json(letter.into()))
}

/// Which dead letters to replay or purge: `ids`, a filter, or `all`.
///
/// Jobs that are replayed may die again and then have a new dead letter that matches as
/// well. Whoever replays in chunks until nothing remains sets `until` to when they began.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = rules)]
pub(super) struct Selection {
    #[serde(default)]
    #[schemars(length(max = 1000))]
    ids: Vec<DeadLetterId>,
    /// Every one, instead of `ids` or a filter.
    #[serde(default)]
    all: bool,
    /// Only those of jobs of this kind.
    kind: Option<Text>,
    /// Only those with this `original_subject`.
    subject: Option<Text>,
    /// Only those with this text in the error's message, whatever its case.
    #[schemars(length(min = 1))]
    error: Option<Text>,
    /// Only those that died at this time or later.
    since: Option<Time>,
    /// Only those that died before this time.
    until: Option<Time>,
    /// At most this many, 1000 where absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Only count what matches.
    #[serde(default)]
    dry_run: bool,
    /// What the job is to run with instead, or the whole message of a letter that names no job: only for a
    /// replay, of one id.
    // Read from the body's text, as it was sent.
    payload: Option<Value>,
}

/// What [`Selection::check`] asks, as JSON Schema says it.
fn rules(schema: &mut Schema) {
    let given = |name: &str, rule: Value| json!({"required": [name], "properties": {name: rule}});
    let filters = ["kind", "subject", "error", "since", "until"];
    let filters = filters.map(|name| given(name, json!({"type": "string"})));
    let narrowed = [given("ids", json!({"minItems": 1})), given("all", json!({"const": true}))];
    schema.insert("anyOf".to_owned(), narrowed.into_iter().chain(filters).collect());
    schema.insert(
        "not".to_owned(),
        json!({
            "required": ["ids", "all"],
            "properties": {"ids": {"minItems": 1}, "all": {"const": true}},
        }),
    );
    schema.insert("if".to_owned(), given("payload", json!({"not": {"type": "null"}})));
    schema.insert("then".to_owned(), given("ids", json!({"minItems": 1, "maxItems": 1})));
}

/// The same without a payload, since nothing runs.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Purging(Selection);

impl JsonSchema for Purging {
    fn schema_name() -> Cow<'static, str> {
        "Purging".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Selection::json_schema(generator);
        schema.remove("if");
        schema.remove("then");
        if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            members.remove("payload");
        }
        schema
    }
}

impl Selection {
    /// Refuses a request that would touch everything without saying so.
    fn check(&self) -> Result<u32, Problem> {
        let mut errors = Vec::new();
        let narrowed = [&self.kind, &self.subject, &self.error].iter().any(|filter| filter.is_some())
            || self.since.is_some()
            || self.until.is_some();
        // An empty text is found in every error: most likely a variable that was never set.
        if self.error.as_ref().is_some_and(|text| text.0.is_empty()) {
            errors.push(FieldError::new("/error", "an empty text matches everything: leave it out"));
        }
        if self.ids.is_empty() && !narrowed && !self.all {
            errors.push(FieldError::new("", "name `ids`, a filter, or `all`: true"));
        }
        if self.all && !self.ids.is_empty() {
            errors.push(FieldError::new("/all", "give `ids` or `all`, not both"));
        }
        if self.ids.len() > CHUNK as usize {
            errors.push(FieldError::new("/ids", format!("at most {CHUNK}")));
        }
        let limit = self.limit.unwrap_or(CHUNK);
        if !(1..=CHUNK).contains(&limit) {
            errors.push(FieldError::new("/limit", format!("1 to {CHUNK}")));
        }
        if self.payload.is_some() && self.ids.len() != 1 {
            errors.push(FieldError::new("/payload", "a payload is for one job: name it with one id in `ids`"));
        }
        if errors.is_empty() { Ok(limit) } else { Err(Problem::invalid(errors)) }
    }

    fn filter(self, tenant_id: String) -> DeadLetterFilter {
        let Self { ids, .. } = self;
        let [kind, subject, error] = [self.kind, self.subject, self.error].map(|text| text.map(|text| text.0));
        let (since, until) = (self.since.map(|time| time.0), self.until.map(|time| time.0));
        DeadLetterFilter { tenant_id, ids, kind, subject, error, since, until, include_resolved: false }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Replayed {
    /// Unresolved dead letters that matched when the request came.
    matched: u64,
    /// The jobs that run again.
    replayed: Vec<JobId>,
    /// Those that match still. More requests take them.
    remaining: u64,
}

pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<Selection>,
) -> Result<Json<Replayed>, Problem> {
    let selection = body.parse()?;
    let limit = selection.check()?;
    let edited = match (&selection.payload, selection.ids.as_slice()) {
        (Some(_), [id]) => Some(find(&app, caller.tenant.clone(), *id).await?),
        _ => None,
    };
    let payload = match &edited {
        Some(letter) => Some(new_payload(&app, letter, &body, &caller.subject).await?),
        None => None,
    };
    let dry_run = selection.dry_run;
    let by = caller.actor();
    let filter = selection.filter(caller.tenant);
    let matched = app.store.count_dead_letters(&filter).await?;
    if dry_run {
        return Ok(Json(Replayed { matched, replayed: Vec::new(), remaining: matched }));
    }
    let replay = Replay { filter, by, payload };
    let replayed = match edited.filter(is_message) {
        Some(letter) => {
            let job = messages::resubmit(&app, &letter, replay.payload.as_deref(), &replay.by).await;
            vec![job.map_err(|problem| {
                let wrong = FieldError::new("/payload", problem.in_words());
                if problem.is_ours() { problem } else { Problem::invalid(vec![wrong]) }
            })?]
        }
        None => {
            let mut jobs = app.store.replay(&replay, limit).await?;
            let room = (limit as usize).saturating_sub(jobs.len());
            jobs.extend(messages::resubmit_all(&app, &replay.filter, room, &replay.by).await?);
            jobs
        }
    };
    let remaining = app.store.count_dead_letters(&replay.filter).await?;
    Ok(Json(Replayed { matched, replayed, remaining }))
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Purged {
    /// Unresolved dead letters that matched when the request came.
    matched: u64,
    purged: u64,
    /// Those that match still. More requests take them.
    remaining: u64,
}

/// Gives dead letters up. Their jobs stay dead and on record.
pub(super) async fn purge(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<Purging>,
) -> Result<Json<Purged>, Problem> {
    let Purging(selection) = body.parse()?;
    let limit = selection.check()?;
    if selection.payload.is_some() {
        return Err(Problem::invalid(vec![FieldError::new("/payload", "nothing runs, so there is no payload")]));
    }
    let dry_run = selection.dry_run;
    let by = caller.actor();
    let filter = selection.filter(caller.tenant);
    let matched = app.store.count_dead_letters(&filter).await?;
    if dry_run {
        return Ok(Json(Purged { matched, purged: 0, remaining: matched }));
    }
    let purged = app.store.purge(&filter, &by, limit).await?;
    let remaining = app.store.count_dead_letters(&filter).await?;
    Ok(Json(Purged { matched, purged, remaining }))
}

/// The payload that a dead job is to run with instead, checked as any other, or the message that is to be
/// submitted instead.
async fn new_payload(
    app: &App,
    letter: &DeadLetter,
    body: &JsonObject<Selection>,
    by: &str,
) -> Result<Box<RawValue>, Problem> {
    let tenant = letter.tenant_id.as_str();
    if is_message(letter) {
        // The whole message, which is checked as it is submitted: a little more than a payload.
        return Ok(submission::payload(body, usize::MAX)?.text);
    }
    let called = app.functions.called(&[(tenant, &letter.kind)]).await?;
    let callee = submission::callee(&app.registry, &called, tenant, &letter.kind)?;
    let payload = submission::payload(body, app.terms.last(tenant).payload_limit())?;
    let wrong = payload.wrong(callee, "/payload");
    if wrong.is_empty() { Ok(callee.kind().submitted(payload.text, Some(by))) } else { Err(Problem::invalid(wrong)) }
}

/// Whether it is of a message that is no job yet.
fn is_message(letter: &DeadLetter) -> bool {
    letter.job_id.is_none() && !letter.resolved
}

async fn find(app: &App, tenant_id: String, id: DeadLetterId) -> Result<DeadLetter, Problem> {
    let filter = DeadLetterFilter { tenant_id, ids: vec![id], include_resolved: true, ..Default::default() };
    let found = app.store.dead_letters(&filter, Page { before: None, limit: 1 }).await?;
    found.letters.into_iter().next().ok_or_else(|| Problem::not_found("dead letter"))
}
