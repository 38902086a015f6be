//! How jobs are run.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use golden_jobs::{sandbox::Limits, store::Keep};
use golden_sandbox::{Image, KeepWarm};

use crate::config::{
    images,
    models::{self, Answerer, Roles},
    setting::{
        About, Setting,
        Shown::{Address, Nothing, Whole},
        Unset::{Otherwise, Value},
    },
    values::{self, Secret},
};

pub(crate) static CONCURRENCY: Setting<NonZeroUsize> = Setting {
    about: About {
        name: "GOLDEN_CONCURRENCY",
        what: "runs at once in each pool",
        takes: "A number from 1 to 10000, for each role of the process.",
        unset: Otherwise("by role: orchestrator 64, peer-hub 16, sandbox 4, supervisor 8, webhook 50"),
        example: "8",
        shown: Whole,
    },
    parse: values::concurrency,
};

pub(crate) static DRAIN_TIMEOUT: Setting<Duration> = Setting {
    about: About {
        name: "GOLDEN_DRAIN_TIMEOUT",
        what: "how long runs may go on after a shutdown was asked for",
        takes: "A duration. What is left then goes back to its queue with no attempt spent.",
        unset: Value("30s"),
        example: "1m",
        shown: Whole,
    },
    parse: values::duration,
};

pub(crate) static LOST_AFTER: Setting<Duration> = Setting {
    about: About {
        name: "GOLDEN_LOST_AFTER",
        what: "silence after which a worker loses its jobs",
        takes: "A duration, 10s or more. The same for all worker processes.",
        unset: Value("20s"),
        example: "30s",
        shown: Whole,
    },
    parse: values::lost_after,
};

pub(crate) static RETENTION: Setting<Keep> = Setting {
    about: About {
        name: "GOLDEN_RETENTION",
        what: "how long jobs stay after they ended, by state, and the ledger of budgets, or off",
        takes: "A duration or `off` for each state and `ledger`, 1d or more. What is not named keeps its own; `dead` counts from when its dead letter was resolved.",
        unset: Value("succeeded=7d,cancelled=7d,dead=30d,ledger=90d"),
        example: "succeeded=2d,dead=off",
        shown: Whole,
    },
    parse: values::retention,
};

pub(crate) static PROBES_LISTEN: Setting<SocketAddr> = Setting {
    about: About {
        name: "GOLDEN_PROBES_LISTEN",
        what: "address where a worker answers /livez, /readyz, /health and /metrics",
        takes: "An IP address and a port. It asks for no token: let nobody but probes and scrapes reach it.",
        unset: Otherwise("a worker listens to nobody; the API has these paths anyway"),
        example: "0.0.0.0:9100",
        shown: Whole,
    },
    parse: values::listen,
};

pub(crate) static BREAKER_OPEN: Setting<Duration> = Setting {
    about: About {
        name: "GOLDEN_BREAKER_OPEN",
        what: "how long a dependency that fails is left alone at first",
        takes: "A duration from 1s to 10m. Twice as long each time that it fails again, up to ten times as long.",
        unset: Value("30s"),
        example: "10s",
        shown: Whole,
    },
    parse: values::breaker_open,
};

pub(crate) static DOCKER_HOST: Setting<String> = Setting {
    about: About {
        name: "DOCKER_HOST",
        what: "where Docker listens, for sandbox jobs",
        takes: "The address of a Unix socket.",
        unset: Otherwise("unix:///var/run/docker.sock"),
        example: "unix:///run/user/1000/docker.sock",
        shown: Address,
    },
    parse: values::text,
};

pub(crate) static SANDBOX_IMAGES: Setting<Vec<Image>> = Setting {
    about: About {
        name: "GOLDEN_SANDBOX_IMAGES",
        what: "images that sandboxed programs run in, beside those for python, javascript and bash",
        takes: "JSON, and tables in the file. The same for API and workers. See [sandbox.md](sandbox.md#your-own-images).",
        unset: Otherwise("python, javascript and bash, as `golden sandbox build-images` makes them"),
        example: r#"[{"name": "rust", "image": "sandbox-rust:1", "command": ["run-rust"], "source_file": "main.rs"}]"#,
        shown: Whole,
    },
    parse: images::sandbox_images,
};

