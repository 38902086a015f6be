//! `golden jobs watch` without an ID: the newest jobs, and what becomes of them.

use std::{cell::RefCell, convert::Infallible, io, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::view::words;
use crate::{
    client::{Client, ClientError, Request},
    commands::jobs::end,
    exit::Exit,
    follow::Following,
    output::{Cell, Output},
    sse::Event,
};

/// Jobs that are shown on a terminal.
const ROWS: usize = 15;
/// How often they are asked for. Ends are told; for the rest, this is what an observer's limit
/// (20 a minute) has room for.
const REFRESH: Duration = Duration::from_secs(5);

pub(super) async fn run(kind: Option<String>, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let events = Request::get(&["events"]).query("kind", kind.as_ref()).header("accept", Some("text/event-stream"));
    let mut following = Following::open(client, events).await?;
    if !output.is_live() {
        while let Some(event) = following.next().await? {
            print(&event, output)?;
        }
        return Ok(Exit::Ok);
    }
    let jobs = || Request::get(&["jobs"]).query("kind", kind.as_ref()).query("limit", Some(ROWS));
    let screen = Screen::new(output);
    let ended = tokio::select! {
        ended = listen(&mut following, &screen) => ended?,
        ended = refresh(jobs, client, &screen) => match ended? {},
    };
    Ok(ended)
}

/// Shows the ends of jobs as they are told.
async fn listen(following: &mut Following<'_>, screen: &Screen) -> anyhow::Result<Exit> {
    while let Some(event) = following.next().await? {
        let data: Value = serde_json::from_str(&event.data)?;
        screen.update(&data["data"]);
    }
    Ok(Exit::Ok)
}

/// Asks for the newest jobs again and again. A server that is away is waited for.
async fn refresh(jobs: impl Fn() -> Request, client: &Client, screen: &Screen) -> Result<Infallible, ClientError> {
    loop {
        match client.send(jobs()).await {
            Ok(page) => screen.show(page["data"].as_array().cloned().unwrap_or_default()),
            Err(error) if error.may_pass() => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(REFRESH).await;
    }
}

fn print(event: &Event, output: Output) -> anyhow::Result<()> {
    let data: Value = serde_json::from_str(&event.data)?;
    if output.is_json() {
        output.line(&json!({ "event": event.name, "data": data }).to_string())?;
        return Ok(());
    }
    match event.name.as_str() {
        "open" => {}
        "gap" => eprintln!("Events are missing here: they were not kept."),
        _ => told(event, &data, output)?,
    }
    Ok(())
}

fn told(event: &Event, data: &Value, output: Output) -> io::Result<()> {
    let columns = [
        Cell::of(data, "/timestamp"),
        Cell::plain(&event.name),
        Cell::of(data, "/data/id"),
        Cell::of(data, "/data/kind"),
        Cell::of(data, "/data/error/message"),
    ];
    output.line(columns.map(|cell| cell.to_string()).join("\t").trim_end())
}

/// The table on the terminal.
struct Screen {
    output: Output,
    jobs: RefCell<Vec<Value>>,
    lines: Vec<ProgressBar>,
    _together: MultiProgress,
}

impl Screen {
    fn new(output: Output) -> Self {
        let together = MultiProgress::new();
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = |_| together.add(ProgressBar::new_spinner().with_style(style.clone()));
        let lines = (0..=ROWS).map(line).collect();
        Self { output, jobs: RefCell::default(), lines, _together: together }
    }

    fn show(&self, jobs: Vec<Value>) {
        self.jobs.replace(jobs);
        self.draw();
    }

    /// Takes over what is told of a job, if it is shown.
    fn update(&self, told: &Value) {
        for job in self.jobs.borrow_mut().iter_mut().filter(|job| job["id"] == told["id"]) {
            for member in ["state", "attempt", "error"] {
                job[member] = told[member].clone();
            }
        }
        self.draw();
    }

    fn draw(&self) {
        let titles = ["ID", "KIND", "STATE", "ATTEMPT", "PROGRESS", "CREATED", "ERROR"];
        let rows: Vec<_> = self.jobs.borrow().iter().map(row).collect();
        let text = self.output.aligned(Some(titles), &rows);
        for (number, line) in self.lines.iter().enumerate() {
            line.set_message(text.get(number).cloned().unwrap_or_default());
            line.tick();
        }
    }
}

fn row(job: &Value) -> [Cell; 7] {
    // How far a job was when it ended is not asked for: the events of ends do not tell.
    let progress = if end(job).is_none() { words(&job["progress"]) } else { String::new() };
    [
        Cell::of(job, "/id"),
        Cell::of(job, "/kind"),
        Cell::state(job),
        Cell::plain(&format!("{}/{}", job["attempt"], job["max_attempts"])),
        Cell::plain(&progress).cut(20),
        Cell::plain(job["created_at"].as_str().and_then(|at| at.split('.').next()).unwrap_or_default()),
        Cell::of(job, "/error/message").cut(60),
    ]
}
