//! Has a panel of agents judge an agent's work.
//!
//! The review itself is on record, and decided there; a run of this job looks how it stands, sees to its ballots, and
//! waits. It holds no worker meanwhile, and spends no attempt.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use super::review_ballot::ReviewBallot;
use crate::{
    audit::{Actor, Hash},
    canonical,
    context::Context,
    escalations::{Escalation, Severity, Subject},
    id::ReviewId,
    job::{Invalid, Job, Policy},
    models::exchange::AgentRole,
    outcome::{End, Failure, Outcome, done},
    record::JobRecord,
    reviews::{self, Found, Opening, Panel, PanelError, ReviewState, Risk, Seat, TIMEOUT, Vote, abstention},
    role::Role,
    store::{NewJob, reviews::Opened},
};

/// Has a panel of agents judge an agent's work: three of them, five where the risk is high. What they say is on record as
/// a review, which ends `APPROVED`, `REJECTED` or `CHANGES_REQUESTED`; one that is `ESCALATED` waits for a human.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// What the work is called.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What it is for: what it is judged by.
    #[schemars(length(min = 1, max = 8192))]
    pub goal: String,
    /// The work: its files, by their paths.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256, "propertyNames" = {"minLength": 1, "maxLength": 512}))]
    pub files: BTreeMap<String, String>,
    /// The role of the agent that made it, which has no seat on the panel.
    pub author: AgentRole,
    /// The user on whose behalf it was made, who does not decide on it. Written by the API: it is whoever submits the
    /// job, whatever a submission says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
    /// How much harm the work may do.
    #[serde(default)]
    pub risk: Risk,
    /// Who judges: 3 to 5 roles, 5 with security among them where the risk is high. A role may sit more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 5))]
    pub panel: Option<Vec<AgentRole>>,
    /// What shows that it works, such as the output of its tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub evidence: Option<String>,
    /// The review whose panel asked for changes: this is its second round, and its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_of: Option<ReviewId>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reviewed {
    pub review: ReviewId,
    pub round: u32,
    pub state: ReviewState,
    /// The SHA-256 of what was judged.
    pub digest: String,
    /// What the panel found, the worst first, each thing once.
    pub findings: Vec<Found>,
    /// The human who decided, where it was left to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

/// How long a review that waits for a human sleeps, should nobody tell its job of the decision.
const LOOK: Duration = Duration::from_secs(60);
/// How long the job that asked a human has to end once it has its answer.
const MOMENT: Duration = Duration::from_secs(5);

impl Job for Review {
    const KIND: &'static str = "review";
    const ROLE: Role = Role::PeerHub;
    // Runs take no longer than the store does; what takes time is the panel's.
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(60).attempts(10).spends();
    const SUBMITTED_BY: bool = true;
    type Output = Reviewed;

    fn check(&self) -> Result<(), Invalid> {
        let wrong = |error: PanelError| {
            let pointer = match error {
                PanelError::SecurityMadeIt => "/author",
                PanelError::Risk(_) => "/risk",
                PanelError::Seats | PanelError::Author(_) | PanelError::Security => "/panel",
            };
            Invalid::new(pointer, error.to_string())
        };
        self.seats().map(drop).map_err(wrong)
    }

    async fn run(self, cx: &Context) -> Outcome<Reviewed> {
        // Seen at intake; a payload of another build may not have been.
        self.check().map_err(|invalid| Failure::fatal("payload_invalid", invalid.to_string()))?;
        let (tenant, job) = (&cx.claimed().tenant_id, cx.claimed().run.id);
        let review = self.begin(cx).await?;
        if let Some(round) = review.earlier.iter().find(|round| round.job_id == job) {
            // It was run again after its successor had begun: what it came to stands.
            let of = |review: &reviews::Review| Reviewed::new(review, round.round, round.state, &round.digest);
            return done(of(&review).within(cx.result_limit().await?));
        }
        let made = cx.children().await?;
        let ballots = Ballots::of(cx, &review, &made)?;
        ballots.count_the_lost(cx, &review).await?;
        let gone = || Failure::fatal("no_such_review", "the review is not on record any more");
        let was_open = review.state == ReviewState::Collecting;
        let review = cx.store().advance_review(tenant, review.id).await?.ok_or_else(gone)?;
        if let (true, Some(took)) = (was_open, review.took()) {
            let outcome = review.state.as_str().to_lowercase();
            cx.metrics().consensus.with_label_values(&[&outcome]).observe(took.as_secs_f64());
        }
        ballots.call_off(cx, &review).await?;
        cx.done_of(review.of_this_round().count() as u64, review.panel.0.len() as u64);
        match review.state {
            ReviewState::Collecting => {
                let left = (review.due() - cx.store().time().await?).to_std().unwrap_or_default();
                let children = review.missing().map(|seat| ballot(cx, &review, seat)).collect::<Result<_, _>>()?;
                Ok(End::Await { children, checkpoint: None, until: Some(left) })
            }
            ReviewState::Escalated => {
                let asks = question(cx, &review)?;
                // Should somebody have cancelled it, nobody is asked again: the review itself is what is decided.
                let ended = made.iter().any(|child| child.id == asks.id && child.state.is_terminal());
                let children = if ended { Vec::new() } else { vec![asks] };
                Ok(End::Await { children, checkpoint: None, until: Some(LOOK) })
            }
            state => {
                if let Some(asks) = still_asks(cx, &review, &made).await? {
                    let told = Some(RawValue::TRUE.to_owned());
                    return Ok(End::Await { children: vec![asks], checkpoint: told, until: Some(MOMENT) });
                }
                let reviewed = Reviewed::new(&review, review.round, state, &review.digest);
                done(reviewed.within(cx.result_limit().await?))
            }
        }
    }
}

