//! Turns a goal into a program with tests that pass, by agents, and has others review it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::to_raw_value};

use super::{Review, Reviewed};
use crate::{
    context::Context,
    escalations::{Escalation, Severity, Subject},
    job::{Invalid, Job, Policy},
    models::exchange::AgentRole,
    outcome::{End, Failure, JobError, Outcome, done},
    record::{JobRecord, State},
    reviews::{Panel, ReviewState, Risk},
    role::Role,
    sandbox::RunReport,
    store::{LogStream, NewJob},
    tasks::{Course, Delivered, Ended, Errand, Judged, Judgement, Language, Next, Part, errand::ReviewAsked},
    text,
};

/// Reaches a goal by agents: an architect plans, a developer and a tester write a program and its tests, which run in a
/// sandbox; what fails is repaired, and a panel reviews the rest. Each step is done by jobs of other kinds, and the task
/// holds no worker while they run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What it is called: letters and digits of any script, spaces and . _ : / @ # -
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What the program is to do.
    #[schemars(length(min = 1, max = 8192))]
    pub goal: String,
    /// What it is written in.
    #[schemars(length(min = 1, max = 64))]
    pub language: String,
    /// What else there is to know, such as examples or a text to work from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub context: Option<String>,
    /// How often failing tests are repaired.
    #[serde(default = "three")]
    #[schemars(range(max = MOST_ROUNDS))]
    pub max_rounds: u32,
    /// Who looks at what came of it.
    #[serde(default)]
    pub review: ReviewTerms,
    /// Who submitted it, and does not decide on it if its review is left to a human. Written by the API, whatever a
    /// submission says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
}

/// Who looks at what came of a task.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewTerms {
    /// What is at stake: a panel of three, or of five with the security role.
    #[serde(default)]
    pub risk: Risk,
    /// Who sits on the panel, instead of those that the risk asks for. Never the developer, who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 5))]
    pub panel: Option<Vec<AgentRole>>,
}

/// What a task that succeeded leaves.
#[derive(Debug, Serialize)]
pub struct TaskDone {
    #[serde(flatten)]
    delivered: Delivered,
    /// What it cost with all jobs that it made, in micro-USD.
    cost: i64,
}

const MOST_ROUNDS: u32 = 5;
/// The step of a task that tells a human.
const ESCALATION: &str = "escalation";
/// How long a task waits that has told a human: for its escalation to be on record, and not for the answer.
const BRIEFLY: Duration = Duration::from_secs(1);
/// Bytes of what a panel found that a task goes on with, as JSON: more would not fit its result beside the files.
const VERDICT: usize = 32 * 1024;
/// Who made what is reviewed, and has no seat on the panel.
const AUTHOR: AgentRole = AgentRole::Developer;

fn three() -> u32 {
    3
}

impl Job for Task {
    const KIND: &'static str = "task";
    const ROLE: Role = Role::Orchestrator;
    // A run only looks at what came of a step and asks for the next.
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(60).spends();
    const SUBMITTED_BY: bool = true;
    type Output = TaskDone;

    fn check(&self) -> Result<(), Invalid> {
        text::name(&self.name).map_err(|rule| Invalid::new("/name", rule.to_string()))?;
        if text::free_text(&self.goal).trim().is_empty() {
            return Err(Invalid::new("/goal", "say what the program is to do"));
        }
        if Language::of(&self.language).is_none() {
            return Err(Invalid::new("/language", no_language(&self.language)));
        }
        let panel = Panel::of(self.review.risk, AUTHOR, self.review.panel.as_deref());
        panel.map_err(|error| Invalid::new("/review/panel", error.to_string()))?;
        if self.max_rounds > MOST_ROUNDS {
            return Err(Invalid::new("/max_rounds", format!("at most {MOST_ROUNDS}")));
        }
        Ok(())
    }

