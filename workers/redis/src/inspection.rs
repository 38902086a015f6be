//! What a server says of itself.

use std::collections::BTreeSet;

use redis::{FromRedisValue, RedisResult, Value};

use crate::wire::Wire;

/// What a look at Redis found, on all of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Of the server, or of each that differs.
    pub version: String,
    /// Policies by which it removes keys that are still needed, once its memory is used up.
    pub evicts_by: Vec<String>,
    /// Whether it copies another, and takes no writes.
    pub is_replica: bool,
}

impl Inspection {
    /// What is better changed, if anything.
    pub fn warning(&self) -> Option<String> {
        (!self.evicts_by.is_empty()).then(|| {
            format!(
                "maxmemory-policy is {}: short of memory it forgets limits and hints that still count; set noeviction",
                self.evicts_by.join(" and ")
            )
        })
    }

    pub(crate) async fn of(wire: &mut Wire) -> RedisResult<Self> {
        let info = redis::cmd("INFO");
        let answer = wire.as_connection().req_packed_command(&info).await?.extract_error()?;
        let mut texts = Vec::new();
        gather(&answer, &mut texts);
        Ok(Self::read(&texts))
    }

    fn read(nodes: &[String]) -> Self {
        let (mut versions, mut policies, mut is_replica) = (BTreeSet::new(), BTreeSet::new(), false);
        for node in nodes {
            let field = |name: &str| {
                let mut lines = node.lines().filter_map(|line| line.split_once(':'));
                lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
            };
            // What is not Redis and speaks like it says so in a version of its own.
            versions.extend(field("valkey_version").or(field("redis_version")).map(ToOwned::to_owned));
            is_replica |= field("role").is_some_and(|role| role != "master");
            let is_bounded = field("maxmemory").is_some_and(|bytes| bytes != "0");
            let policy = field("maxmemory_policy").filter(|policy| is_bounded && *policy != "noeviction");
            policies.extend(policy.map(ToOwned::to_owned));
        }
        let version = versions.into_iter().collect::<Vec<_>>().join(", ");
        Self { version, evicts_by: policies.into_iter().collect(), is_replica }
    }
}

/// The answers of all nodes: a cluster's are in a map.
fn gather(answer: &Value, texts: &mut Vec<String>) {
    match answer {
        Value::Map(nodes) => nodes.iter().for_each(|(_, node)| gather(node, texts)),
        Value::Array(nodes) => nodes.iter().for_each(|node| gather(node, texts)),
        text => texts.extend(String::from_redis_value_ref(text).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(role: &str, maxmemory: u64, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:{maxmemory}\r\n\
             maxmemory_policy:{policy}\r\n# Replication\r\nrole:{role}\r\n"
        )
    }

    #[test]
    fn only_what_may_evict_is_warned_of() {
        for (maxmemory, policy, warns) in
            [(0, "allkeys-lru", false), (1 << 30, "noeviction", false), (1 << 30, "volatile-ttl", true)]
        {
            let found = Inspection::read(&[node("master", maxmemory, policy)]);
            assert_eq!((found.warning().is_some(), found.is_replica), (warns, false), "{policy}");
            assert_eq!(found.version, "7.0.15");
        }
        assert!(Inspection::read(&[node("slave", 0, "noeviction")]).is_replica);
        let many = [node("master", 1, "allkeys-lru"), node("master", 1, "allkeys-lru")];
        assert_eq!(Inspection::read(&many).evicts_by, ["allkeys-lru"]);
        assert_eq!(Inspection::read(&[]), Inspection::default());
    }
}
