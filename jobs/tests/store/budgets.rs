//! What tenants and trees of jobs may spend, and what they have spent.

mod at_once;
mod waiting;

use std::time::Duration;

use golden_jobs::{
    JobId, ReservationId, Role,
    budgets::{Micros, Period},
    outcome::Verdict,
    store::{
        Claimed, Keep, NewJob, StoreError,
        budgets::{Account, Ask, BudgetTerms, Imbalance, Reaped, Reservation, Reserved, Shortfall, UNSETTLED_FOR},
    },
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, TENANT, await_all, by, child_of, dead, job, job_of, retry_in, succeeded},
};

both_stores! {
    without_terms_of_its_own_a_tenant_has_the_defaults
    what_is_reserved_is_dispatched_and_settled
    what_has_no_room_is_not_reserved
    a_step_of_an_attempt_is_charged_once_whoever_runs_it
    fresh_attempts_are_charged_anew
    a_late_run_neither_reserves_nor_dispatches_nor_releases
    what_was_not_dispatched_is_released
    what_nobody_settles_is_settled_at_its_worst
    a_tree_of_jobs_spends_no_more_than_its_max_cost
    a_period_turns_by_the_calendar
    thresholds_are_told_once
    a_limit_that_is_raised_by_hand_holds_at_once
    books_that_do_not_balance_show_by_how_much
    old_rows_of_the_ledger_go_and_the_books_still_balance
}

fn micros(micros: i64) -> Micros {
    Micros::new(micros).unwrap()
}

fn ask(run: &Claimed, step: &str, amount: i64) -> Ask {
    Ask { run: run.run, step: step.to_owned(), reask: 0, amount: micros(amount) }
}

async fn limit(store: &Bed, tenant: &str, limit: i64) {
    let terms = BudgetTerms { limit: Some(micros(limit)), period: None };
    store.set_budget(tenant, &terms, &by("ops")).await.unwrap();
}

async fn granted(store: &Bed, ask: &Ask) -> Reservation {
    match store.reserve(ask).await.unwrap() {
        Reserved::Granted(reservation) => reservation,
        Reserved::Short(short) => panic!("{short}"),
    }
}

async fn short(store: &Bed, ask: &Ask) -> Shortfall {
    match store.reserve(ask).await.unwrap() {
        Reserved::Short(short) => short,
        Reserved::Granted(reservation) => panic!("{reservation:?}"),
    }
}

/// Spent and reserved.
async fn books(store: &Bed) -> (i64, i64) {
    let budget = store.budget(TENANT).await.unwrap();
    (budget.spent, budget.reserved)
}

async fn spend(store: &Bed, run: &Claimed, step: &str, worst: i64, actual: i64) -> ReservationId {
    let reservation = granted(store, &ask(run, step, worst)).await;
    store.dispatch(run.run, reservation.id).await.unwrap();
    store.settle(reservation.id, micros(actual)).await.unwrap();
    reservation.id
}

/// What accounts say is what reservations and the ledger say.
async fn balanced(store: &Bed) {
    for (what, query) in [
        (
            "reserved by tenants",
            "SELECT count(*) FROM budget_limits l WHERE reserved <> COALESCE((SELECT sum(amount) \
             FROM budget_reservations r WHERE r.tenant_id = l.tenant_id AND r.state IN ('held', 'unsettled')), 0)",
        ),
        (
            "spent by tenants",
            "SELECT count(*) FROM budget_limits l WHERE spent <> COALESCE((SELECT sum(amount) FROM budget_ledger g \
             WHERE g.tenant_id = l.tenant_id AND g.account = 'tenant' AND g.turn = l.turn), 0)",
        ),
        (
            "what all trees spent and the ledger of all trees",
            "SELECT CAST(COALESCE((SELECT sum(spent) FROM budget_trees), 0) \
             - COALESCE((SELECT sum(amount) FROM budget_ledger WHERE account <> 'tenant'), 0) AS bigint)",
        ),
        (
            "what jobs cost and the ledger of tenants",
            "SELECT CAST(COALESCE((SELECT sum(cost_micros) FROM jobs), 0) \
             - COALESCE((SELECT sum(amount) FROM budget_ledger WHERE account = 'tenant'), 0) AS bigint)",
        ),
    ] {
        assert_eq!(store.sql.number(query).await, 0, "{what}");
    }
    assert_eq!(store.imbalance().await.unwrap(), Imbalance::default());
}

