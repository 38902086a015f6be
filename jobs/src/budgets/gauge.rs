//! Budgets in the metrics.

use prometheus::{IntGaugeVec, core::Collector};

use crate::{
    metrics::Metrics,
    store::budgets::{BudgetFigures, Imbalance},
};

/// Tenants that are shown by name: those that spend the most.
pub const SHOWN: u32 = 50;

/// What all others are shown as together. No tenant can have a name with a parenthesis in it.
pub(crate) const REST: &str = "(rest)";

/// A gauge, and what it shows of an account.
type Shows<'a> = (&'a IntGaugeVec, fn(&BudgetFigures) -> i64);

/// Shows these, and nobody else; all others together always.
pub fn show(metrics: &Metrics, figures: &[BudgetFigures]) {
    let rest = BudgetFigures { tenant_id: None, limit: 0, spent: 0, reserved: 0, waiting: 0 };
    let rest = figures.iter().all(|figures| figures.tenant_id.is_some()).then_some(&rest);
    let shown: Vec<_> = figures.iter().chain(rest).collect();
    let gauges: [Shows<'_>; 4] = [
        (&metrics.budget_limit, |figures| figures.limit),
        (&metrics.budget_spent, |figures| figures.spent),
        (&metrics.budget_reserved, |figures| figures.reserved),
        (&metrics.budget_waiting, |figures| i64::try_from(figures.waiting).unwrap_or(i64::MAX)),
    ];
    for (gauge, value) in gauges {
        for figures in &shown {
            gauge.with_label_values(&[name(figures)]).set(value(figures));
        }
        for family in gauge.collect() {
            let names = family.get_metric().iter().flat_map(|metric| metric.get_label()).map(|label| label.value());
            for gone in names.filter(|gone| !shown.iter().any(|figures| name(figures) == *gone)) {
                // It was there a moment ago, or somebody else removed it.
                let _ = gauge.remove_label_values(&[gone]);
            }
        }
    }
}

/// Shows whether accounts are what they sum up.
pub fn show_imbalance(metrics: &Metrics, imbalance: &Imbalance) {
    let Imbalance { tenants_reserved, tenants_spent, trees_reserved } = *imbalance;
    for (figure, off) in
        [("tenants_reserved", tenants_reserved), ("tenants_spent", tenants_spent), ("trees_reserved", trees_reserved)]
    {
        metrics.ledger_imbalance.with_label_values(&[figure]).set(off);
    }
}

fn name(figures: &BudgetFigures) -> &str {
    figures.tenant_id.as_deref().unwrap_or(REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_spend_the_most_any_more_is_among_the_rest() {
        let metrics = Metrics::new();
        let of = |tenant: Option<&str>, spent| BudgetFigures {
            tenant_id: tenant.map(str::to_owned),
            limit: 10,
            spent,
            reserved: 1,
            waiting: 2,
        };
        let lines = |text: String| {
            let spent = text.lines().filter(|line| line.starts_with("golden_budget_spent_micros{")).map(str::to_owned);
            spent.collect::<Vec<_>>()
        };
        show(&metrics, &[of(Some("acme"), 7)]);
        let expected =
            [r#"golden_budget_spent_micros{tenant="(rest)"} 0"#, r#"golden_budget_spent_micros{tenant="acme"} 7"#];
        assert_eq!(lines(metrics.render()), expected);
        assert_eq!(lines(metrics.render_without_hosts()), expected[..1], "a tenant's figures are not for others");
        show(&metrics, &[of(Some("globex"), 9), of(None, 7)]);
        let expected =
            [r#"golden_budget_spent_micros{tenant="(rest)"} 7"#, r#"golden_budget_spent_micros{tenant="globex"} 9"#];
        assert_eq!(lines(metrics.render()), expected);
    }
}
