//! Log lines, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};

/// What servers log where the setting does not say otherwise.
const SERVER: &str = "info";

/// Begins logging. Called once, by commands that serve.
pub(crate) fn start(settings: &Settings) {
    let filter = settings.log.clone().unwrap_or_else(|| EnvFilter::new(SERVER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Pretty => lines.with_ansi(io::stderr().is_terminal() && !settings.no_color).init(),
    }
}
