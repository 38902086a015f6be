//! The settings file: one table of strings, numbers and lists of them, or of tables.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Fault, near::nearest, setting::About, table};

/// The file read from the current directory where none is named.
const DEFAULT_FILE: &str = "golden.toml";
/// Of a file's mode: everybody may read it.
const READABLE_BY_ALL: u32 = 0o004;

/// What a file says. Values are the text that one would put into the environment.
#[derive(Debug, Default)]
pub(crate) struct SettingsFile {
    pub(super) path: PathBuf,
    /// By name of the setting, with the line it is in.
    values: BTreeMap<&'static str, (String, usize)>,
    readable_by_all: bool,
}

impl SettingsFile {
    /// Reads `named`, or the default file where there is one. What cannot be used in it is added to `faults`.
    pub(super) fn open(named: Option<&Path>, faults: &mut Vec<Fault>) -> Option<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        match fs::read_to_string(path) {
            Ok(text) => {
                let mut file = Self::read(path, &text, faults);
                file.readable_by_all =
                    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & READABLE_BY_ALL != 0);
                Some(file)
            }
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                faults.push(Fault { place: path.display().to_string(), problem: error.to_string() });
                None
            }
        }
    }

    /// Reads the text of a file.
    pub(super) fn read(path: &Path, text: &str, faults: &mut Vec<Fault>) -> Self {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        let line_of = |offset: usize| text[..offset].matches('\n').count() + 1;
        let place = |line: usize| format!("{}, line {line}", path.display());
        let parsed = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                // Not the whole report: that would quote the line, which may hold a secret.
                let line = error.span().map_or(1, |span| line_of(span.start));
                faults.push(Fault { place: place(line), problem: error.message().to_owned() });
                return file;
            }
        };
        let mut entries: Vec<_> = parsed.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let line = line_of(key.span().start);
            match known(key.get_ref()).and_then(|about| Ok((about.name, as_text(key.get_ref(), value)?))) {
                Ok((name, text)) => drop(file.values.insert(name, (text, line))),
                Err(problem) => faults.push(Fault { place: place(line), problem }),
            }
        }
        file
    }

    /// What it says about a setting, and in which line.
    pub(super) fn value(&self, setting: &About) -> Option<(&str, usize)> {
        self.values.get(setting.name).map(|(text, line)| (text.as_str(), *line)).filter(|(text, _)| !text.is_empty())
    }

    /// What should be done about it though it can be used.
    pub(super) fn warning(&self) -> Option<String> {
        let secrets = table::all().map(|setting| setting.about());
        let secret = secrets
            .filter(|_| self.readable_by_all)
            .find(|about| self.value(about).is_some_and(|(value, _)| about.is_secret(value)))?;
        let (path, key) = (self.path.display(), secret.in_file());
        Some(format!("{path} holds the secret `{key}` and everybody on this machine may read it: chmod 600 {path}"))
    }
}

fn known(key: &str) -> Result<&'static About, String> {
    let abouts = || table::all().map(|setting| setting.about());
    abouts().find(|about| about.in_file() == key).ok_or_else(|| match nearest(key, abouts().map(About::in_file)) {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => {
            let known: Vec<_> = abouts().map(About::in_file).collect();
            format!("unknown key `{key}`: expected one of {}", known.join(", "))
        }
    })
}

/// A value as it would be written in the environment.
fn as_text(key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    let scalar = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string()),
        _ => None,
    };
    let text = match value.get_ref() {
        DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
            as_json(value.get_ref()).map(|json| json.to_string())
        }
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| scalar(item.get_ref())).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Boolean(_) => return Err(format!("`{key}` is written \"on\" or \"off\" here, or as it is described")),
        value => scalar(value),
    };
    text.ok_or_else(|| format!("`{key}` must be a string, a whole number or a list of them"))
}

/// A list of tables as it would be written in the environment. Tables hold strings and lists of them.
fn as_json(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Array(items) => items.iter().map(|item| as_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let mut object = Map::new();
            for (key, value) in table.iter() {
                object.insert(key.get_ref().to_string(), as_json(value.get_ref())?);
            }
            Some(Value::Object(object))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (SettingsFile, Vec<String>) {
        let mut faults = Vec::new();
        let file = SettingsFile::read(Path::new(DEFAULT_FILE), text, &mut faults);
        (file, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn numbers_and_lists_are_written_as_one_would_expect() {
        let (file, faults) = read("concurrency = 0x10\negress_ports = [443, 8443]\n\negress_allow = ['a', 'b']");
        assert!(faults.is_empty(), "{faults:?}");
        let value = |name| file.values.get(name).cloned();
        assert_eq!(value("GOLDEN_CONCURRENCY"), Some(("16".to_owned(), 1)));
        assert_eq!(value("GOLDEN_EGRESS_PORTS"), Some(("443,8443".to_owned(), 2)));
        assert_eq!(value("GOLDEN_EGRESS_ALLOW"), Some(("a,b".to_owned(), 4)));
    }

    #[test]
    fn a_list_of_tables_is_what_one_would_write_as_json() {
        let (file, faults) =
            read("[[sandbox_images]]\nname = 'x'\ncommand = ['a', 'b']\n\n[[sandbox_images]]\nname = 'y'");
        assert!(faults.is_empty(), "{faults:?}");
        let (text, line) = &file.values["GOLDEN_SANDBOX_IMAGES"];
        let told: Value = serde_json::from_str(text).unwrap();
        assert_eq!(told, serde_json::json!([{"name": "x", "command": ["a", "b"]}, {"name": "y"}]));
        assert_eq!(*line, 1);
        assert_eq!(read("[[sandbox_images]]\nname = 1").1.len(), 1);
    }

    #[test]
    fn what_a_file_cannot_say_is_named_with_its_line_and_no_value_is_quoted() {
        for (text, expected) in [
            ("listn = 'x'", "golden.toml, line 1: unknown key `listn`: did you mean `listen`?"),
            ("\n# a line\nGOLDEN_LOG = 'x'", "golden.toml, line 3: unknown key `GOLDEN_LOG`: did you mean `log`?"),
            (
                "colour = 'x'",
                "golden.toml, line 1: unknown key `colour`: expected one of database_url, database_pool_mode",
            ),
            ("[log]\nlevel = 'hunter2'", "golden.toml, line 1: `log` must be a string"),
            ("log = 1.5", "golden.toml, line 1: `log` must be a string"),
            ("egress_http = true", "golden.toml, line 1: `egress_http` is written \"on\" or \"off\""),
            ("log = 'info'\njwt_secret = hunter2", "golden.toml, line 2: "),
        ] {
            let (_, faults) = read(text);
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{faults:?}");
            assert!(!faults[0].contains("hunter2"), "{faults:?}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        assert_eq!(read("listn = 'x'\nlog = 'info'\ncolour = 1").1.len(), 2);
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_warned_about() {
        let folder = std::env::temp_dir().join(format!("golden-settings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(DEFAULT_FILE);
        let warning = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            SettingsFile::open(Some(&path), &mut Vec::new()).unwrap().warning()
        };
        let secret = "database_url = 'postgres://golden:hunter2@db/golden'";
        let told = warning(secret, 0o644).unwrap();
        assert!(told.contains("`database_url`") && told.contains("chmod 600") && !told.contains("hunter2"), "{told}");
        assert_eq!(warning(secret, 0o600), None);
        assert_eq!(warning("database_url = 'sqlite://golden.db'", 0o644), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
