//! Every setting there is. Help, the settings file, `golden doctor` and docs/configuration.md
//! are made of this table; a new setting is an entry here and a field of `Settings`.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use golden_api::RateLimits;
use golden_jobs::{
    address::Network,
    budgets::Allowance,
    egress::Ports,
    governance::rules::Rules,
    sandbox::Limits,
    store::{Keep, PoolMode},
};
use golden_nats::StreamLimits;
use golden_sandbox::{Image, KeepWarm};
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::{
    audit_key::{self, AuditKey},
    images,
    models::{self, Answerer, Roles},
    setting::{
        About, AnySetting, Setting,
        Shown::{Address, Addresses, Nothing, Whole},
        Unset::{Otherwise, Value},
    },
    values::{self, DispatchBy, Jwks, LogFormat, Secret},
};

/// The settings by what they are about, as people are shown them.
pub(crate) static TABLE: [(&str, &[&dyn AnySetting]); 16] = [
    ("Database", &[&DATABASE_URL, &POOL_MODE, &CONNECTIONS]),
    ("Tokens", &[&JWT_SECRET, &JWKS, &JWT_ISSUER, &JWT_AUDIENCE]),
    (
        "API",
        &[
            &LISTEN,
            &SCALER_LISTEN,
            &SCALER_TLS_CERT,
            &SCALER_TLS_KEY,
            &SCALER_TLS_CLIENT_CA,
            &RATE_LIMITS,
            &TRUSTED_PROXIES,
        ],
    ),
    ("Workers", &[&CONCURRENCY, &DRAIN_TIMEOUT, &LOST_AFTER, &RETENTION, &PROBES_LISTEN, &BREAKER_OPEN]),
    ("Sandbox", &[&DOCKER_HOST, &SANDBOX_IMAGES, &SANDBOX_LIMITS, &SANDBOX_WARM]),
    ("Models", &[&LLM_BASE_URL, &LLM_API_KEY, &MODELS]),
    ("Webhooks", &[&WEBHOOK_SCHEDULE, &WEBHOOK_PER_HOST]),
    ("Redis", &[&REDIS_URL, &DISPATCH]),
    ("NATS", &[&NATS_URL, &NATS_CREDENTIALS, &NATS_STREAMS]),
    ("What jobs and webhooks may reach", &[&EGRESS_ALLOW, &EGRESS_PORTS, &EGRESS_HTTP]),
    ("Budgets", &[&BUDGET]),
    ("Agents' policies", &[&GOVERNANCE]),
    ("Audit log", &[&AUDIT_KEY]),
    ("Log", &[&LOG, &LOG_FORMAT]),
    ("Traces", &[&OTLP_ENDPOINT]),
    ("Client commands", &[&SERVER, &TOKEN]),
];

pub(crate) fn all() -> impl Iterator<Item = &'static dyn AnySetting> {
    TABLE.iter().flat_map(|(_, settings)| settings.iter().copied())
}

pub(crate) static DATABASE_URL: Setting<Secret> = Setting {
    about: About {
        name: "DATABASE_URL",
        what: "where jobs are: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE",
        takes: "SQLite is for one machine, PostgreSQL for any number of them.",
        unset: Otherwise("`golden dev` keeps .golden/golden.db; others do not start"),
        example: "postgres://golden:password@localhost/golden",
        shown: Address,
    },
    parse: values::secret,
};

pub(crate) static POOL_MODE: Setting<PoolMode> = Setting {
    about: About {
        name: "GOLDEN_DATABASE_POOL_MODE",
        what: "session, or transaction behind PgBouncer or another pooler of PostgreSQL",
        takes: "`transaction` needs nothing of a session: it works behind any pooler, in whichever mode that is. Processes may differ in it. See [operations.md](operations.md#connections).",
        unset: Value("session"),
        example: "transaction",
        shown: Whole,
    },
    parse: values::pool_mode,
};

pub(crate) static CONNECTIONS: Setting<u32> = Setting {
    about: About {
        name: "GOLDEN_DATABASE_CONNECTIONS",
        what: "connections of a process to PostgreSQL at most",
        takes: "A number from 2 to 1000. One of them listens for hints, unless the pool mode is `transaction`. See [operations.md](operations.md#connections).",
        unset: Otherwise("`golden api` 10, `golden worker` 4, `golden dev` 14"),
        example: "6",
        shown: Whole,
    },
    parse: values::connections,
};

