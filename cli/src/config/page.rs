//! What is written of settings outside the code, held to the table.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use clap::CommandFactory;

use super::{file::SettingsFile, setting::Unset, table, *};
use crate::commands::Cli;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/golden.toml");
/// What is between these in the page is made here.
const MARKS: [&str; 2] = ["<!-- settings: made from cli/src/config/table.rs -->\n", "<!-- end of settings -->\n"];

/// Compares a file with what it should be or, where the tester accepts the difference, writes it.
fn hold(path: &str, expected: &str) {
    if std::env::var_os("GOLDEN_ACCEPT").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == expected,
        "{path} is not what cli/src/config/table.rs says. If that is meant, run \
         GOLDEN_ACCEPT=1 cargo test -p golden-cli config::page, and look at the difference."
    );
}

/// The commands that have a setting as a flag, by the flag.
fn flags() -> BTreeMap<String, Vec<String>> {
    fn walk(command: &clap::Command, path: &str, flags: &mut BTreeMap<String, Vec<String>>) {
        for long in command.get_arguments().filter_map(clap::Arg::get_long) {
            flags.entry(format!("--{long}")).or_default().push(path.to_owned());
        }
        for command in command.get_subcommands() {
            walk(command, command.get_name(), flags);
        }
    }
    let mut flags = BTreeMap::new();
    for command in Cli::command().get_subcommands() {
        walk(command, command.get_name(), &mut flags);
    }
    flags
}

fn tables() -> String {
    let flags = flags();
    let mut text = String::new();
    for (title, settings) in table::TABLE {
        let _ = write!(
            text,
            "\n### {title}\n\n| variable | key, flag | what it is for | where it is not set |\n|---|---|---|---|\n"
        );
        for about in settings.iter().map(|setting| setting.about()) {
            let flag = flags.get(&about.as_flag()).map_or(String::new(), |_| format!(", `{}`", about.as_flag()));
            let unset = match about.unset {
                Unset::Value(value) => format!("`{value}`"),
                Unset::Otherwise(words) => words.to_owned(),
            };
            let (name, key, what, takes) = (about.name, about.in_file(), about.sentence(), about.takes);
            let _ = writeln!(text, "| `{name}` | `{key}`{flag} | {what} {takes} | {unset} |");
        }
    }
    text + "\n"
}

#[test]
fn the_page_has_every_setting() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    hold(PAGE, &format!("{before}{}{}{}{after}", MARKS[0], tables(), MARKS[1]));
}

#[test]
fn the_example_has_every_setting_and_can_be_read() {
    hold(EXAMPLE, &example::text());
    let read = |text: &str| {
        let mut of_file = Vec::new();
        let file = Some(SettingsFile::read(Path::new("golden.toml"), text, &mut of_file));
        Layers { file, of_file, ..Layers::default() }
    };
    let off = read(&example::text());
    assert!(off.faults().is_empty() && table::all().all(|setting| off.find(setting.about()).is_none()));

    let on: Vec<_> = example::text()
        .lines()
        .map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).unwrap_or(line).to_owned())
        .collect();
    let on = read(&on.join("\n"));
    assert_eq!(on.faults(), []);
    assert!(table::all().all(|setting| on.find(setting.about()).is_some()));
}

#[test]
fn examples_and_defaults_can_be_used() {
    for setting in table::all() {
        let about = setting.about();
        assert_eq!(setting.check(about.example), Ok(()), "{}", about.name);
        if let Unset::Value(value) = about.unset {
            assert_eq!(setting.check(value), Ok(()), "{}", about.name);
        }
    }
}

#[test]
fn what_is_said_of_defaults_is_what_the_code_does() {
    let settings = Settings::from_layers(&Layers::default()).unwrap();
    assert_eq!(settings.lost_after, golden_jobs::store::LOST_AFTER);
    let breakers = golden_jobs::breakers::Options::default();
    assert_eq!(settings.webhook_per_host, breakers.webhooks_per_host);
    assert_eq!(settings.breaker_open, breakers.open);
    assert_eq!(settings.keep, golden_jobs::store::Keep::default());
    assert_eq!(settings.budget, golden_jobs::budgets::Allowance::default());
    let Unset::Otherwise(schedule) = table::WEBHOOK_SCHEDULE.about.unset else { panic!("it depends on the kind") };
    let waits = values::webhook_schedule(schedule).unwrap();
    let delivery = golden_jobs::kinds::registry().get("webhook.deliver").unwrap().policy;
    assert_eq!(waits.len(), delivery.max_attempts as usize);
    for (attempt, wait) in (1..).zip(&waits[1..]) {
        assert_eq!(*wait, delivery.backoff.delay(attempt, 0.5));
    }
}

#[test]
fn a_flag_says_the_default_of_its_setting() {
    fn walk(command: &clap::Command) {
        for setting in table::all() {
            let about = setting.about();
            let flag = command
                .get_arguments()
                .find(|flag| flag.get_long().map(|long| format!("--{long}")) == Some(about.as_flag()));
            if let (Some(flag), Unset::Value(value)) = (flag, about.unset) {
                let help = flag.get_help().unwrap().to_string();
                assert!(
                    help.ends_with(&format!("[default: {value}]")),
                    "golden {} {}: {help}",
                    command.get_name(),
                    about.as_flag()
                );
            }
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&Cli::command());
}
