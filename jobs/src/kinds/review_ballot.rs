//! Asks one seat of a panel what it thinks of the work.

use std::pin::pin;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::review::Review;
use crate::{
    context::Context,
    id::ReviewId,
    job::{Job, Policy},
    models::{
        asking::{Answered, Progress, Question, ask},
        exchange::{AgentRole, Message, Speaker},
        prompt,
        validation::AnswerSchema,
    },
    outcome::{Failure, Outcome, done},
    reviews::{self, Ballot, Cast, Finding, Found, ReviewState, Seat, Severity, Standing, TIMEOUT, Vote, abstention},
    role::Role,
};

/// Asks one seat of a review's panel. Golden makes these itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewBallot {
    pub review: ReviewId,
    pub round: u32,
    pub seat: u32,
    pub role: AgentRole,
    /// The SHA-256 of what is to be judged.
    pub digest: String,
}

/// What came of asking.
#[derive(Debug, Serialize)]
pub struct Balloted {
    pub verdict: Vote,
    pub severity: Severity,
    /// Why it counts as an abstention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it counts: the round may have been over.
    pub counted: bool,
}

/// What a model is to answer.
#[derive(Debug, Deserialize)]
struct Said {
    verdict: Vote,
    severity: Severity,
    findings: Vec<Finding>,
    confidence: f64,
}

impl Job for ReviewBallot {
    const KIND: &'static str = "review.ballot";
    const ROLE: Role = Role::PeerHub;
    // Three calls of two minutes each would be more than a round has: whatever is left then is cancelled.
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(180).spends();
    const PUBLIC: bool = false;
    type Output = Balloted;

    async fn run(self, cx: &Context) -> Outcome<Balloted> {
        let (store, tenant) = (cx.store(), &cx.claimed().tenant_id);
        let gone = || Failure::fatal("no_such_review", "the review is not on record any more");
        let review = store.review(tenant, self.review).await?.ok_or_else(gone)?;
        let seat = review.missing().find(|seat| (seat.seat, seat.role) == (self.seat, self.role)).copied();
        let (true, Some(seat)) = (review.round == self.round && review.state == ReviewState::Collecting, seat) else {
            // It was said by an earlier run, or is not waited for any more.
            let said = review.ballots.iter().find(|ballot| (ballot.round, ballot.seat) == (self.round, self.seat));
            return done(Balloted::of(said, said.is_some()));
        };
        let Some(ballot) = self.in_time(cx, review, &seat).await? else { return done(Balloted::too_late()) };
        let Some((cast, review)) = store.cast(tenant, self.review, &ballot).await? else { return Err(gone()) };
        if let Standing::Certain(_) = review.standing(store.time().await?) {
            // A hint: the review looks by itself when all of its ballots have ended, or their time is over.
            store.resume_jobs(&[review.job_id]).await?;
        }
        let said = review.of_this_round().find(|ballot| ballot.seat == self.seat);
        done(Balloted::of(said, cast != Cast::Late))
    }
}

impl ReviewBallot {
    /// What the seat says, unless the round's time is over before that: then nobody waits for it any more, and its place
    /// in the pool is needed for what closes the round.
    async fn in_time(&self, cx: &Context, mut review: reviews::Review, seat: &Seat) -> Result<Option<Ballot>, Failure> {
        let (store, tenant, begun) = (cx.store(), &cx.claimed().tenant_id, review.clone());
        let mut asked = pin!(self.asked(cx, &begun, seat));
        loop {
            let left = (review.due() - store.time().await?).to_std().unwrap_or_default();
            if left.is_zero() || !self.is_awaited(&review) {
                return Ok(None);
            }
            if let Ok(ballot) = timeout(left, &mut asked).await {
                return ballot.map(Some);
            }
            // Where others were replaced early, there is more time than at first.
            let Some(now) = store.review(tenant, self.review).await? else { return Ok(None) };
            review = now;
        }
    }

    fn is_awaited(&self, review: &reviews::Review) -> bool {
        review.state == ReviewState::Collecting
            && review.round == self.round
            && review.missing().any(|seat| (seat.seat, seat.role) == (self.seat, self.role))
    }

    /// What the seat says. A model that does not say anything that counts abstains; one that may still answer is asked
    /// again by the job's next run.
    async fn asked(&self, cx: &Context, review: &reviews::Review, seat: &Seat) -> Result<Ballot, Failure> {
        let silent = |reason: &str| abstention(seat, self.round, &self.digest, reason, review.opened_at);
        let Some(work) = self.work(cx).await? else { return Ok(silent("no_work")) };
        let digest = work.digest();
        if digest != self.digest {
            // The store takes it for what it is.
            return Ok(Ballot { digest, ..silent("wrong_digest") });
        }
        let kept = cx.checkpoint().and_then(|kept| serde_json::from_str(kept.get()).ok());
        let mut progress: Progress = kept.unwrap_or_default();
        let answered = self.question(cx, review, &work, &mut progress).await;
        let model = progress.calls.last().map(|call| call.model.clone());
        let policy_version = progress.policy_version();
        let silent = |reason: &str| Ballot { policy_version, ..silent(reason) };
        let last = cx.claimed().attempt >= cx.claimed().max_attempts;
        let answered = match answered {
            Ok(answered) => answered,
            Err(Failure::Fatal(error)) => return Ok(silent(&error.code)),
            Err(Failure::Retry { error, .. }) if last && error.code != "store_unavailable" => {
                return Ok(silent(&error.code));
            }
            Err(failure) => return Err(failure),
        };
        let said = answered.answer.and_then(|answer| serde_json::from_value::<Said>(answer).ok());
        let Some(Said { verdict, severity, findings, confidence }) = said else {
            let reason = answered.reason.map_or("invalid", |reason| reason.as_str());
            return Ok(Ballot { model, ..silent(reason) });
        };
        let (confidence, reason) = (Some(confidence), None);
        Ok(Ballot { verdict, severity, findings, confidence, reason, model, ..silent("") })
    }

