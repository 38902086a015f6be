//! One program, from the moment its sandbox waits for it to its end.

use std::time::Duration;

use golden_jobs::{
    sandbox::{Cause, Printed},
    store::LogStream,
};
use golden_sandbox_protocol::{End, Exit, Kind, Outcome, Progress, Run, Stream, encode};
use tokio::{
    io::AsyncWriteExt,
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    boot::{Booted, Output},
    container::Container,
    docker::DockerError,
};

/// How long the files may take that a program left, and a container's end after its supervisor's.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// How long the news of an out-of-memory kill may take. Up to 0.2 s was seen, on a busy machine.
const OOM_NEWS: Duration = Duration::from_secs(1);

/// How long a sandbox may take to say that it has its program, where another one may be asked.
const BEGINNING: Duration = Duration::from_secs(5);

/// What is known of a program that has ended or was stopped.
pub(crate) struct Ended {
    pub(crate) cause: Cause,
    pub(crate) outcome: Outcome,
    pub(crate) wall: Duration,
}

/// Why there is nothing to tell of a program.
pub(crate) enum NotRun {
    /// Its sandbox never took it. Another one may be asked.
    NotBegun,
    Docker(DockerError),
}

/// How far a program has come.
#[derive(Default)]
struct Course {
    begun: bool,
    ended_after: Option<Duration>,
}

/// Why nothing more is read of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It said all that there is to say.
    Done,
    /// The stream ended before that: there is no supervisor any more.
    Silent,
    /// It says what no supervisor would.
    Nonsense,
    Flooding,
    OutOfTime,
}

/// Runs the program and follows it to its end, or for as long as `wall`. Its container is then to
/// be removed, whatever is still in it; its streams are closed, one way or the other.
///
/// A sandbox that has `waited` may have died meanwhile, or be stuck: then it has not begun.
pub(crate) async fn run(
    sandbox: Booted,
    waited: bool,
    run: &Run,
    wall: Duration,
    live: mpsc::Sender<Printed>,
) -> Result<Ended, NotRun> {
    let Booted { container, mut input, mut output } = sandbox;
    let started = Instant::now();
    let deadline = started + wall;
    let patience = if waited { deadline.min(started + BEGINNING) } else { deadline };
    let mut course = Course::default();
    let stopped = {
        let request = encode(Kind::Run, &run.encode());
        // The input stays open: its end would be the program's.
        let asking = async {
            let _ = input.write_all(&request).await;
            std::future::pending::<()>().await;
        };
        let following = follow(&mut output, patience, deadline, live, &mut course);
        tokio::select! {
            stopped = following => stopped,
            () = asking => Stopped::Silent,
        }
    };
    let Course { begun, ended_after } = course;
    let wall = ended_after.unwrap_or_else(|| started.elapsed());
    drop(input);
    if waited && !begun {
        return Err(NotRun::NotBegun);
    }
    let mut outcome = output.into_outcome();
    let cause = match heard(stopped, outcome.exit.as_ref(), run.launch.limits.cpu) {
        Some(cause) => cause,
        None => {
            // What is not heard of a program says nothing of it where Docker is not heard of either.
            container.docker_answers().await.map_err(NotRun::Docker)?;
            match stopped {
                Stopped::OutOfTime => Cause::Timeout,
                _ => verdict(&container).await.map_err(NotRun::Docker)?,
            }
        }
    };
    if stopped == Stopped::OutOfTime && outcome.exit.is_some() && !run.artifacts.is_empty() {
        // How many files did not come in time, nobody knows.
        outcome.omitted = 1;
    }
    Ok(Ended { cause, outcome, wall })
}

/// Reads what the sandbox says until there is a reason to stop. There is after `patience` if it has not
/// begun, after `deadline`, and some time after the program's end.
async fn follow(
    output: &mut Output,
    patience: Instant,
    deadline: Instant,
    live: mpsc::Sender<Printed>,
    course: &mut Course,
) -> Stopped {
    let started = Instant::now();
    let mut patience = std::pin::pin!(sleep_until(patience));
    let mut printed = Vec::new();
    loop {
        // What was read is shown before more is read: whoever reads along slows the program down,
        // though not its deadline.
        let showing = show(&live, &mut printed);
        tokio::select! {
            biased;
            () = &mut patience => return Stopped::OutOfTime,
            () = showing => {}
        }
        let mut stopped = None;
        let (mut begun, mut ended) = (false, false);
        let next = output.next(|progress| match progress {
            Progress::Ready => {}
            Progress::Begun => begun = true,
            Progress::Printed(stream, bytes) => {
                printed.push(Printed { stream: log_stream(stream), bytes: bytes.into() })
            }
            Progress::Flooded => stopped = stopped.or(Some(Stopped::Flooding)),
            Progress::Ended => ended = true,
            Progress::Done => stopped = stopped.or(Some(Stopped::Done)),
        });
        let more = tokio::select! {
            biased;
            more = next => more,
            () = &mut patience => return Stopped::OutOfTime,
        };
        if begun {
            course.begun = true;
            patience.as_mut().reset(deadline);
        }
        if ended {
            course.ended_after = Some(started.elapsed());
            patience.as_mut().reset(Instant::now() + AFTERWARDS);
        }
        match (stopped, more) {
            (Some(stopped), _) => {
                // The last words, as far as somebody still listens.
                for last in printed.drain(..) {
                    let _ = live.try_send(last);
                }
                return stopped;
            }
            (None, Ok(true)) => {}
            (None, Ok(false)) => return Stopped::Silent,
            (None, Err(_)) => return Stopped::Nonsense,
        }
    }
}

