//! `golden reviews`: have panels judge work, read what they say, decide what they could not.

use clap::{Args, Subcommand};
use golden_jobs::reviews::{ReviewState, Risk};
use serde_json::{Value, json};

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::Request,
    config::Settings,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

mod submit;

/// Have panels of agents judge work, read what they say, decide what they could not
#[derive(Debug, Args)]
pub(crate) struct ReviewsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: ReviewsCommand,
}

#[derive(Debug, Subcommand)]
enum ReviewsCommand {
    Submit(submit::SubmitArgs),
    /// List reviews, newest first
    #[command(
        after_help = "Examples:\n  golden reviews list --state ESCALATED\n  golden reviews list --risk high --all --json"
    )]
    List {
        /// COLLECTING, APPROVED, REJECTED, CHANGES_REQUESTED, ESCALATED or CANCELLED
        #[arg(long, value_parser = state)]
        state: Option<ReviewState>,
        /// normal or high
        #[arg(long)]
        risk: Option<Risk>,
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show a review with its ballots and what they found
    #[command(after_help = "Example:\n  golden reviews show rev_0199…")]
    Show {
        /// As `reviews list` prints it; it has the number of its job
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Decide a review that its panel left to a human; an operator does, other than whoever submitted it
    #[command(after_help = "Example:\n  golden reviews decide rev_0199… --approve --reason 'It ran on real orders.'")]
    Decide {
        /// As `reviews list` prints it
        #[arg(value_name = "ID")]
        id: String,
        /// It may be used as it is
        #[arg(long, conflicts_with = "reject")]
        approve: bool,
        /// It may not be used
        #[arg(long)]
        reject: bool,
        /// Why, for whoever made the work
        #[arg(long)]
        reason: String,
    },
}

/// In whichever case it is typed.
fn state(text: &str) -> Result<ReviewState, String> {
    text.to_uppercase()
        .replace('-', "_")
        .parse()
        .map_err(|error: golden_jobs::reviews::UnknownReviewState| error.to_string())
}

pub(crate) async fn run(args: ReviewsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        ReviewsCommand::Submit(args) => return submit::run(args, &client, output).await,
        ReviewsCommand::List { state, risk, paging } => {
            let request = || Request::get(&["reviews"]).query("state", state).query("risk", risk.map(Risk::as_str));
            let columns = ["ID", "STATE", "RISK", "ROUND", "AUTHOR", "OPENED", "TITLE"];
            return list::print(&client, output, request, &paging, columns, row).await;
        }
        ReviewsCommand::Show { id } => show(&client.send(Request::get(&["reviews", &id])).await?, output)?,
        ReviewsCommand::Decide { approve, reject, .. } if approve == reject => {
            return Err(Usage("say what is decided: --approve or --reject".to_owned()).into());
        }
        ReviewsCommand::Decide { id, approve, reason, .. } => {
            let decision = json!({"decision": if approve { "approve" } else { "reject" }, "reason": reason});
            show(&client.send(Request::post(&["reviews", &id, "decide"]).body(&decision)?).await?, output)?;
        }
    }
    Ok(Exit::Ok)
}

fn row(review: &Value) -> [Cell; 7] {
    [
        Cell::of(review, "/id"),
        Cell::of(review, "/state"),
        Cell::of(review, "/risk"),
        Cell::of(review, "/round"),
        Cell::of(review, "/author"),
        Cell::of(review, "/opened_at"),
        Cell::of(review, "/title").cut(60),
    ]
}

fn show(review: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(review);
    }
    output.facts(&[
        ("id", Cell::of(review, "/id")),
        ("title", Cell::of(review, "/title")),
        ("state", Cell::of(review, "/state")),
        ("round", Cell::of(review, "/round")),
        ("risk", Cell::of(review, "/risk")),
        ("author", Cell::of(review, "/author")),
        ("submitted by", Cell::of(review, "/submitted_by")),
        ("opened", Cell::of(review, "/opened_at")),
        ("ballots due", Cell::of(review, "/due_at")),
        ("closed", Cell::of(review, "/closed_at")),
        ("decided by", Cell::of(review, "/decision/by")),
        ("because", Cell::of(review, "/decision/reason")),
        ("work", Cell::of(review, "/digest")),
        ("job", Cell::of(review, "/job_id")),
    ])?;
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let ballots: Vec<Value> = list(review, "rounds").iter().flat_map(|round| list(round, "ballots")).collect();
    let rows: Vec<_> = ballots.iter().map(ballot).collect();
    output.line("")?;
    output.table(Some(["ROUND", "SEAT", "ROLE", "VERDICT", "SEVERITY", "BECAUSE", "MODEL"]), &rows)?;
    let found: Vec<_> =
        ballots.iter().flat_map(|ballot| list(ballot, "findings")).map(|found| finding(&found)).collect();
    if !found.is_empty() {
        output.line("")?;
        output.table(Some(["SEVERITY", "WHERE", "FINDING", "SHOWN BY"]), &found)?;
    }
    Ok(())
}

fn ballot(ballot: &Value) -> [Cell; 7] {
    ["/round", "/seat", "/role", "/verdict", "/severity", "/reason", "/model"].map(|part| Cell::of(ballot, part))
}

fn finding(found: &Value) -> [Cell; 4] {
    ["/severity", "/pointer", "/claim", "/evidence"].map(|part| Cell::of(found, part).cut(80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_in_whichever_case_it_is_typed() {
        for text in ["CHANGES_REQUESTED", "changes_requested", "changes-requested"] {
            assert_eq!(state(text), Ok(ReviewState::ChangesRequested));
        }
        assert!(state("done").is_err());
    }
}
