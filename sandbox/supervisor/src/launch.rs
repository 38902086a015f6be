//! The process that becomes the program.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

use golden_sandbox_protocol::{Launch, Limits, SUPERVISOR};
use nix::sys::resource::{Resource, setrlimit};

use crate::wire::unbuffered;

/// What tells this process from the first one.
pub(crate) const ARGUMENT: &str = "launch";
/// Where the program starts, and where its files are.
pub(crate) const WORK: &str = "/work";

/// As shells have it.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Makes the process, in a group of its own. It waits on its standard input for its [`order`].
pub(crate) fn prepare() -> io::Result<Child> {
    Command::new(SUPERVISOR)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .current_dir(WORK)
        .spawn()
}

/// What to write to a process so made, ahead of the program's own input.
pub(crate) fn order(launch: &Launch) -> Vec<u8> {
    let body = launch.encode();
    [&(body.len() as u64).to_be_bytes()[..], &body].concat()
}

/// Reads the order and becomes the program. What comes after the order is the program's to read.
pub(crate) fn launch() -> ExitCode {
    let launch = match unbuffered(io::stdin()).and_then(|mut stdin| ordered(&mut stdin)) {
        Ok(launch) => launch,
        Err(_) => return ExitCode::from(NOT_RUN),
    };
    let Some((program, arguments)) = launch.argv.split_first() else { return ExitCode::from(NOT_FOUND) };
    if let Err(error) = limit(launch.limits) {
        return fail(NOT_RUN, program, &error);
    }
    // Comes back only where it cannot be done.
    let error = Command::new(program).args(arguments).envs(launch.env).exec();
    let status =
        if error.kind() == io::ErrorKind::NotFound && !Path::new(program).exists() { NOT_FOUND } else { NOT_RUN };
    fail(status, program, &error)
}

fn ordered(from: &mut File) -> io::Result<Launch> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut body = Vec::new();
    from.take(u64::from_be_bytes(length)).read_to_end(&mut body)?;
    Launch::decode(&body).map_err(io::Error::other)
}

/// What is set here cannot be raised again: hard and soft are the same. CPU time has a second more
/// for the hard one, so that its end is a signal of its own.
fn limit(Limits { cpu, nproc, nofile, fsize }: Limits) -> io::Result<()> {
    let hard = cpu.saturating_add(1);
    let limits = [
        (Resource::RLIMIT_CPU, cpu, hard),
        (Resource::RLIMIT_NPROC, nproc, nproc),
        (Resource::RLIMIT_NOFILE, nofile, nofile),
        (Resource::RLIMIT_FSIZE, fsize, fsize),
        (Resource::RLIMIT_CORE, 0, 0),
    ];
    for (resource, soft, hard) in limits {
        setrlimit(resource, soft, hard)?;
    }
    Ok(())
}

fn fail(status: u8, program: &str, error: &io::Error) -> ExitCode {
    eprintln!("cannot run {program}: {error}");
    ExitCode::from(status)
}