pub(crate) static JWT_SECRET: Setting<Secret> = Setting {
    about: About {
        name: "JWT_SECRET",
        what: "signs tokens; at least 32 bytes",
        takes: "The same for all API processes; `openssl rand -hex 32` makes one.",
        unset: Otherwise("`golden dev` makes .golden/jwt-secret; `golden api` needs this or GOLDEN_JWKS"),
        example: "the 64 characters that `openssl rand -hex 32` prints",
        shown: Nothing,
    },
    parse: values::jwt_secret,
};

pub(crate) static JWKS: Setting<Jwks> = Setting {
    about: About {
        name: "GOLDEN_JWKS",
        what: "instead of JWT_SECRET: file or https address of the public keys of an issuer",
        takes: "Plain http only to this machine. See [auth.md](auth.md).",
        unset: Otherwise("JWT_SECRET verifies tokens"),
        example: "https://id.example.com/.well-known/jwks.json",
        shown: Address,
    },
    parse: |text| text.parse(),
};

pub(crate) static JWT_ISSUER: Setting<String> = Setting {
    about: About {
        name: "GOLDEN_JWT_ISSUER",
        what: "what tokens must say in `iss`",
        takes: "`golden token mint` writes it, too.",
        unset: Otherwise("they may say anything"),
        example: "https://id.example.com/",
        shown: Whole,
    },
    parse: values::text,
};

pub(crate) static JWT_AUDIENCE: Setting<String> = Setting {
    about: About {
        name: "GOLDEN_JWT_AUDIENCE",
        what: "what tokens must say in `aud`",
        takes: "`golden token mint` writes it, too. Set it with GOLDEN_JWKS.",
        unset: Otherwise("they may say anything"),
        example: "golden",
        shown: Whole,
    },
    parse: values::text,
};

pub(crate) static LISTEN: Setting<SocketAddr> = Setting {
    about: About {
        name: "GOLDEN_LISTEN",
        what: "address of the API",
        takes: "An IP address and a port; 0.0.0.0 or [::] is every address of the machine, port 0 any free one.",
        unset: Value("127.0.0.1:8000"),
        example: "0.0.0.0:8000",
        shown: Whole,
    },
    parse: values::listen,
};

pub(crate) static SCALER_LISTEN: Setting<SocketAddr> = Setting {
    about: About {
        name: "GOLDEN_SCALER_LISTEN",
        what: "address where the API answers KEDA's external scaler (gRPC)",
        takes: "An IP address and a port. It asks for no token: let nobody but KEDA reach it. See [scaling.md](scaling.md).",
        unset: Otherwise("KEDA asks /v1/scaling"),
        example: "0.0.0.0:9090",
        shown: Whole,
    },
    parse: values::listen,
};

pub(crate) static SCALER_TLS_CERT: Setting<PathBuf> = Setting {
    about: About {
        name: "GOLDEN_SCALER_TLS_CERT",
        what: "certificate of the external scaler, which then speaks TLS alone",
        takes: "A file in PEM, with what is between it and the authority. Read again when it changes. See [scaling.md](scaling.md#tls).",
        unset: Otherwise("it speaks in the clear"),
        example: "/etc/golden/scaler-tls/tls.crt",
        shown: Whole,
    },
    parse: |text| Ok(text.into()),
};

pub(crate) static SCALER_TLS_KEY: Setting<PathBuf> = Setting {
    about: About {
        name: "GOLDEN_SCALER_TLS_KEY",
        what: "private key of that certificate",
        takes: "A file in PEM.",
        unset: Otherwise("there is no certificate either"),
        example: "/etc/golden/scaler-tls/tls.key",
        shown: Whole,
    },
    parse: |text| Ok(text.into()),
};

pub(crate) static SCALER_TLS_CLIENT_CA: Setting<PathBuf> = Setting {
    about: About {
        name: "GOLDEN_SCALER_TLS_CLIENT_CA",
        what: "authorities whose certificates let somebody ask the external scaler",
        takes: "A file in PEM.",
        unset: Otherwise("anybody may ask"),
        example: "/etc/golden/scaler-tls/ca.crt",
        shown: Whole,
    },
    parse: |text| Ok(text.into()),
};