pub(crate) static SANDBOX_LIMITS: Setting<Limits> = Setting {
    about: About {
        name: "GOLDEN_SANDBOX_LIMITS",
        what: "the most that a sandboxed program gets, whatever it asks for",
        takes: "`wall` (a duration), `cpu` (a duration of each process's CPU time) and `memory_mib` (64 or more). What is not named keeps its own.",
        unset: Value("wall=50s,memory_mib=1024"),
        example: "wall=20s,cpu=10s,memory_mib=512",
        shown: Whole,
    },
    parse: values::sandbox_limits,
};

pub(crate) static SANDBOX_WARM: Setting<KeepWarm> = Setting {
    about: About {
        name: "GOLDEN_SANDBOX_WARM",
        what: "sandboxes kept waiting, so that programs need not wait; 0 for none",
        takes: "`min` for each language, whether or not programs come; `max` for all languages together, when many come. One that waits takes about 20 MiB of memory.",
        unset: Value("min=2,max=8"),
        example: "min=4,max=16",
        shown: Whole,
    },
    parse: values::sandbox_warm,
};

pub(crate) static LLM_BASE_URL: Setting<Answerer> = Setting {
    about: About {
        name: "LLM_BASE_URL",
        what: "where language models are: what /chat/completions is below, or `offline`",
        takes: "An http or https address of OpenAI's API or one like it (vLLM, Ollama, LiteLLM); `offline` is the model that is built in, which answers by rule. See [models.md](models.md).",
        unset: Otherwise("`golden dev` takes `offline`; with others, jobs that ask a model fail"),
        example: "https://api.openai.com/v1",
        shown: Address,
    },
    parse: models::answerer,
};

pub(crate) static LLM_API_KEY: Setting<Secret> = Setting {
    about: About {
        name: "LLM_API_KEY",
        what: "the key of that API",
        takes: "Sent as a bearer token.",
        unset: Otherwise("none is sent"),
        example: "the key that the provider shows once",
        shown: Nothing,
    },
    parse: values::secret,
};

pub(crate) static MODELS: Setting<Roles> = Setting {
    about: About {
        name: "GOLDEN_MODELS",
        what: "which model each role of agents has, and on what terms",
        takes: "JSON, and tables in the file: `model`, and if wanted `role` (all others, where absent), `temperature`, `max_tokens` (8192), and `input_price` and `output_price` in dollars for a million tokens, without which nothing is asked of it. See [models.md](models.md#which-model).",
        unset: Otherwise("no role has one, except with `offline`"),
        example: r#"[{"model": "gpt-5", "input_price": "1.25", "output_price": "10"}]"#,
        shown: Whole,
    },
    parse: models::roles,
};

pub(crate) static WEBHOOK_SCHEDULE: Setting<Vec<Duration>> = Setting {
    about: About {
        name: "GOLDEN_WEBHOOK_SCHEDULE",
        what: "wait before each attempt to deliver a webhook: 0s,5s,5m,30m",
        takes: "Durations, the first of them 0s: as many as there are attempts.",
        unset: Otherwise("0s,5s,5m,30m,2h,5h,10h,14h,20h,24h"),
        example: "0s,5s,5m,30m",
        shown: Whole,
    },
    parse: values::webhook_schedule,
};

pub(crate) static WEBHOOK_PER_HOST: Setting<NonZeroUsize> = Setting {
    about: About {
        name: "GOLDEN_WEBHOOK_PER_HOST",
        what: "webhooks that a process delivers to one host at once",
        takes: "A number from 1 to 10000.",
        unset: Value("10"),
        example: "4",
        shown: Whole,
    },
    parse: values::concurrency,
};
