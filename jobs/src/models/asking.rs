//! Asks a model until an answer can be used, or it is clear that none will be.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::to_raw_value};

use super::{
    exchange::{AgentRole, Finish, Message, Reply, Request, Speaker, Usage},
    port::ModelError,
    prompt,
    roster::{ModelTerms, Models, Price},
    secrets::{redact, redact_text},
    validation::{AnswerSchema, Canary, Fitting, Outcome, Reason, Repair, judge},
};
use crate::{
    budgets::Micros,
    context::Context,
    governance::{
        canary::Sample,
        document::{PolicyDocument, REASKS},
        known::Under,
    },
    outcome::Failure,
};

/// From connecting to the last byte of an answer.
pub const CALL_LIMIT: std::time::Duration = std::time::Duration::from_secs(120);
/// Tokens that a message takes besides its text.
const ROUND_A_MESSAGE: u64 = 16;

/// What a model is asked.
pub struct Question<'a> {
    /// Whose model it is.
    pub role: AgentRole,
    /// Sets it apart from what else the job asks.
    pub step: &'a str,
    pub instructions: Option<&'a str>,
    /// What went before, and last what is asked.
    pub messages: &'a [Message],
    /// Whether there are [blocks of material](prompt::data) in it.
    pub has_data: bool,
    /// What the answer must fit. Without, it is text.
    pub schema: Option<&'a AnswerSchema>,
    /// Fewer than the role's answers may have.
    pub max_tokens: Option<u32>,
}

/// What was asked so far. Kept in the job's checkpoint, so that what was paid for is not asked for again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    pub calls: Vec<CallMade>,
    /// The version of its role's policy that all of it is asked under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<Under>,
    /// What the model is told of its last answer.
    told: Option<String>,
}

impl Progress {
    /// The version of its role's policy that it was asked under; 0 where none was active, or nothing was asked yet.
    pub fn policy_version(&self) -> u32 {
        self.policy.map_or(0, |under| under.version)
    }
}

/// One call that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMade {
    /// Which model it was, by its provider's word.
    pub model: String,
    pub finish: Finish,
    /// Why the answer could not be used, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// In micro-USD; `None` where the tokens are not known. Its reservation then counts as a whole.
    pub cost: Option<u64>,
}

/// What came of a question.
#[derive(Debug)]
pub struct Answered {
    pub outcome: Outcome,
    /// Where it can be used, without what looks like a secret.
    pub answer: Option<Value>,
    /// Why it cannot.
    pub reason: Option<Reason>,
    pub repairs: Vec<Repair>,
    /// Secrets that were taken out.
    pub redacted: u64,
    /// The version of its role's policy that it was asked under; 0 where none was active.
    pub policy_version: u32,
}

/// Asks, and asks again where that may help. What the model says is in the answer and nowhere else: not in errors, and
/// not in logs.
pub async fn ask(cx: &Context, question: &Question<'_>, progress: &mut Progress) -> Result<Answered, Failure> {
    let models = cx.models()?;
    let terms = models
        .terms(question.role)
        .ok_or_else(|| Failure::retry("no_model", format!("no model is configured for the role {}", question.role)))?;
    let under = match progress.policy {
        Some(under) => under,
        None => begin(cx, models, question.role, progress).await?,
    };
    let (store, claimed) = (&**cx.store(), cx.claimed());
    let policy = models.policies().document(store, &claimed.tenant_id, question.role, under.version).await?;
    let asking = Asking { cx, models, terms, policy: &policy, version: under.version };
    let answered = asking.until_usable(question, progress).await;
    if let Some((change, arm)) = under.trial()
        && let Some(sample) = sample(&answered, progress)
        && let Err(error) = store.sample_policy(change, arm, &sample).await
    {
        tracing::debug!(%error, "a question was not counted for a trial");
    }
    answered
}

