//! However many spend at once, the books balance.

use std::sync::Arc;

use golden_jobs::{
    Role,
    budgets::Micros,
    store::{
        Claimed, NewJob,
        budgets::{Reserved, UNSETTLED_FOR},
    },
};
use rand::Rng;

use super::{ask, balanced, books, limit, micros};
use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    given::{TENANT, job, succeeded},
};

both_stores! {
    fifty_who_reserve_at_once_stay_within_the_limit
    the_books_balance_whatever_is_done_at_once
}

behind_pgbouncer! {
    the_books_balance_whatever_is_done_at_once
}

async fn runs(store: &Bed, number: usize, max_cost: Option<Micros>) -> Vec<Claimed> {
    let root = NewJob { max_cost, ..job() };
    let parent = root.id;
    let children = (1..number).map(|_| NewJob { parent_id: Some(parent), ..job() });
    store.insert(std::iter::once(root).chain(children).collect()).await.unwrap();
    store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap()
}

async fn fifty_who_reserve_at_once_stay_within_the_limit(store: Bed) {
    limit(&store, TENANT, 1000).await;
    let runs = runs(&store, 50, Some(micros(730))).await;
    let asked = runs.into_iter().map(|run| {
        let store = store.clone();
        tokio::spawn(async move { store.reserve(&ask(&run, "a", 100)).await.unwrap() })
    });
    let mut granted = 0;
    for asked in asked.collect::<Vec<_>>() {
        granted += i64::from(matches!(asked.await.unwrap(), Reserved::Granted(_)));
    }
    assert_eq!((granted, books(&store).await), (7, (0, 700)), "as many as the tree has room for");
    balanced(&store).await;
}

/// Runs that reserve, dispatch, settle, release, repeat themselves and vanish, all at once; and somebody who sees to what
/// they left. Nobody ever has more than the limits, and in the end the books balance.
async fn the_books_balance_whatever_is_done_at_once(store: Bed) {
    const LIMIT: i64 = 2000;
    limit(&store, TENANT, LIMIT).await;
    let tree = NewJob { max_cost: Some(micros(700)), ..job() };
    let mut jobs: Vec<NewJob> =
        (0..12).map(|n| NewJob { parent_id: (n % 3 == 0).then_some(tree.id), ..job() }).collect();
    jobs.push(tree);
    store.insert(jobs).await.unwrap();
    let runs: Vec<Arc<Claimed>> =
        store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().into_iter().map(Arc::new).collect();

    let tasks: Vec<_> = (0..24)
        .map(|task| {
            let (store, run) = (store.clone(), Arc::clone(&runs[task % runs.len()]));
            tokio::spawn(async move {
                for _ in 0..10 {
                    let (step, amount, fate) = {
                        let mut rng = rand::rng();
                        (rng.random_range(0..8), rng.random_range(0..120), rng.random_range(0..6))
                    };
                    let Ok(Reserved::Granted(held)) = store.reserve(&ask(&run, &format!("s{step}"), amount)).await
                    else {
                        continue;
                    };
                    let actual = micros(held.amount.get() * 3 / 4);
                    // Two tasks may have one reservation, and do with it what two runs might.
                    match fate {
                        0 => drop(store.release(run.run, held.id).await.unwrap()),
                        1 => {}
                        2 => drop(store.dispatch(run.run, held.id).await),
                        _ if store.dispatch(run.run, held.id).await.is_ok() => {
                            store.settle(held.id, actual).await.unwrap();
                        }
                        _ => {}
                    }
                    let budget = store.budget(TENANT).await.unwrap();
                    assert!(budget.spent + budget.reserved <= LIMIT, "{budget:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    balanced(&store).await;
    let over = "SELECT count(*) FROM budget_trees WHERE spent + reserved > max_cost";
    assert_eq!(store.sql.number(over).await, 0);

    for run in &runs {
        store.end(run, succeeded()).await;
    }
    store.later(UNSETTLED_FOR).await;
    let (one, other) =
        tokio::join!(store.reap_reservations(UNSETTLED_FOR, ALL), store.reap_reservations(UNSETTLED_FOR, ALL));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(books(&store).await.1, 0, "nothing is kept back for anybody");
    assert!(books(&store).await.0 <= LIMIT);
    balanced(&store).await;
}
