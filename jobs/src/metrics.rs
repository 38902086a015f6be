//! The one table of metrics: each with its help, unit and labels.
//!
//! The names without `golden_` are those that operators of this system already know.

use std::{ops::Deref, sync::Arc};

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
    process_collector::ProcessCollector,
    proto::{Metric, MetricFamily},
};

use crate::{
    budgets::REST,
    guards::Guard,
    models::{
        exchange::AgentRole,
        validation::{Reason, RepairName},
    },
    record::State,
    role::Role,
    sandbox::Cause,
};

/// Buckets for times from 1 ms to an hour, in seconds.
const SECONDS: [f64; 16] =
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 150.0, 180.0, 300.0, 900.0, 3600.0];

/// And for a panel's way to a consensus, in seconds: the objective is 180 s, and a panel is scaled out at 150 s. Finer
/// round these, since a quantile is read off the buckets on both sides.
const CONSENSUS_SECONDS: [f64; 13] =
    [5.0, 15.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 240.0, 300.0, 450.0, 600.0, 900.0];

/// And for a sandboxed program, whose median and p95 are to be read off them.
const RUN_SECONDS: [f64; 24] = [
    0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// The one metric with hosts in it, which users named.
const BREAKERS: &str = "circuit_breaker_state";

/// What those begin with that have tenants in them.
const BUDGETS: &str = "golden_budget_";

/// All metrics of a process. A clone costs one count, since every run has one; clones share their values.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

/// What [`Metrics`] has.
pub struct Families {
    registry: Registry,
    /// `golden_jobs_total{role,kind,outcome}`: runs that ended.
    pub jobs: IntCounterVec,
    /// `golden_job_duration_seconds{role,kind}`: from a run's start to its end.
    pub job_duration: HistogramVec,
    /// `golden_job_wait_seconds{role}`: from a job being due to its run's start.
    pub job_wait: HistogramVec,
    /// `golden_worker_busy{role}`: runs under way in this process.
    pub worker_busy: IntGaugeVec,
    /// `golden_worker_capacity{role}`: runs this process does at once at most.
    pub worker_capacity: IntGaugeVec,
    /// `golden_dispatch_window{role}`: hints of jobs in Redis, as the process sees it that gives them; 0 elsewhere.
    pub dispatch_window: IntGaugeVec,
    /// `golden_dispatch_hints_total{role}`: jobs leased because Redis named them.
    pub dispatch_hints: IntCounterVec,
    /// `golden_dispatch_fallbacks_total{role}`: claims straight from the store because Redis did not answer.
    pub dispatch_fallbacks: IntCounterVec,
    /// `golden_queue_depth{role,state}`: jobs ready, due later or running; 10,000 stands for any number from there.
    pub queue_depth: IntGaugeVec,
    /// `golden_active_jobs{role}`: what may be claimed, and running.
    pub active_jobs: IntGaugeVec,
    /// `golden_oldest_job_age_seconds{role}`: how long the oldest ready job has waited.
    pub oldest_job_age: IntGaugeVec,
    /// `golden_pruned_total{what}`: ended jobs by their state, and other rows past their time.
    pub pruned: IntCounterVec,
    /// `golden_outbox_lag`: events not yet passed on.
    pub outbox_lag: IntGauge,
    /// `golden_unpublished`: what the broker has not taken yet.
    pub unpublished: IntGauge,
    /// `golden_published_total{what,outcome}`: events and dead letters that this process handed to the broker.
    pub published: IntCounterVec,
    /// `golden_schedule_slots_total{outcome}`: slots that this process fired, skipped or failed.
    pub schedule_slots: IntCounterVec,
    /// `golden_schedule_lag_seconds`: from a slot to its job being on record.
    pub schedule_lag: Histogram,
    /// `golden_http_requests_total{route,method,status}`.
    pub http_requests: IntCounterVec,
    /// `golden_http_request_duration_seconds{route}`.
    pub http_duration: HistogramVec,
    /// `golden_http_streams`: event streams that are open.
    pub streams: IntGauge,
    /// `golden_scaler_streams`: streams of KEDA's external scaler that are open.
    pub scaler_streams: IntGauge,
    /// `golden_webhook_attempts_total{outcome}`.
    pub webhook_attempts: IntCounterVec,
    /// `dlq_message_count`: unresolved dead letters.
    pub dlq_messages: IntGauge,
    /// `idempotency_cache_hits_total`: requests answered with the job of an earlier one.
    pub idempotency_hits: IntCounter,
    /// `rbac_permission_denied_total{role,route}`.
    pub permission_denied: IntCounterVec,
    /// `golden_rate_limited_total{policy,route}`: requests refused for being too many.
    pub rate_limited: IntCounterVec,
    /// `golden_rate_limits_local_total`: requests that this process counted by itself, because Redis did not.
    pub rate_limits_local: IntCounter,
    /// `circuit_breaker_state{name}`: 0 closed, 1 half open, 2 open, 3 forced open. Written by
    /// [`breakers::show`](crate::breakers::show) alone, which keeps hosts few.
    pub breakers: IntGaugeVec,
    /// `sandbox_execution_failures_total{cause}`: runs that failed by the platform's fault.
    pub sandbox_failures: IntCounterVec,
    /// `golden_sandbox_runs_total{cause}`: programs that were run, by why they ended.
    pub sandbox_runs: IntCounterVec,
    /// `peer_review_consensus_seconds{outcome}`: from a round's opening to the panel's word, whichever it is; one that is
    /// left to a human is `escalated`, and timed until then.
    pub consensus: HistogramVec,
    /// `golden_escalations_open`: what waits for a human's decision.
    pub escalations_open: IntGauge,
    /// `guard_remediations_total{guard,outcome}`: what guards found wrong, by whether they did something about it (`done`),
    /// could not (`failed`), or may not and told (`told`).
    pub guard_remediations: IntCounterVec,
    /// `golden_clock_skew_seconds`: how far this process's clock is from the store's, at least.
    pub clock_skew: Gauge,
    /// `llm_validation_failures_total{role,schema,stage,reason}`: answers of models that could not be used.
    pub llm_validation_failures: IntCounterVec,
    /// `llm_validation_repairs_total{op}`: what was repaired in answers of models.
    pub llm_validation_repairs: IntCounterVec,
    /// `governance_activations_total{role,outcome}`: what became of activations of agents' policies.
    pub governance_activations: IntCounterVec,
    /// `governance_frozen{role}`: tenants whose policy of the role is frozen.
    pub governance_frozen: IntGaugeVec,
    /// `golden_budget_limit_micros{tenant}`: what tenants may spend in their period, in micro-USD. Written by
    /// [`budgets::show`](crate::budgets::show) alone, like the three below, which keeps tenants few.
    pub budget_limit: IntGaugeVec,
    /// `golden_budget_spent_micros{tenant}`: what they have spent in it.
    pub budget_spent: IntGaugeVec,
    /// `golden_budget_reserved_micros{tenant}`: what is kept back for calls under way.
    pub budget_reserved: IntGaugeVec,
    /// `golden_budget_waiting_jobs{tenant}`: jobs that wait for money.
    pub budget_waiting: IntGaugeVec,
    /// `golden_ledger_imbalance_micros{figure}`: what accounts are off from what they sum up. Always 0, or something is
    /// wrong.
    pub ledger_imbalance: IntGaugeVec,
    /// `golden_cpu_limit`: CPUs this process may use.
    pub cpu_limit: Gauge,
    /// `golden_memory_limit_bytes`: memory this process may use.
    pub memory_limit: Gauge,
    /// `golden_sandbox_run_seconds{language}`: from the request for a sandbox to the program's report.
    pub sandbox_run: HistogramVec,
    /// `golden_sandbox_boots_total{outcome}`: sandboxes started, `ready` or `failed`.
    pub sandbox_boots: IntCounterVec,
    /// `golden_sandbox_boot_seconds`: from nothing to a sandbox that waits for a program.
    pub sandbox_boot: Histogram,
    /// `golden_sandbox_warm`: sandboxes that wait for programs.
    pub sandbox_warm: IntGauge,
    /// `golden_sandbox_warm_hits_total{language}`: programs for which a sandbox waited.
    pub sandbox_warm_hits: IntCounterVec,
    /// `golden_sandbox_warm_misses_total{language}`: programs for which one had to be started.
    pub sandbox_warm_misses: IntCounterVec,
    /// `golden_sandbox_warm_age_seconds`: how long a sandbox had waited when its program came.
    pub sandbox_warm_age: Histogram,
}

impl Metrics {
    /// A fresh set of metrics, all at zero.
    #[expect(clippy::new_without_default, reason = "two sets in one process would be a mistake worth seeing")]
    pub fn new() -> Self {
        let registry = Registry::new();
        let table = Table(&registry);
        // CPU time, memory and open files of the process, by the names that every client library gives them.
        #[cfg(target_os = "linux")]
        table.own(ProcessCollector::for_self());
        let metrics = Self(Arc::new(Families {
            jobs: table.counters("golden_jobs_total", "Runs that ended.", &["role", "kind", "outcome"]),
            job_duration: table.seconds("golden_job_duration_seconds", "A run's duration.", &["role", "kind"]),
            job_wait: table.seconds("golden_job_wait_seconds", "Due to start of run.", &["role"]),
            worker_busy: table.gauges("golden_worker_busy", "Runs under way in this process.", &["role"]),
            worker_capacity: table.gauges("golden_worker_capacity", "Runs at once at most.", &["role"]),
            dispatch_window: table.gauges("golden_dispatch_window", "Hints of jobs in Redis.", &["role"]),
            dispatch_hints: table.counters(
                "golden_dispatch_hints_total",
                "Jobs leased as Redis named them.",
                &["role"],
            ),
            dispatch_fallbacks: table.counters(
                "golden_dispatch_fallbacks_total",
                "Claims from the store because Redis did not answer.",
                &["role"],
            ),
            queue_depth: table.gauges(
                "golden_queue_depth",
                "Jobs not yet ended; 10,000 stands for any number from there.",
                &["role", "state"],
            ),
            active_jobs: table.gauges("golden_active_jobs", "Jobs that may be claimed, or running.", &["role"]),
            oldest_job_age: table.gauges("golden_oldest_job_age_seconds", "Wait of the oldest ready job.", &["role"]),
            pruned: table.counters("golden_pruned_total", "Rows removed because their time was over.", &["what"]),
            outbox_lag: table
                .gauge("golden_outbox_lag", "Events not yet passed on; 10,000 stands for any number from there."),
            unpublished: table
                .gauge("golden_unpublished", "What the broker has not taken; 10,000 stands for any number from there."),
            published: table.counters("golden_published_total", "Handed to the broker.", &["what", "outcome"]),
            schedule_slots: table.counters("golden_schedule_slots_total", "Slots of schedules.", &["outcome"]),
            schedule_lag: table.histogram("golden_schedule_lag_seconds", "Slot to job on record."),
            http_requests: table.counters("golden_http_requests_total", "Requests.", &["route", "method", "status"]),
            http_duration: table.seconds("golden_http_request_duration_seconds", "Time to answer.", &["route"]),
            streams: table.gauge("golden_http_streams", "Event streams open."),
            scaler_streams: table.gauge("golden_scaler_streams", "Streams of the external scaler open."),
            webhook_attempts: table.counters("golden_webhook_attempts_total", "Webhook attempts.", &["outcome"]),
            dlq_messages: table
                .gauge("dlq_message_count", "Unresolved dead letters; 10,000 stands for any number from there."),
            idempotency_hits: table.counter("idempotency_cache_hits_total", "Requests answered from their key."),
            permission_denied: table.counters(
                "rbac_permission_denied_total",
                "Requests refused for their role.",
                &["role", "route"],
            ),
            rate_limited: table.counters(
                "golden_rate_limited_total",
                "Requests refused for being too many.",
                &["policy", "route"],
            ),
            rate_limits_local: table.counter(
                "golden_rate_limits_local_total",
                "Requests limited by this process alone, for want of Redis.",
            ),
            breakers: table.gauges(BREAKERS, "0 closed, 1 half open, 2 open, 3 forced open.", &["name"]),
            sandbox_failures: table.counters(
                "sandbox_execution_failures_total",
                "Sandbox runs the platform failed.",
                &["cause"],
            ),
            sandbox_runs: table.counters("golden_sandbox_runs_total", "Programs run, by why they ended.", &["cause"]),
            consensus: table.add(HistogramVec::new(
                HistogramOpts::new("peer_review_consensus_seconds", "Opening of a round to the panel's word.")
                    .buckets(CONSENSUS_SECONDS.to_vec()),
                &["outcome"],
            )),
            escalations_open: table.gauge("golden_escalations_open", "Escalations that nobody has resolved."),
            guard_remediations: table.counters(
                "guard_remediations_total",
                "What guards found wrong, by what became of it.",
                &["guard", "outcome"],
            ),
            clock_skew: table
                .add(Gauge::new("golden_clock_skew_seconds", "Between this process's clock and the store's.")),
            llm_validation_failures: table.counters(
                "llm_validation_failures_total",
                "Answers of models that could not be used.",
                &["role", "schema", "stage", "reason"],
            ),
            llm_validation_repairs: table.counters(
                "llm_validation_repairs_total",
                "Repairs of answers of models.",
                &["op"],
            ),
            governance_activations: table.counters(
                "governance_activations_total",
                "Activations of agents' policies, by what became of them.",
                &["role", "outcome"],
            ),
            governance_frozen: table.gauges(
                "governance_frozen",
                "Tenants whose policy of the role is frozen.",
                &["role"],
            ),
            budget_limit: table.gauges("golden_budget_limit_micros", "Micro-USD to spend in a period.", &["tenant"]),
            budget_spent: table.gauges("golden_budget_spent_micros", "Micro-USD spent in this period.", &["tenant"]),
            budget_reserved: table.gauges(
                "golden_budget_reserved_micros",
                "Micro-USD kept back for calls under way.",
                &["tenant"],
            ),
            budget_waiting: table.gauges("golden_budget_waiting_jobs", "Jobs that wait for money.", &["tenant"]),
            ledger_imbalance: table.gauges(
                "golden_ledger_imbalance_micros",
                "Micro-USD that accounts of budgets are off from what they sum up.",
                &["figure"],
            ),
            cpu_limit: table.add(Gauge::new("golden_cpu_limit", "CPUs this process may use.")),
            memory_limit: table.add(Gauge::new("golden_memory_limit_bytes", "Memory this process may use.")),
            sandbox_run: table.add(HistogramVec::new(
                HistogramOpts::new("golden_sandbox_run_seconds", "Sandbox asked for to report.")
                    .buckets(RUN_SECONDS.to_vec()),
                &["language"],
            )),
            sandbox_boots: table.counters("golden_sandbox_boots_total", "Sandboxes started.", &["outcome"]),
            sandbox_boot: table.histogram_of("golden_sandbox_boot_seconds", "Time to start a sandbox.", &RUN_SECONDS),
            sandbox_warm: table.gauge("golden_sandbox_warm", "Sandboxes that wait for programs."),
            sandbox_warm_hits: table.counters(
                "golden_sandbox_warm_hits_total",
                "Programs for which a sandbox waited.",
                &["language"],
            ),
            sandbox_warm_misses: table.counters(
                "golden_sandbox_warm_misses_total",
                "Programs for which no sandbox waited.",
                &["language"],
            ),
            sandbox_warm_age: table.histogram("golden_sandbox_warm_age_seconds", "Wait of a sandbox for its program."),
            registry,
        }));
        metrics.begin();
        metrics
    }

    /// A counter is there from the start, at zero, wherever its labels are known: a rate over one that comes to be
    /// with its first count misses that count.
    fn begin(&self) {
        for cause in Cause::ALL {
            self.sandbox_runs.with_label_values(&[cause.as_str()]);
        }
        for cause in Cause::ALL.into_iter().filter(|cause| cause.is_platforms()) {
            self.sandbox_failures.with_label_values(&[cause.as_str()]);
        }
        for outcome in ["ready", "failed"] {
            self.sandbox_boots.with_label_values(&[outcome]);
        }
        for outcome in ["delivered", "failed", "refused"] {
            self.webhook_attempts.with_label_values(&[outcome]);
        }
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            self.pruned.with_label_values(&[state.as_str()]);
        }
        for repair in RepairName::ALL {
            self.llm_validation_repairs.with_label_values(&[repair.as_str()]);
        }
        for (role, reason) in AgentRole::ALL.iter().flat_map(|role| Reason::ALL.map(|reason| (role, reason))) {
            let labels = [role.as_str(), "given", reason.stage(), reason.as_str()];
            self.llm_validation_failures.with_label_values(&labels);
        }
        for outcome in ["approved", "rejected", "changes_requested", "escalated"] {
            self.consensus.with_label_values(&[outcome]);
        }
        for role in AgentRole::ALL {
            for outcome in ["canary", "active", "rolled_back", "cooldown", "quota", "frozen"] {
                self.governance_activations.with_label_values(&[role.as_str(), outcome]);
            }
            self.governance_frozen.with_label_values(&[role.as_str()]);
        }
        for (guard, outcome) in Guard::ALL.iter().flat_map(|guard| ["done", "failed", "told"].map(|word| (guard, word)))
        {
            self.guard_remediations.with_label_values(&[guard.as_str(), outcome]);
        }
        for outcome in ["fired", "skipped", "failed"] {
            self.schedule_slots.with_label_values(&[outcome]);
        }
        for role in Role::ALL {
            self.job_wait.with_label_values(&[role.as_str()]);
            self.dispatch_window.with_label_values(&[role.as_str()]);
            self.dispatch_hints.with_label_values(&[role.as_str()]);
            self.dispatch_fallbacks.with_label_values(&[role.as_str()]);
        }
    }

    /// A guard did what it is there for, or could not.
    pub fn guarded(&self, guard: Guard, done: bool) {
        let outcome = if done { "done" } else { "failed" };
        self.guard_remediations.with_label_values(&[guard.as_str(), outcome]).inc();
    }

    /// What a scrape shows, in the text format.
    pub fn render(&self) -> String {
        text(&self.registry.gather())
    }

    /// The same without the hosts that users named and without what tenants spend, for those who speak for one tenant.
    pub fn render_without_hosts(&self) -> String {
        let mut families = self.registry.gather();
        for family in families.iter_mut().filter(|family| family.name() == BREAKERS) {
            let named = std::mem::take(family.mut_metric());
            let of_all = |metric: &Metric| !metric.get_label().iter().any(|label| label.value().contains(':'));
            *family.mut_metric() = named.into_iter().filter(of_all).collect();
        }
        for family in families.iter_mut().filter(|family| family.name().starts_with(BUDGETS)) {
            let named = std::mem::take(family.mut_metric());
            let of_all = |metric: &Metric| metric.get_label().iter().all(|label| label.value() == REST);
            *family.mut_metric() = named.into_iter().filter(of_all).collect();
        }
        text(&families)
    }
}

