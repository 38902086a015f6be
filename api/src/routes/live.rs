//! A job's log, and what goes on with it and with all of a tenant, as it happens.

use std::{num::NonZeroU32, sync::Arc};

use axum::{
    Json,
    extract::State as Extract,
    http::StatusCode,
    response::{IntoResponse, Response, sse::Event},
};
use futures_util::{Stream, StreamExt, stream};
use golden_jobs::{
    JobId, State,
    record::JobRecord,
    store::{LogLine, LogSlice, Moment},
    webhooks::{EVENT_TYPES, is_known},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::find;
use crate::{
    app::App,
    cursor::List,
    guard::Caller,
    live::{
        follow::{Follow, News, Wants},
        listen::{Choice, Listen, Word},
        opening::Opening,
        position::{NotAPosition, Position, of_moment},
        wire,
    },
    problem::Problem,
    query::{Id, Params},
};

pub(super) mod doc;

/// Lines on a page of a log, where the request does not say.
const DEFAULT_LIMIT: u32 = 100;
const LARGEST_LIMIT: u32 = 1000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogFilter {
    /// Only lines after this number, the `next_cursor` of the page before; 0 where absent.
    #[serde(default, alias = "cursor")]
    after: u64,
    /// Only lines of this attempt.
    attempt: Option<NonZeroU32>,
    /// Lines on a page, 100 where absent. Not for streams.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `1` or `true`: a stream of lines, those that come later included, until the job has ended.
    #[serde(default, deserialize_with = "switch")]
    #[schemars(with = "Option<Switch>")]
    follow: bool,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline, extend("enum" = ["1", "0", "true", "false"]))]
enum Switch {
    #[serde(rename = "1", alias = "true")]
    On,
    #[serde(rename = "0", alias = "false")]
    Off,
}

fn switch<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(matches!(Switch::deserialize(deserializer)?, Switch::On))
}

/// One page, or, with `follow`, a stream: of events where the client understands them, else of a
/// JSON object a line.
pub(super) async fn logs(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
    Params(filter): Params<LogFilter>,
    opening: Opening,
) -> Result<Response, Problem> {
    let job = find(&app, &caller.tenant, id).await?;
    if !filter.follow {
        return Ok(Json(page(&app, id, &filter).await?).into_response());
    }
    let sent = match (opening.events, &opening.last_event_id) {
        (true, Some(seen)) => position(seen)?,
        _ => Position { line: filter.after, ..Position::default() },
    };
    if is_told(&job, sent) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let wants = Wants { job: false, attempt: filter.attempt.map(NonZeroU32::get) };
    let news = follow(&app, &caller.tenant, id, wants, sent, &opening)?;
    if opening.events {
        return Ok(wire::events(news.filter_map(|(news, sent)| async move { event(&news, sent) })));
    }
    Ok(wire::lines(news.filter_map(|(news, _)| async move {
        match news {
            News::Line(line) => serde_json::to_string(&line).ok(),
            _ => None,
        }
    })))
}

async fn page(app: &App, job: JobId, filter: &LogFilter) -> Result<List<LogLine>, Problem> {
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Problem::malformed(format!("`limit` is 1 to {LARGEST_LIMIT}")));
    }
    let slice = LogSlice { after: filter.after, attempt: filter.attempt.map(NonZeroU32::get), limit: limit + 1 };
    let lines = app.store.logs(job, slice).await?;
    Ok(List::numbered(lines, limit, |line| line.seq))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    /// The id of the last event that was seen: what the `Last-Event-ID` header says, for clients
    /// that cannot set it.
    #[schemars(with = "Option<String>", regex(pattern = Position::PATTERN))]
    last_event_id: Option<Position>,
}

/// The job, each time it changes, its progress and its log, until it has ended.
pub(super) async fn events(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<JobId>,
    Params(resume): Params<Resume>,
    opening: Opening,
) -> Result<Response, Problem> {
    let job = find(&app, &caller.tenant, id).await?;
    // The header is what a client sends by itself once it goes on.
    let seen = opening.last_event_id.as_deref().map(position).transpose()?;
    let sent = seen.or(resume.last_event_id).unwrap_or_default();
    if is_told(&job, sent) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let wants = Wants { job: true, attempt: None };
    let news = follow(&app, &caller.tenant, id, wants, sent, &opening)?;
    Ok(wire::events(news.filter_map(|(news, sent)| async move { event(&news, sent) })))
}

