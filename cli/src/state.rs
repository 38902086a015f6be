//! What `golden dev` keeps between runs, in the directory it is started in.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Beside what is being worked on, so that two projects do not share a queue.
const DIRECTORY: &str = ".golden";
const DATABASE: &str = "golden.db";
const SECRET: &str = "jwt-secret";
/// What signs tokens is no shorter, in bytes.
const LEAST_SECRET: usize = 32;

/// The state directory.
#[derive(Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// Opens the one of the current directory, and makes it where there is none.
    pub(crate) fn open() -> anyhow::Result<Self> {
        Self::open_in(Path::new(""))
    }

    fn open_in(parent: &Path) -> anyhow::Result<Self> {
        let path = parent.join(DIRECTORY);
        // The payloads in it are nobody else's.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the state directory {}", path.display()))?;
        // Whoever runs us in a repository does not want the secret in it.
        let ignore = path.join(".gitignore");
        fs::write(&ignore, "*\n").with_context(|| format!("cannot write {}", ignore.display()))?;
        Ok(Self(path))
    }

    /// The secret of the current directory's `golden dev`, if one ever ran here.
    pub(crate) fn known_secret() -> Option<String> {
        read_secret(&Path::new(DIRECTORY).join(SECRET)).ok()
    }

    /// The database of the current directory's `golden dev`, if one ever ran here.
    pub(crate) fn known_database_url() -> Option<String> {
        let state = Self(DIRECTORY.into());
        state.0.join(DATABASE).exists().then(|| state.database_url())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database_url(&self) -> String {
        format!("sqlite://{}", self.0.join(DATABASE).display())
    }

    /// The secret that signs tokens; made at first use and readable by its owner only.
    pub(crate) fn jwt_secret(&self) -> anyhow::Result<String> {
        let path = self.0.join(SECRET);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| {
            let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
            file.write_all(secret.as_bytes())?;
            Ok(secret)
        });
        let secret = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_secret(&path),
            made => made,
        }
        .with_context(|| format!("cannot read or make the secret {}", path.display()))?;
        // A process that was killed may have left a part of it.
        ensure!(
            secret.len() >= LEAST_SECRET,
            "the secret in {} is cut off: remove the file, and a new one is made",
            path.display()
        );
        Ok(secret)
    }
}

fn read_secret(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let parent = std::env::temp_dir().join(format!("golden-state-{}", std::process::id()));
        let state = StateDir::open_in(&parent).unwrap();
        let secret = state.jwt_secret().unwrap();
        assert_eq!(StateDir::open_in(&parent).unwrap().jwt_secret().unwrap(), secret);
        assert!(secret.len() >= LEAST_SECRET);
        let mode = fs::metadata(state.path().join(SECRET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(state.path().join(SECRET), &secret[..LEAST_SECRET - 1]).unwrap();
        assert!(state.jwt_secret().unwrap_err().to_string().contains("remove the file"));
        fs::remove_dir_all(parent).unwrap();
    }
}
