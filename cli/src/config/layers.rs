//! Where settings come from, and which layer wins.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use super::SettingsError;

/// The file read from the current directory where none is named.
const DEFAULT_FILE: &str = "golden.toml";

/// A setting, by its name in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(&'static str);

impl Key {
    pub(crate) const DATABASE_URL: Self = Self("DATABASE_URL");
    pub(crate) const JWT_SECRET: Self = Self("JWT_SECRET");
    pub(crate) const JWKS: Self = Self("GOLDEN_JWKS");
    pub(crate) const JWT_ISSUER: Self = Self("GOLDEN_JWT_ISSUER");
    pub(crate) const JWT_AUDIENCE: Self = Self("GOLDEN_JWT_AUDIENCE");
    pub(crate) const LISTEN: Self = Self("GOLDEN_LISTEN");
    pub(crate) const RATE_LIMITS: Self = Self("GOLDEN_RATE_LIMITS");
    pub(crate) const TRUSTED_PROXIES: Self = Self("GOLDEN_TRUSTED_PROXIES");
    pub(crate) const DOCKER_HOST: Self = Self("DOCKER_HOST");
    pub(crate) const LOG: Self = Self("GOLDEN_LOG");
    pub(crate) const LOG_FORMAT: Self = Self("GOLDEN_LOG_FORMAT");
    pub(crate) const DRAIN_TIMEOUT: Self = Self("GOLDEN_DRAIN_TIMEOUT");
    pub(crate) const LOST_AFTER: Self = Self("GOLDEN_LOST_AFTER");
    pub(crate) const RETENTION: Self = Self("GOLDEN_RETENTION");
    pub(crate) const SANDBOX_LIMITS: Self = Self("GOLDEN_SANDBOX_LIMITS");
    pub(crate) const WEBHOOK_SCHEDULE: Self = Self("GOLDEN_WEBHOOK_SCHEDULE");
    pub(crate) const WEBHOOK_PER_HOST: Self = Self("GOLDEN_WEBHOOK_PER_HOST");
    pub(crate) const EGRESS_ALLOW: Self = Self("GOLDEN_EGRESS_ALLOW");
    pub(crate) const EGRESS_HTTP: Self = Self("GOLDEN_EGRESS_HTTP");
    pub(crate) const EGRESS_PORTS: Self = Self("GOLDEN_EGRESS_PORTS");
    pub(crate) const CONCURRENCY: Self = Self("GOLDEN_CONCURRENCY");
    pub(crate) const SERVER: Self = Self("GOLDEN_SERVER");
    pub(crate) const TOKEN: Self = Self("GOLDEN_TOKEN");

    pub(crate) const ALL: [Self; 23] = [
        Self::DATABASE_URL,
        Self::JWT_SECRET,
        Self::JWKS,
        Self::JWT_ISSUER,
        Self::JWT_AUDIENCE,
        Self::LISTEN,
        Self::RATE_LIMITS,
        Self::TRUSTED_PROXIES,
        Self::DOCKER_HOST,
        Self::LOG,
        Self::LOG_FORMAT,
        Self::DRAIN_TIMEOUT,
        Self::LOST_AFTER,
        Self::RETENTION,
        Self::SANDBOX_LIMITS,
        Self::WEBHOOK_SCHEDULE,
        Self::WEBHOOK_PER_HOST,
        Self::EGRESS_ALLOW,
        Self::EGRESS_HTTP,
        Self::EGRESS_PORTS,
        Self::CONCURRENCY,
        Self::SERVER,
        Self::TOKEN,
    ];

    /// Its name in `golden.toml`.
    fn in_file(self) -> String {
        self.0.strip_prefix("GOLDEN_").unwrap_or(self.0).to_ascii_lowercase()
    }

    fn as_flag(self) -> String {
        format!("--{}", self.in_file().replace('_', "-"))
    }
}

/// The layer a value was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    CommandLine,
    Environment,
    File(PathBuf),
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("on the command line"),
            Self::Environment => f.write_str("in the environment"),
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// All that was said about settings, the strongest layer first.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) flags: BTreeMap<Key, String>,
    /// Variables that are not UTF-8 are none of ours.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) file: Option<(PathBuf, BTreeMap<Key, String>)>,
}

