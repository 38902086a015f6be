//! How a command ends, for scripts.

use std::{io, process::ExitCode};

use golden_api::auth::KeysError;
use golden_jobs::store::ConnectError;

use crate::{client::ClientError, config::SettingsError};

/// What the process's exit status says. `golden --help` shows the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    /// It was tried and did not work, or the job is dead.
    Failed,
    /// The command line or a setting is wrong; nothing was tried.
    Usage,
    /// The server gave no answer.
    Unreachable,
    /// The server answered with a problem.
    Refused,
    /// The job that was waited for was cancelled.
    Cancelled,
    /// The job that was waited for goes on.
    Pending,
    /// A second signal came before the work was put away; 128 + SIGINT, as shells count.
    Interrupted,
}

/// The table as help shows it.
pub(crate) const HELP: &str = "\
Exit status:
    0  it worked; a job that was waited for succeeded
    1  it failed; a job that was waited for is dead
    2  the command line or a setting is wrong
    3  the server cannot be reached
    4  the server refused (its problem is on standard error)
    5  a job that was waited for was cancelled
    6  a job that was waited for has not ended yet
  130  a second Ctrl-C ended it before it had drained";

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::Cancelled => 5,
            Self::Pending => 6,
            Self::Interrupted => 130,
        }
    }

    /// What an error means for the exit status.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if cause.is::<SettingsError>() || cause.is::<KeysError>() || cause.is::<Usage>() {
                return Self::Usage;
            }
            if matches!(cause.downcast_ref(), Some(ConnectError::UnknownScheme(_))) {
                return Self::Usage;
            }
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return match error {
                    ClientError::Unreachable { .. } => Self::Unreachable,
                    ClientError::Problem(_) | ClientError::Unexpected { .. } => Self::Refused,
                    ClientError::Token => Self::Usage,
                };
            }
            // Whoever read our output has seen enough, as in `golden jobs list | head`.
            if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                return Self::Ok;
            }
        }
        Self::Failed
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error in words, from what was being done to what went wrong.
///
/// Many errors repeat their cause in their own text; it is said once. What a server said may
/// hold control characters, and they must not drive the terminal.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}

/// Arguments that are each in order and make no sense together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_cause_decides_however_much_context_is_around_it() {
        let of = |error: anyhow::Error| Exit::of(&error.context("while doing something")).code();
        assert_eq!(of(anyhow!("it broke")), 1);
        assert_eq!(of(Usage("not both".into()).into()), 2);
        assert_eq!(of(SettingsError::Missing { name: "X", hint: "" }.into()), 2);
        assert_eq!(of(ClientError::Token.into()), 2);
        assert_eq!(of(ConnectError::UnknownScheme("mysql:…".into()).into()), 2);
        assert_eq!(of(ClientError::Unreachable { server: "http://x/".into(), reason: String::new() }.into()), 3);
        assert_eq!(of(ClientError::Unexpected { status: 502, body: String::new() }.into()), 4);
        assert_eq!(of(io::Error::from(io::ErrorKind::BrokenPipe).into()), 0);
    }

    #[test]
    fn an_error_is_described_once_and_harmlessly() {
        #[derive(Debug, thiserror::Error)]
        #[error("no listener: {0}")]
        struct Listener(#[from] io::Error);

        let error = anyhow::Error::new(Listener(io::Error::other("out of \u{1b}[2Jfiles"))).context("the API failed");
        assert_eq!(describe(&error), "the API failed: no listener: out of  [2Jfiles");
    }

    #[test]
    fn help_names_every_code() {
        for exit in [
            Exit::Ok,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Cancelled,
            Exit::Pending,
            Exit::Interrupted,
        ] {
            let code = format!("\n{:>5}  ", exit.code());
            assert!(HELP.contains(&code), "{exit:?}");
        }
    }
}
