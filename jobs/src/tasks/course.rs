//! The steps of a task, in their order, and its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    answers::{Plan, read_plan, read_repair, read_side},
    delivered::{Artifact, Delivered},
    errand::{Ended, Errand, Judged, Judgement, Part, ReviewAsked},
    guard::{Guard, Stuck},
    language::Language,
    prompts,
    report::TestReport,
    step::Step,
    workspace::{Files, Side},
};
use crate::{
    kinds::{Network, SandboxRun, Task},
    models::validation::Wrong,
    outcome::JobError,
    sandbox::{AskedLimits, Content},
};

/// Jobs that a task makes for its steps, at most: a few less than a job may have.
pub const CHILDREN: u32 = 30;
/// Wall time that tests are given, in ms, as far as the tenant's terms and the operator allow.
const TEST_TIME: u64 = 30_000;
/// Bytes of what reviewers say that are in the error of a task that they rejected.
const REASONS: usize = 1000;

/// Where a task is: what it has so far, and what it waits for. Its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    step: Step,
    /// Steps made so far. Names the jobs of the one that is waited for.
    made: u32,
    /// Jobs made so far.
    children: u32,
    /// Repairs so far because tests failed.
    repairs: u32,
    /// Whether reviewers have asked for changes before.
    revised: bool,
    plan: Option<Plan>,
    program: Option<Files>,
    tests: Option<Files>,
    report: Option<TestReport>,
    judgement: Option<Judgement>,
    /// The review that asked for changes, whose second round is next.
    round_of: Option<String>,
    /// What was wrong with the last answers, by what they were to.
    wrong: BTreeMap<Part, Vec<Wrong>>,
    /// Which models answered, by their providers' words.
    models: BTreeSet<String>,
    guard: Guard,
    /// It ended badly, or is about to. Whoever has it run again after that wants another try.
    over: Option<Death>,
}

/// What a task dies of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Death {
    code: String,
    message: String,
    /// The attempt that said so. A later one was begun because nobody heard of it; one that was begun by somebody's wish
    /// has a smaller number, or the same. `None` while a human is told first.
    attempt: Option<u32>,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Tell a human that it goes in a circle, and then [die](Course::dies) of it.
    Tell(String),
    /// Have the [errands](Course::errands) done, and go on from what came of them.
    Await,
    Done(Box<Delivered>),
    Dead(JobError),
}

/// Why a task cannot go on.
enum End {
    Dead(JobError),
    /// It goes in a circle; says which.
    Stuck(String),
}

impl From<Stuck> for End {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck.0)
    }
}

impl Default for Course {
    fn default() -> Self {
        Self {
            step: Step::Plan,
            made: 0,
            children: 0,
            repairs: 0,
            revised: false,
            plan: None,
            program: None,
            tests: None,
            report: None,
            judgement: None,
            round_of: None,
            wrong: BTreeMap::new(),
            models: BTreeSet::new(),
            guard: Guard::default(),
            over: None,
        }
    }
}

impl Course {
    /// Begins, or begins the step again at which the task died.
    pub fn begin(&mut self, task: &Task, language: &'static Language) -> Next {
        if self.over.take().is_some() {
            (self.repairs, self.guard) = (0, Guard::default());
            (self.revised, self.round_of) = (false, None);
        }
        let next = self.prepared(task, language);
        self.concluded(next)
    }

    /// Whether nothing is waited for: the task is new, or ended badly and is run again.
    pub fn is_to_begin(&self) -> bool {
        self.made == 0 || self.is_over()
    }

    /// Whether it ended badly, or is about to.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Goes on from what came of the errands.
    pub fn advance(&mut self, task: &Task, language: &'static Language, ended: Vec<(Part, Ended)>) -> Next {
        let next = self.taken(task, language, ended).and_then(|done| match done {
            Some(delivered) => Ok(Next::Done(Box::new(delivered))),
            None => self.prepared(task, language),
        });
        self.concluded(next)
    }

    fn concluded(&mut self, next: Result<Next, End>) -> Next {
        next.unwrap_or_else(|end| {
            let (code, message, next) = match end {
                End::Dead(error) => (error.code.clone(), error.message.clone(), Next::Dead(error)),
                End::Stuck(why) => ("stuck".to_owned(), why.clone(), Next::Tell(why)),
            };
            self.over = Some(Death { code, message, attempt: None });
            next
        })
    }

    /// What it dies of in this attempt of its job, if it does: for the first time, or again because the worker of the
    /// attempt before died before that was on record.
    pub fn dies(&mut self, attempt: u32) -> Option<JobError> {
        let death = self.over.as_mut().filter(|death| death.attempt.is_none_or(|before| before < attempt))?;
        death.attempt.get_or_insert(attempt);
        Some(JobError::new(death.code.clone(), death.message.clone()))
    }

