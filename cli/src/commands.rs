//! The command line: one file for each command.

use std::{cell::OnceCell, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use golden_jobs::Registry;

use crate::{
    client::Client,
    config::{self, Layers, Setting, Settings, SettingsError, table},
    exit::{self, Exit},
    logging,
    output::Output,
};

mod api;
mod audit;
mod breakers;
mod budgets;
mod completions;
mod dev;
mod dlq;
mod doctor;
mod each;
mod escalations;
mod functions;
mod guards;
mod health;
mod jobs;
mod kinds;
mod list;
mod migrate;
mod openapi;
mod policies;
mod queues;
mod reviews;
mod sandbox;
mod schedules;
mod tasks;
mod tenants;
mod token;
mod webhooks;
mod worker;
mod workers;

/// Where help lists the flags that many commands have, so that they do not hide a command's own.
const COMMON: &str = "Common options";

const EXAMPLES: &str = "\
Examples:
  golden dev                                                everything in one process, to try things out
  golden jobs submit noop '{\"output\": \"hello\"}' --wait 10   a job, and how it ended
  golden doctor                                             what is configured, and what is wrong with it";

/// Turns HTTP requests into typed jobs, runs them, and calls you back when they end.
///
/// `golden dev` needs nothing else and is the place to begin.
#[derive(Debug, Parser)]
#[command(
    name = "golden",
    verbatim_doc_comment,
    version,
    after_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", config::help(), exit::HELP),
)]
pub(crate) struct Cli {
    /// Settings file [default: golden.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = COMMON)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Api(api::ApiArgs),
    Worker(worker::WorkerArgs),
    Migrate(migrate::MigrateArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Sandbox(sandbox::SandboxCommand),
    #[command(subcommand)]
    Token(token::TokenCommand),
    Jobs(jobs::JobsArgs),
    Tasks(tasks::TasksArgs),
    Dlq(dlq::DlqArgs),
    Escalations(escalations::EscalationsArgs),
    Functions(functions::FunctionsArgs),
    Schedules(schedules::SchedulesArgs),
    Queues(queues::QueuesArgs),
    Workers(workers::WorkersArgs),
    Breakers(breakers::BreakersArgs),
    Guards(guards::GuardsArgs),
    Budgets(budgets::BudgetsArgs),
    Policies(policies::PoliciesArgs),
    Reviews(reviews::ReviewsArgs),
    Audit(audit::AuditArgs),
    Tenants(tenants::TenantsArgs),
    Webhooks(webhooks::WebhooksArgs),
    Kinds(kinds::KindsArgs),
    Health(health::HealthArgs),
    Openapi(openapi::OpenapiArgs),
    Completions(completions::CompletionsArgs),
}

impl Cli {
    pub(crate) async fn run(self, registry: Registry) -> anyhow::Result<Exit> {
        let layers = Layers::of_this_process(self.command.flags(), self.config.as_deref());
        let serves = self.command.serves();
        let traces = OnceCell::new();
        // Not before a command asks: those that need none must not end on one that is wrong.
        let settings = || -> Result<Settings, SettingsError> {
            let settings = Settings::from_layers(&layers)?;
            if let Some(process) = serves {
                let _ = traces.set(logging::start(&settings, process));
            } else {
                settings.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            }
            Ok(settings)
        };
        let ended = match self.command {
            // Boxed, since these hold the settings for as long as the process lives.
            Command::Dev(_) => Box::pin(dev::run(settings()?, registry)).await,
            Command::Api(_) => Box::pin(api::run(settings()?, registry)).await,
            Command::Worker(args) => Box::pin(worker::run(args, settings()?, registry)).await,
            Command::Migrate(_) => migrate::run(settings()?).await,
            Command::Doctor(args) => Box::pin(doctor::run(args, &layers)).await,
            Command::Sandbox(command) => sandbox::run(command, &settings()?).await,
            Command::Token(command) => token::run(command, &settings()?),
            Command::Jobs(args) => jobs::run(args, &settings()?).await,
            Command::Tasks(args) => tasks::run(args, &settings()?).await,
            Command::Dlq(args) => dlq::run(args, &settings()?).await,
            Command::Escalations(args) => escalations::run(args, &settings()?).await,
            Command::Functions(args) => functions::run(args, &settings()?).await,
            Command::Schedules(args) => schedules::run(args, &settings()?).await,
            Command::Queues(args) => queues::run(args, &settings()?).await,
            Command::Workers(args) => workers::run(args, &settings()?).await,
            Command::Breakers(args) => breakers::run(args, &settings()?).await,
            Command::Guards(args) => guards::run(args, &settings()?).await,
            Command::Budgets(args) => budgets::run(args, &settings()?).await,
            Command::Policies(args) => policies::run(args, &settings()?).await,
            Command::Reviews(args) => reviews::run(args, &settings()?).await,
            Command::Audit(args) => audit::run(args, &settings()?).await,
            Command::Tenants(args) => tenants::run(args, &settings()?).await,
            Command::Webhooks(args) => webhooks::run(args, &settings()?).await,
            Command::Kinds(args) => kinds::run(args, &settings()?).await,
            Command::Health(args) => health::run(&args, &settings()?).await,
            Command::Openapi(_) => openapi::run(&registry),
            Command::Completions(args) => completions::run(&args),
        };
        // Whoever sent a second signal waits for nothing.
        if !matches!(ended, Ok(Exit::Interrupted))
            && let Some(traces) = traces.into_inner().flatten()
        {
            traces.finish().await;
        }
        ended
    }
}

impl Command {
    /// The settings among its flags.
    fn flags(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Dev(args) => args.process.flags().with(&table::LISTEN, &args.listen),
            Self::Api(args) => {
                args.process.flags().with(&table::LISTEN, &args.listen).with(&table::SCALER_LISTEN, &args.scaler_listen)
            }
            Self::Worker(args) => args
                .process
                .flags()
                .with(&table::CONCURRENCY, &args.concurrency)
                .with(&table::PROBES_LISTEN, &args.probes_listen),
            Self::Migrate(args) => Flags::default().with(&table::DATABASE_URL, &args.database_url),
            Self::Doctor(_) | Self::Sandbox(_) | Self::Token(_) | Self::Openapi(_) | Self::Completions(_) => {
                Flags::default()
            }
            Self::Jobs(args) => args.client.flags(),
            Self::Tasks(args) => args.client.flags(),
            Self::Dlq(args) => args.client.flags(),
            Self::Escalations(args) => args.client.flags(),
            Self::Functions(args) => args.client.flags(),
            Self::Schedules(args) => args.client.flags(),
            Self::Queues(args) => args.client.flags(),
            Self::Workers(args) => args.client.flags(),
            Self::Breakers(args) => args.client.flags(),
            Self::Guards(args) => args.client.flags(),
            Self::Budgets(args) => args.client.flags(),
            Self::Policies(args) => args.client.flags(),
            Self::Reviews(args) => args.client.flags(),
            Self::Audit(args) => args.client.flags(),
            Self::Tenants(args) => args.client.flags(),
            Self::Webhooks(args) => args.client.flags(),
            Self::Kinds(args) => args.client.flags(),
            Self::Health(args) => args.client.flags(),
        }
        .0
    }

