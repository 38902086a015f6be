//! Who changed what: chained, in order, for good.

use golden_jobs::{
    audit::{
        Act, Action, Actor, Entry, Hash, Head, SigningKey,
        check::Checker,
        signing::{AGE, ROWS, sign_due},
    },
    store::{
        LOOK,
        audit::{AuditFilter, AuditPage, ChainName},
    },
};
use serde_json::Value;

use crate::{
    bed::{ALL, Bed, Sql},
    both_stores,
    given::{SECOND, TENANT, by},
};

both_stores! {
    acts_are_chained_in_the_order_they_were_recorded
    many_who_record_at_once_leave_no_gap
    every_tenant_has_a_chain_of_its_own_and_so_has_the_installation
    whatever_is_in_a_name_is_chained_as_it_is
    nothing_is_changed_or_removed
    a_list_is_filtered_and_paged
    a_page_looks_at_so_many_entries_and_no_more
    heads_are_signed_once_when_they_are_due
}

fn mine() -> ChainName {
    ChainName::of(TENANT)
}

/// The `n`th thing that somebody did.
fn act(n: u64) -> (Actor, Act) {
    (by("ops"), Act::on(Action::JobRetried, n))
}

/// A whole chain, once it has been found to be one.
pub(crate) async fn checked(store: &Bed, chain: &ChainName) -> Vec<Entry> {
    let entries = store.audit_chain(chain, 0, 2 * ALL).await.unwrap();
    let mut checker = Checker::beginning_at(1);
    for (number, entry) in (1..).zip(&entries) {
        assert_eq!(entry.seq, number);
        checker.check(entry).unwrap();
    }
    assert_eq!(checker.head().unwrap_or(Head::EMPTY), store.audit_head(chain).await.unwrap());
    entries
}

