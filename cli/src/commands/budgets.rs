//! `golden budgets`: what tenants may spend, and have spent.

use std::str::FromStr;

use clap::{Args, Subcommand};
use golden_jobs::budgets::{Micros, Period};
use serde_json::{Value, json};

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// See what tenants may spend on calls that cost money and have spent, and set it
#[derive(Debug, Args)]
pub(crate) struct BudgetsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: BudgetsCommand,
}

#[derive(Debug, Subcommand)]
enum BudgetsCommand {
    /// List the budgets of tenants for which something was set or reserved, by name; needs an admin's token
    #[command(after_help = "Example:\n  golden budgets list --all")]
    List {
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show what a tenant may spend, has spent, and has kept back for calls under way
    #[command(after_help = "Example:\n  golden budgets show acme")]
    Show {
        /// Its name
        tenant: String,
    },
    /// Set what a tenant may spend, from now on; what is not named stays
    ///
    /// Jobs that wait for money go on within seconds.
    #[command(
        after_help = "Examples:\n  golden budgets set acme --limit 25 --period month\n  golden budgets set acme --limit default"
    )]
    Set {
        /// Its name
        tenant: String,
        /// In US dollars, or `default` for the installation's
        #[arg(long, value_name = "DOLLARS")]
        limit: Option<OrDefault<Micros>>,
        /// Each `day` or `month` of the calendar in UTC, `none` for good, or `default`
        #[arg(long, value_name = "PERIOD")]
        period: Option<OrDefault<Period>>,
    },
}

/// A value, or the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OrDefault<T>(Option<T>);

impl<T: FromStr> FromStr for OrDefault<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "default" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

pub(crate) async fn run(args: BudgetsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        BudgetsCommand::List { paging } => {
            let columns = ["TENANT", "LIMIT", "PERIOD", "SPENT", "RESERVED", "WAITING", "TURNS AT"];
            return list::print(&client, output, || Request::get(&["budgets"]), &paging, columns, row).await;
        }
        BudgetsCommand::Show { tenant } => show(&client.send(Request::get(&["budgets", &tenant])).await?, output)?,
        BudgetsCommand::Set { limit: None, period: None, .. } => {
            return Err(Usage("say what to set: --limit or --period".to_owned()).into());
        }
        BudgetsCommand::Set { tenant, limit, period } => {
            show(&set(&client, &tenant, limit, period).await?, output)?;
        }
    }
    Ok(Exit::Ok)
}

/// The API sets all of it: what is not named is sent as it is.
async fn set(
    client: &Client,
    tenant: &str,
    limit: Option<OrDefault<Micros>>,
    period: Option<OrDefault<Period>>,
) -> anyhow::Result<Value> {
    let path = ["budgets", tenant];
    let mut body = match (limit, period) {
        (Some(_), Some(_)) => json!({}),
        _ => terms(&client.send(Request::get(&path)).await?),
    };
    if let Some(OrDefault(limit)) = limit {
        body["limit_micros"] = json!(limit);
    }
    if let Some(OrDefault(period)) = period {
        body["period"] = json!(period);
    }
    Ok(client.send(Request::put(&path).body(&body)?).await?)
}

/// What was set of a budget.
fn terms(budget: &Value) -> Value {
    let own = |default: &str, value: &str| if budget[default] == true { Value::Null } else { budget[value].clone() };
    json!({"limit_micros": own("limit_is_default", "limit_micros"), "period": own("period_is_default", "period")})
}

fn row(budget: &Value) -> [Cell; 7] {
    [
        Cell::of(budget, "/tenant"),
        dollars(budget, "/limit_micros"),
        Cell::of(budget, "/period"),
        dollars(budget, "/spent_micros"),
        dollars(budget, "/reserved_micros"),
        Cell::of(budget, "/waiting"),
        Cell::of(budget, "/turns_at"),
    ]
}

fn show(budget: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(budget);
    }
    let or_default = |cell: Cell, is_default: &str| match budget[is_default] == true {
        true => Cell::plain(&format!("{cell} (default)")),
        false => cell,
    };
    output.facts(&[
        ("tenant", Cell::of(budget, "/tenant")),
        ("limit", or_default(dollars(budget, "/limit_micros"), "limit_is_default")),
        ("period", or_default(Cell::of(budget, "/period"), "period_is_default")),
        ("spent", dollars(budget, "/spent_micros")),
        ("reserved", dollars(budget, "/reserved_micros")),
        ("left", dollars(budget, "/left_micros")),
        ("jobs waiting", Cell::of(budget, "/waiting")),
        ("new work", Cell::plain(if budget["exhausted"] == true { "refused" } else { "accepted" })),
        ("since", Cell::of(budget, "/since")),
        ("turns at", Cell::of(budget, "/turns_at")),
    ])
}

/// What the API says in micro-USD.
fn dollars(budget: &Value, pointer: &str) -> Cell {
    let micros = budget.pointer(pointer).and_then(Value::as_i64).and_then(Micros::new);
    micros.map_or_else(|| Cell::of(budget, pointer), |micros| Cell::plain(&format!("${micros}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_sent_as_it_is() {
        let budget =
            json!({"limit_micros": 5, "limit_is_default": false, "period": "month", "period_is_default": true});
        assert_eq!(terms(&budget), json!({"limit_micros": 5, "period": null}));
        assert_eq!("default".parse(), Ok(OrDefault::<Micros>(None)));
        assert_eq!("2.5".parse(), Ok(OrDefault(Micros::new(2_500_000))));
        assert!("week".parse::<OrDefault<Period>>().is_err());
    }
}
