//! Where workers had their jobs from, by their own metrics.

use std::ops::AddAssign;

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Dispatched {
    /// Jobs that Redis named.
    pub(crate) through: u64,
    /// Claims that went to the store, since Redis did not answer.
    pub(crate) past: u64,
}

impl Dispatched {
    /// As a scrape shows it.
    pub(crate) fn of(scrape: &str) -> Self {
        let sum = |name: &str| {
            let values = scrape.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.split(' ').nth(1));
            values.map(|value| value.parse::<u64>().unwrap()).sum()
        };
        Self { through: sum("golden_dispatch_hints_total{"), past: sum("golden_dispatch_fallbacks_total{") }
    }
}

impl AddAssign for Dispatched {
    fn add_assign(&mut self, other: Self) {
        self.through += other.through;
        self.past += other.past;
    }
}