pub(crate) fn payload(entry: &Entry) -> Value {
    serde_json::from_str(entry.payload.get()).unwrap()
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

async fn acts_are_chained_in_the_order_they_were_recorded(store: Bed) {
    assert_eq!(store.audit_head(&mine()).await.unwrap(), Head::EMPTY);
    store.record_acts(&mine(), &[]).await.unwrap();
    assert_eq!(checked(&store, &mine()).await.len(), 0);

    store.record_acts(&mine(), &[act(1), act(2)]).await.unwrap();
    store.clock.advance(SECOND);
    store.record_acts(&mine(), &[act(3)]).await.unwrap();
    let entries = checked(&store, &mine()).await;
    assert_eq!(entries[0].prev_hash, Hash::GENESIS);
    let last = payload(&entries[2]);
    assert_eq!((&last["target"], &last["at"]), (&"3".into(), &"2026-01-02T03:04:06.000000Z".into()));
    assert_eq!((&last["actor"], &last["tenant"]), (&"user:ops".into(), &TENANT.into()));

    let rest = store.audit_chain(&mine(), 1, 1).await.unwrap();
    assert_eq!(numbers(&rest), [2]);
}

async fn many_who_record_at_once_leave_no_gap(store: Bed) {
    let writers = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                store.record_acts(&mine(), &[act(n), act(n)]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let entries = checked(&store, &mine()).await;
    assert_eq!(entries.len(), 120);
    // What was recorded together stands together.
    assert!(entries.chunks(2).all(|pair| payload(&pair[0])["target"] == payload(&pair[1])["target"]));
}

async fn every_tenant_has_a_chain_of_its_own_and_so_has_the_installation(store: Bed) {
    let chains = [mine(), ChainName::of("globex"), ChainName::INSTALLATION];
    for (n, chain) in (1..).zip(&chains) {
        store.record_acts(chain, &vec![act(n); usize::try_from(n).unwrap()]).await.unwrap();
    }
    for (length, chain) in (1..).zip(&chains) {
        let entries = checked(&store, chain).await;
        assert_eq!(entries.len(), length);
        assert_eq!(payload(&entries[0]).get("tenant").and_then(Value::as_str), chain.tenant_id.as_deref());
    }
}

async fn whatever_is_in_a_name_is_chained_as_it_is(store: Bed) {
    let names = ["", "x'; DROP TABLE jobs; --", "\0", "\u{10ffff}\u{e9}", "\"\\\n", &"long".repeat(5000)];
    for name in names {
        store.record_acts(&mine(), &[(by(name), Act::on(Action::BreakerSet, name).with(name, name))]).await.unwrap();
    }
    for (entry, name) in checked(&store, &mine()).await.iter().zip(names) {
        assert_eq!((&payload(entry)["target"], &payload(entry)["details"][name]), (&name.into(), &name.into()));
    }
}

async fn nothing_is_changed_or_removed(store: Bed) {
    store.record_acts(&mine(), &[act(1), act(2)]).await.unwrap();
    for refused in [
        "UPDATE audit_log SET actor = 'user:mallory' WHERE seq = 1",
        "DELETE FROM audit_log WHERE seq = 2",
        "DELETE FROM audit_log",
    ] {
        let error = store.sql.execute(refused).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{refused}: {error}");
    }
    if matches!(store.sql, Sql::Postgres(_)) {
        let error = store.sql.execute("TRUNCATE audit_log").await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    assert_eq!(checked(&store, &mine()).await.len(), 2);
}

async fn a_list_is_filtered_and_paged(store: Bed) {
    let any = AuditFilter { chain: mine(), action: None, actor: None, since: None, until: None };
    let all = AuditPage { before: None, limit: ALL };
    assert!(store.audit_log(&any, all).await.unwrap().entries.is_empty());

    let begun = store.time().await.unwrap();
    for n in 1..=6 {
        let paused = (by("kim"), Act::on(Action::QueuePaused, n));
        store.record_acts(&mine(), &[if n % 2 == 0 { paused } else { act(n) }]).await.unwrap();
        store.clock.advance(SECOND);
    }
    let list = async |filter: &AuditFilter, page| {
        let found = store.audit_log(filter, page).await.unwrap();
        assert_eq!(found.looked_to, None);
        numbers(&found.entries)
    };
    assert_eq!(list(&any, all).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(list(&any, AuditPage { before: Some(5), limit: 2 }).await, [4, 3]);
    assert_eq!(list(&any, AuditPage { before: Some(u64::MAX), limit: 1 }).await, [6]);
    let pauses = AuditFilter { action: Some(Action::QueuePaused), ..any.clone() };
    assert_eq!(list(&pauses, all).await, [6, 4, 2]);
    let of = |actor: &str| AuditFilter { actor: Some(actor.to_owned()), ..any.clone() };
    assert_eq!(list(&of("user:ops"), all).await, [5, 3, 1]);
    assert!(list(&of("ops"), all).await.is_empty());
    let between = AuditFilter { since: Some(begun + SECOND), until: Some(begun + 3 * SECOND), ..any.clone() };
    assert_eq!(list(&between, all).await, [3, 2]);
    assert!(list(&AuditFilter { chain: ChainName::of("globex"), ..any }, all).await.is_empty());
}

async fn a_page_looks_at_so_many_entries_and_no_more(store: Bed) {
    store.record_acts(&mine(), &[(by("first"), Act::of(Action::BreakerReset))]).await.unwrap();
    for _ in 0..5 {
        let many: Vec<_> = (0..u64::from(LOOK / 5)).map(act).collect();
        store.record_acts(&mine(), &many).await.unwrap();
    }
    let actor = Some("user:first".to_owned());
    let filter = AuditFilter { chain: mine(), action: None, actor, since: None, until: None };
    let page = store.audit_log(&filter, AuditPage { before: None, limit: 10 }).await.unwrap();
    assert_eq!((numbers(&page.entries), page.looked_to), (vec![], Some(2)));
    let next = store.audit_log(&filter, AuditPage { before: page.looked_to, limit: 10 }).await.unwrap();
    assert_eq!((numbers(&next.entries), next.looked_to), (vec![1], None));
}

async fn heads_are_signed_once_when_they_are_due(store: Bed) {
    let key = SigningKey::read("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let signed = async || sign_due(&store.store, &key, ROWS, AGE).await.unwrap();
    assert_eq!((signed().await, store.last_signed_head(&mine()).await.unwrap()), (0, None));
    store.record_acts(&mine(), &[act(1)]).await.unwrap();
    store.clock.advance(AGE - SECOND);
    store.record_acts(&mine(), &[act(2)]).await.unwrap();
    assert_eq!(signed().await, 0);
    store.clock.advance(SECOND);
    assert_eq!((signed().await, signed().await), (1, 0));
    let first = store.last_signed_head(&mine()).await.unwrap().unwrap();
    assert!(first.is_genuine());
    assert_eq!(Head { seq: first.seq, hash: first.hash }, store.audit_head(&mine()).await.unwrap());
    assert!(!store.publish_head(&first).await.unwrap(), "another process may have signed it as well");

    // So many entries do not wait, whosever they are.
    let many: Vec<_> = (0..ROWS).map(act).collect();
    store.record_acts(&ChainName::INSTALLATION, &many[1..]).await.unwrap();
    assert_eq!(signed().await, 0);
    store.record_acts(&ChainName::INSTALLATION, &many[..1]).await.unwrap();
    assert_eq!(signed().await, 1);
    let heads = store.signed_heads(&ChainName::INSTALLATION, 1, 10).await.unwrap();
    assert_eq!(heads.iter().map(|head| (head.seq, head.tenant.clone())).collect::<Vec<_>>(), [(ROWS, None)]);
    let more = match store.sql {
        Sql::Postgres(_) => "TRUNCATE audit_heads",
        Sql::Sqlite(_) => {
            "INSERT OR REPLACE INTO audit_heads SELECT tenant_id, seq, hash, at + 1, key, signature FROM audit_heads"
        }
    };
    for refused in ["UPDATE audit_heads SET seq = 9", "DELETE FROM audit_heads", more] {
        assert!(store.sql.execute(refused).await.unwrap_err().to_string().contains("append-only"), "{refused}");
    }
}