async fn without_terms_of_its_own_a_tenant_has_the_defaults(store: Bed) {
    let budget = store.budget(TENANT).await.unwrap();
    assert_eq!((budget.limit, budget.period, budget.spent), (10_000_000, Period::Month, 0));
    assert_eq!(store.budgets(None, ALL).await.unwrap(), []);
    let run = store.start(job()).await;
    let refused = short(&store, &ask(&run, "a", 10_000_001)).await;
    assert_eq!((refused.account, refused.limit), (Account::Tenant, 10_000_000));

    let terms = BudgetTerms { limit: Some(micros(5)), period: Some(Period::Day) };
    let set = store.set_budget(TENANT, &terms, &by("ops")).await.unwrap();
    assert_eq!((set.limit, set.period, set.terms), (5, Period::Day, terms));
    assert_eq!(store.budget(TENANT).await.unwrap(), set);
    assert_eq!(store.budgets(None, ALL).await.unwrap(), [set]);
    assert_eq!(store.budgets(Some(TENANT), ALL).await.unwrap(), []);
    let back = store.set_budget(TENANT, &BudgetTerms::default(), &by("ops")).await.unwrap();
    assert_eq!((back.limit, back.period), (10_000_000, Period::Month));
}

async fn what_is_reserved_is_dispatched_and_settled(store: Bed) {
    let run = store.start(job()).await;
    let reservation = granted(&store, &ask(&run, "a", 100)).await;
    assert_eq!(books(&store).await, (0, 100));
    store.dispatch(run.run, reservation.id).await.unwrap();
    assert_eq!(books(&store).await, (0, 100));
    assert!(store.settle(reservation.id, micros(60)).await.unwrap());
    assert_eq!(books(&store).await, (60, 0));
    assert!(!store.settle(reservation.id, micros(70)).await.unwrap(), "it is settled once");
    assert!(!store.settle(ReservationId::new(), micros(70)).await.unwrap());
    assert_eq!((books(&store).await, store.record(run.run.id).await.cost_micros), ((60, 0), 60));

    // It is what it is, also where it is more than anybody thought.
    spend(&store, &run, "b", 10, 25).await;
    assert_eq!(books(&store).await, (85, 0));
    balanced(&store).await;
}

async fn what_has_no_room_is_not_reserved(store: Bed) {
    limit(&store, TENANT, 100).await;
    let run = store.start(job()).await;
    granted(&store, &ask(&run, "a", 70)).await;
    let refused = short(&store, &ask(&run, "b", 31)).await;
    let expected = Shortfall { account: Account::Tenant, amount: 31, limit: 100, spent: 0, reserved: 70 };
    assert_eq!((refused, refused.for_good()), (expected, false));
    assert_eq!(books(&store).await, (0, 70));
    // Asked for less, the same step gets it.
    assert_eq!(granted(&store, &ask(&run, "b", 30)).await.amount, micros(30));
    assert_eq!(books(&store).await, (0, 100));

    limit(&store, TENANT, 50).await;
    short(&store, &ask(&run, "c", 0)).await;
    assert_eq!(books(&store).await, (0, 100));
    let other = store.start(job_of("globex")).await;
    granted(&store, &ask(&other, "a", 100)).await;
    balanced(&store).await;
}

