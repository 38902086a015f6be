//! `golden schedules`: jobs that come back by the clock.

use clap::{Args, Subcommand};
use golden_jobs::store::schedules::CatchUp;
use serde::Serialize;
use serde_json::Value;

use super::{
    ClientArgs,
    each::each,
    jobs::{Job, JobArgs},
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Make jobs come back by the clock
#[derive(Debug, Args)]
pub(crate) struct SchedulesArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: SchedulesCommand,
}

#[derive(Debug, Subcommand)]
enum SchedulesCommand {
    /// List schedules, newest first
    #[command(after_help = "Example:\n  golden schedules list")]
    List {
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show one schedule: its next slots, and what its last one came to
    #[command(after_help = "Example:\n  golden schedules show nightly --slots 10")]
    Show {
        #[arg(value_name = "SCHEDULE", help = WHICH)]
        schedule: String,
        /// How many of the next slots to show [default: 5]
        #[arg(long, value_name = "N")]
        slots: Option<u32>,
    },
    Create(CreateArgs),
    Update(UpdateArgs),
    /// Let no slot of these come until they are resumed
    #[command(after_help = "Example:\n  golden schedules pause nightly")]
    Pause {
        #[arg(required = true, value_name = "SCHEDULE", help = WHICH)]
        schedules: Vec<String>,
    },
    /// Go on with the next slot from now on
    #[command(after_help = "Example:\n  golden schedules resume nightly")]
    Resume {
        #[arg(required = true, value_name = "SCHEDULE", help = WHICH)]
        schedules: Vec<String>,
    },
    /// Submit a schedule's job now, whatever its slots are
    #[command(after_help = "Example:\n  golden jobs watch $(golden schedules run nightly | cut -f 1)")]
    Run {
        #[arg(value_name = "SCHEDULE", help = WHICH)]
        schedule: String,
        /// Makes it safe to ask again: one key, one job
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Forget schedules; their jobs stay
    #[command(after_help = "Example:\n  golden schedules delete nightly")]
    Delete {
        #[arg(required = true, value_name = "SCHEDULE", help = WHICH)]
        schedules: Vec<String>,
    },
}

const WHICH: &str = "Its name, or its id";

/// Make a schedule
///
/// A cron expression has five fields: minute, hour, day of the month, month, day of the week.
/// @hourly, @daily, @weekly, @monthly and @yearly stand for the usual ones.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  golden schedules create nightly --cron '30 3 * * MON-FRI' --time-zone Europe/Berlin http.call @request.json
  golden schedules create pulse --cron '*/5 * * * *' --catch-up skip noop"
)]
struct CreateArgs {
    /// What to call it; one of its kind in the tenant
    name: String,
    /// When, for example '30 3 * * MON-FRI' or @daily
    #[arg(long, value_name = "CRON")]
    cron: String,
    /// One of `golden kinds`
    kind: String,
    /// JSON as it stands, @FILE, or - for standard input
    #[arg(default_value = "{}")]
    payload: String,
    /// The time zone of the clock it goes by, for example Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Of slots that came while nothing ran: skip all, or run one, late [default: one]
    #[arg(long, value_name = "skip|one")]
    catch_up: Option<CatchUp>,
    /// Begin paused
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    job: JobArgs,
}

/// Change a schedule's name or timetable; what is not named stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  golden schedules update nightly --cron '0 4 * * *'")]
struct UpdateArgs {
    #[arg(value_name = "SCHEDULE", help = WHICH)]
    schedule: String,
    /// Call it this from now on
    #[arg(long)]
    name: Option<String>,
    /// When, for example '30 3 * * MON-FRI' or @daily
    #[arg(long, value_name = "CRON")]
    cron: Option<String>,
    /// The time zone of the clock it goes by
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Of slots that came while nothing ran: skip all, or run one, late
    #[arg(long, value_name = "skip|one")]
    catch_up: Option<CatchUp>,
}

/// The body of `POST` and `PATCH`.
#[derive(Serialize)]
struct Definition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<CatchUp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Job>,
}