/// Settles under which version a job asks, and keeps it before the first question: whatever becomes of this run, the
/// next goes on under it.
async fn begin(cx: &Context, models: &Models, role: AgentRole, progress: &mut Progress) -> Result<Under, Failure> {
    let claimed = cx.claimed();
    let under = models.policies().under(&**cx.store(), &claimed.tenant_id, role, claimed.run.id).await?;
    progress.policy = Some(under);
    keep(cx, progress).await?;
    Ok(under)
}

/// How it ended, for a trial; `None` where the run only waits for something.
fn sample(answered: &Result<Answered, Failure>, progress: &Progress) -> Option<Sample> {
    match answered {
        Ok(answered) => Some(Sample {
            failed: false,
            invalid: answered.answer.is_none(),
            leaked: answered.outcome == Outcome::Unsafe,
            cost: progress.calls.iter().filter_map(|call| call.cost).sum(),
        }),
        Err(Failure::Retry { .. } | Failure::Fatal(_)) => Some(Sample { failed: true, ..Sample::default() }),
        Err(Failure::Later(_) | Failure::Unfunded { .. }) => None,
    }
}

/// One job's way of asking.
struct Asking<'a> {
    cx: &'a Context,
    models: &'a Models,
    terms: &'a ModelTerms,
    policy: &'a PolicyDocument,
    version: u32,
}

impl Asking<'_> {
    async fn until_usable(&self, question: &Question<'_>, progress: &mut Progress) -> Result<Answered, Failure> {
        let Self { cx, models, policy, version, .. } = *self;
        let reasks_left = policy.thresholds.max_reasks.unwrap_or(REASKS).min(REASKS) as usize;
        let schema = question.schema.map_or("none", AnswerSchema::name);
        loop {
            let reasks = progress.calls.len();
            let canary = Canary::fresh();
            let (reply, cost) = self.call(question, progress, &canary).await?;
            let judged = judge(&reply, question.schema, &canary, models.may_repair(question.role));
            let reason = judged.as_ref().err().map(|failing| failing.reason);
            if reply.finish == Finish::Stop {
                let repaired = judged.as_ref().is_ok_and(|fitting| !fitting.repairs.is_empty());
                models.answered(question.role, repaired || reason == Some(Reason::RepairIsOff));
            }
            progress.calls.push(CallMade {
                model: reply.model,
                finish: reply.finish,
                reason: reason.map(|reason| reason.as_str().to_owned()),
                usage: reply.usage,
                cost,
            });
            let failing = match judged {
                Ok(fitting) => return Ok(Answered { policy_version: version, ..usable(cx, fitting, reasks) }),
                Err(failing) => failing,
            };
            let labels = [question.role.as_str(), schema, failing.reason.stage(), failing.reason.as_str()];
            cx.metrics().llm_validation_failures.with_label_values(&labels).inc();
            let outcome = Outcome::of(failing.reason);
            if !outcome.may_be_reasked() || reasks >= reasks_left {
                let reason = Some(failing.reason);
                return Ok(Answered {
                    outcome,
                    answer: None,
                    reason,
                    repairs: Vec::new(),
                    redacted: 0,
                    policy_version: version,
                });
            }
            progress.told = Some(failing.told());
            keep(cx, progress).await?;
        }
    }

    /// One call, and what it cost where that is known.
    async fn call(
        &self,
        question: &Question<'_>,
        progress: &Progress,
        canary: &Canary,
    ) -> Result<(Reply, Option<u64>), Failure> {
        let Self { cx, models, terms, .. } = *self;
        let request = request(self, question, progress.told.as_deref(), canary);
        let price = terms.price.ok_or_else(|| {
            Failure::fatal("model_without_price", format!("nobody said what the model `{}` costs", terms.model))
        })?;
        let breaker = match models.provider().provider() {
            Some(provider) => Some(cx.call(provider).await?),
            None => None,
        };
        let reask = u32::try_from(progress.calls.len()).unwrap_or(u32::MAX);
        // What costs nothing takes nobody's money, and needs no record of it.
        let spending = match price.of(worst(&request)) {
            0 => None,
            worst => Some(cx.reserve(question.step, reask, micros(worst)).await?.dispatch().await?),
        };
        let answer = models.provider().complete(&request).await;
        if let Some(breaker) = breaker {
            breaker.ended(answer.as_ref().is_err_and(ModelError::is_fault));
        }
        let cost = charged(&answer, price);
        if let (Some(spending), Some(cost)) = (spending, cost) {
            spending.settle(micros(cost)).await;
        }
        Ok((answer?, cost))
    }
}