    /// Counts what is to be done next, and lets it be done unless that goes in a circle.
    fn prepared(&mut self, task: &Task, language: &'static Language) -> Result<Next, End> {
        self.made += 1;
        for (part, errand) in self.errands(task, language) {
            self.children += 1;
            if self.children > CHILDREN {
                return Err(Stuck(format!("it would take more than {CHILDREN} jobs")).into());
            }
            self.guard.step(part.as_str(), &errand.input())?;
        }
        Ok(Next::Await)
    }

    /// What is waited for, the same however often it is asked. A name for each sets it apart from all others of the task.
    pub fn errands(&self, task: &Task, language: &'static Language) -> Vec<(Part, Errand)> {
        match self.step {
            Step::Plan => vec![self.ask(Part::Plan, &prompts::PLAN, task, language, Vec::new())],
            Step::Write => {
                let plan = || vec![("plan", json!(self.plan))];
                let program = || self.ask(Part::Program, &prompts::PROGRAM, task, language, plan());
                let tests = || self.ask(Part::Tests, &prompts::TESTS, task, language, plan());
                let program = self.program.is_none().then(program);
                program.into_iter().chain(self.tests.is_none().then(tests)).collect()
            }
            Step::Run => vec![(Part::Run, Errand::Run(Box::new(self.test_run(language))))],
            Step::Repair => {
                let data =
                    vec![("plan", json!(self.plan)), ("files", json!(self.files())), ("findings", self.findings())];
                vec![self.ask(Part::Repair, &prompts::REPAIR, task, language, data)]
            }
            Step::Review => {
                let evidence = self.report.as_ref().map(TestReport::printed).unwrap_or_default();
                let asked = ReviewAsked { files: self.files(), evidence, round_of: self.round_of.clone() };
                vec![(Part::Review, Errand::Review(Box::new(asked)))]
            }
        }
    }

    /// The name of what a step makes among all that the task ever made.
    pub fn name(&self, what: &str) -> String {
        format!("{:02}.{what}", self.made)
    }

    fn ask(
        &self,
        part: Part,
        prompt: &prompts::Prompt,
        task: &Task,
        language: &Language,
        data: Vec<(&str, Value)>,
    ) -> (Part, Errand) {
        let wrong = self.wrong.get(&part).map_or(&[][..], Vec::as_slice);
        (part, Errand::Ask(Box::new(prompt.about(task, language, data, wrong))))
    }

    fn test_run(&self, language: &Language) -> SandboxRun {
        SandboxRun {
            language: Some(language.name.to_owned()),
            image: None,
            source: None,
            entry: Some(language.tests.to_owned()),
            files: self.files().into_iter().map(|(path, text)| (path, Content::Text(text))).collect(),
            args: Vec::new(),
            stdin: String::new(),
            env: BTreeMap::new(),
            limits: AskedLimits { wall_ms: Some(TEST_TIME), ..AskedLimits::default() },
            artifacts: Vec::new(),
            network: Network::None,
            fail_on_nonzero: false,
        }
    }

    /// What is to be repaired: what reviewers ask for, where the tests pass.
    fn findings(&self) -> Value {
        match (&self.report, &self.judgement) {
            (Some(report), _) if !report.passed => json!({"tests": report}),
            (_, judgement) => json!({"reviewers": judgement.as_ref().map(|judgement| &judgement.verdict)}),
        }
    }

    /// The program and its tests.
    fn files(&self) -> Files {
        let both = self.program.iter().chain(&self.tests).flatten();
        both.map(|(path, text)| (path.clone(), text.clone())).collect()
    }

    /// Takes in what came of the errands, and says what is delivered if that was the last of them.
    fn taken(
        &mut self,
        task: &Task,
        language: &'static Language,
        ended: Vec<(Part, Ended)>,
    ) -> Result<Option<Delivered>, End> {
        let (begun, mut failed) = (self.step, None);
        for (part, ended) in ended {
            let read = match ended {
                Ended::Failed(JobError { code, message }) => {
                    // What came of the others is kept, should it be run again.
                    failed.get_or_insert_with(|| JobError::new(code, format!("{part}: {message}")));
                    continue;
                }
                Ended::Unusable { reason, model } => {
                    self.models.insert(model);
                    Err(vec![Wrong { at: String::new(), code: reason }])
                }
                Ended::Answered { answer, model } => {
                    self.models.insert(model);
                    self.read(part, &answer, language)
                }
                Ended::Ran(report) => {
                    self.ran(report, task.max_rounds)?;
                    continue;
                }
                Ended::Reviewed(judgement) => {
                    let approved = self.reviewed(judgement)?;
                    return Ok(approved.then(|| self.delivered(language)).flatten());
                }
            };
            match read {
                Ok(()) => drop(self.wrong.remove(&part)),
                Err(wrong) => {
                    let told: Vec<_> = wrong.iter().map(|wrong| format!("{} {}", wrong.at, wrong.code)).collect();
                    self.wrong.insert(part, wrong);
                    self.guard.error(part.as_str(), &told.join("\n"))?;
                }
            }
        }
        if let Some(error) = failed {
            return Err(End::Dead(error));
        }
        self.step = match begun {
            Step::Plan if self.plan.is_some() => Step::Write,
            Step::Write if self.program.is_some() && self.tests.is_some() => Step::Run,
            Step::Repair if self.wrong.is_empty() => Step::Run,
            _ => self.step,
        };
        Ok(None)
    }

