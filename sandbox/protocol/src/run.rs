//! What a worker asks a supervisor to run.

use crate::frame::Malformed;

/// Bytes of an encoded [`Run`], at most.
pub const RUN_LIMIT: usize = 16 << 20;

/// One program, with all that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// What to write below the working folder first: path and content.
    pub files: Vec<(String, Vec<u8>)>,
    pub launch: Launch,
    pub stdin: Vec<u8>,
    /// Patterns of the files that are wanted afterwards: see [`matches`](crate::matches).
    pub artifacts: Vec<String>,
}

/// The process to become, and what it may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program, looked for in PATH unless it has a slash, and its arguments.
    pub argv: Vec<String>,
    /// Added to what the image sets.
    pub env: Vec<(String, String)>,
    pub limits: Limits,
}

/// Limits that the kernel keeps of every process, RLIMIT for RLIMIT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Seconds of CPU time.
    pub cpu: u64,
    /// Processes and threads of the sandbox, the supervisor's own few among them.
    pub nproc: u64,
    /// Open files.
    pub nofile: u64,
    /// Bytes of a file.
    pub fsize: u64,
}

impl Run {
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(self.files.len() as u64);
        for (path, content) in &self.files {
            to.bytes(path.as_bytes());
            to.bytes(content);
        }
        to.bytes(&self.launch.encode());
        to.bytes(&self.stdin);
        to.strings(&self.artifacts);
        to.0
    }

    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(body);
        let run = Self {
            files: from.several(|from| Ok((from.string()?, from.bytes()?.to_vec())))?,
            launch: Launch::decode(from.bytes()?)?,
            stdin: from.bytes()?.to_vec(),
            artifacts: from.several(Reader::string)?,
        };
        from.end().map(|()| run)
    }
}

impl Launch {
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.strings(&self.argv);
        to.number(self.env.len() as u64);
        for (name, value) in &self.env {
            to.bytes(name.as_bytes());
            to.bytes(value.as_bytes());
        }
        let Limits { cpu, nproc, nofile, fsize } = self.limits;
        for limit in [cpu, nproc, nofile, fsize] {
            to.number(limit);
        }
        to.0
    }

    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(body);
        let launch = Self {
            argv: from.several(Reader::string)?,
            env: from.several(|from| Ok((from.string()?, from.string()?)))?,
            limits: Limits {
                cpu: from.number()?,
                nproc: from.number()?,
                nofile: from.number()?,
                fsize: from.number()?,
            },
        };
        from.end().map(|()| launch)
    }
}

/// Numbers in eight bytes, big-endian; bytes after their number; several things after theirs.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn strings(&mut self, strings: &[String]) {
        self.number(strings.len() as u64);
        for string in strings {
            self.bytes(string.as_bytes());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64, Malformed> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Malformed("a number broke off"))?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*number))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed("a field broke off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn string(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("a text is no UTF-8"))
    }

    /// Room is made as things are met, never because of a number that promises many.
    fn several<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = self.number()?;
        let mut several = Vec::new();
        for _ in 0..count {
            several.push(one(self)?);
        }
        Ok(several)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("there is more than was said")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run() -> impl Strategy<Value = Run> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..50);
        let launch = (
            prop::collection::vec(any::<String>(), 0..4),
            prop::collection::vec(any::<(String, String)>(), 0..4),
            any::<[u64; 4]>(),
        )
            .prop_map(|(argv, env, [cpu, nproc, nofile, fsize])| Launch {
                argv,
                env,
                limits: Limits { cpu, nproc, nofile, fsize },
            });
        (
            prop::collection::vec((any::<String>(), bytes()), 0..4),
            launch,
            bytes(),
            prop::collection::vec(any::<String>(), 0..4),
        )
            .prop_map(|(files, launch, stdin, artifacts)| Run { files, launch, stdin, artifacts })
    }

    proptest! {
        #[test]
        fn it_arrives_as_it_was_sent(run in run()) {
            prop_assert_eq!(Run::decode(&run.encode()), Ok(run));
        }

        #[test]
        fn what_is_cut_or_spoiled_is_refused_or_another_run(
            run in run(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = run.encode();
            let at = at.index(body.len());
            prop_assert!(Run::decode(&body[..at]).is_err());
            body[at] = byte;
            if let Ok(other) = Run::decode(&body) {
                prop_assert_eq!(other.encode(), body);
            }
        }
    }
}
