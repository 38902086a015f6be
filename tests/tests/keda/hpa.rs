//! What Kubernetes makes of the figures: the arithmetic of its HorizontalPodAutoscaler (autoscaling/v2), repeated on
//! the numbers of the manifests.
//! Source: <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>.

use golden_jobs::Role;
use serde_json::Value;

use super::{OVERLAYS, capacity_trigger, find, manifests};

/// Within a tenth of the target, nothing changes.
const TOLERANCE: f64 = 0.1;

/// A pool as its ScaledObject has it.
struct Pool {
    min: u64,
    max: u64,
    /// Of the trigger that says how much there is, for each pod.
    target: f64,
    /// How many pods may be added at most: percent and pods, each in so many seconds.
    policies: Vec<(String, u64, u64)>,
}

impl Pool {
    fn of(role: Role) -> Self {
        let manifests = manifests();
        let spec = &find(&manifests, OVERLAYS[0], "ScaledObject", role.as_str())["spec"];
        let number = |value: &Value| value.as_u64().unwrap();
        let behavior = &spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"];
        let policies = behavior["scaleUp"]["policies"].as_array().unwrap();
        Self {
            min: number(&spec["minReplicaCount"]),
            max: number(&spec["maxReplicaCount"]),
            target: capacity_trigger(spec)["metadata"]["targetValue"].as_str().unwrap().parse().unwrap(),
            policies: policies
                .iter()
                .map(|policy| {
                    let kind = policy["type"].as_str().unwrap().to_owned();
                    (kind, number(&policy["value"]), number(&policy["periodSeconds"]))
                })
                .collect(),
        }
    }

    /// AverageValue: the figure is shared among the pods there are.
    fn by_load(&self, pods: u64, load: u64) -> u64 {
        let ratio = load as f64 / (self.target * pods as f64);
        self.bounded(pods, ratio, (load as f64 / self.target).ceil() as u64)
    }

    /// Value: the figure is what it is, whatever the number of pods.
    fn by_value(&self, pods: u64, value: f64, threshold: f64) -> u64 {
        let ratio = value / threshold;
        self.bounded(pods, ratio, (ratio * pods as f64).ceil() as u64)
    }

    fn bounded(&self, pods: u64, ratio: f64, wanted: u64) -> u64 {
        if (ratio - 1.0).abs() <= TOLERANCE { pods } else { wanted.clamp(self.min, self.max) }
    }

    /// As many of the wanted pods as the policies let come in one period; the most generous of them counts.
    fn step(&self, pods: u64, wanted: u64) -> u64 {
        let most = self.policies.iter().map(|(kind, value, _)| match kind.as_str() {
            "Percent" => pods + (pods * value).div_ceil(100),
            _ => pods + value,
        });
        wanted.min(most.max().unwrap())
    }
}

#[test]
fn so_much_load_makes_so_many_pods() {
    #[rustfmt::skip]
    let table = [
        // role, pods there are, load, pods there will be
        (Role::Sandbox,      3,     0,  3),
        (Role::Sandbox,      3,    38,  8),
        (Role::Sandbox,      6,    31,  6), // within a tenth of 30
        (Role::Sandbox,      6,    34,  7),
        (Role::Sandbox,      6, 10000, 15), // where the figure ends, and any number
        (Role::Sandbox,     15,    12,  3),
        (Role::Orchestrator, 2,    21,  2), // within a tenth of 20
        (Role::Orchestrator, 2,    73,  8),
        (Role::Orchestrator, 8, 10000, 20),
        (Role::Orchestrator, 20,    0,  2),
        (Role::PeerHub,      2,    30,  4),
        (Role::Supervisor,   1,    14,  3),
        (Role::Supervisor,   3,   500,  5),
        (Role::Webhook,      1,   120,  3),
        (Role::Webhook,      3,     0,  1),
    ];
    for (role, pods, load, expected) in table {
        assert_eq!(Pool::of(role).by_load(pods, load), expected, "{role}: {load} for {pods}");
    }
}

#[test]
fn so_long_a_wait_makes_so_many_pods() {
    let hub = Pool::of(Role::PeerHub);
    // Twice the target is as far as the query goes: it doubles, and not more.
    for (pods, p95, expected) in
        [(2, 0.0, 2), (2, 150.0, 2), (2, 164.0, 2), (2, 170.0, 3), (2, 300.0, 4), (8, 300.0, 10)]
    {
        assert_eq!(hub.by_value(pods, p95, 150.0), expected, "{p95} s with {pods}");
    }
}

/// The figure is bounded, and far beyond what any pool may be asked for.
#[test]
fn ten_thousand_stands_for_any_number() {
    for role in Role::ALL {
        let pool = Pool::of(role);
        assert!(pool.max as f64 * pool.target * 10.0 <= f64::from(golden_jobs::store::LOOKED_AT), "{role}");
    }
}

#[test]
fn a_spike_of_ten_times_is_followed_within_a_minute() {
    for role in [Role::Orchestrator, Role::Sandbox, Role::Webhook] {
        let pool = Pool::of(role);
        let load = (pool.min as f64 * pool.target * 10.0) as u64;
        let mut pods = pool.min;
        // At once, and after each period of half a minute.
        for (_, _, period) in &pool.policies {
            assert_eq!(*period, 30, "{role}");
        }
        for _ in 0..3 {
            pods = pool.step(pods, pool.by_load(pods, load));
        }
        assert_eq!(pods, pool.by_load(pods, load), "{role}: {pods} after a minute");
    }
}