pub(crate) async fn run(args: SchedulesArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    let shown = |_: &str, schedule: &Value| one(schedule, output);
    match args.command {
        SchedulesCommand::List { paging } => {
            let columns = ["NAME", "CRON", "TIME ZONE", "KIND", "NEXT", "LAST", "ERROR"];
            list::print(&client, output, || Request::get(&["schedules"]), &paging, columns, row).await
        }
        SchedulesCommand::Show { schedule, slots } => {
            let request = Request::get(&["schedules", &schedule]).query("slots", slots);
            show(&client.send(request).await?, output)?;
            Ok(Exit::Ok)
        }
        SchedulesCommand::Create(args) => create(args, &client, output).await,
        SchedulesCommand::Update(args) => update(args, &client, output).await,
        SchedulesCommand::Pause { schedules } => {
            each(&schedules, |schedule| Request::post(&["schedules", schedule, "pause"]), &client, shown).await
        }
        SchedulesCommand::Resume { schedules } => {
            each(&schedules, |schedule| Request::post(&["schedules", schedule, "resume"]), &client, shown).await
        }
        SchedulesCommand::Run { schedule, idempotency_key } => {
            let request = Request::post(&["schedules", &schedule, "run"]).header("idempotency-key", idempotency_key);
            let job = client.send(request).await?;
            if output.is_json() {
                output.json(&job)?;
            } else {
                output.table(None, &[[Cell::of(&job, "/id"), Cell::state(&job)]])?;
            }
            Ok(Exit::Ok)
        }
        SchedulesCommand::Delete { schedules } => {
            each(&schedules, |schedule| Request::delete(&["schedules", schedule]), &client, shown).await
        }
    }
}

async fn create(args: CreateArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let definition = Definition {
        name: Some(&args.name),
        cron: Some(&args.cron),
        time_zone: args.time_zone.as_deref(),
        catch_up: args.catch_up,
        paused: Some(true).filter(|_| args.paused),
        job: Some(args.job.of(args.kind, &args.payload)?),
    };
    let made = client.send(Request::post(&["schedules"]).body(&definition)?).await?;
    one(&made, output)?;
    Ok(Exit::Ok)
}

async fn update(args: UpdateArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let UpdateArgs { schedule, name, cron, time_zone, catch_up } = &args;
    if (name, cron, time_zone, catch_up) == (&None, &None, &None, &None) {
        return Err(Usage("say what to change: --name, --cron, --time-zone or --catch-up".to_owned()).into());
    }
    let definition = Definition {
        name: name.as_deref(),
        cron: cron.as_deref(),
        time_zone: time_zone.as_deref(),
        catch_up: *catch_up,
        paused: None,
        job: None,
    };
    let changed = client.send(Request::patch(&["schedules", schedule]).body(&definition)?).await?;
    one(&changed, output)?;
    Ok(Exit::Ok)
}

/// One line about a schedule: what it is called, and when it comes next.
fn one(schedule: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(schedule);
    }
    output.table(None, &[[Cell::of(schedule, "/id"), Cell::of(schedule, "/name"), next(schedule)]])
}

fn show(schedule: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(schedule);
    }
    let slots = schedule["next_slots"].as_array().map_or(&[][..], Vec::as_slice);
    // One a line below the first.
    let later = slots.iter().skip(1).filter_map(Value::as_str).map(|slot| ("", Cell::plain(slot)));
    let mut facts = vec![
        ("id", Cell::of(schedule, "/id")),
        ("name", Cell::of(schedule, "/name")),
        ("cron", Cell::of(schedule, "/cron")),
        ("time zone", Cell::of(schedule, "/time_zone")),
        ("catch up", Cell::of(schedule, "/catch_up")),
        ("next", next(schedule)),
    ];
    facts.extend(later);
    facts.extend([
        ("last", Cell::of(schedule, "/last/slot")),
        ("outcome", Cell::of(schedule, "/last/outcome")),
        ("error", Cell::of(schedule, "/last/error")),
        ("last job", Cell::of(schedule, "/last_job_id")),
        ("created", Cell::of(schedule, "/created_at")),
        ("updated", Cell::of(schedule, "/updated_at")),
        ("job", Cell::of(schedule, "/job")),
    ]);
    output.facts(&facts)
}

fn next(schedule: &Value) -> Cell {
    if schedule["paused"] == true { Cell::plain("paused") } else { Cell::of(schedule, "/next_slot") }
}

fn row(schedule: &Value) -> [Cell; 7] {
    [
        Cell::of(schedule, "/name"),
        Cell::of(schedule, "/cron"),
        Cell::of(schedule, "/time_zone"),
        Cell::of(schedule, "/job/kind"),
        next(schedule),
        Cell::of(schedule, "/last/outcome"),
        Cell::of(schedule, "/last/error").cut(60),
    ]
}
