//! `golden tasks submit`.

use std::time::Duration;

use clap::Args;
use golden_jobs::{budgets::Micros, models::exchange::AgentRole};
use serde_json::{Map, Value, json};

use super::follow;
use crate::{
    client::{Client, Request},
    commands::jobs,
    duration,
    exit::Exit,
    output::{Cell, Output},
};

/// Submit a task, and watch it if wanted
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  golden tasks submit greeting 'Print a friendly greeting' --language python --watch
  golden tasks submit invoices @goal.txt --language javascript --context @bills.json --risk high
  golden tasks submit nightly @goal.txt --language bash --request-id nightly-17")]
pub(crate) struct SubmitArgs {
    /// What it is called
    name: String,
    /// What the program is to do: a text as it stands, @FILE, or - for standard input
    goal: String,
    /// python, javascript or bash
    #[arg(long)]
    language: String,
    /// What else there is to know: a text as it stands, @FILE, or - for standard input
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// How often failing tests are repaired, up to 5 [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=5))]
    max_rounds: Option<u32>,
    /// normal (a panel of three) or high (of five, with security) [default: normal]
    #[arg(long)]
    risk: Option<String>,
    /// Who sits on the panel instead, for example reviewer,tester,security
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    panel: Vec<AgentRole>,
    /// What it may cost with all jobs that it makes, in US dollars
    #[arg(long, value_name = "DOLLARS")]
    max_cost: Option<Micros>,
    /// 0 (most urgent) to 9 [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), value_name = "N")]
    priority: Option<u8>,
    /// Begin it so much later
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    delay: Option<Duration>,
    /// Called when it has ended
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Kept with it; may be given several times
    #[arg(long, value_parser = jobs::pair, value_name = "NAME=VALUE")]
    metadata: Vec<(String, String)>,
    /// Makes it safe to submit again: one id, one task
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Show its steps as they come, until it has ended; the exit status says how
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(args: SubmitArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let watch = args.watch;
    let task = client.send(Request::post(&["tasks"]).body(&body(args)?)?).await?;
    if !output.is_json() {
        output.table(None, &[[Cell::of(&task, "/id"), Cell::state(&task)]])?;
    } else if !watch {
        output.json(&task)?;
    }
    if !watch {
        return Ok(Exit::Ok);
    }
    follow(task["id"].as_str().unwrap_or_default(), client, output).await
}

/// The body of `POST /v1/tasks`.
fn body(args: SubmitArgs) -> anyhow::Result<Value> {
    let mut body = Map::new();
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    say("name", Some(args.name.into()));
    say("goal", Some(jobs::read_text("goal", &args.goal)?.into()));
    say("language", Some(args.language.into()));
    say("context", args.context.map(|context| jobs::read_text("context", &context)).transpose()?.map(Value::from));
    say("max_rounds", args.max_rounds.map(Value::from));
    let mut review = Map::new();
    if let Some(risk) = args.risk {
        review.insert("risk".to_owned(), risk.into());
    }
    if !args.panel.is_empty() {
        review.insert("panel".to_owned(), json!(args.panel));
    }
    say("review", (!review.is_empty()).then_some(Value::Object(review)));
    say("max_cost", args.max_cost.map(|cost| json!(cost)));
    say("priority", args.priority.map(Value::from));
    say("delay", args.delay.map(|delay| delay.as_secs_f64().into()));
    say("callback_url", args.callback_url.map(Value::from));
    let metadata = jobs::metadata(args.metadata)?;
    say("metadata", (!metadata.is_empty()).then_some(Value::Object(metadata)));
    say("request_id", args.request_id.map(Value::from));
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SubmitArgs,
    }

    #[test]
    fn a_task_is_what_the_flags_say() {
        let line = "x greeting Greet! --language python --risk high --panel reviewer,security,tester --max-cost 0.25 \
                    --metadata a=b --request-id 7";
        let Line { args } = Line::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(
            body(args).unwrap(),
            json!({
                "name": "greeting", "goal": "Greet!", "language": "python",
                "review": {"risk": "high", "panel": ["reviewer", "security", "tester"]},
                "max_cost": 250_000, "metadata": {"a": "b"}, "request_id": "7",
            })
        );
        assert!(Line::try_parse_from(["x", "a", "b", "--language", "bash", "--panel", "manager"]).is_err());
    }
}
