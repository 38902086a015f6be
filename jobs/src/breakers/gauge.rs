//! The states of breakers in the metrics.

use std::collections::BTreeMap;

use prometheus::core::Collector;

use super::{circuit::State, dependency::Dependency};
use crate::metrics::Metrics;

/// Hosts that are shown by name, the worst first: users name as many as they like.
const HOSTS: usize = 20;

/// What all hosts of a family are shown as together: as the worst of them.
const FAMILIES: [&str; 6] = ["docker", "http", "llm", "nats", "redis", "webhook"];

/// Shows the states of all breakers: those of which every installation has one and the families of hosts
/// always, hosts while they are not closed.
pub fn show(metrics: &Metrics, states: impl IntoIterator<Item = (Dependency, State)>) {
    let mut worst = FAMILIES.map(|family| (family.to_owned(), 0)).into_iter().collect::<BTreeMap<_, _>>();
    let mut hosts = Vec::new();
    for (dependency, state) in states {
        let value = state.value();
        let family = worst.entry(dependency.family().to_owned()).or_default();
        *family = value.max(*family);
        if dependency.host().is_some() && value > 0 {
            hosts.push((std::cmp::Reverse(value), dependency.to_string()));
        }
    }
    hosts.sort_unstable();
    let hosts = hosts.into_iter().take(HOSTS).map(|(value, name)| (name, value.0));
    let shown: BTreeMap<String, i64> = worst.into_iter().chain(hosts).collect();

    for family in metrics.breakers.collect() {
        let names = family.get_metric().iter().flat_map(|metric| metric.get_label()).map(|label| label.value());
        for gone in names.filter(|name| !shown.contains_key(*name)) {
            // It was there a moment ago, or somebody else removed it.
            let _ = metrics.breakers.remove_label_values(&[gone]);
        }
    }
    for (name, value) in shown {
        metrics.breakers.with_label_values(&[&name]).set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(metrics: &Metrics) -> Vec<String> {
        let text = metrics.render();
        text.lines().filter(|line| line.starts_with("circuit_breaker_state{")).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn hosts_are_few_and_only_while_they_are_not_closed() {
        let metrics = Metrics::new();
        show(&metrics, []);
        let always = lines(&metrics);
        assert_eq!(always.len(), FAMILIES.len());
        assert!(always.iter().all(|line| line.ends_with(" 0")), "{always:?}");

        let open = (0..100).map(|n| (Dependency::Http(format!("h{n}")), State::Open));
        let forced = (Dependency::Webhook("w".to_owned()), State::ForcedOpen);
        show(&metrics, open.chain([forced, (Dependency::Docker, State::HalfOpen)]));
        let many = lines(&metrics);
        assert_eq!(many.len(), FAMILIES.len() + HOSTS);
        for line in ["{name=\"docker\"} 1", "{name=\"http\"} 2", "{name=\"webhook\"} 3", "{name=\"webhook:w\"} 3"] {
            assert!(many.contains(&format!("circuit_breaker_state{line}")), "{line} is missing in {many:?}");
        }
        let anonymous = metrics.render_without_hosts();
        assert!(anonymous.contains("circuit_breaker_state{name=\"http\"} 2") && !anonymous.contains("http:h"));

        show(&metrics, [(Dependency::Http("h1".to_owned()), State::Closed)]);
        assert_eq!(lines(&metrics), always);
    }
}
