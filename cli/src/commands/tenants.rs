//! `golden tenants`: whose jobs these are, and on what terms each is served.

use std::{str::FromStr, time::Duration};

use clap::{Args, Subcommand};
use golden_jobs::sandbox::AskedLimits;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ClientArgs,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    duration,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

/// Make tenants, set their terms, shut them out, and make their tokens; needs an admin's token
#[derive(Debug, Args)]
pub(crate) struct TenantsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: TenantsCommand,
}

#[derive(Debug, Subcommand)]
enum TenantsCommand {
    /// Make a tenant known before its first job
    #[command(after_help = "Example:\n  golden tenants create acme --weight 3")]
    Create {
        /// Its name
        tenant: String,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// List tenants by name
    #[command(after_help = "Example:\n  golden tenants list --all")]
    List {
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show a tenant's terms, and its figures and quotas in each role
    #[command(after_help = "Example:\n  golden tenants show acme")]
    Show {
        /// Its name
        tenant: String,
    },
    /// Change a tenant's terms; what is not named stays. `golden queues limit` sets quotas
    #[command(
        after_help = "Examples:\n  golden tenants set acme --weight 5 --max-payload default\n  golden tenants set acme --sandbox wall=20s,memory_mib=512"
    )]
    Set {
        /// Its name
        tenant: String,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Refuse a tenant's requests; jobs that were accepted still run
    #[command(after_help = "Example:\n  golden tenants suspend acme")]
    Suspend {
        /// Its name
        tenant: String,
    },
    /// Serve a tenant again
    #[command(after_help = "Example:\n  golden tenants resume acme")]
    Resume {
        /// Its name
        tenant: String,
    },
    /// Forget a tenant that has no open jobs
    #[command(after_help = "Example:\n  golden tenants delete acme")]
    Delete {
        /// Its name
        tenant: String,
    },
    /// Have the server make a token for a tenant, and print it and nothing else
    ///
    /// It is shown once. Where tokens are an identity provider's, that is who makes them.
    #[command(
        verbatim_doc_comment,
        after_help = "Example:\n  golden tenants token acme --role developer --sub ci --ttl 12h"
    )]
    Token {
        /// Its name
        tenant: String,
        /// observer, developer or operator
        #[arg(long)]
        role: String,
        /// The person or program that will hold it, for the record
        #[arg(long, value_name = "SUBJECT")]
        sub: String,
        /// How long it is good for [default: 1h]
        #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
        ttl: Option<Duration>,
        /// Requests a minute instead of its role's
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rate_limit: Option<u32>,
    },
}

#[derive(Debug, Args)]
struct TermsArgs {
    /// Its share of a role's capacity beside others, 1 to 1000
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// The longest payload of its jobs, or default
    #[arg(long, value_name = "BYTES|default")]
    max_payload: Option<Size>,
    /// The longest result of its jobs, or default
    #[arg(long, value_name = "BYTES|default")]
    max_result: Option<Size>,
    /// The most its programs may use, as wall=20s,memory_mib=512, or none
    #[arg(long, value_name = "LIMITS|none", value_parser = limits_of)]
    sandbox: Option<AskedLimits>,
}

/// What is not named has no limit but the operator's.
fn limits_of(text: &str) -> Result<AskedLimits, String> {
    let mut limits = AskedLimits::default();
    for entry in text.split(',').map(str::trim).filter(|_| text != "none") {
        let ms = |time| duration::parse(time).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        match entry.split_once('=') {
            Some(("wall", time)) => limits.wall_ms = Some(ms(time).map_err(|error| error.to_string())?),
            Some(("cpu", time)) => limits.cpu_ms = Some(ms(time).map_err(|error| error.to_string())?),
            Some(("memory_mib", mib)) => {
                limits.memory_mib = Some(mib.parse().map_err(|_| format!("`{mib}` is not a number of MiB"))?);
            }
            _ => return Err(format!("`{entry}` is none of wall=DURATION, cpu=DURATION and memory_mib=N")),
        }
    }
    Ok(limits)
}

/// A number of bytes; `None` is the server's default.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
struct Size(Option<u64>);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self(None)),
            _ => {
                text.parse().map(|bytes| Self(Some(bytes))).map_err(|_| "expected a number of bytes, or default".into())
            }
        }
    }
}