    /// Takes over an answer, if it can be used.
    fn read(&mut self, part: Part, answer: &Value, language: &Language) -> Result<(), Vec<Wrong>> {
        match part {
            Part::Plan => self.plan = Some(read_plan(answer)?),
            Part::Program => self.program = Some(read_side(answer, Side::Program, language)?),
            Part::Tests => self.tests = Some(read_side(answer, Side::Tests, language)?),
            Part::Repair => {
                let before = [&self.program, &self.tests].map(|files| files.clone().unwrap_or_default());
                let (program, tests) = read_repair(answer, &before[0], &before[1], language)?;
                (self.program, self.tests) = (Some(program), Some(tests));
            }
            // No model is asked for these.
            Part::Run | Part::Review => {}
        }
        Ok(())
    }

    fn ran(&mut self, report: TestReport, max_rounds: u32) -> Result<(), End> {
        let report = self.report.insert(report);
        if report.passed {
            self.step = Step::Review;
            return Ok(());
        }
        let (summary, printed) = (report.summary(), report.printed());
        // The platform's fault is nobody's to repair: the same tests run again.
        self.step = if report.cause.is_platforms() { Step::Run } else { Step::Repair };
        self.guard.error(Part::Run.as_str(), &printed)?;
        if self.step == Step::Run {
            return Ok(());
        }
        if self.repairs >= max_rounds {
            let error = format!("{summary} after {} repairs, and there are to be no more", self.repairs);
            return Err(End::Dead(JobError::new("tests_fail", error)));
        }
        self.repairs += 1;
        Ok(())
    }

    /// Whether it was approved. Where changes are asked for, they are made, once.
    fn reviewed(&mut self, judgement: Judgement) -> Result<bool, End> {
        let judged = judgement.judged;
        let reasons = reasons(&judgement.claims);
        self.round_of = Some(judgement.review.clone());
        self.judgement = Some(judgement);
        if judged == Judged::Approved {
            return Ok(true);
        }
        self.step = Step::Repair;
        let (again, code, said) = match judged {
            Judged::ChangesRequested => (!self.revised, "changes_requested", "the review asks for changes again"),
            _ => (false, "rejected", "the review rejected it"),
        };
        self.revised = true;
        if again { Ok(false) } else { Err(End::Dead(JobError::new(code, format!("{said}: {reasons}")))) }
    }

    fn delivered(&self, language: &'static Language) -> Option<Delivered> {
        Some(Delivered {
            summary: self.plan.as_ref()?.summary.clone(),
            artifact: Artifact {
                language: language.name,
                entry: language.program,
                tests: language.tests,
                files: self.files(),
            },
            test_report: self.report.clone()?,
            verdict: self.judgement.as_ref()?.verdict.clone(),
            repairs: self.repairs,
            models: self.models.clone(),
        })
    }

    /// What it does now.
    pub fn step(&self) -> Step {
        self.step
    }

    /// How far it is, for those who watch.
    pub fn progress(&self) -> Value {
        let done = match self.step {
            Step::Plan => 0,
            Step::Write => 1,
            Step::Run | Step::Repair => 2,
            Step::Review => 3,
        };
        json!({"step": self.step, "repairs": self.repairs, "done": done, "total": 4})
    }

    /// What it does now and why, as a line of its log.
    pub fn news(&self, max_rounds: u32) -> String {
        let again = if self.wrong.is_empty() { "" } else { ", since an answer could not be used" };
        match (self.step, &self.plan, &self.report) {
            (Step::Write, Some(plan), _) => {
                format!("planned in {} steps; writing the program and its tests{again}", plan.steps.len())
            }
            (Step::Repair, _, Some(report)) if report.passed => {
                format!("reviewers ask for changes; making them{again}")
            }
            (Step::Repair, _, Some(report)) => {
                format!("{}; repairing, {} of {max_rounds} times{again}", report.summary(), self.repairs)
            }
            (Step::Run, ..) => "running the tests".to_owned(),
            (Step::Review, ..) => "the tests pass; asking for a review".to_owned(),
            _ => format!("planning{again}"),
        }
    }
}

impl Errand {
    /// What the guard knows it by.
    fn input(&self) -> Value {
        match self {
            Self::Ask(question) => json!(question),
            Self::Run(run) => json!(run),
            Self::Review(review) => json!(review),
        }
    }
}

fn reasons(claims: &[String]) -> String {
    let mut reasons = claims.join("; ");
    if reasons.is_empty() {
        "it says no more".clone_into(&mut reasons);
    }
    reasons.truncate(reasons.floor_char_boundary(REASONS));
    reasons
}

#[cfg(test)]
mod tests;
