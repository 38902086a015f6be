//! From the body of `/v1/schedules` to what a schedule says.

use std::collections::BTreeMap;

use golden_jobs::{
    ScheduleId,
    budgets::Micros,
    schedules::{RESERVED, Template, cron, zone},
    store::schedules::CatchUp,
    text,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::DEFAULT_ZONE;
use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    problem::{FieldError, Problem},
    submission::{self, Fields, Rules, Submission},
};

const FIELDS: [&str; 6] = ["name", "cron", "time_zone", "catch_up", "paused", "job"];
/// `paused` has routes of its own.
const CHANGEABLE: [&str; 5] = ["name", "cron", "time_zone", "catch_up", "job"];
const REQUIRED: [(&str, &str); 3] = [
    ("name", "give the schedule a name: it can be called by it instead of its id"),
    ("cron", "say when, for example `30 3 * * MON-FRI` or @daily"),
    ("job", "say what to submit at each slot: a job as `POST /v1/jobs` takes it"),
];

/// A job that comes back by the clock.
// These three are only described: `Definition` takes them apart by hand, so that it can say
// everything that is wrong at once, and keep the payload character by character.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only described, never made")]
pub(crate) struct NewSchedule {
    /// Unique in the tenant: 1 to 128 letters, digits, spaces and `. _ : / @ # -`.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// Minute, hour, day of the month, month and day of the week, or a nickname such as `@daily`.
    #[schemars(length(max = 256), example = "30 3 * * MON-FRI")]
    cron: String,
    /// A name of the IANA database.
    #[schemars(extend("default" = DEFAULT_ZONE), example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// What becomes of slots that came while nothing ran.
    #[schemars(extend("default" = "one"))]
    catch_up: Option<CatchUp>,
    /// Begin paused.
    #[schemars(extend("default" = false))]
    paused: Option<bool>,
    job: ScheduledJob,
}

/// What to change of a schedule. What is absent stays; a `job` replaces the whole of the one before.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only described, never made")]
pub(crate) struct ScheduleChange {
    #[schemars(length(min = 1, max = 128))]
    name: Option<String>,
    /// The schedule goes on with the next slot from now on.
    #[schemars(length(max = 256), example = "30 3 * * MON-FRI")]
    cron: Option<String>,
    /// The same.
    #[schemars(example = "Europe/Berlin")]
    time_zone: Option<String>,
    catch_up: Option<CatchUp>,
    job: Option<ScheduledJob>,
}

/// What is submitted at each slot: a job as `POST /v1/jobs` takes it, but for the time. Its metadata
/// also says which schedule it comes from (`schedule`, `schedule_id`) and why (`slot` or `run_by`).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only described, never made")]
struct ScheduledJob {
    /// Which kind of job; `GET /v1/kinds` lists them. Of a function `fn.NAME`, each slot runs the version that
    /// is live then.
    kind: String,
    /// What the kind takes, at most 256 KiB.
    #[schemars(default)]
    payload: Value,
    /// 0 is the most urgent, 9 the least.
    #[schemars(range(max = 9), extend("default" = 5))]
    priority: Option<u8>,
    /// Runs that may begin before the job is dead, within the kind's limit.
    #[schemars(range(min = 1))]
    max_attempts: Option<u32>,
    /// Of one run, in seconds, within the kind's limit.
    #[schemars(range(min = 0.001))]
    timeout: Option<f64>,
    /// What it may cost with all jobs that it makes, in millionths of a US dollar.
    max_cost: Option<Micros>,
    /// Told by a webhook when the job ends.
    #[schemars(url)]
    callback_url: Option<String>,
    /// What you attach for yourself: names with texts of at most 512 characters, at most 32.
    #[schemars(extend("maxProperties" = 32))]
    metadata: Option<BTreeMap<String, String>>,
}

/// What a request says of a schedule. Each part that is there is in order by itself.
pub(super) struct Definition {
    pub(super) name: Option<String>,
    pub(super) cron: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) catch_up: Option<CatchUp>,
    pub(super) paused: Option<bool>,
    pub(super) job: Option<Box<RawValue>>,
}