fn usable(cx: &Context, fitting: Fitting, reasks: usize) -> Answered {
    let Fitting { mut answer, mut repairs } = fitting;
    let outcome = match (reasks, repairs.is_empty()) {
        (0, true) => Outcome::OkStrict,
        (0, false) => Outcome::OkRepaired,
        _ => Outcome::OkReasked,
    };
    for repair in &mut repairs {
        cx.metrics().llm_validation_repairs.with_label_values(&[repair.name.as_str()]).inc();
        redact_text(&mut repair.at);
        for operation in &mut repair.patch {
            redact(&mut operation.value);
            redact_text(&mut operation.path);
        }
    }
    let redacted = redact(&mut answer);
    Answered { outcome, answer: Some(answer), reason: None, repairs, redacted, policy_version: 0 }
}

async fn keep(cx: &Context, progress: &Progress) -> Result<(), Failure> {
    let kept = to_raw_value(progress)
        .map_err(|error| Failure::fatal("checkpoint_unencodable", format!("the calls made are not JSON: {error}")))?;
    Ok(cx.save(kept).await?)
}

/// The policy says what holds for all questions of its role, so it comes first; it takes no more than the operator allows.
fn request(asking: &Asking<'_>, question: &Question<'_>, told: Option<&str>, canary: &Canary) -> Request {
    let Asking { terms, policy, .. } = *asking;
    let schema = question.schema.map(AnswerSchema::text);
    let own = [policy.prompt.as_str(), question.instructions.unwrap_or_default()];
    let own: Vec<&str> = own.into_iter().filter(|text| !text.is_empty()).collect();
    let own = Some(own.join("\n\n")).filter(|own| !own.is_empty());
    let system = prompt::instructions(own.as_deref(), schema, question.has_data, canary);
    let asked = [question.max_tokens, policy.parameters.max_tokens].into_iter().flatten().min();
    let told = told.map(|told| Message { speaker: Speaker::User, content: told.to_owned() });
    let first = Message { speaker: Speaker::System, content: system };
    Request {
        model: terms.model.clone(),
        messages: [first].into_iter().chain(question.messages.iter().cloned()).chain(told).collect(),
        schema: schema.cloned(),
        temperature: policy.parameters.temperature.or(terms.temperature),
        max_tokens: asked.map_or(terms.max_tokens, |asked| asked.min(terms.max_tokens)),
        timeout: CALL_LIMIT,
    }
}

/// The most tokens that a call may come to: no tokenizer makes more of a text than it has bytes. The schema is in the
/// instructions, and counts again as what it is.
fn worst(request: &Request) -> Usage {
    let said: u64 = request.messages.iter().map(|message| message.content.len() as u64 + ROUND_A_MESSAGE).sum();
    let schema = request.schema.as_ref().map_or(0, |schema| schema.to_string().len() as u64);
    Usage { input_tokens: said + schema, output_tokens: u64::from(request.max_tokens) }
}

/// What a call cost, where that is certain.
fn charged(answer: &Result<Reply, ModelError>, price: Price) -> Option<u64> {
    match answer {
        Ok(reply) => reply.usage.map(|usage| price.of(usage)),
        Err(error) => error.is_free().then_some(0),
    }
}

fn micros(amount: u64) -> Micros {
    i64::try_from(amount).ok().and_then(Micros::new).unwrap_or(Micros::MAX)
}
