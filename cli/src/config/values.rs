//! What each setting may say.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use golden_jobs::{
    address::{MalformedNetwork, Network},
    budgets::{Allowance, MalformedAllowance},
    egress::Ports,
    governance::rules::{Rule, Rules, UnknownApproval},
    models::exchange::{AgentRole, UnknownAgentRole},
    sandbox::Limits,
    store::{IDEMPOTENCY_WINDOW, Keep, PoolMode},
};
use golden_nats::StreamLimits;
use golden_sandbox::KeepWarm;
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::without_password;
use crate::duration as durations;

/// Workers beat every 5 s; a shorter silence than two beats takes jobs from the living.
const LEAST_LOST_AFTER: Duration = Duration::from_secs(10);
const LEAST_JWT_SECRET: usize = 32;
/// Proxies behind each other beyond which a number is a mistake.
const MOST_PROXIES: usize = 16;

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where the public keys are that verify tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Jwks {
    File(PathBuf),
    Url(Url),
}

/// What has a scheme is an address, the rest are paths.
impl FromStr for Jwks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let shown = without_password(text);
        let url = Url::parse(text).map_err(|error| format!("`{shown}` is no address: {error}"))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a key set is public: no user name or password in its address".to_owned());
        }
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if loopback => Ok(Self::Url(url)),
            _ => Err(format!(
                "`{shown}` is neither a path nor an https address (http only to this machine): whoever is in \
                 between could put keys of their own there"
            )),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Pretty,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is neither `pretty` nor `json`")),
        }
    }
}

/// How workers learn which jobs to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DispatchBy {
    /// They ask the store.
    Store,
    /// They ask Redis, and the store where it does not answer.
    Redis,
}

impl FromStr for DispatchBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "store" => Ok(Self::Store),
            "redis" => Ok(Self::Redis),
            _ => Err(format!("`{text}` is neither `store` nor `redis`")),
        }
    }
}

pub(super) fn pool_mode(text: &str) -> Result<PoolMode, String> {
    match text {
        "session" => Ok(PoolMode::Session),
        "transaction" => Ok(PoolMode::Transaction),
        _ => Err(format!("`{text}` is neither `session` nor `transaction`")),
    }
}

/// One listens and one is for all else, at the least.
pub(super) fn connections(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(most @ 2..=1000) => Ok(most),
        _ => Err("expected a number from 2 to 1000".to_owned()),
    }
}

/// The parts of a list, which has commas between them and perhaps spaces.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret(text.to_owned()))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    durations::parse(text).map_err(|error| error.to_string())
}

pub(super) fn jwt_secret(text: &str) -> Result<Secret, String> {
    match text.len() {
        length if length < LEAST_JWT_SECRET => Err(format!(
            "{length} bytes are too few: use at least {LEAST_JWT_SECRET}, for example from `openssl rand -hex 32`"
        )),
        _ => Ok(Secret(text.to_owned())),
    }
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port like 127.0.0.1:8000 or [::]:8000"))
}

pub(super) fn server(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!(
            "`{}` is not an address like http://localhost:8000 or https://golden.example.com",
            without_password(text)
        )),
    }
}

pub(super) fn collector(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("`{}` is not an address like http://localhost:4318", without_password(text))),
    }
}

pub(super) fn budget(text: &str) -> Result<Allowance, String> {
    text.parse().map_err(|wrong: MalformedAllowance| wrong.to_string())
}

/// What is stricter than the rules: `developer=3/4h,tester=2/6h/operator`.
pub(super) fn governance(text: &str) -> Result<Rules, String> {
    let mut rules = Rules::default();
    for entry in list(text) {
        let malformed = || {
            format!("`{entry}` is not like developer=3/4h or tester=2/6h/operator: activations in 24 hours, cooldown")
        };
        let (role, rule) = entry.split_once('=').ok_or_else(malformed)?;
        let role: AgentRole = role.trim().parse().map_err(|error: UnknownAgentRole| error.to_string())?;
        let mut parts = rule.split('/').map(str::trim);
        let (activations, cooldown) = parts.next().zip(parts.next()).ok_or_else(malformed)?;
        let approval = match (parts.next(), parts.next()) {
            (None, _) => rules.of(role).approval,
            (Some(approval), None) => approval.parse().map_err(|error: UnknownApproval| error.to_string())?,
            (Some(_), Some(_)) => return Err(malformed()),
        };
        let activations = activations.parse().map_err(|_| malformed())?;
        let rule = Rule { activations, cooldown: duration(cooldown)?, approval };
        rules = rules.tightened(role, rule).map_err(|error| error.to_string())?;
    }
    Ok(rules)
}