impl Review {
    /// The SHA-256 of the work, in hex: of its files by their paths, as canonical JSON.
    pub fn digest(&self) -> String {
        Hash(canonical::fingerprint(&json!(self.files))).to_string()
    }

    fn seats(&self) -> Result<Panel, PanelError> {
        Panel::of(self.risk, self.author, self.panel.as_deref())
    }

    /// The review of this job, as it is by now.
    async fn begin(&self, cx: &Context) -> Result<reviews::Review, Failure> {
        let job = cx.claimed().run.id;
        let panel = self.seats().map_err(|error| Failure::fatal("payload_invalid", error.to_string()))?;
        let id = self.round_of.unwrap_or(job.into());
        let opening = Opening {
            id,
            again: self.round_of.is_some(),
            tenant_id: cx.claimed().tenant_id.clone(),
            job_id: job,
            title: self.title.clone(),
            risk: self.risk,
            author: self.author,
            submitted_by: self.submitted_by.clone(),
            digest: self.digest(),
            panel,
        };
        match cx.store().open_review(&opening).await? {
            Opened::Open(review) => Ok(*review),
            Opened::NoSuchReview => Err(Failure::fatal("no_such_review", format!("there is no review {id}"))),
            Opened::Refused(refused) => {
                Err(Failure::fatal("no_further_round", format!("{id} has no further round: {refused}")))
            }
        }
    }
}

/// The job that asks a seat, the same whichever run makes it.
fn ballot(cx: &Context, review: &reviews::Review, seat: &Seat) -> Result<NewJob, Failure> {
    let (round, digest) = (review.round, review.digest.clone());
    let asked = ReviewBallot { review: review.id, round, seat: seat.seat, role: seat.role, digest };
    cx.child(&format!("ballot/{round}/{}", seat.seat), &asked)
}

/// The job that asks a human, the same whichever run makes it.
fn question(cx: &Context, review: &reviews::Review) -> Result<NewJob, Failure> {
    let said = |vote| review.of_this_round().filter(|ballot| ballot.verdict == vote).count();
    let reason = format!(
        "The panel came to nothing that may stand in round {} of {:?}: {} approve, {} request changes, {} reject, {} \
         abstain. Whoever did not have it made may decide the review.",
        review.round,
        review.title,
        said(Vote::Approve),
        said(Vote::RequestChanges),
        said(Vote::Reject),
        said(Vote::Abstain),
    );
    let severity = match review.risk {
        Risk::Normal => Severity::Medium,
        Risk::High => Severity::High,
    };
    let asked = Escalation { about: Subject::Review, subject: review.id.to_string(), reason, severity };
    cx.child(&format!("escalation/{}", review.round), &asked)
}

/// The job that asked a human, while it has yet to end. The decision told it, unless it was about to ask at that very
/// moment: then it is told here. One that does not end in time is called off.
async fn still_asks(cx: &Context, review: &reviews::Review, made: &[JobRecord]) -> Result<Option<NewJob>, Failure> {
    let Some(ruling) = &review.ruling else { return Ok(None) };
    let asks = question(cx, review)?;
    if !made.iter().any(|child| child.id == asks.id && !child.state.is_terminal()) {
        return Ok(None);
    }
    let tenant = &cx.claimed().tenant_id;
    if cx.checkpoint().is_some() {
        cx.store().cancel(tenant, asks.id, &Actor::golden()).await?;
        return Ok(None);
    }
    let (answer, id) = (ruling.answer(), review.id.to_string());
    cx.store().settle_escalations(tenant, Subject::Review, &id, &answer, &Actor::golden()).await?;
    Ok(Some(asks))
}