async fn a_step_of_an_attempt_is_charged_once_whoever_runs_it(store: Bed) {
    let first = store.start(job()).await;
    let held = granted(&store, &ask(&first, "a", 100)).await;
    assert_eq!(granted(&store, &ask(&first, "a", 999)).await, held, "what was asked for first");
    store.end(&first, Verdict::Release).await;

    let second = store.claim_one(Role::Orchestrator).await;
    assert_eq!(granted(&store, &ask(&second, "a", 100)).await, held);
    store.dispatch(second.run, held.id).await.unwrap();
    store.settle(held.id, micros(80)).await.unwrap();
    store.end(&second, Verdict::Release).await;

    let third = store.claim_one(Role::Orchestrator).await;
    let again = granted(&store, &ask(&third, "a", 100)).await;
    assert_eq!(again, Reservation { settled: true, ..held });
    store.dispatch(third.run, again.id).await.unwrap();
    assert!(!store.settle(again.id, micros(80)).await.unwrap());
    assert_eq!(books(&store).await, (80, 0));

    // Another ask, another step and another attempt are other calls.
    let reasked = Ask { reask: 1, ..ask(&third, "a", 100) };
    assert_ne!(granted(&store, &reasked).await.id, held.id);
    assert_ne!(granted(&store, &ask(&third, "b", 100)).await.id, held.id);
    store.end(&third, retry_in(Duration::ZERO)).await;
    let fourth = store.claim_one(Role::Orchestrator).await;
    assert_ne!(granted(&store, &ask(&fourth, "a", 100)).await.id, held.id);
    balanced(&store).await;
}

async fn fresh_attempts_are_charged_anew(store: Bed) {
    let run = store.start(job()).await;
    let first = spend(&store, &run, "a", 100, 80).await;
    store.end(&run, dead()).await;
    store.retry(TENANT, run.run.id, &by("ops")).await.unwrap();
    let again = store.claim_one(Role::Orchestrator).await;
    assert_eq!(again.attempt, run.attempt);
    assert_ne!(spend(&store, &again, "a", 100, 80).await, first);
    assert_eq!(books(&store).await, (160, 0));
    balanced(&store).await;
}

async fn a_late_run_neither_reserves_nor_dispatches_nor_releases(store: Bed) {
    let late = store.start(job()).await;
    let held = granted(&store, &ask(&late, "a", 100)).await;
    store.end(&late, Verdict::Release).await;
    assert_eq!(store.reserve(&ask(&late, "b", 100)).await, Err(StoreError::LeaseLost));
    assert_eq!(store.dispatch(late.run, held.id).await, Err(StoreError::LeaseLost));

    let next = store.claim_one(Role::Orchestrator).await;
    assert_eq!(granted(&store, &ask(&next, "a", 100)).await, held);
    assert!(!store.release(late.run, held.id).await.unwrap(), "it is the next run's by now");
    store.dispatch(next.run, held.id).await.unwrap();
    // What a call did cost is no less true because its run is late.
    store.end(&next, Verdict::Release).await;
    assert!(store.settle(held.id, micros(30)).await.unwrap());
    assert_eq!(books(&store).await, (30, 0));
}

async fn what_was_not_dispatched_is_released(store: Bed) {
    let run = store.start(job()).await;
    let held = granted(&store, &ask(&run, "a", 100)).await;
    assert!(store.release(run.run, held.id).await.unwrap());
    assert!(!store.release(run.run, held.id).await.unwrap());
    assert_eq!(books(&store).await, (0, 0));
    assert_eq!(store.dispatch(run.run, held.id).await, Err(StoreError::LeaseLost), "nothing is kept back for it");

    let again = granted(&store, &ask(&run, "a", 60)).await;
    assert_eq!((again.id, again.amount, books(&store).await), (held.id, micros(60), (0, 60)));
    store.dispatch(run.run, again.id).await.unwrap();
    assert!(!store.release(run.run, again.id).await.unwrap(), "its first byte may have left");
    assert_eq!(books(&store).await, (0, 60));
}

async fn what_nobody_settles_is_settled_at_its_worst(store: Bed) {
    let run = store.start(job()).await;
    granted(&store, &ask(&run, "held", 10)).await;
    let dispatched = granted(&store, &ask(&run, "dispatched", 100)).await;
    store.dispatch(run.run, dispatched.id).await.unwrap();
    store.later(2 * UNSETTLED_FOR).await;
    let reap = async || store.reap_reservations(UNSETTLED_FOR, ALL).await.unwrap();
    assert_eq!(reap().await, Reaped::default(), "the run is there");

    store.dispatch(run.run, dispatched.id).await.unwrap();
    store.end(&run, succeeded()).await;
    assert_eq!(reap().await, Reaped { released: 1, settled: 0 });
    assert_eq!(books(&store).await, (0, 100));
    store.later(UNSETTLED_FOR - SECOND).await;
    assert_eq!(reap().await, Reaped::default(), "it may yet be told what it cost");
    store.later(SECOND).await;
    assert_eq!(reap().await, Reaped { released: 0, settled: 1 });
    assert_eq!((books(&store).await, store.record(run.run.id).await.cost_micros), ((100, 0), 100));
    assert!(!store.settle(dispatched.id, micros(1)).await.unwrap());
    balanced(&store).await;
}

