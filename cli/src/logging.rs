//! Log lines, on standard error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal},
};

use crate::config::{LogFormat, Settings};

/// Begins logging. Called once, by commands that serve.
pub(crate) fn start(settings: &Settings) {
    let lines = tracing_subscriber::fmt().with_env_filter(settings.log.clone()).with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Json => {
            lines.json().flatten_event(true).init();
            log_panics();
        }
        LogFormat::Pretty => lines.with_ansi(io::stderr().is_terminal() && !settings.no_color).init(),
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
}

/// Makes a panic a log line as any other: whoever reads JSON reads nothing else.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, backtrace, panic = panic.payload_as_str(), "panicked");
    }));
}