    /// What is judged: it is in the review's job, so that there is one of it, however many judge.
    async fn work(&self, cx: &Context) -> Result<Option<Review>, Failure> {
        let Some(parent) = cx.claimed().parent_id else { return Ok(None) };
        let job = cx.store().job(&cx.claimed().tenant_id, parent).await?;
        Ok(job.and_then(|job| serde_json::from_str(job.payload.get()).ok()))
    }

    async fn question(
        &self,
        cx: &Context,
        review: &reviews::Review,
        work: &Review,
        progress: &mut Progress,
    ) -> Result<Answered, Failure> {
        let schema = AnswerSchema::new("ballot", schema())
            .map_err(|_| Failure::fatal("schema_invalid", "the schema of a ballot does not compile"))?;
        let mut content = "Judge the work below: whether it does what it is for, and no harm.".to_owned();
        let mut show = |name: &str, value: &Value| {
            content += "\n\n";
            content += &prompt::data(name, value);
        };
        show("work", &json!({"title": work.title, "goal": work.goal}));
        show("files", &json!(work.files));
        if let Some(evidence) = &work.evidence {
            show("evidence", &json!(evidence));
        }
        // Who judges first knows nothing of what the others say.
        let earlier = review.ballots.iter().filter(|ballot| ballot.round < self.round);
        let findings = Found::of(earlier);
        if !findings.is_empty() {
            show("findings_of_the_first_round", &json!(findings));
        }
        let question = Question {
            role: self.role,
            step: "ballot",
            instructions: Some(&instructions(self.role, work.author)),
            messages: &[Message { speaker: Speaker::User, content }],
            has_data: true,
            schema: Some(&schema),
            max_tokens: None,
        };
        ask(cx, &question, progress).await
    }
}

impl Balloted {
    fn too_late() -> Self {
        Self { reason: Some(TIMEOUT.to_owned()), ..Self::of(None, false) }
    }

    fn of(ballot: Option<&Ballot>, counted: bool) -> Self {
        Self {
            verdict: ballot.map_or(Vote::Abstain, |ballot| ballot.verdict),
            severity: ballot.map_or(Severity::None, |ballot| ballot.severity),
            reason: ballot.and_then(|ballot| ballot.reason.clone()),
            counted,
        }
    }
}

/// What an agent is told of its seat.
fn instructions(role: AgentRole, author: AgentRole) -> String {
    let eye = match role {
        AgentRole::Architect => "whether it is made of the right parts, and no more of them than it needs",
        AgentRole::Developer => "whether it is right, and whoever comes next can read and change it",
        AgentRole::Reviewer => "whether it does what it is for, in every case that may come",
        AgentRole::Tester => "whether what is shown proves that it works, and what nobody has tried",
        AgentRole::Security => "whether it may be misused: what comes in unchecked, what gets out, what it may touch",
    };
    format!(
        "You are the {role} on a panel that judges the work of a {author}. Look at {eye}.\n\
         Your verdict is one of: approve, it may be used as it is; request_changes, it may once it is changed; reject, \
         no change would do; abstain, you cannot tell.\n\
         Each finding names its severity, where it is, what is wrong there and what shows it. The severity of the whole \
         is that of the worst finding; nothing with a critical finding is used. Claim nothing that you cannot show."
    )
}

/// What an answer must fit. Verdicts and severities are used as they come, or not at all.
fn schema() -> Value {
    let text = |most: u32| json!({"type": "string", "maxLength": most});
    let severity = json!({"type": "string", "enum": Severity::ALL, "x-no-repair": true});
    json!({
        "title": reviews::BALLOT_SCHEMA,
        "type": "object",
        "required": ["verdict", "severity", "findings", "confidence"],
        "additionalProperties": false,
        "properties": {
            "verdict": {"type": "string", "enum": Vote::ALL, "x-no-repair": true},
            "severity": severity,
            "findings": {"type": "array", "maxItems": 20, "items": {
                "type": "object",
                "required": ["severity", "pointer", "claim", "evidence"],
                "additionalProperties": false,
                "properties": {
                    "severity": severity,
                    "pointer": text(256),
                    "claim": text(2048),
                    "evidence": text(2048),
                },
            }},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_that_fits_the_schema_can_be_read_and_one_without_a_verdict_fits_not() {
        let schema = AnswerSchema::new("ballot", schema()).map_err(drop).unwrap();
        for verdict in Vote::ALL {
            let finding = json!({"severity": "major", "pointer": "a.py:1", "claim": "wrong", "evidence": ""});
            let said = json!({"verdict": verdict, "severity": "major", "findings": [finding], "confidence": 0.5});
            assert!(schema.fits(&said));
            assert_eq!(serde_json::from_value::<Said>(said).unwrap().verdict, *verdict);
        }
        assert!(!schema.fits(&json!({"severity": "none", "findings": [], "confidence": 1})));
        assert!(!schema.fits(&json!({"verdict": "yes", "severity": "none", "findings": [], "confidence": 1})));
    }
}
