//! What processes tell of themselves.

use reqwest::Url;
use tracing_subscriber::EnvFilter;

use crate::config::{
    setting::{
        About, Setting,
        Shown::{Address, Whole},
        Unset::{Otherwise, Value},
    },
    values::{self, LogFormat},
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
