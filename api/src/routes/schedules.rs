//! `/v1/schedules`: jobs that come back by the clock.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use golden_jobs::{
    Role, ScheduleId, canonical,
    schedules::{Occasion, Template, Timetable, cron, zone},
    store::{
        Idempotency, Inserted,
        schedules::{self, CatchUp, Changed, Created, Schedule, WhichSchedule},
    },
    text,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    cursor::{self, Cursor, Limit, List},
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Params},
    resource::{JobResource, accepted, job_path},
    submission,
};
use definition::{Definition, NewSchedule, ScheduleChange};
use resource::{ScheduleResource, schedule_path};

mod definition;
pub(super) mod doc;
mod resource;

/// Schedules of a tenant.
pub(crate) const LIMIT: u32 = 1000;
const DEFAULT_ZONE: &str = "UTC";
/// The scope of idempotency keys, beside the tenant.
const RUN: &str = "POST /v1/schedules/{schedule}/run";
/// Whoever describes themselves at length is cut off in metadata, in characters.
const SUBJECT_SHOWN: usize = 512;
/// How often a change is tried again that others keep getting in the way of.
const TRIES: u32 = 10;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<NewSchedule>,
) -> Result<Response, Problem> {
    let asked = Definition::complete(&body, &caller, &app).await?;
    let Definition { name: Some(name), cron: Some(cron), job: Some(submission), .. } = asked else {
        return Err(Problem::new(Code::Internal, "a complete definition is not complete"));
    };
    let time_zone = asked.time_zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned());
    let next_slot = next_slot(&cron, &time_zone, app.store.time().await?)?;
    let by = caller.actor();
    let schedule = schedules::NewSchedule {
        id: ScheduleId::new(),
        tenant_id: caller.tenant,
        name,
        cron,
        time_zone,
        catch_up: asked.catch_up.unwrap_or(CatchUp::One),
        submission,
        next_slot: Some(next_slot).filter(|_| asked.paused != Some(true)),
    };
    match app.store.create_schedule(&schedule, LIMIT, &by).await? {
        Created::New(schedule) => {
            let location = schedule_path(schedule.id);
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(ScheduleResource::from(*schedule)))
                .into_response())
        }
        Created::NameTaken => Err(name_taken(&schedule.name)),
        Created::TooMany => Err(Problem::new(
            Code::LimitReached,
            format!("a tenant has at most {LIMIT} schedules: delete one that is no longer needed"),
        )),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Entries on a page, 20 where absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Pages { limit, cursor }): Params<Pages>,
) -> Result<Json<List<ScheduleResource>>, Problem> {
    let page = cursor::page(limit, cursor, ScheduleId);
    let schedules = app.store.schedules(&caller.tenant, page).await?;
    Ok(Json(List::of(schedules, page, |schedule| schedule.id.0)))
}

/// Slots shown ahead, where the request does not say.
const SLOTS_AHEAD: usize = 5;
const MOST_SLOTS_AHEAD: usize = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ahead {
    /// How many of the next slots to tell, 5 where absent.
    #[schemars(range(max = 100))]
    slots: Option<usize>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
    Params(Ahead { slots }): Params<Ahead>,
) -> Result<Json<ScheduleResource>, Problem> {
    let slots = slots.unwrap_or(SLOTS_AHEAD);
    if slots > MOST_SLOTS_AHEAD {
        return Err(Problem::malformed(format!("`slots` is 0 to {MOST_SLOTS_AHEAD}")));
    }
    let schedule = find(&app, &caller.tenant, which).await?;
    Ok(Json(ScheduleResource::with_slots(schedule, slots)))
}

/// Changes what the body names, and nothing else.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
    body: JsonObject<ScheduleChange>,
) -> Result<Json<ScheduleResource>, Problem> {
    let asked = Definition::partial(&body, &caller, &app).await?;
    let changed = rewrite(&app, &caller, which, |mut schedule, now| {
        let retimed = asked.cron.is_some() || asked.time_zone.is_some();
        schedule.name = asked.name.clone().unwrap_or(schedule.name);
        schedule.cron = asked.cron.clone().unwrap_or(schedule.cron);
        schedule.time_zone = asked.time_zone.clone().unwrap_or(schedule.time_zone);
        schedule.catch_up = asked.catch_up.unwrap_or(schedule.catch_up);
        schedule.submission = asked.job.clone().unwrap_or(schedule.submission);
        if retimed {
            // Of a paused one as well, to say at once if it can never come.
            let next = next_slot(&schedule.cron, &schedule.time_zone, not_before(&schedule, now))?;
            schedule.next_slot = schedule.next_slot.map(|_| next);
        }
        Ok(schedule)
    });
    Ok(Json(changed.await?.into()))
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
) -> Result<StatusCode, Problem> {
    let schedule = find(&app, &caller.tenant, which).await?;
    match app.store.delete_schedule(&caller.tenant, schedule.id, &caller.actor()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("schedule")),
    }
}

