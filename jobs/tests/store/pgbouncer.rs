//! A PgBouncer of a test's own, which lends few sessions. Whoever else needs one has this file as a module, too.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

pub(crate) struct PgBouncer {
    child: Child,
    dir: PathBuf,
    /// `USER:PASSWORD`, as the server has them.
    login: String,
    port: u16,
}

impl PgBouncer {
    /// One in front of the server at this URL, with these lines beside those that every one has.
    pub(crate) async fn start(server: &str, lines: &str) -> Self {
        let (login, place) = server.strip_prefix("postgres://").and_then(|rest| rest.rsplit_once('@')).unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let (host, server_port) = place.split('/').next().unwrap().rsplit_once(':').unwrap();

        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("golden-pgbouncer-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let users = dir.join("users");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let file = dir.join("pgbouncer.ini");
        let ini = format!(
            "[databases]\n* = host={host} port={server_port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {users}\n{lines}\n",
            users = users.display()
        );
        std::fs::write(&file, ini).unwrap();

        let mut command = Command::new("pgbouncer");
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            // It refuses to run as root.
            command.args(["-u", "nobody"]);
        }
        let log = File::create(dir.join("log")).unwrap();
        let child = command
            .arg(&file)
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .stderr(log)
            .spawn()
            .expect("pgbouncer is not there; `tests/services up` installs Debian's");
        let bouncer = Self { child, dir, login: login.to_owned(), port };
        bouncer.until_it_listens().await;
        bouncer
    }

    /// One that lends three sessions, each for a transaction at a time.
    pub(crate) async fn by_transaction(server: &str) -> Self {
        Self::start(server, "pool_mode = transaction\ndefault_pool_size = 3").await
    }

    async fn until_it_listens(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "PgBouncer does not listen:\n{}", log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where this database is behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", self.login, self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
