//! Who answers agents, and on what terms, as operators say it.

use std::{collections::BTreeMap, fmt::Display};

use golden_jobs::{
    budgets::Micros,
    models::{ModelTerms, OFFLINE, Price, exchange::AgentRole},
};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Number;

use super::without_password;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answerer {
    /// The model that is built in.
    Offline,
    /// An API at this address.
    At(Url),
}

/// The models of the roles that have one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roles(pub(crate) BTreeMap<AgentRole, ModelTerms>);

/// Tokens of an answer, where nobody says.
const MAX_TOKENS: u32 = 8192;
/// No model answers at greater length.
const MOST_TOKENS: u32 = 1_000_000;

impl Roles {
    /// The built-in model for every role: it costs nothing.
    pub(crate) fn offline() -> BTreeMap<AgentRole, ModelTerms> {
        let terms = ModelTerms {
            model: OFFLINE.to_owned(),
            temperature: None,
            max_tokens: MAX_TOKENS,
            price: Some(Price::default()),
        };
        AgentRole::ALL.map(|role| (role, terms.clone())).into()
    }
}

/// One as it is written in settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    role: Option<AgentRole>,
    model: String,
    temperature: Option<Written>,
    max_tokens: Option<Written>,
    input_price: Option<Written>,
    output_price: Option<Written>,
}

/// Tables in the file have texts where JSON may have numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(Number),
    Text(String),
}

impl Written {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

pub(super) fn answerer(text: &str) -> Result<Answerer, String> {
    match Url::parse(text) {
        _ if text == OFFLINE => Ok(Answerer::Offline),
        Ok(url) if !url.username().is_empty() || url.password().is_some() || url.query().is_some() => {
            Err("a key goes into LLM_API_KEY, and not into the address".to_owned())
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Answerer::At(url)),
        _ => Err(format!(
            "`{}` is neither `offline` nor an address like https://api.openai.com/v1",
            without_password(text)
        )),
    }
}

pub(super) fn roles(text: &str) -> Result<Roles, String> {
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| {
        format!(
            "this is not a list of {{model, role?, temperature?, max_tokens?, input_price?, output_price?}} in JSON: \
             {error}"
        )
    })?;
    let (mut named, mut others) = (BTreeMap::new(), None);
    for entry in entries {
        let of = entry.role.map_or("every other role", AgentRole::as_str);
        let terms = terms(&entry).map_err(|why| format!("the model of {of}: {why}"))?;
        let before = match entry.role {
            Some(role) => named.insert(role, terms),
            None => others.replace(terms),
        };
        if before.is_some() {
            return Err(format!("the model of {of}: it is there twice"));
        }
    }
    if let Some(others) = others {
        for role in AgentRole::ALL {
            named.entry(role).or_insert_with(|| others.clone());
        }
    }
    if named.is_empty() { Err("names no model".to_owned()) } else { Ok(Roles(named)) }
}

fn terms(entry: &Entry) -> Result<ModelTerms, String> {
    if entry.model.is_empty() || entry.model.len() > 200 || entry.model.chars().any(char::is_control) {
        return Err("its `model` is no name".to_owned());
    }
    let temperature = match entry.temperature.as_ref().map(Written::text) {
        None => None,
        Some(text) => {
            let between = text.parse().ok().filter(|temperature| (0.0..=2.0).contains(temperature));
            Some(between.ok_or_else(|| wrong("temperature", &text, &"a number from 0 to 2"))?)
        }
    };
    let max_tokens = match entry.max_tokens.as_ref().map(Written::text) {
        None => MAX_TOKENS,
        Some(text) => {
            let number = text.parse().ok().filter(|tokens| (1..=MOST_TOKENS).contains(tokens));
            number.ok_or_else(|| wrong("max_tokens", &text, &format!("a number from 1 to {MOST_TOKENS}")))?
        }
    };
    let price = match (&entry.input_price, &entry.output_price) {
        (None, None) => None,
        (Some(input), Some(output)) => Some(Price { input: dollars(input)?, output: dollars(output)? }),
        _ => return Err("it has one price of two: say `input_price` and `output_price`".to_owned()),
    };
    Ok(ModelTerms { model: entry.model.clone(), temperature, max_tokens, price })
}

/// In micro-USD.
fn dollars(written: &Written) -> Result<u64, String> {
    let text = written.text();
    let amount: Micros = text.parse().map_err(|error| format!("its price {error}"))?;
    u64::try_from(amount.get()).map_err(|_| wrong("price", &text, &"0 or more"))
}

fn wrong(name: &str, text: &str, expected: &dyn Display) -> String {
    format!("its `{name}` is `{text}`: use {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    #[test]
    fn a_role_has_its_own_model_or_that_of_all_others() {
        let text = r#"[{"model": "small", "input_price": 0, "output_price": "0.5"},
                       {"role": "architect", "model": "large", "temperature": "0.2", "max_tokens": 100}]"#;
        let Roles(roles) = roles(text).unwrap();
        assert_eq!(roles.len(), AgentRole::ALL.len());
        let architect = &roles[&AgentRole::Architect];
        assert_eq!((architect.model.as_str(), architect.temperature, architect.price), ("large", Some(0.2), None));
        let tester = &roles[&AgentRole::Tester];
        assert_eq!((tester.model.as_str(), tester.max_tokens), ("small", MAX_TOKENS));
        assert_eq!(tester.price, Some(Price { input: 0, output: 500_000 }));
        assert_eq!(super::roles(r#"[{"role": "tester", "model": "x"}]"#).unwrap().0.len(), 1);
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_told() {
        for (text, why) in [
            ("gpt-5", "not a list of"),
            ("[]", "names no model"),
            (r#"[{"model": ""}]"#, "no name"),
            (r#"[{"model": "x", "role": "manager"}]"#, "manager"),
            (r#"[{"model": "x", "key": "hunter2"}]"#, "unknown field `key`"),
            (r#"[{"model": "x"}, {"model": "y"}]"#, "every other role: it is there twice"),
            (r#"[{"model": "x", "temperature": 3}]"#, "`temperature` is `3`"),
            (r#"[{"model": "x", "max_tokens": "0"}]"#, "`max_tokens` is `0`"),
            (r#"[{"model": "x", "input_price": 1}]"#, "one price of two"),
            (r#"[{"model": "x", "input_price": -1, "output_price": 1}]"#, "its price"),
        ] {
            let told = roles(text).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{text}: {told}");
        }
    }

    #[test]
    fn a_provider_without_a_model_is_told_before_anything_is_started() {
        let mut layers = Layers::default();
        layers.environment.insert("LLM_BASE_URL".to_owned(), "http://localhost:11434/v1".to_owned());
        let missing = Settings::from_layers(&layers).unwrap().is_complete().unwrap_err();
        assert!(missing.to_string().contains("GOLDEN_MODELS"), "{missing}");
        layers.environment.insert("LLM_BASE_URL".to_owned(), "offline".to_owned());
        assert_eq!(Settings::from_layers(&layers).unwrap().is_complete(), Ok(()));
    }

    #[test]
    fn an_address_has_no_key_in_it() {
        assert_eq!(answerer("offline"), Ok(Answerer::Offline));
        assert!(matches!(answerer("http://localhost:11434/v1"), Ok(Answerer::At(_))));
        for wrong in ["", "localhost:11434", "ftp://x", "https://me:hunter2@x/v1", "https://x/v1?key=hunter2"] {
            assert!(answerer(wrong).is_err_and(|error| !error.contains("hunter2")), "{wrong}");
        }
    }
}
