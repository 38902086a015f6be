//! The one binary `golden`, and the only place that wires things together.
//!
//! A binary with kinds of its own calls [`main_with`] with them; see `examples/own_kind.rs`.
//!
//! | module | holds |
//! |---|---|
//! | `commands` | the command line: one file for each command |
//! | `config` | settings from flags, environment, file and defaults |
//! | `wire` | from settings to a running API, pools and relay |
//! | `logging`, `traces` | what a serving process says of itself while it goes |
//! | `signals` | the first signal drains, the second ends |
//! | `keys` | an issuer's public keys, from a file or an address |
//! | `follow`, `sse` | streams of events, over as many connections as it takes |
//! | `client`, `output` | what client commands ask, and how they show the answer |
//! | `state` | what `golden dev` keeps between runs |
//! | `machine` | how much of the machine may be used |
//! | `exit` | what the exit status says |
//! | `duration`, `rate` | `2h` and `50/s` |

use std::process::ExitCode;

use clap::Parser;
use golden_jobs::Registry;

mod client;
mod commands;
mod config;
mod duration;
mod exit;
mod follow;
mod keys;
mod logging;
mod machine;
mod output;
mod rate;
mod signals;
mod sse;
mod state;
mod traces;
mod windows;
mod wire;

use commands::Cli;
use exit::Exit;

/// Runs the command line of this process with these kinds of job, to its end.
pub fn main_with(registry: Registry) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are "errors" to clap too, and go to standard output with status 0.
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    match run(cli, registry) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Ok {
                eprintln!("error: {}", exit::describe(&error));
            }
            exit.into()
        }
    }
}

fn run(cli: Cli, registry: Registry) -> anyhow::Result<Exit> {
    install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(cli.run(registry));
    // Whatever a second signal left undone is not waited for.
    runtime.shutdown_background();
    ended
}

/// TLS takes its cryptography from one provider for the whole process. A second call changes nothing.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
