//! From READY to DONE.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    process::{Child, ExitCode},
    thread::{self, JoinHandle},
};

use golden_sandbox_protocol::{End, Exit, Kind, PIECE, Run, VERSION, is_inside};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        resource::{UsageWho, getrusage},
        signal::{Signal, kill},
        time::TimeValLike,
        wait::{WaitStatus, wait},
    },
    unistd::Pid,
};

use crate::{
    launch::{self, WORK},
    leave,
    wire::{Worker, asked, unbuffered},
};

/// For threads that do nothing but copy.
const STACK: usize = 128 * 1024;
/// What a run ends with that cannot begin.
const NOT_BEGUN: Exit = Exit { end: End::Status(126), cpu_ms: 0, max_rss_kib: 0 };

/// The life of the first process. Its own status means nothing: the worker knows by frames.
pub(crate) fn supervise() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        // Kept nowhere, and read by whoever runs an image by hand.
        Err(error) => {
            eprintln!("golden-supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn live() -> io::Result<()> {
    // The program is the same user: without this it could read and write our memory and our streams.
    prctl::set_dumpable(false)?;
    let worker = Worker::on_stdout()?;
    let mut lease = unbuffered(io::stdin())?;
    worker.tell(Kind::Ready, &[VERSION])?;
    let process = launch::prepare()?;

    let Some(run) = asked(&mut lease) else { return Ok(()) };
    worker.tell(Kind::Begun, &[])?;
    spawn(move || hold(lease))?;
    let exit = match furnish(&run) {
        Ok(()) => follow(process, &run, &worker)?,
        Err(error) => {
            worker.tell(Kind::Err, format!("cannot write the files: {error}\n").as_bytes())?;
            NOT_BEGUN
        }
    };
    worker.tell(Kind::Exit, &exit.encode())?;
    leave::files(Path::new(WORK), &run.artifacts, &worker)
}

/// Ends everything when the worker has gone. As the first process ends, so do all others.
#[expect(clippy::disallowed_methods, reason = "there is nothing to drop and nobody to tell")]
fn hold(mut lease: File) {
    let mut ignored = [0; 512];
    while lease.read(&mut ignored).is_ok_and(|read| read > 0) {}
    end_all();
    std::process::exit(1);
}

/// Writes the files that the program is to find. The folder is empty and nobody else writes there.
fn furnish(run: &Run) -> io::Result<()> {
    for (path, content) in &run.files {
        if !is_inside(path) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path leads outside"));
        }
        let path = Path::new(WORK).join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// Has the process become the program, passes on what it prints, and ends all that is left of it.
fn follow(mut process: Child, run: &Run, worker: &Worker) -> io::Result<Exit> {
    let [stdin, stdout, stderr] = (process.stdin.take())
        .zip(process.stdout.take())
        .zip(process.stderr.take())
        .map(|((stdin, stdout), stderr)| [stdin.into(), stdout.into(), stderr.into()])
        .map(|streams: [std::os::fd::OwnedFd; 3]| streams.map(File::from))
        .ok_or_else(|| io::Error::other("a process without streams"))?;
    let order = launch::order(&run.launch);
    let input = run.stdin.clone();
    spawn(move || feed(stdin, &[&order, &input]))?;
    let relays = [(stdout, Kind::Out), (stderr, Kind::Err)].map(|(from, kind)| {
        let worker = worker.clone();
        spawn(move || relay(from, kind, &worker))
    });

    let main = Pid::from_raw(process.id().cast_signed());
    let end = loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid == main => break End::Status(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => break End::Signal(signal as i32),
            // An orphan, or a signal that interrupted.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    end_all();
    for relay in relays {
        // All who could write are gone, so it comes to the end of the stream.
        let _ = relay?.join();
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    Ok(Exit {
        end,
        cpu_ms: cpu.num_milliseconds().try_into().unwrap_or_default(),
        max_rss_kib: usage.max_rss().try_into().unwrap_or_default(),
    })
}

/// Kills whatever is left, and what that starts meanwhile, until there is nobody.
fn end_all() {
    loop {
        // All but this process.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        match wait() {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
}

/// The program need not read it.
fn feed(mut stdin: File, parts: &[&[u8]]) {
    for part in parts {
        if stdin.write_all(part).is_err() {
            break;
        }
    }
}

fn relay(mut from: File, kind: Kind, worker: &Worker) {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) if worker.tell(kind, &buffer[..read]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Nobody reads any more: the lease is gone or about to be.
            Ok(_) | Err(_) => break,
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().stack_size(STACK).spawn(work)
}
