//! Jobs that make jobs, and wait for them.

use std::time::Duration;

use golden_jobs::{Context, Failure, Job, Outcome, Role, State, done, job::Policy, outcome::End, store::NewJob};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Pools, job};

/// Makes `width` more of itself, each with one level less below it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Brood {
    width: u32,
    levels: u32,
    /// Fails once before it awaits anybody.
    #[serde(default)]
    stumbles: bool,
    /// Does not wait for them, but for so many milliseconds.
    #[serde(default)]
    patience_ms: Option<u64>,
}

impl Job for Brood {
    const KIND: &'static str = "brood";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT;
    type Output = usize;

    async fn run(self, cx: &Context) -> Outcome<usize> {
        if cx.checkpoint().is_some() || self.levels == 0 {
            return done(cx.children().await?.iter().filter(|child| child.state == State::Succeeded).count());
        }
        let below = Self { width: self.width, levels: self.levels - 1, ..Self::default() };
        let children = (0..self.width).map(|n| cx.child(&n.to_string(), &below)).collect::<Result<_, _>>()?;
        if self.stumbles && cx.claimed().attempt == 1 {
            return Err(Failure::retry("stumbled", "once"));
        }
        let until = self.patience_ms.map(Duration::from_millis);
        Ok(End::Await { children, checkpoint: Some(serde_json::value::RawValue::NULL.to_owned()), until })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn families_are_bounded_and_a_step_has_one_child() {
    let pools = Pools::start(8).await;
    let four = NewJob { priority: 2, ..job("brood", r#"{"width": 1, "levels": 4}"#) };
    let five = job("brood", r#"{"width": 1, "levels": 5}"#);
    let many = job("brood", r#"{"width": 32, "levels": 1}"#);
    let too_many = job("brood", r#"{"width": 33, "levels": 1}"#);
    let stumbling = NewJob { max_attempts: 2, ..job("brood", r#"{"width": 2, "levels": 1, "stumbles": true}"#) };
    let ids = [four.id, five.id, many.id, too_many.id, stumbling.id];
    pools.store.insert(vec![four, five, many, too_many, stumbling]).await.unwrap();
    let [four, five, many, too_many, stumbling] = ids;

    let result = async |id| {
        let ended = pools.ended(id).await;
        (ended.state, ended.result.map(|result| result.get().to_owned()), ended.error.map(|error| error.code))
    };
    assert_eq!(result(four).await, (State::Succeeded, Some("1".to_owned()), None));
    assert_eq!(result(many).await, (State::Succeeded, Some("32".to_owned()), None));
    assert_eq!(result(too_many).await, (State::Dead, None, Some("family_too_large".to_owned())));
    assert_eq!(pools.store.children(too_many).await.unwrap().len(), 0, "none of them was made");
    assert_eq!(result(stumbling).await, (State::Succeeded, Some("2".to_owned()), None));
    assert_eq!(pools.store.children(stumbling).await.unwrap().len(), 2, "the same in either attempt");
    assert_eq!(pools.store.children(four).await.unwrap()[0].priority, 2);

    // The one on the last level dies of it, and the others go on without it.
    assert_eq!(result(five).await, (State::Succeeded, Some("1".to_owned()), None));
    let mut last = pools.store.children(five).await.unwrap().remove(0);
    for _ in 0..3 {
        last = pools.store.children(last.id).await.unwrap().remove(0);
    }
    assert_eq!((last.state, last.error.unwrap().code.as_str()), (State::Dead, "family_too_deep"));
    assert_eq!(pools.store.children(last.id).await.unwrap().len(), 0);
    pools.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_it_has_waited_for_long_enough() {
    let pools = Pools::start(2).await;
    let alone = job("brood", r#"{"width": 0, "levels": 1, "patience_ms": 30}"#);
    let id = alone.id;
    pools.store.insert(vec![alone]).await.unwrap();
    let ended = pools.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
    assert!(ended.finished_at.unwrap() - ended.created_at >= chrono::TimeDelta::milliseconds(30));
    pools.stop().await;
}
