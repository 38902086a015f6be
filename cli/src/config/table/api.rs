//! Whom the API answers and how, and who asks it.

use std::{net::SocketAddr, path::PathBuf};

use golden_api::RateLimits;
use reqwest::Url;

use crate::config::{
    setting::{
        About, Setting,
        Shown::{Address, Nothing, Whole},
        Unset::{Otherwise, Value},
    },
    values::{self, Jwks, Secret},
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
