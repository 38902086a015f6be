//! Chat completions as they are on the wire: the part of the
//! [API](https://platform.openai.com/docs/api-reference/chat) that its imitators have, too.

use golden_jobs::models::{
    ModelError,
    exchange::{Finish, Message, Reply, Request, Usage},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize)]
pub(super) struct Asked<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    json_schema: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'static str,
    schema: &'a Value,
    /// Strict schemas are a dialect that few schemas are in. What comes is held against the schema anyway.
    strict: bool,
}

impl<'a> Asked<'a> {
    /// With the limit of the answer by its older name, or by its newer one.
    pub(super) fn new(request: &'a Request, newer: bool) -> Self {
        let format =
            |schema| Format { r#type: "json_schema", json_schema: Named { name: "answer", schema, strict: false } };
        Self {
            model: &request.model,
            messages: &request.messages,
            max_tokens: (!newer).then_some(request.max_tokens),
            max_completion_tokens: newer.then_some(request.max_tokens),
            temperature: request.temperature,
            response_format: request.schema.as_ref().map(format),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: String,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// Characters of a model's name.
const NAME_LIMIT: usize = 200;

/// The first answer of those that came: one was asked for.
pub(super) fn read(body: &[u8]) -> Result<Reply, ModelError> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| ModelError::Unreadable("it is no chat completion"))?;
    let choice = answer.choices.into_iter().next().ok_or(ModelError::Unreadable("there is none in it"))?;
    let refused = choice.message.refusal.is_some_and(|refusal| !refusal.is_empty());
    let finish = match choice.finish_reason.as_deref() {
        _ if refused => Finish::Refusal,
        Some("refusal") => Finish::Refusal,
        Some("length" | "max_tokens" | "abort") => Finish::Length,
        Some("content_filter" | "safety") => Finish::ContentFilter,
        // Imitators have more words for it, or none.
        _ => Finish::Stop,
    };
    let usage = answer
        .usage
        .map(|tokens| Usage { input_tokens: tokens.prompt_tokens, output_tokens: tokens.completion_tokens });
    let model = answer.model.chars().filter(|c| !c.is_control()).take(NAME_LIMIT).collect();
    Ok(Reply { model, text: choice.message.content.unwrap_or_default(), finish, usage })
}

/// Whether a model refuses the limit of its answer by its older name.
pub(super) fn refuses_max_tokens(status: u16, body: &[u8]) -> bool {
    let told: Option<Value> = (status == 400).then(|| serde_json::from_slice(body).ok()).flatten();
    told.is_some_and(|told| told.pointer("/error/param").is_some_and(|param| param == "max_tokens"))
}

/// The provider's word for what is wrong with a request. Its sentence may quote what was asked.
pub(super) fn error_code(body: &[u8]) -> String {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let word = |name: &str| told.as_ref()?.pointer(&format!("/error/{name}"))?.as_str();
    let plain =
        |word: &&str| word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    let code = word("code").filter(plain).or_else(|| word("type").filter(plain));
    code.unwrap_or("no word for it").to_owned()
}