async fn a_tree_of_jobs_spends_no_more_than_its_max_cost(store: Bed) {
    let parent = store.start(NewJob { max_cost: Some(micros(100)), ..job() }).await;
    spend(&store, &parent, "a", 40, 40).await;
    let child = |max_cost| NewJob { max_cost, role: Role::Sandbox, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child(None), child(Some(micros(30)))])).await;
    let mut children = store.claim(Role::Sandbox, ALL, store.worker).await.unwrap();
    children.sort_by_key(|child| child.run.id);
    let [free, bound] = <[Claimed; 2]>::try_from(children).unwrap();

    let refused = short(&store, &ask(&bound, "a", 31)).await;
    assert_eq!((refused.account, refused.for_good()), (Account::Tree(bound.run.id), true));
    spend(&store, &bound, "a", 30, 20).await;
    granted(&store, &ask(&free, "a", 30)).await;
    let refused = short(&store, &ask(&free, "b", 11)).await;
    let expected = Shortfall { account: Account::Tree(parent.run.id), amount: 11, limit: 100, spent: 60, reserved: 30 };
    assert_eq!((refused, refused.for_good()), (expected, false));
    assert_eq!(books(&store).await, (60, 30));
    let costs = async |run: &Claimed| store.tree_cost(run.run.id).await.unwrap();
    assert_eq!((costs(&parent).await, costs(&bound).await, costs(&free).await), (60, 20, 0));
    assert_eq!(store.tree_cost(JobId::new()).await.unwrap(), 0);
    balanced(&store).await;
}

async fn a_period_turns_by_the_calendar(store: Bed) {
    let day = BudgetTerms { limit: Some(micros(100)), period: Some(Period::Day) };
    let set = store.set_budget(TENANT, &day, &by("ops")).await.unwrap();
    assert_eq!(set.turns_at, Some("2026-01-03T00:00:00Z".parse().unwrap()));
    let run = store.start(job()).await;
    spend(&store, &run, "a", 90, 90).await;
    let open = granted(&store, &ask(&run, "b", 10)).await;
    short(&store, &ask(&run, "c", 1)).await;

    // It is 03:04:05.
    store.later(20 * 60 * MINUTE).await;
    short(&store, &ask(&run, "c", 1)).await;
    store.later(60 * MINUTE).await;
    assert_eq!(books(&store).await, (0, 10), "also before anybody spends");
    spend(&store, &run, "c", 90, 90).await;
    short(&store, &ask(&run, "d", 1)).await;
    // What is settled now counts now.
    store.settle(open.id, micros(5)).await.unwrap();
    assert_eq!(books(&store).await, (95, 0));
    balanced(&store).await;
}

async fn thresholds_are_told_once(store: Bed) {
    limit(&store, TENANT, 100).await;
    let run = store.start(job()).await;
    let told = async || store.sql.number("SELECT count(*) FROM outbox WHERE event = 'budget.threshold'").await;
    spend(&store, &run, "a", 85, 85).await;
    assert_eq!(told().await, 0, "nobody listens");
    limit(&store, TENANT, 1000).await;

    store.listen(TENANT, 1000 * MINUTE).await.unwrap();
    spend(&store, &run, "b", 714, 714).await;
    assert_eq!(told().await, 0);
    spend(&store, &run, "c", 1, 1).await;
    spend(&store, &run, "d", 1, 1).await;
    assert_eq!(told().await, 1, "at 80 %");
    let open = granted(&store, &ask(&run, "e", 100)).await;
    short(&store, &ask(&run, "f", 100)).await;
    assert_eq!(told().await, 1, "what is reserved may come back");
    store.settle(open.id, micros(100)).await.unwrap();
    short(&store, &ask(&run, "f", 100)).await;
    short(&store, &ask(&run, "f", 100)).await;
    assert_eq!(told().await, 2, "at 100 %");

    // A higher limit has thresholds of its own.
    limit(&store, TENANT, 1100).await;
    spend(&store, &run, "f", 100, 100).await;
    assert_eq!(told().await, 3);
}