impl Definition {
    /// That of a new schedule, whose name, cron and job must be there.
    pub(super) async fn complete(object: &JsonObject<NewSchedule>, caller: &Grant, app: &App) -> Result<Self, Problem> {
        let mut fields = Fields::of(&object.value);
        fields.known(&FIELDS);
        for (name, why) in REQUIRED {
            if fields.get(name).is_none() {
                fields.wrong(name, why);
            }
        }
        let rules = rules(app, caller, &object.value).await?;
        Self::read(&object.text, fields, &caller.tenant, &rules)
    }

    /// What a request changes of a schedule.
    pub(super) async fn partial(
        object: &JsonObject<ScheduleChange>,
        caller: &Grant,
        app: &App,
    ) -> Result<Self, Problem> {
        let mut fields = Fields::of(&object.value);
        fields.known(&CHANGEABLE);
        let rules = rules(app, caller, &object.value).await?;
        Self::read(&object.text, fields, &caller.tenant, &rules)
    }

    fn read(text: &str, mut fields: Fields<'_>, tenant: &str, rules: &Rules<'_>) -> Result<Self, Problem> {
        let name = fields.parsed("name", |name| match text::name(name) {
            Ok(name) if name.parse::<ScheduleId>().is_ok() => Err("a name does not have the form of an id".to_owned()),
            named => named.map_err(|rule| rule.to_string()),
        });
        let cron = fields.parsed("cron", |text| cron(text).map(|_| spaced(text)));
        let time_zone = fields.parsed("time_zone", |name| zone(name).map(|zone| zone.name().to_owned()));
        let catch_up = fields.parsed("catch_up", str::parse);
        let paused = fields.get("paused").cloned().and_then(|value| match value {
            Value::Bool(paused) => Some(paused),
            _ => {
                fields.wrong("paused", "true or false");
                None
            }
        });
        let job = fields.get("job").map(|value| {
            own_fields(value, &mut fields);
            job(text, tenant, rules)
        });
        let mut problems = Vec::new();
        if !fields.errors.is_empty() {
            problems.push((String::new(), Problem::invalid(fields.errors)));
        }
        let job = match job.transpose() {
            Ok(job) => job,
            Err(problem) => {
                problems.push(("/job".to_owned(), problem));
                None
            }
        };
        match problems.is_empty() {
            true => Ok(Self { name, cron, time_zone, catch_up, paused, job }),
            false => Err(Problem::gathered(problems)),
        }
    }
}

/// An expression with one space between its fields.
fn spaced(cron: &str) -> String {
    cron.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A schedule spends nothing yet, whatever it submits.
async fn rules<'a>(app: &'a App, caller: &Grant, object: &Map<String, Value>) -> Result<Rules<'a>, Problem> {
    let rules = Rules::of(app, &caller.tenant, submitted(object).as_slice()).await?.by(caller);
    Ok(Rules { budget_gone: None, ..rules })
}

/// What is to be submitted, if that is an object.
fn submitted(definition: &Map<String, Value>) -> Option<&Map<String, Value>> {
    definition.get("job")?.as_object()
}

/// What a job may say for itself, and not where a schedule makes it.
fn own_fields(job: &Value, fields: &mut Fields<'_>) {
    for field in ["run_at", "delay"].into_iter().filter(|field| job.get(field).is_some()) {
        fields.wrong(&format!("job/{field}"), "the schedule says when");
    }
    for name in RESERVED.into_iter().filter(|name| job.get("metadata").is_some_and(|own| own.get(name).is_some())) {
        fields.wrong(&format!("job/metadata/{name}"), "the schedule says this of its jobs");
    }
}

/// What is submitted at each slot, held against the rules of `POST /v1/jobs`.
fn job(text: &str, tenant: &str, rules: &Rules<'_>) -> Result<Box<RawValue>, Problem> {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        job: &'a RawValue,
    }
    // The body was read before, strictly; this only finds where the job begins and ends.
    let written: Written<'_> = serde_json::from_str(text).map_err(|error| Problem::malformed(error.to_string()))?;
    let submitted = JsonObject::<Submission>::read(written.job.get())
        .map_err(|reason| Problem::invalid(vec![FieldError::new("", reason)]))?;
    let mut job = submission::read(&submitted, tenant, rules)?.unless_refused()?;
    // Which version of a function is live is settled at each slot.
    if let Some(kind) = submitted.value.get("kind").and_then(Value::as_str) {
        job.kind = kind.to_owned();
    }
    Template::of(job).to_json().map_err(|unfit| Problem::malformed(unfit.to_string()))
}