impl TermsArgs {
    /// What is named, as a body; nothing where nothing is.
    fn body(&self) -> Value {
        let named = [
            ("weight", self.weight.map(|weight| json!(weight))),
            ("max_payload", self.max_payload.map(|size| json!(size))),
            ("max_result", self.max_result.map(|size| json!(size))),
            ("sandbox_limits", self.sandbox.map(|limits| json!(limits))),
        ];
        Value::Object(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }
}

pub(crate) async fn run(args: TenantsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        TenantsCommand::List { paging } => {
            let columns = ["TENANT", "WEIGHT", "MAX PAYLOAD", "MAX RESULT", "STANDING", "CREATED"];
            return list::print(&client, output, || Request::get(&["tenants"]), &paging, columns, row).await;
        }
        TenantsCommand::Create { tenant, terms } => {
            let mut body = terms.body();
            body["id"] = tenant.into();
            one(&client.send(Request::post(&["tenants"]).body(&body)?).await?, output)?;
        }
        TenantsCommand::Show { tenant } => show(&client.send(Request::get(&["tenants", &tenant])).await?, output)?,
        TenantsCommand::Set { tenant, terms } => {
            let body = terms.body();
            if body == json!({}) {
                return Err(
                    Usage("say what to set: --weight, --max-payload, --max-result or --sandbox".to_owned()).into()
                );
            }
            one(&client.send(Request::patch(&["tenants", &tenant]).body(&body)?).await?, output)?;
        }
        TenantsCommand::Suspend { tenant } => act(&client, &tenant, "suspend", output).await?,
        TenantsCommand::Resume { tenant } => act(&client, &tenant, "resume", output).await?,
        TenantsCommand::Delete { tenant } => {
            client.send(Request::delete(&["tenants", &tenant])).await?;
        }
        TenantsCommand::Token { tenant, role, sub, ttl, rate_limit } => {
            let ttl = ttl.map(|ttl| ttl.as_secs());
            let body = json!({"role": role, "sub": sub, "ttl": ttl, "rate_limit": rate_limit});
            let made = client.send(Request::post(&["tenants", &tenant, "tokens"]).body(&body)?).await?;
            if output.is_json() {
                output.json(&made)?;
            } else {
                output.line(made["token"].as_str().unwrap_or_default())?;
            }
        }
    }
    Ok(Exit::Ok)
}

async fn act(client: &Client, tenant: &str, what: &str, output: Output) -> anyhow::Result<()> {
    one(&client.send(Request::post(&["tenants", tenant, what])).await?, output)?;
    Ok(())
}

/// One line about a tenant.
fn one(tenant: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() { output.json(tenant) } else { output.table(None, &[row(tenant)]) }
}

fn row(tenant: &Value) -> [Cell; 6] {
    [
        Cell::of(tenant, "/id"),
        Cell::of(tenant, "/weight"),
        size(tenant, "/max_payload"),
        size(tenant, "/max_result"),
        standing(tenant),
        Cell::of(tenant, "/created_at"),
    ]
}

fn show(tenant: &Value, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        return output.json(tenant);
    }
    let mut facts = vec![
        ("tenant", Cell::of(tenant, "/id")),
        ("standing", standing(tenant)),
        ("suspended at", Cell::of(tenant, "/suspended_at")),
        ("weight", Cell::of(tenant, "/weight")),
        ("max payload", size(tenant, "/max_payload")),
        ("max result", size(tenant, "/max_result")),
        ("sandbox limits", limits(tenant)),
        ("created", Cell::of(tenant, "/created_at")),
    ];
    let queues = tenant["queues"].as_array().map_or(&[][..], Vec::as_slice);
    facts.extend(queues.iter().map(|queue| {
        let [role, queued, scheduled, running] =
            ["/role", "/queued", "/scheduled", "/running"].map(|pointer| Cell::of(queue, pointer));
        let more = if queue["at_least"] == true { "+" } else { "" };
        let of = |pointer| match Cell::of(queue, pointer) {
            cell if cell.is_empty() => String::new(),
            most => format!(" of {most}"),
        };
        let paused = if queue["paused"] == true { ", paused" } else { "" };
        let text = format!(
            "{role}: {queued}{more}{} queued, {scheduled} scheduled, {running}{} running{paused}",
            of("/max_queued"),
            of("/max_running"),
        );
        ("", Cell::plain(&text))
    }));
    output.facts(&facts)
}

fn standing(tenant: &Value) -> Cell {
    Cell::plain(if tenant["suspended"] == true { "suspended" } else { "served" })
}

/// Those that it has.
fn limits(tenant: &Value) -> Cell {
    let limits = tenant["sandbox_limits"].as_object().into_iter().flatten();
    Cell::plain(&limits.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}

fn size(tenant: &Value, pointer: &str) -> Cell {
    match Cell::of(tenant, pointer) {
        cell if cell.is_empty() => Cell::plain("default"),
        cell => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_sent() {
        let terms = |weight, payload: Option<&str>| TermsArgs {
            weight,
            max_payload: payload.map(|size| size.parse().unwrap()),
            max_result: None,
            sandbox: None,
        };
        assert_eq!(terms(None, None).body(), json!({}));
        assert_eq!(terms(Some(3), Some("default")).body(), json!({"weight": 3, "max_payload": null}));
        assert_eq!(terms(None, Some("1000")).body(), json!({"max_payload": 1000}));
        assert!("1k".parse::<Size>().is_err());
    }

    #[test]
    fn limits_are_written_as_in_the_settings() {
        let limits = AskedLimits { wall_ms: Some(20_000), cpu_ms: None, memory_mib: Some(512) };
        assert_eq!(limits_of("wall=20s, memory_mib=512"), Ok(limits));
        assert_eq!(limits_of("none"), Ok(AskedLimits::default()));
        for wrong in ["", "wall", "wall=soon", "memory_mib=much", "disk=1"] {
            assert!(limits_of(wrong).is_err(), "{wrong}");
        }
    }
}