async fn a_limit_that_is_raised_by_hand_holds_at_once(store: Bed) {
    let acme = "UPDATE budget_limits SET total_limit = 2000000 WHERE tenant_id = 'acme';";
    let run = store.start(job()).await;
    short(&store, &ask(&run, "a", 10_000_001)).await;
    assert_eq!(store.sql.execute(acme).await.unwrap(), 1, "whoever was refused has a row");
    assert_eq!(store.budget(TENANT).await.unwrap().limit, 2_000_000);
    short(&store, &ask(&run, "a", 2_000_001)).await;
    granted(&store, &ask(&run, "a", 2_000_000)).await;
}

async fn books_that_do_not_balance_show_by_how_much(store: Bed) {
    let run = store.start(NewJob { max_cost: Some(micros(100)), ..job() }).await;
    spend(&store, &run, "spent", 20, 7).await;
    granted(&store, &ask(&run, "held", 20)).await;
    balanced(&store).await;

    store.sql.execute("UPDATE budget_limits SET spent = spent + 3, reserved = reserved - 5").await.unwrap();
    store.sql.execute("UPDATE budget_trees SET reserved = 0").await.unwrap();
    let off = Imbalance { tenants_reserved: 5, tenants_spent: 3, trees_reserved: 20 };
    assert_eq!(store.imbalance().await.unwrap(), off);
    store.sql.execute("UPDATE budget_reservations SET state = 'released' WHERE step = 'held'").await.unwrap();
    store.sql.execute("UPDATE budget_trees SET reserved = 2").await.unwrap();
    let off = Imbalance { tenants_reserved: 15, tenants_spent: 3, trees_reserved: 2 };
    assert_eq!(store.imbalance().await.unwrap(), off);
}

async fn old_rows_of_the_ledger_go_and_the_books_still_balance(store: Bed) {
    let day = Duration::from_secs(86_400);
    let prune = async |limit| {
        let pruned = store.prune_ledger(&Keep { ledger: Some(day * 30), ..Keep::ALL }, limit).await.unwrap();
        assert_eq!(store.imbalance().await.unwrap(), Imbalance::default());
        (pruned, store.sql.rows("SELECT 1 FROM budget_ledger").await.unwrap())
    };
    let run = store.start(NewJob { max_cost: Some(micros(1_000)), ..job() }).await;
    for (step, actual) in [("a", 5), ("b", 7)] {
        spend(&store, &run, step, 100, actual).await;
    }
    assert_eq!(prune(ALL).await, (0, 4), "of the tenant and of the tree");
    store.clock.advance(day * 40);
    spend(&store, &run, "c", 100, 11).await;
    assert_eq!(store.prune_ledger(&Keep::ALL, ALL).await.unwrap(), 0);
    assert_eq!(prune(3).await, (3, 3), "a few at a time");
    assert_eq!(prune(ALL).await, (1, 2), "of the month that is over nothing is needed");

    // Nobody has looked at the account since: to it, that month is under way.
    store.clock.advance(day * 40);
    assert_eq!(prune(ALL).await, (2, 1));
    let kept = "SELECT CAST(sum(amount) AS bigint) FROM budget_ledger WHERE account = 'tenant'";
    assert_eq!((store.sql.number(kept).await, books(&store).await), (11, (0, 0)));

    // One that never turns is one row, whatever it has spent.
    let terms = BudgetTerms { limit: None, period: Some(Period::None) };
    store.set_budget(TENANT, &terms, &by("ops")).await.unwrap();
    for (step, actual) in [("d", 13), ("e", 17)] {
        spend(&store, &run, step, 100, actual).await;
        store.clock.advance(day * 40);
        prune(ALL).await;
    }
    assert_eq!((prune(ALL).await, store.sql.number(kept).await, books(&store).await.0), ((0, 1), 30, 30));
}