impl Layers {
    /// Reads the environment, and `file` or else `golden.toml` where there is one.
    pub(crate) fn of_this_process(flags: &[(Key, String)], file: Option<&Path>) -> Result<Self, SettingsError> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let file = match std::fs::read_to_string(path) {
            Ok(text) => Some((path.to_owned(), read_file(path, &text)?)),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(SettingsError::File { file: path.to_owned(), problem: error.to_string() });
            }
        };
        Ok(Self { flags: flags.iter().cloned().collect(), environment, file })
    }

    /// A variable, where it says something: `NAME=` is as good as not set.
    pub(crate) fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of the strongest layer that has one, parsed.
    pub(crate) fn parse<T, E: fmt::Display>(
        &self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SettingsError> {
        let Some((value, place, name)) = self.find(key) else {
            return Ok(None);
        };
        parse(value).map(Some).map_err(|problem| SettingsError::Wrong { name, place, problem: problem.to_string() })
    }

    /// The same, with a default that is written as one would write the setting.
    pub(crate) fn parse_or<T, E: fmt::Display>(
        &self,
        key: Key,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, SettingsError> {
        let (value, place, name) = self.find(key).unwrap_or((default, Place::Default, key.0.to_owned()));
        parse(value).map_err(|problem| SettingsError::Wrong { name, place, problem: problem.to_string() })
    }

    /// The value of the strongest layer that has one, as it stands.
    pub(crate) fn text(&self, key: Key) -> Option<String> {
        self.find(key).map(|(value, ..)| value.to_owned())
    }

    /// The value, where it was found, and what it is called there.
    fn find(&self, key: Key) -> Option<(&str, Place, String)> {
        if let Some(value) = self.flags.get(&key) {
            return Some((value, Place::CommandLine, key.as_flag()));
        }
        if let Some(value) = self.environment(key.0) {
            return Some((value, Place::Environment, key.0.to_owned()));
        }
        let (path, values) = self.file.as_ref()?;
        Some((values.get(&key)?, Place::File(path.clone()), key.in_file()))
    }
}

/// Reads the text of a settings file: one flat table of strings, numbers and lists of them.
pub(crate) fn read_file(path: &Path, text: &str) -> Result<BTreeMap<Key, String>, SettingsError> {
    let wrong = |problem: String| SettingsError::File { file: path.to_owned(), problem };
    // `message` and the line, not the whole report: that would quote the line, which may hold a secret.
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count()) + 1;
        wrong(format!("line {line}: {}", error.message()))
    })?;
    table
        .iter()
        .map(|(name, value)| {
            let key = Key::ALL.into_iter().find(|key| key.in_file() == *name).ok_or_else(|| {
                let known: Vec<_> = Key::ALL.into_iter().map(Key::in_file).collect();
                wrong(format!("unknown key `{name}`: expected one of {}", known.join(", ")))
            })?;
            let text = as_text(value)
                .ok_or_else(|| wrong(format!("`{name}` must be a string, a whole number or a list of them")))?;
            Ok((key, text))
        })
        .collect()
}

/// A value as it would be written in the environment.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().filter(|item| !item.is_array()).map(as_text).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "golden.toml";

    fn layers(flags: &[(Key, &str)], environment: &[(&str, &str)], file: &str) -> Layers {
        let path = PathBuf::from(FILE);
        let values = read_file(&path, file).unwrap();
        Layers {
            flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            file: Some((path, values)),
        }
    }

    fn as_is(text: &str) -> Result<String, String> {
        Err(text.to_owned())
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file() {
        let (flag, env, file) = ([(Key::LISTEN, "flag")], [("GOLDEN_LISTEN", "env")], "listen = 'file'");
        assert_eq!(layers(&flag, &env, file).text(Key::LISTEN).as_deref(), Some("flag"));
        assert_eq!(layers(&[], &env, file).text(Key::LISTEN).as_deref(), Some("env"));
        assert_eq!(layers(&[], &[], file).text(Key::LISTEN).as_deref(), Some("file"));
        assert_eq!(layers(&[], &[("GOLDEN_LISTEN", "")], file).text(Key::LISTEN).as_deref(), Some("file"));
        assert_eq!(layers(&[], &[], "").text(Key::LISTEN), None);
    }

    #[test]
    fn an_error_names_the_setting_as_it_is_called_where_it_stands() {
        let error = |layers: Layers| layers.parse(Key::DRAIN_TIMEOUT, as_is).unwrap_err().to_string();
        assert_eq!(error(layers(&[(Key::DRAIN_TIMEOUT, "x")], &[], "")), "--drain-timeout on the command line: x");
        assert_eq!(
            error(layers(&[], &[("GOLDEN_DRAIN_TIMEOUT", "x")], "")),
            "GOLDEN_DRAIN_TIMEOUT in the environment: x"
        );
        assert_eq!(error(layers(&[], &[], "drain_timeout = 'x'")), "drain_timeout in golden.toml: x");
    }

    #[test]
    fn numbers_and_lists_are_written_as_one_would_expect() {
        let layers = layers(&[], &[], "concurrency = 8\negress_ports = [443, 8443]\negress_allow = ['a', 'b']");
        assert_eq!(layers.text(Key::CONCURRENCY).as_deref(), Some("8"));
        assert_eq!(layers.text(Key::EGRESS_PORTS).as_deref(), Some("443,8443"));
        assert_eq!(layers.text(Key::EGRESS_ALLOW).as_deref(), Some("a,b"));
    }

    #[test]
    fn what_the_file_cannot_say_is_refused_and_no_value_is_quoted() {
        for (text, expected) in [
            ("listn = 'x'", "unknown key `listn`: expected one of database_url"),
            ("log = true", "`log` must be a string"),
            ("[log]\nlevel = 'x'", "`log` must be a string"),
            ("log = 'info'\njwt_secret = hunter2", "line 2: "),
        ] {
            let error = read_file(Path::new(FILE), text).unwrap_err().to_string();
            assert!(error.starts_with("golden.toml: ") && error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
