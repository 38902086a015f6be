//! What becomes of a program whose Docker hangs, or is gone.

use std::{os::unix::net::UnixListener as StdListener, path::PathBuf, time::Duration};

use golden_jobs::sandbox::{Executor, ExecutorError, Program};
use golden_sandbox::{GvisorExecutor, SandboxOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    containers::{PATIENCE, docker, labelled},
    limits, options, python,
};

/// A way to Docker that can be held up, and be broken off.
struct Way {
    socket: PathBuf,
    open: watch::Sender<bool>,
    /// Aborted when dropped, and with it every connection.
    served: JoinSet<()>,
}

impl Way {
    fn to_docker() -> Self {
        let socket = std::env::temp_dir().join(format!("golden-way-{}.sock", std::process::id()));
        let mut way = Self { socket, open: watch::Sender::new(true), served: JoinSet::new() };
        way.mend();
        way
    }

    /// Connections are taken, and nothing more comes or goes.
    fn hang(&self) {
        self.open.send_replace(false);
    }

    /// Connections end, and none is taken.
    fn break_off(&mut self) {
        std::fs::remove_file(&self.socket).expect("it is there");
        self.served = JoinSet::new();
    }

    /// Goes on, from where it was if it hung.
    fn mend(&mut self) {
        self.open.send_replace(true);
        if self.served.is_empty() {
            let listener = StdListener::bind(&self.socket).expect("a socket");
            listener.set_nonblocking(true).expect("a socket");
            let listener = UnixListener::from_std(listener).expect("a socket");
            self.served.spawn(serve(listener, self.open.subscribe()));
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(listener: UnixListener, open: watch::Receiver<bool>) {
    let docker = options().docker_host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let docker = docker.strip_prefix("unix://").expect("a socket").to_owned();
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.expect("a connection");
        let far = UnixStream::connect(&docker).await.expect("Docker");
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        connections.spawn(carry(near_in, far_out, open.clone()));
        connections.spawn(carry(far_in, near_out, open.clone()));
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut open: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let goes_on = open.wait_for(|open| *open).await.is_ok();
        if !goes_on || to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn a_docker_that_hangs_or_is_gone_is_not_the_programs_doing() {
    let mut way = Way::to_docker();
    let host = format!("unix://{}", way.socket.display());
    let options = SandboxOptions { docker_host: Some(host), ..options() };
    let executor = GvisorExecutor::connect(options.clone()).await.unwrap_or_else(|missing| panic!("{missing}"));
    let docker = docker().await;
    let label = format!("golden.worker={}", options.worker);

    for hangs in [true, false] {
        let program = python("print('begun', flush=True); import time; time.sleep(60)");
        let (live, mut printed) = mpsc::channel(8);
        let running = executor.run(Program { limits: limits(1500), ..program }, live);
        let (report, ()) = tokio::join!(running, async {
            printed.recv().await.expect("it begins");
            if hangs { way.hang() } else { way.break_off() }
        });
        // Its time may have passed, which nobody knows: it is neither stopped nor asked.
        assert!(matches!(report, Err(ExecutorError::Unavailable(_))), "{report:?}");
        assert_eq!(labelled(&docker, &label).await.len(), 1);
        if !hangs {
            // Long enough to fail to remove it.
            sleep(Duration::from_millis(100)).await;
        }

        way.mend();

        let begun = tokio::time::Instant::now();
        while !labelled(&docker, &label).await.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "its container stays");
            sleep(Duration::from_millis(50)).await;
        }
        let (live, _) = mpsc::channel(1);
        assert_eq!(executor.run(python("print(1)"), live).await.expect("the sandbox works").stdout, "1\n");
    }
    executor.close().await;
}
