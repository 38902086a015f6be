//! `golden completions`: what makes a shell complete the command line.

use std::path::Path;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use crate::{exit::Exit, output::Output};

/// Print what makes your shell complete golden's commands and flags with the tab key
///
/// Reads no settings. Put it where your shell looks for completions, and start a new one.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  golden completions bash > ~/.local/share/bash-completion/completions/golden
  golden completions zsh > ~/.zfunc/_golden        # with fpath+=~/.zfunc before compinit in .zshrc
  golden completions fish > ~/.config/fish/completions/golden.fish
  golden completions powershell >> $PROFILE
  golden completions elvish >> ~/.config/elvish/rc.elv"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    // A binary with kinds of its own has a name of its own.
    let called = std::env::args_os().next();
    let name = called.as_deref().and_then(|path| Path::new(path).file_name()?.to_str()).unwrap_or("golden");
    Output::new(false, true).line(script(args.shell, name).trim_end())?;
    Ok(Exit::Ok)
}

fn script(shell: Shell, name: &str) -> String {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// Commands of as many words that fish completes the flags of; clap_complete goes no deeper there.
    const DEEPEST_OF_FISH: usize = 2;

    #[test]
    fn every_shell_knows_every_command_and_flag() {
        fn walk(command: &clap::Command, depth: usize, words: &mut Vec<(String, usize)>) {
            words.extend(command.get_arguments().filter_map(|flag| Some((flag.get_long()?.to_owned(), depth))));
            for command in command.get_subcommands() {
                words.push((command.get_name().to_owned(), depth));
                walk(command, depth + 1, words);
            }
        }
        let mut words = Vec::new();
        walk(&Cli::command(), 0, &mut words);
        assert!(words.len() > 50);
        for shell in Shell::value_variants() {
            let script = script(*shell, "golden");
            for (word, depth) in &words {
                let beyond = *shell == Shell::Fish && *depth > DEEPEST_OF_FISH;
                assert!(beyond || script.contains(word.as_str()), "{shell} does not know {word}");
            }
        }
    }
}
