//! `golden doctor`: whether everything that is configured is there, and how to mend what is not.

use clap::{Args, builder::styling::AnsiColor};
use serde::Serialize;
use serde_json::json;

use crate::{
    config::{Layers, Settings, SettingsError, example},
    exit::Exit,
    output::{Cell, Output},
};

mod audit;
mod database;
mod nats;
mod network;
mod redis;
mod sandbox;
mod settings;
mod tokens;

/// Check the settings and every part they name, and say how to mend what is not right
///
/// Looks at the settings and where each is from, the database, the audit log, Redis, NATS, clocks, what
/// verifies tokens, the address of the API, the TLS of the external scaler, Docker with gVisor (it runs a
/// program there), and the server of client commands, if one is set. Changes nothing, and shows no secret.
/// Ends with 1 if a part failed and with 2 if a setting is wrong; warnings change nothing about that.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  golden doctor\n  golden doctor --json | jq '.checks[] | select(.status != \"ok\")'\n  golden doctor --example > golden.toml"
)]
pub(crate) struct DoctorArgs {
    /// Print what was found as one JSON object
    #[arg(long)]
    json: bool,
    /// Check nothing: print a settings file with every setting there is, each in a comment
    #[arg(long, conflicts_with = "json")]
    example: bool,
}

/// What one look at one part came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    status: Status,
    /// What there is, or what is wrong and how to mend it.
    found: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It works, or is off, and may not be what was meant.
    Warning,
    /// What is configured does not work.
    Failure,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, found: found.into() }
    }

    fn warning(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Warning, found: found.into() }
    }

    fn failure(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Failure, found: found.into() }
    }

    fn row(&self) -> [Cell; 3] {
        let status = match self.status {
            Status::Ok => Cell::in_colour("ok", AnsiColor::Green),
            Status::Warning => Cell::in_colour("warning", AnsiColor::Yellow),
            Status::Failure => Cell::in_colour("failure", AnsiColor::Red),
        };
        [status, Cell::plain(&self.name), Cell::plain(&self.found)]
    }
}

pub(crate) async fn run(args: DoctorArgs, layers: &Layers) -> anyhow::Result<Exit> {
    let output = Output::new(args.json, layers.environment("NO_COLOR").is_some());
    if args.example {
        output.line(example::text().trim_end())?;
        return Ok(Exit::Ok);
    }
    let mut checks = settings::check(layers);
    let usable = Settings::from_layers(layers).and_then(|settings| match settings.verifier() {
        Err(wrong @ SettingsError::Together(_)) => Err(wrong),
        _ => Ok(settings),
    });
    let settings = match &usable {
        Ok(settings) => settings,
        Err(wrong) => {
            // What is wrong by itself is told with its setting.
            if let SettingsError::Together(problem) = wrong {
                checks.push(Check::failure("settings", *problem));
            }
            checks.push(Check::warning("parts", "not checked, because settings are wrong"));
            print(&checks, layers, output)?;
            return Ok(Exit::Usage);
        }
    };
    let (database, redis, nats, tokens, sandbox, address, server) = tokio::join!(
        database::check(settings),
        redis::check(settings),
        nats::check(settings),
        tokens::check(settings),
        sandbox::check(settings),
        network::address(settings.listen),
        network::server(settings, layers),
    );
    let scaler = network::scaler(settings);
    checks.extend([database, audit::check(settings), redis, nats, tokens, sandbox, address, scaler, server].concat());
    print(&checks, layers, output)?;
    let worst = checks.iter().map(|check| check.status).max();
    Ok(if worst == Some(Status::Failure) { Exit::Failed } else { Exit::Ok })
}

fn print(checks: &[Check], layers: &Layers, output: Output) -> std::io::Result<()> {
    if output.is_json() {
        let worst = checks.iter().map(|check| check.status).max();
        return output.json(&json!({"status": worst, "checks": checks, "settings": settings::list(layers)}));
    }
    let rows: Vec<_> = checks.iter().map(Check::row).collect();
    output.table(None, &rows)?;
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    match (count(Status::Failure), count(Status::Warning)) {
        (0, 0) => eprintln!("All is well."),
        (failures, warnings) => eprintln!("Failures: {failures}, warnings: {warnings}."),
    }
    Ok(())
}