fn follow(
    app: &App,
    tenant: &str,
    job: JobId,
    wants: Wants,
    sent: Position,
    opening: &Opening,
) -> Result<impl Stream<Item = (News, Position)> + use<>, Problem> {
    let span = opening.admit(app, tenant)?;
    let follow = Follow::new(Arc::clone(&app.store), job, app.board.watch(job), wants, sent, span);
    Ok(stream::unfold(follow, |mut follow| async move { Some((follow.next().await?, follow)) }))
}

/// Whether a client has seen the end of the job as it is: browsers ask again until they are told
/// that there is nothing more.
fn is_told(job: &JobRecord, sent: Position) -> bool {
    sent.ended && job.state.is_terminal() && of_moment(&Moment::from(job)) == sent.moment
}

fn position(seen: &str) -> Result<Position, Problem> {
    seen.parse().map_err(|error: NotAPosition| Problem::malformed(error.to_string()))
}

fn event(news: &News, sent: Position) -> Option<Event> {
    let id = sent.to_string();
    Some(match news {
        News::State(job) => wire::event("state", &id, job.get()),
        News::Progress(progress) => wire::event("progress", &id, progress.as_ref().map_or("null", |it| it.get())),
        News::Line(line) => wire::event("log", &id, &serde_json::to_string(line).ok()?),
        News::End(state) => wire::event("end", &id, &serde_json::to_string(&Ended { state: *state }).ok()?),
    })
}

/// The last event of a stream.
#[derive(Serialize)]
struct Ended {
    state: State,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFilter {
    /// Only events of these types, with commas between them: whole ones, groups as `job.*`, or `*`.
    #[schemars(example = &"job.dead,job.cancelled")]
    r#type: Option<String>,
    /// Only events about jobs of these kinds, with commas between them, and those about no job.
    #[schemars(example = &"http.call")]
    kind: Option<String>,
    /// The id of the last event that was seen: what the `Last-Event-ID` header says, for clients
    /// that cannot set it. 0 is before all that the log still has.
    last_event_id: Option<u64>,
}

/// The events of the caller's tenant, from now on or from where the client was.
pub(super) async fn tenant(
    Extract(app): Extract<Arc<App>>,
    Caller(caller): Caller,
    Params(filter): Params<EventFilter>,
    opening: Opening,
) -> Result<Response, Problem> {
    let header = opening.last_event_id.as_deref().map(str::parse::<u64>).transpose();
    let after = header.map_err(|_| Problem::malformed(NotAPosition.to_string()))?.or(filter.last_event_id);
    let choice = Choice { types: types(filter.r#type.as_deref())?, kinds: listed(filter.kind.as_deref()) };
    let span = opening.admit(&app, &caller.tenant)?;
    let opened = app.audience.open(&app.store, &caller.tenant).await?;
    let listen = Listen::new(Arc::clone(&app.store), &caller.tenant, opened, choice, after, span);
    let words = stream::unfold(listen, |mut listen| async move { Some((listen.next().await?, listen)) });
    Ok(wire::events(words.map(|word| match word {
        Word::Open(seq) => wire::event("open", &seq.to_string(), &format!(r#"{{"sequence":{seq}}}"#)),
        Word::Gap(after) => wire::event("gap", &after.to_string(), &format!(r#"{{"after":{after}}}"#)),
        Word::Event(told) => wire::event(&told.event, &told.seq.to_string(), told.text.as_deref().unwrap_or("null")),
    })))
}

fn types(patterns: Option<&str>) -> Result<Vec<String>, Problem> {
    let patterns = listed(patterns);
    match patterns.iter().find(|pattern| !is_known(pattern)) {
        None => Ok(patterns),
        Some(unknown) => {
            let known = EVENT_TYPES.map(|(event, _)| event).join(", ");
            Err(Problem::malformed(format!(
                "no event has the type `{unknown}`; there are {known}, groups as `job.*`, and `*`"
            )))
        }
    }
}

fn listed(names: Option<&str>) -> Vec<String> {
    names.into_iter().flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect()
}