/// Fires no more until it is resumed. What is under way goes on.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
) -> Result<Json<ScheduleResource>, Problem> {
    let paused = rewrite(&app, &caller, which, |schedule, _| Ok(Schedule { next_slot: None, ..schedule })).await?;
    Ok(Json(paused.into()))
}

/// Goes on with the next slot from now on. Those that came while it was paused are not made up for.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
) -> Result<Json<ScheduleResource>, Problem> {
    let resumed = rewrite(&app, &caller, which, |schedule, now| {
        let next = next_slot(&schedule.cron, &schedule.time_zone, not_before(&schedule, now))?;
        Ok(Schedule { next_slot: schedule.next_slot.or(Some(next)), ..schedule })
    });
    Ok(Json(resumed.await?.into()))
}

/// Submits the schedule's job now, whatever its slots are and whether it is paused or not.
pub(super) async fn run(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(which): Id<WhichSchedule>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = submission::idempotency_key(&headers)?;
    let schedule = find(&app, &caller.tenant, which).await?;
    let subject: String = caller.subject.chars().take(SUBJECT_SHOWN).collect();
    let kind = Template::kind_of(&schedule);
    let called = app.functions.called(&[(&caller.tenant, kind.as_deref().unwrap_or_default())]).await?;
    let mut job = Template::job(&schedule, Occasion::RunBy(&subject), &app.registry, &called)
        .map_err(|unfit| Problem::new(Code::Conflict, format!("{unfit}: change the schedule's job")))?;
    if let (Role::Sandbox, Some(missing)) = (job.role, &app.sandbox_missing) {
        return Err(Problem::new(Code::SandboxUnavailable, missing));
    }
    let fingerprint = canonical::fingerprint(&json!({ "schedule": schedule.id }));
    job.idempotency = key.map(|key| Idempotency { route: RUN.to_owned(), key, fingerprint });

    let (id, resource, replayed) = match app.intake.insert(&job).await? {
        Inserted::New { id, run_at, created_at } => (id, accepted(id, job, run_at, created_at), false),
        Inserted::Replayed { id } => {
            app.metrics.idempotency_hits.inc();
            (id, JobResource::from(super::jobs::find(&app, &caller.tenant, id).await?), true)
        }
        Inserted::QueueFull { max_queued } => return Err(Problem::queue_full(max_queued)),
        Inserted::Failed(error) => return Err(error.into()),
        Inserted::KeyReused => {
            return Err(Problem::new(Code::KeyReused, "within 24 hours a key stands for one schedule"));
        }
    };
    let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, job_path(id))], Json(resource)).into_response();
    if replayed {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn find(app: &App, tenant: &str, which: WhichSchedule) -> Result<Schedule, Problem> {
    let which = match which {
        // What looks the same is the same name.
        WhichSchedule::Name(name) => WhichSchedule::Name(text::name(&name).unwrap_or(name)),
        id => id,
    };
    app.store.schedule(tenant, &which).await?.ok_or_else(|| Problem::not_found("schedule"))
}

/// Reads a schedule, changes it, and writes it, again if it was written meanwhile: it may have fired.
async fn rewrite(
    app: &App,
    caller: &Grant,
    which: WhichSchedule,
    change: impl Fn(Schedule, DateTime<Utc>) -> Result<Schedule, Problem>,
) -> Result<Schedule, Problem> {
    let by = caller.actor();
    for _ in 0..TRIES {
        let schedule = find(app, &caller.tenant, which.clone()).await?;
        let changed = change(schedule, app.store.time().await?)?;
        match app.store.change_schedule(&changed, &by).await? {
            Changed::Done(schedule) => return Ok(*schedule),
            Changed::NameTaken => return Err(name_taken(&changed.name)),
            Changed::Stale => {}
        }
    }
    Err(Problem::new(Code::Conflict, "the schedule kept changing while it was being changed"))
}

/// The first slot after `time` of a timetable whose parts are in order.
fn next_slot(cron_text: &str, zone_name: &str, time: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let wrong = |field, detail: String| Problem::invalid(vec![FieldError::new(field, detail)]);
    let cron = cron(cron_text).map_err(|error| wrong("/cron", error.to_string()))?;
    let zone = zone(zone_name).map_err(|error| wrong("/time_zone", error.to_string()))?;
    let next = Timetable::new(cron, zone).next_after(time);
    next.ok_or_else(|| wrong("/cron", "no month has such a day, so that it would never come".to_owned()))
}

/// A slot that came once does not come again, whatever is done to the schedule or to the clock.
fn not_before(schedule: &Schedule, now: DateTime<Utc>) -> DateTime<Utc> {
    schedule.last.as_ref().map_or(now, |last| last.slot.max(now))
}

fn name_taken(name: &str) -> Problem {
    Problem::new(Code::NameTaken, format!("there is a schedule {name:?} already"))
}