    /// What kind of server it is, if it is one. Those log, and what is said of their settings goes there.
    fn serves(&self) -> Option<&'static str> {
        match self {
            Self::Dev(_) => Some("dev"),
            Self::Api(_) => Some("api"),
            Self::Worker(_) => Some("worker"),
            _ => None,
        }
    }
}

/// Flags that are settings. Their values stay text here: settings are parsed in one place.
#[derive(Default)]
struct Flags(Vec<(&'static str, String)>);

impl Flags {
    fn with<T>(mut self, setting: &Setting<T>, value: &Option<String>) -> Self {
        self.0.extend(value.clone().map(|value| (setting.name(), value)));
        self
    }
}

/// Flags of every process that serves.
#[derive(Debug, Args)]
struct ProcessArgs {
    /// sqlite://PATH or postgres://…; put one with a password in the environment instead
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// How long runs and requests may go on after a shutdown was asked for [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
    /// Log filter, for example info or golden_workers=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look: pretty or json [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl ProcessArgs {
    fn flags(&self) -> Flags {
        Flags::default()
            .with(&table::DATABASE_URL, &self.database_url)
            .with(&table::DRAIN_TIMEOUT, &self.drain_timeout)
            .with(&table::LOG, &self.log)
            .with(&table::LOG_FORMAT, &self.log_format)
    }
}

/// Flags of every command that talks to a server.
#[derive(Debug, Args)]
struct ClientArgs {
    /// Address of the API [default: http://localhost:8000]
    #[arg(long, global = true, value_name = "URL", help_heading = COMMON)]
    server: Option<String>,
    /// Print the server's answers as JSON; with --all one entry a line
    #[arg(long, global = true, help_heading = COMMON)]
    json: bool,
}

impl ClientArgs {
    fn flags(&self) -> Flags {
        Flags::default().with(&table::SERVER, &self.server)
    }

    fn connect(&self, settings: &Settings) -> anyhow::Result<(Client, Output)> {
        Ok((Client::new(settings)?, Output::new(self.json, settings.no_color)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Commands that only have others below them are explained by those.
    #[test]
    fn every_command_and_flag_is_explained() {
        fn walk(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} does not say what it does");
            for flag in command.get_arguments() {
                assert!(flag.get_help().is_some(), "{path} does not say what {} is", flag.get_id());
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(command.has_subcommands() || help.contains("Example"), "{path} has no example");
            for command in command.get_subcommands() {
                walk(command, &format!("{path} {}", command.get_name()));
            }
        }
        walk(&Cli::command(), "golden");
    }
}