pub(super) fn lost_after(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        silence if silence < LEAST_LOST_AFTER => Err(format!(
            "`{text}` is too short: workers beat every 5 s, and taking jobs from a living one costs an attempt; use 10s or more"
        )),
        silence => Ok(silence),
    }
}

pub(super) fn breaker_open(text: &str) -> Result<Duration, String> {
    let open = duration(text)?;
    match (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&open) {
        true => Ok(open),
        false => Err(format!("`{text}` is not from 1s to 10m")),
    }
}

/// A shorter stay would have idempotency keys outlive their jobs.
const LEAST_KEEP: Duration = IDEMPOTENCY_WINDOW;

/// `off`, or what differs from the usual: `succeeded=2d,dead=off`.
pub(super) fn retention(text: &str) -> Result<Keep, String> {
    if text == "off" {
        return Ok(Keep::ALL);
    }
    let mut keep = Keep::default();
    for entry in list(text) {
        let (state, age) = entry
            .split_once('=')
            .ok_or_else(|| format!("`{entry}` is neither `off` nor of the form state=duration"))?;
        let kept = match state {
            "succeeded" => &mut keep.succeeded,
            "cancelled" => &mut keep.cancelled,
            "dead" => &mut keep.dead,
            _ => return Err(format!("unknown state `{state}`: expected one of succeeded, cancelled, dead")),
        };
        *kept = match age {
            "off" => None,
            age => Some(duration(age)?),
        };
        if kept.is_some_and(|age| age < LEAST_KEEP) {
            return Err(format!(
                "`{entry}` is too short: an idempotency key stands for its job for 1d, so use that or more"
            ));
        }
    }
    Ok(keep)
}

/// One server of NATS, or several with commas between.
pub(super) fn nats_url(text: &str) -> Result<Secret, String> {
    for address in list(text) {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "nats" | "tls") && url.has_host());
        if url.is_none() {
            let shown = without_password(address);
            return Err(format!("`{shown}` is not an address like nats://localhost:4222 or tls://nats.example.com"));
        }
    }
    if list(text).next().is_none() { Err("names no server".to_owned()) } else { Ok(Secret(text.to_owned())) }
}

pub(super) fn redis_url(text: &str) -> Result<Secret, String> {
    let address: Result<golden_redis::Address, _> = text.parse();
    address.map(|_| Secret(text.to_owned())).map_err(|error| format!("`{}` {error}", without_password(text)))
}

/// What differs from the usual: `replicas=3,events=2d,max_mib=4096`.
pub(super) fn nats_streams(text: &str) -> Result<StreamLimits, String> {
    let mut limits = StreamLimits::default();
    for entry in list(text) {
        let (name, value) = entry.split_once('=').ok_or_else(|| format!("`{entry}` is not of the form limit=value"))?;
        let number = |most: u64| {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("`{entry}`: use a number from 1 to {most}"))
        };
        // A shorter one would be over before a message is acknowledged.
        let duration = || match duration(value)? {
            short if short < Duration::from_secs(1) => Err(format!("`{entry}`: use 1s or more")),
            duration => Ok(duration),
        };
        match name {
            "replicas" => limits.replicas = usize::try_from(number(5)?).unwrap_or(5),
            "events" => limits.events = duration()?,
            "dlq" => limits.dead_letters = duration()?,
            "duplicates" => limits.duplicates = duration()?,
            "deliveries" => limits.deliveries = u32::try_from(number(1_000_000)?).unwrap_or(u32::MAX),
            "max_mib" => limits.bytes = Some(number(1 << 40)? << 20),
            _ => {
                return Err(format!(
                    "unknown limit `{name}`: expected one of replicas, events, dlq, duplicates, deliveries, max_mib"
                ));
            }
        }
    }
    Ok(limits)
}

/// With less memory a sandbox does not start.
const LEAST_MEMORY_MIB: u64 = 64;

/// What differs from the usual: `wall=20s,cpu=10s,memory_mib=512`.
pub(super) fn sandbox_limits(text: &str) -> Result<Limits, String> {
    let mut limits = Limits::MOST;
    for entry in list(text) {
        let (name, most) = entry.split_once('=').ok_or_else(|| format!("`{entry}` is not of the form limit=value"))?;
        let duration = || duration(most);
        match name {
            "wall" => limits.wall = duration()?,
            "cpu" => limits.cpu = Some(duration()?),
            "memory_mib" => {
                let mib: Option<u64> = most.parse().ok().filter(|mib| *mib >= LEAST_MEMORY_MIB);
                let mib = mib.ok_or_else(|| format!("`{entry}`: use a number of {LEAST_MEMORY_MIB} or more"))?;
                limits.memory = mib.saturating_mul(1 << 20);
            }
            _ => return Err(format!("unknown limit `{name}`: expected one of wall, cpu, memory_mib")),
        }
    }
    Ok(limits)
}