    async fn run(self, cx: &Context) -> Outcome<TaskDone> {
        // Seen at intake; a payload of another build may not have been.
        let language =
            Language::of(&self.language).ok_or_else(|| Failure::fatal("no_language", no_language(&self.language)))?;
        self.check().map_err(|invalid| Failure::fatal("payload_invalid", invalid.to_string()))?;
        let task = self.cleaned();
        // What another build left may read otherwise: then it begins anew, and finds the jobs that it had made.
        let kept = cx.checkpoint().and_then(|kept| serde_json::from_str(kept.get()).ok());
        let mut course: Course = kept.unwrap_or_default();

        let attempt = cx.claimed().attempt;
        if let Some(error) = course.dies(attempt) {
            return dead(cx, &course, error).await;
        }
        let next = if course.is_to_begin() {
            let again = course.is_over();
            let next = course.begin(&task, language);
            if again {
                // At once: should this run be lost, the next one is not to take it for dead yet.
                cx.save(json_of(&course)?).await?;
            }
            next
        } else {
            match ended(cx, &task, &course, language).await? {
                Some(ended) => course.advance(&task, language, ended),
                // Somebody had it look too early.
                None => return wait(cx, &task, &course, language),
            }
        };
        match next {
            Next::Await => {
                cx.progress(json_of(&course.progress())?);
                cx.log(LogStream::Log, &course.news(task.max_rounds)).await;
                wait(cx, &task, &course, language)
            }
            Next::Done(delivered) => {
                let cost = cx.store().tree_cost(cx.claimed().run.id).await?;
                done(TaskDone { delivered: *delivered, cost })
            }
            Next::Tell(why) => tell(cx, &course, &why),
            Next::Dead(error) => {
                course.dies(attempt);
                dead(cx, &course, error).await
            }
        }
    }
}

impl Task {
    /// Narrows the schema of its payload down to the languages that programs can be run in.
    pub fn offer(schema: &mut Value, languages: &[impl AsRef<str>]) {
        let runs = |name: &&str| languages.iter().any(|language| language.as_ref() == *name);
        schema["properties"]["language"]["enum"] = Language::names().filter(runs).map(Value::from).collect();
    }

    /// What a panel is asked to judge.
    fn review_of(&self, asked: &ReviewAsked) -> Review {
        Review {
            title: self.name.clone(),
            goal: self.goal.clone(),
            files: asked.files.clone(),
            author: AUTHOR,
            submitted_by: self.submitted_by.clone(),
            risk: self.review.risk,
            panel: self.review.panel.clone(),
            evidence: Some(asked.evidence.clone()),
            round_of: asked.round_of.as_ref().and_then(|review| review.parse().ok()),
        }
    }

    /// As people typed it, without what only deceives readers.
    #[must_use]
    pub fn cleaned(self) -> Self {
        Self {
            name: text::name(&self.name).unwrap_or(self.name),
            goal: text::free_text(&self.goal),
            context: self.context.map(|context| text::free_text(&context)),
            ..self
        }
    }
}

fn no_language(name: &str) -> String {
    format!("there are no tasks in {name:?}; there are in {}", Language::names().collect::<Vec<_>>().join(", "))
}

/// Waits for what is to be done, by jobs that are made now or were before.
fn wait(cx: &Context, task: &Task, course: &Course, language: &'static Language) -> Outcome<TaskDone> {
    let errands = course.errands(task, language);
    let children = errands.iter().map(|(part, errand)| child(cx, task, course, *part, errand));
    Ok(End::Await { children: children.collect::<Result<_, _>>()?, checkpoint: Some(json_of(course)?), until: None })
}

/// Ends it. Put back to work, it goes on from here.
async fn dead(cx: &Context, course: &Course, error: JobError) -> Outcome<TaskDone> {
    cx.save(json_of(course)?).await?;
    Err(Failure::Fatal(error))
}

/// Tells a human that the task goes in a circle, and does not wait for an answer: whoever has one runs the task again.
fn tell(cx: &Context, course: &Course, why: &str) -> Outcome<TaskDone> {
    let escalation = Escalation {
        about: Subject::Task,
        subject: cx.claimed().run.id.to_string(),
        reason: format!("The task goes in a circle and ends: {why}. It can be run again once the cause is gone."),
        severity: Severity::Medium,
    };
    let job = cx.child(&course.name(ESCALATION), &escalation)?;
    let children = vec![NewJob { metadata: Some(json_of(&json!({"step": ESCALATION}))?), ..job }];
    Ok(End::Await { children, checkpoint: Some(json_of(course)?), until: Some(BRIEFLY) })
}

