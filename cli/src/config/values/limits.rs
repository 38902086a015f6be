//! Limits with names: what is not named keeps its own.

use std::time::Duration;

use golden_jobs::{
    governance::rules::{Rule, Rules, UnknownApproval},
    models::exchange::{AgentRole, UnknownAgentRole},
    sandbox::Limits,
    store::{IDEMPOTENCY_WINDOW, Keep},
};
use golden_nats::StreamLimits;
use golden_sandbox::KeepWarm;

use super::{duration, list};

/// What is stricter than the rules: `developer=3/4h,tester=2/6h/operator`.
pub(in crate::config) fn governance(text: &str) -> Result<Rules, String> {
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

/// A shorter stay would have idempotency keys outlive their jobs.
const LEAST_KEEP: Duration = IDEMPOTENCY_WINDOW;

/// `off`, or what differs from the usual: `succeeded=2d,dead=off`.
pub(in crate::config) fn retention(text: &str) -> Result<Keep, String> {
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
            "ledger" => &mut keep.ledger,
            _ => return Err(format!("unknown state `{state}`: expected one of succeeded, cancelled, dead, or ledger")),
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

/// What differs from the usual: `replicas=3,events=2d,max_mib=4096`.
pub(in crate::config) fn nats_streams(text: &str) -> Result<StreamLimits, String> {
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
pub(in crate::config) fn sandbox_limits(text: &str) -> Result<Limits, String> {
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
pub(in crate::config) fn sandbox_warm(text: &str) -> Result<KeepWarm, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn streams_have_limits() {
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