pub(crate) static RATE_LIMITS: Setting<RateLimits> = Setting {
    about: About {
        name: "GOLDEN_RATE_LIMITS",
        what: "requests a minute: off, on, or by role: admin=1000,developer=300",
        takes: "Roles that are not named keep theirs. See [auth.md](auth.md#limits).",
        unset: Otherwise("on, and off in `golden dev`"),
        example: "admin=1000,developer=300",
        shown: Whole,
    },
    parse: |text| text.parse().map_err(|error: golden_api::MalformedLimits| error.to_string()),
};

pub(crate) static TRUSTED_PROXIES: Setting<usize> = Setting {
    about: About {
        name: "GOLDEN_TRUSTED_PROXIES",
        what: "proxies of yours before the API: where to read X-Forwarded-For",
        takes: "A number from 0 to 16. See [auth.md](auth.md#limits).",
        unset: Value("0"),
        example: "1",
        shown: Whole,
    },
    parse: values::trusted_proxies,
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
        what: "how long jobs stay after they ended, by state, or off",
        takes: "A duration or `off` for each state, 1d or more. States that are not named keep theirs; `dead` counts from when its dead letter was resolved.",
        unset: Value("succeeded=7d,cancelled=7d,dead=30d"),
        example: "succeeded=2d,dead=off",
        shown: Whole,
    },
    parse: values::retention,
};

pub(crate) static BUDGET: Setting<Allowance> = Setting {
    about: About {
        name: "GOLDEN_BUDGET",
        what: "what a tenant may spend for which nothing else was set",
        takes: "US dollars with up to six decimals, and `day`, `month` or `none` (for good). The same for all processes.",
        unset: Value("10/month"),
        example: "0.50/day",
        shown: Whole,
    },
    parse: values::budget,
};

pub(crate) static GOVERNANCE: Setting<Rules> = Setting {
    about: About {
        name: "GOLDEN_GOVERNANCE",
        what: "stricter rules for changes of agents' policies, by agent role",
        takes: "ROLE=ACTIVATIONS/COOLDOWN or ROLE=ACTIVATIONS/COOLDOWN/APPROVAL (`automatic`, `operator` or `admin`). What \
            is looser than the rules of [governance.md](governance.md) is refused. The same for all processes.",
        unset: Otherwise("the rules of docs/governance.md"),
        example: "developer=3/4h,tester=2/6h/operator",
        shown: Whole,
    },
    parse: values::governance,
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

pub(crate) static REDIS_URL: Setting<Secret> = Setting {
    about: About {
        name: "REDIS_URL",
        what: "Redis, by which processes share what need not last: redis://HOST:6379 or rediss://…",
        takes: "`redis+sentinel://HOST,HOST/MASTER` and `redis+cluster://HOST,HOST` as well; a name and a password as redis://USER:PASSWORD@HOST. The same for all processes. See [redis.md](redis.md).",
        unset: Otherwise("there is no Redis"),
        example: "redis://:password@localhost:6379",
        shown: Address,
    },
    parse: values::redis_url,
};

pub(crate) static DISPATCH: Setting<DispatchBy> = Setting {
    about: About {
        name: "GOLDEN_DISPATCH",
        what: "whom workers ask for jobs: store or redis",
        takes: "`redis` needs REDIS_URL. Workers may differ in it. See [redis.md](redis.md#dispatch).",
        unset: Value("store"),
        example: "redis",
        shown: Whole,
    },
    parse: |text| text.parse(),
};

pub(crate) static NATS_URL: Setting<Secret> = Setting {
    about: About {
        name: "NATS_URL",
        what: "servers with JetStream that take what happens: nats://HOST:4222 or tls://…",
        takes: "Several of one cluster with commas between; a name and a password as nats://USER:PASSWORD@HOST. The same for all processes. See [nats.md](nats.md).",
        unset: Otherwise("there is no NATS"),
        example: "nats://golden:password@localhost:4222",
        shown: Addresses,
    },
    parse: values::nats_url,
};

pub(crate) static NATS_CREDENTIALS: Setting<PathBuf> = Setting {
    about: About {
        name: "GOLDEN_NATS_CREDENTIALS",
        what: "file of credentials for NATS, as `nsc` makes it",
        takes: "A path. Read when a process starts.",
        unset: Otherwise("what NATS_URL says"),
        example: "/etc/golden/golden.creds",
        shown: Whole,
    },
    parse: |text| Ok(text.into()),
};

pub(crate) static NATS_STREAMS: Setting<StreamLimits> = Setting {
    about: About {
        name: "GOLDEN_NATS_STREAMS",
        what: "limits of the streams in JetStream",
        takes: "`replicas` (1 to 5), `events` and `dlq` (durations: how long messages stay), `duplicates` (a duration: how long a repetition is told by its id), `deliveries` (how often a submission is delivered before it is a dead letter) and `max_mib` (of each stream). What is not named keeps its own.",
        unset: Value("replicas=1,events=7d,dlq=30d,duplicates=10m,deliveries=100"),
        example: "replicas=3,events=2d,max_mib=4096",
        shown: Whole,
    },
    parse: values::nats_streams,
};

pub(crate) static EGRESS_ALLOW: Setting<(Vec<String>, Vec<Network>)> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_ALLOW",
        what: "hosts and networks that jobs may reach though they are not public",
        takes: "Host names, addresses and networks, with commas between.",
        unset: Otherwise("public addresses only, and in `golden dev` this machine"),
        example: "hooks.internal,10.1.0.0/16",
        shown: Whole,
    },
    parse: values::hosts_and_networks,
};

