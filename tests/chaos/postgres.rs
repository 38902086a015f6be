//! A PostgreSQL of the run's own, since it is stopped in the midst of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

use crate::support::{Process, free_port};

pub(crate) struct Postgres {
    pub(crate) url: String,
    process: Option<Process>,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// A new cluster that is up. It keeps fsync on: what survives is what is looked at.
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("golden-chaos-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let (port, password) = (free_port(), uuid::Uuid::now_v7().simple().to_string());
        fs::write(folder.join("password"), &password).unwrap();
        if let Some(user) = user() {
            succeed(Command::new("chown").args(["-R", &user]).arg(&folder));
        }
        let url = format!("postgres://golden:{password}@127.0.0.1:{port}/postgres");
        let mut postgres = Self { url, process: None, folder, port };
        let flags = "--username golden --pwfile password --auth scram-sha-256 --encoding UTF8 --locale C --no-sync";
        succeed(postgres.command("initdb").args(flags.split(' ')));
        postgres.start_again().await;
        postgres
    }

    pub(crate) async fn start_again(&mut self) {
        let mut server = self.command("postgres");
        server.args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"]).arg(&self.folder);
        self.process = Some(Process::start("postgres", server));
        let begun = Instant::now();
        while PgConnection::connect(&self.url).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "PostgreSQL does not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it as `pg_ctl stop` does in its mode `fast` (`-INT`) or `immediate` (`-QUIT`).
    pub(crate) async fn stop(&mut self, signal: &str) {
        if let Some(process) = self.process.take() {
            process.signal(signal);
            process.ended().await;
        }
    }

    /// One of its programs, as somebody whom it lets start it.
    fn command(&self, program: &str) -> Command {
        let program = bin().join(program);
        let mut command = match user() {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program);
                command
            }
        };
        command.current_dir(&self.folder).arg("-D").arg(self.folder.join("data"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Its data goes, so it may go at once; it takes its own processes along.
            process.signal("-QUIT");
            process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Who it runs as where this is root, whom it refuses.
fn user() -> Option<String> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    (id(&["-u"])? == "0").then(|| "postgres".to_owned())
}

/// Where the newest of Debian's is, which are not on the PATH.
fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.max_by_key(|path| version(path)).map(|path| path.join("bin")).unwrap_or_default()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
