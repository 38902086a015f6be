//! Every setting there is. Help, the settings file, `golden doctor` and docs/configuration.md
//! are made of this table; a new setting is an entry here, itself in the file of its like, and a field of `Settings`.

mod api;
mod rules;
mod servers;
mod telling;
mod workers;

use super::setting::AnySetting;

pub(crate) use {api::*, rules::*, servers::*, telling::*, workers::*};

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
