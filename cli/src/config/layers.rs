//! Where settings come from, and which layer wins.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Fault, SettingsError,
    file::SettingsFile,
    near::nearest,
    setting::{About, Setting, Unset},
    table,
};

/// The layer a value was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    CommandLine,
    Environment,
    File(PathBuf, usize),
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("on the command line"),
            Self::Environment => f.write_str("in the environment"),
            Self::File(path, line) => write!(f, "in {}, line {line}", path.display()),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// A value with where it was found and what it is called there.
pub(crate) struct Found<'a> {
    pub(crate) value: &'a str,
    pub(crate) place: Place,
    pub(crate) called: String,
}

/// All that was said about settings, the strongest layer first.
#[derive(Default)]
pub(crate) struct Layers {
    /// By name of the setting.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// Variables that are not UTF-8 are none of ours.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) file: Option<SettingsFile>,
    /// What of the file cannot be used.
    pub(super) of_file: Vec<Fault>,
}

impl Layers {
    /// Reads the environment, and `file` or else `golden.toml` where there is one.
    pub(crate) fn of_this_process(flags: Vec<(&'static str, String)>, file: Option<&Path>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut of_file = Vec::new();
        let file = SettingsFile::open(file, &mut of_file);
        Self { flags: flags.into_iter().collect(), environment, file, of_file }
    }

    /// A variable, where it says something: `NAME=` is as good as not set.
    pub(crate) fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of the strongest layer that has one, or the default where there is one.
    pub(super) fn get<T>(&self, setting: &Setting<T>) -> Result<Option<T>, SettingsError> {
        let about = &setting.about;
        let default = || match about.unset {
            Unset::Value(value) => Some(Found { value, place: Place::Default, called: about.name.to_owned() }),
            Unset::Otherwise(_) => None,
        };
        let Some(found) = self.find(about).or_else(default) else {
            return Ok(None);
        };
        (setting.parse)(found.value).map(Some).map_err(|problem| SettingsError::Wrong(vec![found.fault(problem)]))
    }

    /// The same, of a setting that has a default.
    pub(super) fn value<T>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        let missing = SettingsError::Missing { name: setting.about.name, hint: setting.about.takes };
        self.get(setting)?.ok_or(missing)
    }

    /// Whether anybody set it.
    pub(crate) fn has<T>(&self, setting: &Setting<T>) -> bool {
        self.find(&setting.about).is_some()
    }

    /// What the strongest layer says that says anything.
    pub(crate) fn find(&self, about: &About) -> Option<Found<'_>> {
        if let Some(value) = self.flags.get(about.name) {
            return Some(Found { value, place: Place::CommandLine, called: about.as_flag() });
        }
        if let Some(value) = self.environment(about.name) {
            return Some(Found { value, place: Place::Environment, called: about.name.to_owned() });
        }
        let file = self.file.as_ref()?;
        let (value, line) = file.value(about)?;
        Some(Found { value, place: Place::File(file.path.clone(), line), called: about.in_file() })
    }

    /// All that cannot be used, so that it can be mended in one go.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let wrong = table::all().filter_map(|setting| {
            let found = self.find(setting.about())?;
            setting.check(found.value).err().map(|problem| found.fault(problem))
        });
        self.of_file.iter().cloned().chain(wrong).collect()
    }

    /// What is probably not as it was meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.misspelt().chain(self.file.as_ref().and_then(SettingsFile::warning)).collect()
    }

    /// Variables that are much like a setting's. The environment is everybody's: what is like none
    /// of ours is somebody else's.
    fn misspelt(&self) -> impl Iterator<Item = String> {
        let ours = || table::all().map(|setting| setting.about().name);
        let unknown = self.environment.keys().filter(move |name| {
            let named = |name: &str| name.starts_with("GOLDEN_") && !name.contains(|c: char| c.is_control());
            named(&name.to_ascii_uppercase()) && !ours().any(|known| known == *name)
        });
        unknown.filter_map(move |name| {
            let near = nearest(name, ours())?;
            Some(format!("{name} in the environment is not a setting: did you mean {near}?"))
        })
    }
}

impl Found<'_> {
    fn fault(&self, problem: String) -> Fault {
        Fault { place: format!("{} {}", self.called, self.place), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::table::{DRAIN_TIMEOUT, JWT_AUDIENCE as TEXT},
        *,
    };

    fn layers(flags: &[(&'static str, &str)], environment: &[(&str, &str)], file: &str) -> Layers {
        let mut of_file = Vec::new();
        let file = SettingsFile::read(Path::new("golden.toml"), file, &mut of_file);
        Layers {
            flags: flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            file: Some(file),
            of_file,
        }
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_the_default() {
        let name = TEXT.about.name;
        let (flag, env, file) = ([(name, "flag")], [(name, "env")], "jwt_audience = 'file'");
        let text = |layers: Layers| layers.get(&TEXT).unwrap();
        assert_eq!(text(layers(&flag, &env, file)).as_deref(), Some("flag"));
        assert_eq!(text(layers(&[], &env, file)).as_deref(), Some("env"));
        assert_eq!(text(layers(&[], &[], file)).as_deref(), Some("file"));
        assert_eq!(text(layers(&[], &[(name, "")], file)).as_deref(), Some("file"));
        assert_eq!(text(layers(&[], &[(name, "")], "jwt_audience = ''")), None);
        assert_eq!(layers(&[], &[], "").value(&DRAIN_TIMEOUT).unwrap().as_secs(), 30);
    }

    #[test]
    fn a_fault_names_the_setting_as_it_is_called_where_it_stands() {
        let fault = |layers: Layers| layers.faults()[0].to_string();
        let (name, why) = (DRAIN_TIMEOUT.about.name, "`x` is not a duration like");
        for (layers, place) in [
            (layers(&[(name, "x")], &[], ""), "--drain-timeout on the command line"),
            (layers(&[], &[(name, "x")], ""), "GOLDEN_DRAIN_TIMEOUT in the environment"),
            (layers(&[], &[], "\ndrain_timeout = 'x'"), "drain_timeout in golden.toml, line 2"),
        ] {
            assert!(matches!(layers.get(&DRAIN_TIMEOUT), Err(SettingsError::Wrong(faults)) if faults.len() == 1));
            let told = fault(layers);
            assert!(told.starts_with(&format!("{place}: {why}")), "{told}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let layers = layers(&[], &[("GOLDEN_LISTEN", "8000"), ("JWT_SECRET", "hunter2")], "concurrency = 0\nlsten = 1");
        let told: Vec<_> = layers.faults().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }

    #[test]
    fn a_misspelt_variable_is_warned_about_and_somebody_elses_is_not() {
        let environment = [("GOLDEN_LISTN", "x"), ("GOLDEN_PORT", "x"), ("GOLDEN_LOG", "info"), ("LISTEN", "x")];
        let warnings = layers(&[], &environment, "").warnings();
        assert_eq!(warnings, ["GOLDEN_LISTN in the environment is not a setting: did you mean GOLDEN_LISTEN?"]);
    }
}