/// How many sandboxes wait: `min=1,max=4`, of which either may be left out, or `0`.
pub(super) fn sandbox_warm(text: &str) -> Result<KeepWarm, String> {
    const MOST: usize = 1000;
    let mut keep = KeepWarm { min: 2, max: 8 };
    let mut max = None;
    for entry in list(text) {
        if entry == "0" {
            return if text.trim() == entry {
                Ok(KeepWarm::OFF)
            } else {
                Err("0 is for none, and stands alone".to_owned())
            };
        }
        let (name, number) = entry.split_once('=').ok_or_else(|| format!("`{entry}` is not of the form min=2"))?;
        let number: Option<usize> = number.parse().ok().filter(|number| *number <= MOST);
        let number = number.ok_or_else(|| format!("`{entry}`: use a number from 0 to {MOST}"))?;
        match name {
            "min" => keep.min = number,
            "max" => max = Some(number),
            _ => return Err(format!("`{name}` is neither `min` nor `max`")),
        }
    }
    match max {
        Some(max) if max < keep.min => Err(format!("max={max} is less than min={}", keep.min)),
        max => Ok(KeepWarm { max: max.unwrap_or(keep.max.max(keep.min)), ..keep }),
    }
}

pub(super) fn webhook_schedule(text: &str) -> Result<Vec<Duration>, String> {
    let waits: Vec<_> = list(text).map(duration).collect::<Result<_, _>>()?;
    match waits.first() {
        Some(&Duration::ZERO) => Ok(waits),
        _ => Err(format!(
            "`{text}` must begin with 0s, since the first attempt is made at once: for example 0s,5s,5m,30m"
        )),
    }
}

pub(super) fn log(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text)
        .map_err(|error| format!("`{text}` is not a log filter like info or golden_api=debug: {error}"))
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither `on` nor `off`")),
    }
}

/// What reads as an address or a network is one; the rest are names.
pub(super) fn hosts_and_networks(text: &str) -> Result<(Vec<String>, Vec<Network>), String> {
    let (mut hosts, mut networks) = (Vec::new(), Vec::new());
    for entry in list(text) {
        match entry.parse() {
            Ok(network) => networks.push(network),
            Err(error) if entry.contains(['/', ':']) => {
                return Err(format!("{error}, and a host by its name alone"));
            }
            Err::<_, MalformedNetwork>(_) => hosts.push(entry.to_owned()),
        }
    }
    Ok((hosts, networks))
}

pub(super) fn ports(text: &str) -> Result<Ports, String> {
    if text == "any" {
        return Ok(Ports::Any);
    }
    list(text)
        .map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!("`{port}` is neither `any` nor a port from 1 to 65535")),
            Ok(port) => Ok(port),
        })
        .collect::<Result<_, _>>()
        .map(Ports::Only)
}

pub(super) fn trusted_proxies(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|proxies| *proxies <= MOST_PROXIES).ok_or_else(|| {
        format!("`{text}` is not how many proxies requests pass on their way here, from 0 to {MOST_PROXIES}")
    })
}