/// The job that does an errand.
fn child(cx: &Context, task: &Task, course: &Course, part: Part, errand: &Errand) -> Result<NewJob, Failure> {
    let name = course.name(part.as_str());
    let job = match errand {
        Errand::Ask(question) => cx.child(&name, &**question)?,
        Errand::Run(run) => cx.child(&name, &**run)?,
        Errand::Review(asked) => cx.child(&name, &task.review_of(asked))?,
    };
    Ok(NewJob { metadata: Some(json_of(&json!({"step": part}))?), ..job })
}

/// What came of what was to be done, or `None` while some of it is still open.
async fn ended(
    cx: &Context,
    task: &Task,
    course: &Course,
    language: &'static Language,
) -> Result<Option<Vec<(Part, Ended)>>, Failure> {
    let children = cx.children().await?;
    let mut all = Vec::new();
    for (part, errand) in course.errands(task, language) {
        let id = child(cx, task, course, part, &errand)?.id;
        let Some(job) = children.iter().find(|job| job.id == id && job.state.is_terminal()) else { return Ok(None) };
        all.push((part, came_of(part, job)));
    }
    Ok(Some(all))
}

fn came_of(part: Part, job: &JobRecord) -> Ended {
    match (job.state, &job.result, &job.error) {
        (State::Succeeded, Some(result), _) => read(part, result.get()).unwrap_or_else(|| {
            Ended::Failed(JobError::new("result_unreadable", format!("what {} left cannot be read", job.id)))
        }),
        (State::Cancelled, ..) => Ended::Failed(JobError::new("child_cancelled", format!("{} was cancelled", job.id))),
        (_, _, Some(error)) => Ended::Failed(JobError::new(error.code.clone(), error.message.clone())),
        _ => Ended::Failed(JobError::new("child_failed", format!("{} did not succeed", job.id))),
    }
}

/// What a succeeded job left.
fn read(part: Part, result: &str) -> Option<Ended> {
    match part {
        Part::Run => serde_json::from_str::<RunReport>(result).ok().map(|report| Ended::Ran(report.into())),
        Part::Review => Judgement::of(serde_json::from_str(result).ok()?).map(Ended::Reviewed),
        Part::Plan | Part::Program | Part::Tests | Part::Repair => {
            let mut completion: Value = serde_json::from_str(result).ok()?;
            let model = completion["model"].as_str()?.to_owned();
            let answer = completion["answer"].take();
            if completion["outcome"].as_str()?.starts_with("ok_") {
                return Some(Ended::Answered { answer, model });
            }
            let reason = completion["reason"].as_str().or_else(|| completion["outcome"].as_str());
            Some(Ended::Unusable { reason: reason?.to_owned(), model })
        }
    }
}

fn json_of(value: &impl Serialize) -> Result<Box<serde_json::value::RawValue>, Failure> {
    to_raw_value(value)
        .map_err(|error| Failure::fatal("checkpoint_unencodable", format!("where the task is cannot be kept: {error}")))
}

impl Judgement {
    /// What a review came to, if it came to something.
    fn of(reviewed: Reviewed) -> Option<Self> {
        let reviewed = reviewed.within(VERDICT);
        let judged = match reviewed.state {
            ReviewState::Approved => Judged::Approved,
            ReviewState::ChangesRequested => Judged::ChangesRequested,
            ReviewState::Rejected => Judged::Rejected,
            // A review that is open has not ended, and one that was cancelled leaves nothing.
            _ => return None,
        };
        Some(Self {
            judged,
            review: reviewed.review.to_string(),
            claims: reviewed.findings.iter().map(|finding| finding.claim.clone()).collect(),
            verdict: serde_json::to_value(&reviewed).ok()?,
        })
    }
}
