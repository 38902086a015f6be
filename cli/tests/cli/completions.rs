//! `golden completions`, in the shell it is for.

use std::{fs, process::Command};

use crate::support::{Dir, run};

#[test]
fn bash_completes_a_command_with_them() {
    let dir = Dir::new();
    // A shell starts with them: whatever directory it is in must not keep it from that.
    fs::write(dir.path("golden.toml"), "lisen = 'x'").unwrap();
    let printed = run(&mut dir.golden(&["completions", "bash"]));
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    fs::write(dir.path("golden.bash"), printed.out).unwrap();
    let complete = "source golden.bash; COMP_WORDS=(golden dlq repl); COMP_CWORD=2; \
                    _golden golden repl dlq; echo ${COMPREPLY[@]}";
    let ran = run(Command::new("bash").args(["-euc", complete]).current_dir(dir.path("")));
    assert_eq!((ran.code, ran.out.trim()), (0, "replay"), "{}", ran.err);
}

#[test]
fn a_shell_that_is_not_known_is_told_which_are() {
    let ran = run(&mut Dir::new().golden(&["completions", "tcsh"]));
    assert_eq!(ran.code, 2);
    assert!(["bash", "elvish", "fish", "powershell", "zsh"].iter().all(|shell| ran.err.contains(shell)), "{}", ran.err);
}
