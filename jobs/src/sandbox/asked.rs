//! Limits as people write them: of a submission, and of a tenant.

use std::{ops::RangeInclusive, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Limits;

/// How much a program may use. Of a submission's, its tenant's and the operator's, the least counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SandboxLimits")]
pub struct AskedLimits {
    /// Wall time in ms, 50 s at most; 10 s where a submission says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 50_000))]
    pub wall_ms: Option<u64>,
    /// CPU time of each process in ms, counted in whole seconds; what the wall time allows where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1000, max = 3_600_000))]
    pub cpu_ms: Option<u64>,
    /// Memory in MiB, of the program, the files it writes, and some 40 for the sandbox round it; 256
    /// where a submission says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 64, max = 65_536))]
    pub memory_mib: Option<u64>,
}

// As the schema says, for those who are not held against it.
const WALL_MS: RangeInclusive<u64> = 100..=50_000;
const CPU_MS: RangeInclusive<u64> = 1000..=3_600_000;
const MEMORY_MIB: RangeInclusive<u64> = 64..=65_536;

impl AskedLimits {
    /// The names of those that are out of range, with what they may be.
    pub fn out_of_range(&self) -> impl Iterator<Item = (&'static str, RangeInclusive<u64>)> {
        let each = [
            ("wall_ms", self.wall_ms, WALL_MS),
            ("cpu_ms", self.cpu_ms, CPU_MS),
            ("memory_mib", self.memory_mib, MEMORY_MIB),
        ];
        let out = each.into_iter().filter(|(_, asked, range)| asked.is_some_and(|asked| !range.contains(&asked)));
        out.map(|(name, _, range)| (name, range))
    }

    /// What a program is given whose submission says this.
    pub fn given(&self) -> Limits {
        Limits {
            wall: self.wall_ms.map_or(Limits::USUAL.wall, Duration::from_millis),
            cpu: self.cpu_ms.map(Duration::from_millis),
            memory: self.memory_mib.map_or(Limits::USUAL.memory, bytes),
        }
    }

    /// As much of `limits` as a tenant gets whose terms say this.
    pub fn allowed(&self, limits: Limits) -> Limits {
        limits.within(&Limits {
            wall: self.wall_ms.map_or(Duration::MAX, Duration::from_millis),
            cpu: self.cpu_ms.map(Duration::from_millis),
            memory: self.memory_mib.map_or(u64::MAX, bytes),
        })
    }
}

fn bytes(mib: u64) -> u64 {
    mib.saturating_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_gets_what_is_asked_for_as_far_as_its_terms_go() {
        let asked = AskedLimits { wall_ms: Some(20_000), cpu_ms: None, memory_mib: Some(128) }.given();
        assert_eq!(AskedLimits::default().allowed(asked), asked);
        let terms = AskedLimits { wall_ms: Some(5000), cpu_ms: Some(2000), memory_mib: Some(512) };
        let (five, two) = (Duration::from_secs(5), Duration::from_secs(2));
        assert_eq!(terms.allowed(asked), Limits { wall: five, cpu: Some(two), memory: 128 << 20 });
        let usual = AskedLimits::default().given();
        assert_eq!(terms.allowed(usual), Limits { wall: five, cpu: Some(two), memory: 256 << 20 });
    }

    #[test]
    fn the_schema_says_the_same_of_what_is_in_range() {
        let schema = schemars::schema_for!(AskedLimits).to_value();
        let fits = jsonschema::draft202012::new(&schema).unwrap();
        for (name, range) in [("wall_ms", WALL_MS), ("cpu_ms", CPU_MS), ("memory_mib", MEMORY_MIB)] {
            for value in [range.start() - 1, *range.start(), *range.end(), range.end() + 1] {
                let json = serde_json::json!({ name: value });
                let limits: AskedLimits = serde_json::from_value(json.clone()).unwrap();
                assert_eq!(limits.out_of_range().next().is_none(), fits.is_valid(&json), "{json}");
            }
        }
    }
}
