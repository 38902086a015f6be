//! The languages that tasks are written in.

/// How a program and its tests are laid out in a language.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    /// As a sandbox has it.
    pub name: &'static str,
    /// The file that a program begins with.
    pub program: &'static str,
    /// The file that is run to run the tests.
    pub tests: &'static str,
    /// What whoever writes in it is told.
    pub customs: &'static str,
}

const ALL: [Language; 3] = [
    Language {
        name: "python",
        program: "main.py",
        tests: "test_main.py",
        customs: "Python 3 with its standard library and nothing else. Tests use unittest, import what they test from \
                  the module `main`, and end with unittest.main(). They are run by `python3 test_main.py`.",
    },
    Language {
        name: "javascript",
        program: "main.js",
        tests: "test_main.js",
        customs: "Node.js with its own modules and nothing else, as CommonJS: `module.exports` in main.js, \
                  require(\"./main.js\") in the tests. Tests use node:assert. They are run by `node test_main.js`.",
    },
    Language {
        name: "bash",
        program: "main.sh",
        tests: "test_main.sh",
        customs: "Bash 5 with the usual commands. Tests begin with `set -euo pipefail`, run `bash main.sh` or source \
                  it, compare what comes of it, and print what differs. They are run by `bash test_main.sh`.",
    },
];

impl Language {
    /// The language of this name, if tasks may be written in it.
    pub fn of(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|language| language.name == name)
    }

    /// The names of all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|language| language.name)
    }
}
