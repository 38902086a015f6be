//! The `golden` binary with the kinds that Golden brings.

use std::process::ExitCode;

fn main() -> ExitCode {
    golden_cli::main_with(golden_jobs::kinds::registry())
}