pub(super) fn concurrency(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(runs) if runs.get() <= 10_000 => Ok(runs),
        _ => Err(format!("`{text}` is not a number of runs from 1 to 10000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_a_file_or_at_a_safe_address() {
        assert_eq!("/etc/golden/jwks.json".parse(), Ok(Jwks::File("/etc/golden/jwks.json".into())));
        for url in ["https://id.example/jwks", "http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]/x"] {
            assert!(matches!(url.parse(), Ok(Jwks::Url(_))), "{url}");
        }
        for url in ["http://id.example/jwks", "ftp://id.example/x", "https://me:hunter2@id.example/x", "https://"] {
            assert!(url.parse::<Jwks>().is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn rules_of_policies_are_only_made_stricter() {
        let rules = governance("developer=3/4h, architect=1/1d/admin").unwrap();
        let developer = rules.of(AgentRole::Developer);
        assert_eq!((developer.activations, developer.cooldown), (3, Duration::from_secs(4 * 3600)));
        assert_eq!(rules.of(AgentRole::Architect).approval.as_str(), "admin");
        for loose in [
            "developer=6/2h",
            "developer=5/1h",
            "security=1/24h/operator",
            "manager=1/1d",
            "developer=3",
            "developer=3/4h/nobody",
            "developer=3/4h/admin/2",
        ] {
            assert!(governance(loose).is_err(), "{loose}");
        }
    }

    #[test]
    fn a_schedule_begins_at_once() {
        let secs = |text| webhook_schedule(text).map(|waits| waits.iter().map(Duration::as_secs).collect::<Vec<_>>());
        assert_eq!(secs("0s,5s,5m,30m"), Ok(vec![0, 5, 300, 1800]));
        assert!(secs("5s,5m").is_err() && secs("").is_err() && secs("0s,soon").is_err());
    }

    #[test]
    fn a_secret_is_long_enough_and_stays_one() {
        assert!(jwt_secret("hunter2").is_err_and(|error| !error.contains("hunter2")));
        let secret = jwt_secret(&"x".repeat(32)).unwrap();
        assert!(!format!("{secret:?}").contains('x'));
    }

    #[test]
    fn addresses_ports_and_numbers() {
        assert!(listen("0.0.0.0:80").is_ok() && listen("[::1]:80").is_ok());
        assert!(listen("8000").is_err() && listen("example.com:80").is_err());
        assert!(server("https://golden.example.com").is_ok() && server("localhost:8000").is_err());
        assert_eq!(ports("443, 8443"), Ok(Ports::Only(vec![443, 8443])));
        assert!(ports("0").is_err() && ports("70000").is_err());
        assert!(trusted_proxies("2") == Ok(2) && trusted_proxies("10.0.0.1").is_err());
        assert!(concurrency("0").is_err() && concurrency("1").is_ok());
        let (hosts, networks) = hosts_and_networks("hooks.internal, 10.1.0.0/16, 10.2.3.4, fd00::/8").unwrap();
        assert_eq!((hosts.len(), networks.len()), (1, 3));
        assert!(hosts_and_networks("10.0.0.0/40").is_err() && hosts_and_networks("https://x").is_err());
        assert!(lost_after("5s").is_err() && lost_after("1m").is_ok());
    }

    #[test]
    fn streams_have_limits_and_servers_of_nats_are_known_by_their_scheme() {
        let limits = nats_streams("replicas=3, events=2d, max_mib=4").unwrap();
        let (events, bytes) = (Duration::from_secs(2 * 24 * 3600), Some(4 << 20));
        assert_eq!(limits, StreamLimits { replicas: 3, events, bytes, ..StreamLimits::default() });
        assert_eq!(
            nats_streams("replicas=1,events=7d,dlq=30d,duplicates=10m,deliveries=100"),
            Ok(StreamLimits::default())
        );
        for wrong in ["replicas=0", "replicas=6", "events=0s", "max_mib=much", "size=1", "events"] {
            assert!(nats_streams(wrong).is_err(), "{wrong}");
        }
        for url in ["nats://localhost:4222", "tls://a.example, nats://me:hunter2@b.example:4222"] {
            assert!(nats_url(url).is_ok(), "{url}");
        }
        for url in ["localhost:4222", "http://a.example", "", "nats://me:hunter2@/x"] {
            assert!(nats_url(url).is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
        assert!(redis_url("redis+sentinel://me:hunter2@a.example,b.example:7000/main").is_ok());
        for url in ["localhost:6379", "redis://me:hunter2@", "redis+sentinel://me:hunter2@a,b", "redis://:hunter2?@a"] {
            assert!(redis_url(url).is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn sandboxes_wait_as_said() {
        let keep = |min, max| Ok(KeepWarm { min, max });
        assert_eq!(sandbox_warm("0"), Ok(KeepWarm::OFF));
        assert_eq!(sandbox_warm("min=1, max=4"), keep(1, 4));
        assert_eq!(sandbox_warm("min=0"), keep(0, 8));
        assert_eq!(sandbox_warm("min=12"), keep(12, 12));
        for wrong in ["0,max=1", "max=1", "min=3,max=2", "most=2", "4", "min=", "min=-1", "max=2000"] {
            assert!(sandbox_warm(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_most_that_a_program_gets_differs_from_the_usual_where_said() {
        let most = sandbox_limits("cpu=10s, memory_mib=64").unwrap();
        assert_eq!(most, Limits { cpu: Some(Duration::from_secs(10)), memory: 64 << 20, ..Limits::MOST });
        for wrong in ["memory_mib=63", "memory_mib=much", "disk=1", "wall", "wall=-1s"] {
            assert!(sandbox_limits(wrong).is_err(), "{wrong}");
        }
    }
}
