//! The key that signs heads of the audit log.

use std::{fmt, fs, path::PathBuf};

use anyhow::Context;
use golden_jobs::audit::SigningKey;

use super::Secret;

/// A seed, or a file that has it in its first line.
#[derive(Clone)]
pub(crate) enum AuditKey {
    Seed(Secret),
    File(PathBuf),
}

impl AuditKey {
    pub(crate) fn read(&self) -> anyhow::Result<SigningKey> {
        let (seed, place) = match self {
            Self::Seed(seed) => (seed.reveal().to_owned(), "GOLDEN_AUDIT_KEY".to_owned()),
            Self::File(path) => {
                let place = path.display().to_string();
                let text = fs::read_to_string(path).with_context(|| format!("GOLDEN_AUDIT_KEY: {place}"))?;
                (text.lines().next().unwrap_or_default().to_owned(), place)
            }
        };
        SigningKey::read(&seed).with_context(|| place)
    }
}

/// What is no seed is the path of a file, which is read when a process starts.
pub(super) fn audit_key(text: &str) -> Result<AuditKey, String> {
    if SigningKey::read(text).is_ok() {
        return super::values::secret(text).map(AuditKey::Seed);
    }
    if text.is_empty() || text.ends_with('=') {
        return Err("names no file, and is not 32 bytes in base64: `openssl rand -base64 32` makes a key".to_owned());
    }
    Ok(AuditKey::File(PathBuf::from(text)))
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(_) => f.write_str("a key"),
            Self::File(path) => write!(f, "the key in {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_seed_or_a_file_and_is_not_shown() {
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let key = audit_key(seed).unwrap();
        assert_eq!(key.read().unwrap().public().to_string(), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert!(!format!("{key:?}").contains("nWG"));
        let file = audit_key("/nowhere/audit.key").unwrap();
        assert!(file.read().is_err_and(|error| error.to_string().contains("/nowhere/audit.key")));
        for wrong in ["", "AAAA=", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2=="] {
            assert!(audit_key(wrong).is_err_and(|error| !error.contains("nWG")), "{wrong}");
        }
    }
}