pub(crate) static EGRESS_PORTS: Setting<Ports> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_PORTS",
        what: "ports that jobs may reach, or any",
        takes: "With commas between.",
        unset: Value("443"),
        example: "443,8443",
        shown: Whole,
    },
    parse: values::ports,
};

pub(crate) static EGRESS_HTTP: Setting<bool> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_HTTP",
        what: "whether jobs may use plain http: on or off",
        takes: "Off is https alone.",
        unset: Value("off"),
        example: "on",
        shown: Whole,
    },
    parse: values::on_or_off,
};

pub(crate) static AUDIT_KEY: Setting<AuditKey> = Setting {
    about: About {
        name: "GOLDEN_AUDIT_KEY",
        what: "signs heads of the audit log: 32 bytes in base64, or a file with them",
        takes: "The same for all processes, any of which signs; `openssl rand -base64 32` makes one, `golden audit key` prints its public key. See [audit.md](audit.md).",
        unset: Otherwise("heads are not signed"),
        example: "/etc/golden/audit.key",
        shown: Nothing,
    },
    parse: audit_key::audit_key,
};

pub(crate) static LOG: Setting<EnvFilter> = Setting {
    about: About {
        name: "GOLDEN_LOG",
        what: "log filter, for example info or golden_workers=debug",
        takes: "A level (error, warn, info, debug, trace), or levels by module with commas between.",
        unset: Value("info"),
        example: "info,golden_workers=debug",
        shown: Whole,
    },
    parse: values::log,
};

pub(crate) static LOG_FORMAT: Setting<LogFormat> = Setting {
    about: About {
        name: "GOLDEN_LOG_FORMAT",
        what: "how log lines look: pretty or json",
        takes: "`json` is one object a line. The log is on standard error.",
        unset: Value("pretty"),
        example: "json",
        shown: Whole,
    },
    parse: |text| text.parse(),
};

pub(crate) static OTLP_ENDPOINT: Setting<Url> = Setting {
    about: About {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        what: "the collector of traces, over OTLP: http/protobuf",
        takes: "Spans go to /v1/traces below it. For what else of OpenTelemetry's variables is heeded see \
                [tracing.md](tracing.md).",
        unset: Otherwise("no traces are made"),
        example: "http://localhost:4318",
        shown: Address,
    },
    parse: values::collector,
};

pub(crate) static SERVER: Setting<Url> = Setting {
    about: About {
        name: "GOLDEN_SERVER",
        what: "the API that client commands talk to",
        takes: "An http or https address.",
        unset: Value("http://localhost:8000"),
        example: "https://golden.example.com",
        shown: Address,
    },
    parse: values::server,
};

pub(crate) static TOKEN: Setting<Secret> = Setting {
    about: About {
        name: "GOLDEN_TOKEN",
        what: "the token they show; `golden token mint` makes one",
        takes: "See [auth.md](auth.md).",
        unset: Otherwise("they show what anybody may see"),
        example: "the line that `golden token mint` prints",
        shown: Nothing,
    },
    parse: values::secret,
};
