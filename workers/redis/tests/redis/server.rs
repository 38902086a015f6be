//! A server of a test's own, to be killed and wiped. Whoever else needs one has this file as a module, too.

use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command},
};

pub(crate) struct Server {
    child: Option<Child>,
    options: Vec<String>,
    pub(crate) port: u16,
    dir: PathBuf,
}

impl Server {
    /// One that nobody else knows of, which keeps nothing when it ends.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let mut server = Self::new();
        server.options = ["--save", "", "--appendonly", "no"].iter().chain(options).map(ToString::to_string).collect();
        server.start_again();
        server
    }

    /// A Sentinel that watches `master` under the name `main`.
    pub(crate) fn sentinel(master: &Self) -> Self {
        let mut sentinel = Self::new();
        std::fs::create_dir_all(&sentinel.dir).unwrap();
        // It writes what it finds into its file.
        let file = sentinel.dir.join("sentinel.conf");
        std::fs::write(&file, format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port)).unwrap();
        sentinel.options = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        sentinel.start_again();
        sentinel
    }

    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("golden-redis-{}-{port}", std::process::id()));
        Self { child: None, options: Vec::new(), port, dir }
    }

    pub(crate) fn start_again(&mut self) {
        std::fs::create_dir_all(&self.dir).unwrap();
        let log = File::create(self.dir.join("log")).unwrap();
        let child = Command::new("redis-server")
            .args(&self.options)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.dir)
            .stdout(log)
            .spawn()
            .expect("redis-server is not there; `tests/services up` installs Debian's");
        self.child = Some(child);
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Has it forget everything.
    pub(crate) fn wipe(&self) {
        let wiped = Command::new("redis-cli").args(["-p", &self.port.to_string(), "FLUSHALL"]).output().unwrap();
        assert!(wiped.status.success(), "{wiped:?}");
    }

    /// Has it neither answer nor end, or go on.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