/// The jobs that asked the seats of a round, as far as they are there.
struct Ballots<'a>(Vec<(Seat, &'a JobRecord)>);

impl<'a> Ballots<'a> {
    fn of(cx: &Context, review: &reviews::Review, made: &'a [JobRecord]) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for seat in &review.panel.0 {
            let id = ballot(cx, review, seat)?.id;
            found.extend(made.iter().find(|child| child.id == id).map(|child| (*seat, child)));
        }
        Ok(Self(found))
    }

    /// A job that ended without a word has none: its seat abstains.
    async fn count_the_lost(&self, cx: &Context, review: &reviews::Review) -> Result<(), Failure> {
        let is_missing = |seat: &Seat| review.missing().any(|missing| missing == seat);
        for (seat, job) in self.0.iter().filter(|(seat, job)| job.state.is_terminal() && is_missing(seat)) {
            let reason = job.error.as_ref().map_or("no_ballot", |error| error.code.as_str());
            let silence = abstention(seat, review.round, &review.digest, reason, review.opened_at);
            cx.store().cast(&cx.claimed().tenant_id, review.id, &silence).await?;
        }
        Ok(())
    }

    /// Cancels what is not waited for any more. What it kept back of the budget is given back when its run ends.
    async fn call_off(&self, cx: &Context, review: &reviews::Review) -> Result<(), Failure> {
        for (seat, job) in self.0.iter().filter(|(_, job)| !job.state.is_terminal()) {
            let said = review.of_this_round().find(|ballot| ballot.seat == seat.seat);
            let called_off = match said {
                None => review.state != ReviewState::Collecting,
                Some(ballot) => ballot.reason.as_deref() == Some(TIMEOUT),
            };
            if called_off {
                cx.store().cancel(&cx.claimed().tenant_id, job.id, &Actor::golden()).await?;
            }
        }
        Ok(())
    }
}

impl Reviewed {
    fn new(review: &reviews::Review, round: u32, state: ReviewState, digest: &str) -> Self {
        let of_round = review.ballots.iter().filter(|ballot| ballot.round == round);
        let findings = Found::of(of_round);
        let decided_by = review.ruling.as_ref().filter(|_| round == review.round).map(|ruling| ruling.by.clone());
        Self { review: review.id, round, state, digest: digest.to_owned(), findings, decided_by }
    }

    /// The same in so many bytes of JSON: the least of what was found goes first. All of it is in the review.
    pub(super) fn within(mut self, limit: usize) -> Self {
        while !self.findings.is_empty() && serde_json::to_vec(&self).is_ok_and(|text| text.len() > limit) {
            self.findings.pop();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, value::to_raw_value};

    use super::*;
    use crate::registry::Registry;

    fn wrong(payload: Value) -> Option<String> {
        let registry = Registry::default().with::<Review>();
        let checked = registry.get("review").unwrap().validate(&to_raw_value(&payload).unwrap());
        checked.err().map(|wrong| wrong[0].pointer.clone())
    }

    fn payload() -> Value {
        json!({"title": "A parser", "goal": "Parses.", "files": {"a.py": "pass"}, "author": "developer"})
    }

    #[test]
    fn a_panel_is_checked_when_it_comes_in() {
        let with = |name: &str, value: Value| {
            let mut payload = payload();
            payload[name] = value;
            wrong(payload)
        };
        assert_eq!(wrong(payload()), None);
        assert_eq!(with("risk", json!("high")), None);
        assert_eq!(with("panel", json!(["reviewer", "tester", "security"])), None);
        assert_eq!(with("panel", json!(["reviewer", "tester", "developer"])).as_deref(), Some("/panel"));
        assert_eq!(with("panel", json!(["reviewer"])).as_deref(), Some("/panel"));
        assert_eq!(with("files", json!({})).as_deref(), Some("/files"));
        assert_eq!(with("risk", json!("some")).as_deref(), Some("/risk"));
        assert_eq!(with("round_of", json!("job_1")).as_deref(), Some("/round_of"));
        let mut security = payload();
        (security["author"], security["risk"]) = (json!("security"), json!("high"));
        assert_eq!(wrong(security).as_deref(), Some("/author"));
    }

    #[test]
    fn other_files_are_other_work_and_other_words_about_them_are_not() {
        let of = |change: &dyn Fn(&mut Review)| {
            let mut review: Review = serde_json::from_value(payload()).unwrap();
            change(&mut review);
            review.digest()
        };
        let same = of(&|_| {});
        assert_eq!(same.len(), 64);
        assert_eq!(same, of(&|review| review.goal = "Else.".to_owned()));
        assert_ne!(same, of(&|review| drop(review.files.insert("b.py".to_owned(), String::new()))));
    }
}
