//! Servers that Golden uses.

use std::path::PathBuf;

use golden_jobs::store::PoolMode;
use golden_nats::StreamLimits;

use crate::config::{
    setting::{
        About, Setting,
        Shown::{Address, Addresses, Whole},
        Unset::{Otherwise, Value},
    },
    values::{self, DispatchBy, Secret},
};

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