/// Why a program ended, as far as its sandbox could say so. `None` where Docker is to be asked: an EXIT after which
/// the stream broke off is no whole run, since the files that were to follow are lost.
fn heard(stopped: Stopped, exit: Option<&Exit>, cpu_limit_secs: u64) -> Option<Cause> {
    match (stopped, exit) {
        (Stopped::Flooding, _) => Some(Cause::OutputLimit),
        (Stopped::Nonsense, _) => Some(Cause::SandboxCrashed),
        (Stopped::Silent, _) | (Stopped::Done | Stopped::OutOfTime, None) => None,
        (Stopped::Done | Stopped::OutOfTime, Some(exit)) => Some(match exit.end {
            End::Status(_) => Cause::Exited,
            End::Signal(signal) if used_up(signal, exit.cpu_ms, cpu_limit_secs) => Cause::CpuLimit,
            End::Signal(_) => Cause::Signal,
        }),
    }
}

async fn show(live: &mpsc::Sender<Printed>, printed: &mut Vec<Printed>) {
    while let Some(first) = printed.first() {
        // Given up and begun again, this shows nothing twice: a piece leaves the list when it is taken.
        match live.reserve().await {
            Ok(place) => {
                place.send(first.clone());
                printed.remove(0);
            }
            // Nobody reads along.
            Err(_) => printed.clear(),
        }
    }
}

/// Whether this signal is what a process gets that has had its CPU time: SIGXCPU, or SIGKILL where it
/// goes on regardless.
fn used_up(signal: i32, cpu_ms: u64, limit_secs: u64) -> bool {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    [SIGKILL, SIGXCPU].contains(&signal) && cpu_ms / 1000 >= limit_secs
}

/// Why a sandbox has ended that nobody stopped and that did not say it would, as far as Docker knows.
///
/// Docker's record of an out-of-memory kill is made when the container ends, and misses news that
/// come later: those are in its events.
async fn verdict(container: &Container) -> Result<Cause, DockerError> {
    const KILLED: i64 = 128 + 9;
    // The stream may end a moment before the container does.
    match tokio::time::timeout(AFTERWARDS, container.wait()).await {
        Ok(ended) => ended?,
        // Its first process lives and has closed its streams.
        Err(_) => return Ok(Cause::SandboxCrashed),
    }
    let ended = container.ended().await?;
    Ok(match ended.status {
        _ if ended.oom_killed => Cause::Oom,
        KILLED if container.oom_told(OOM_NEWS).await => Cause::Oom,
        _ => Cause::SandboxCrashed,
    })
}

fn log_stream(stream: Stream) -> LogStream {
    match stream {
        Stream::Out => LogStream::Stdout,
        Stream::Err => LogStream::Stderr,
    }
}

#[cfg(test)]
mod tests {
    use golden_sandbox_protocol::VERSION;

    use super::*;

    const EXIT: Exit = Exit { end: End::Status(0), cpu_ms: 5, max_rss_kib: 6 };

    /// What is heard of a program whose sandbox says this, and then no more.
    async fn after(frames: &[Vec<u8>]) -> (Option<Exit>, Option<Cause>) {
        let mut output = Output::saying(frames.to_vec());
        let (live, _printed) = mpsc::channel(8);
        let long = Instant::now() + Duration::from_secs(60);
        let stopped = follow(&mut output, long, long, live, &mut Course::default()).await;
        let exit = output.into_outcome().exit;
        (exit, heard(stopped, exit.as_ref(), 10))
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_before_its_end_is_no_exit() {
        let whole = [
            encode(Kind::Ready, &[VERSION]),
            encode(Kind::Begun, b""),
            encode(Kind::Out, b"printed"),
            encode(Kind::Exit, &EXIT.encode()),
            encode(Kind::File, b"report.json"),
            encode(Kind::Data, b"{}"),
            encode(Kind::Done, &0_u32.to_be_bytes()),
        ];
        assert_eq!(after(&whole).await, (Some(EXIT), Some(Cause::Exited)));
        for length in 0..whole.len() {
            // Its exit may be known, and the files that it left are not.
            assert_eq!(after(&whole[..length]).await, ((length > 3).then_some(EXIT), None), "{length} frames");
        }
    }

    #[test]
    fn an_exit_is_known_though_the_files_take_too_long() {
        assert_eq!(heard(Stopped::OutOfTime, Some(&EXIT), 10), Some(Cause::Exited));
        assert_eq!(heard(Stopped::OutOfTime, None, 10), None);
    }
}