fn text(families: &[MetricFamily]) -> String {
    prometheus::TextEncoder::new().encode_to_string(families).unwrap_or_default()
}

/// Makes metrics and registers them. A wrong or doubled name is a defect of this file, and
/// the test below finds it.
struct Table<'a>(&'a Registry);

impl Table<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        self.histogram_of(name, help, &SECONDS)
    }

    fn histogram_of(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels))
    }

    #[expect(clippy::expect_used, reason = "names are constants of this file, tested below")]
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("a valid metric");
        self.own(metric.clone());
        metric
    }

    #[expect(clippy::expect_used, reason = "names are constants of this file, tested below")]
    fn own(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect("a name used once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_operators_know_are_there_before_anything_happened() {
        let text = Metrics::new().render();
        for name in [
            "dlq_message_count 0",
            "idempotency_cache_hits_total 0",
            "llm_validation_failures_total{reason=\"mismatch\",role=\"tester\",schema=\"given\",stage=\"schema\"} 0",
            "llm_validation_repairs_total{op=\"code_fence\"} 0",
            "sandbox_execution_failures_total{cause=\"start_failed\"} 0",
            "golden_sandbox_runs_total{cause=\"timeout\"} 0",
            "golden_webhook_attempts_total{outcome=\"failed\"} 0",
        ] {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
    }
}
