//! Functions: their versions, which of them is live, and when they may go.

use golden_jobs::{
    Role, State,
    functions::{FunctionName, Version},
    store::{
        Deleted, NewJob, Page,
        functions::{FunctionDeleted, FunctionVersion, Most, NewVersion, Registered, WhichVersion},
    },
};

use crate::{
    bed::Bed,
    both_stores,
    given::{MINUTE, TENANT, any_job, any_letter, by, dead, everything, job, json, succeeded},
};

both_stores! {
    a_version_is_kept_as_it_was_registered
    versions_are_numbered_and_the_newest_is_live
    the_newest_version_is_not_recorded_twice
    a_version_may_wait_to_go_live
    a_call_means_the_live_version_or_the_one_it_names
    functions_are_listed_newest_first
    a_function_is_its_tenants_alone
    there_are_so_many_and_no_more
    two_who_register_at_once_get_two_versions
    a_version_goes_when_nobody_needs_it
    a_number_is_never_given_out_again
    the_jobs_of_all_versions_are_found_by_the_functions_kind
    functions_go_with_their_tenant
}

const OTHER: &str = "globex";

fn name(name: &str) -> FunctionName {
    name.parse().unwrap()
}

fn v(number: u32) -> Version {
    Version::new(number).unwrap()
}

/// A version of `area` whose program is `text`.
fn version(text: &str) -> NewVersion {
    let mut digest = [7; 32];
    digest[..text.len()].copy_from_slice(text.as_bytes());
    NewVersion {
        tenant_id: TENANT.into(),
        name: name("area"),
        definition: json(format!(r#"{{"files": {{"a.py": "{text}"}}, "n": 1.0}}"#)),
        digest,
        language: "python".into(),
        size: text.len() as u64,
        created_by: "alice".into(),
        live: true,
    }
}

async fn register(store: &Bed, version: NewVersion) -> Registered {
    store.register_function(&version, Most::default(), &by("ops")).await.unwrap()
}

async fn live(store: &Bed) -> Option<u32> {
    store.function(TENANT, &name("area")).await.unwrap().map(|function| function.live.get())
}

async fn find(store: &Bed, number: u32) -> Option<FunctionVersion> {
    store.function_version(TENANT, &name("area"), v(number)).await.unwrap()
}

async fn delete(store: &Bed, version: Option<u32>) -> FunctionDeleted {
    store.delete_function(TENANT, &name("area"), version.map(v), &by("ops")).await.unwrap()
}

fn calling(kind: &str) -> NewJob {
    NewJob { kind: kind.into(), role: Role::Sandbox, ..job() }
}

async fn a_version_is_kept_as_it_was_registered(store: Bed) {
    let given = version("one");
    assert_eq!(register(&store, given.clone()).await, Registered::New(v(1)));

    let found = find(&store, 1).await.unwrap();
    assert_eq!(found.definition.get(), given.definition.get(), "as it was typed");
    assert!(found.live);
    let facts = found.facts;
    assert_eq!((facts.language.as_str(), facts.size, facts.digest), ("python", 3, given.digest));
    assert_eq!((facts.created_by.as_str(), facts.created_at), ("alice", store.clock.now()));
    assert_eq!(store.function_versions(TENANT, &given.name).await.unwrap(), [facts]);
    let function = store.function(TENANT, &given.name).await.unwrap().unwrap();
    assert_eq!((function.name, function.tenant_id.as_str()), (given.name, TENANT));
    assert_eq!((function.created_at, function.updated_at), (store.clock.now(), store.clock.now()));
    assert!(find(&store, 2).await.is_none());
    assert!(store.function(TENANT, &name("volume")).await.unwrap().is_none());
}

async fn versions_are_numbered_and_the_newest_is_live(store: Bed) {
    register(&store, version("one")).await;
    let created = store.clock.now();
    store.clock.advance(MINUTE);
    assert_eq!(register(&store, version("two")).await, Registered::New(v(2)));
    assert_eq!(register(&store, NewVersion { name: name("volume"), ..version("x") }).await, Registered::New(v(1)));

    let function = store.function(TENANT, &name("area")).await.unwrap().unwrap();
    assert_eq!((function.live, function.newest), (v(2), v(2)));
    assert_eq!((function.created_at, function.updated_at), (created, store.clock.now()));
    let versions = store.function_versions(TENANT, &name("area")).await.unwrap();
    assert_eq!(versions.iter().map(|facts| facts.version.get()).collect::<Vec<_>>(), [2, 1]);
    assert!(!find(&store, 1).await.unwrap().live);

    assert!(store.set_live(TENANT, &name("area"), v(1), &by("ops")).await.unwrap());
    assert!(find(&store, 1).await.unwrap().live);
    assert_eq!(live(&store).await, Some(1));
    assert!(!store.set_live(TENANT, &name("area"), v(3), &by("ops")).await.unwrap());
    assert!(!store.set_live(TENANT, &name("none"), v(1), &by("ops")).await.unwrap());
    assert_eq!(live(&store).await, Some(1));
}

/// Whoever did not hear the answer registers again, and whoever deploys does so each time.
async fn the_newest_version_is_not_recorded_twice(store: Bed) {
    register(&store, version("one")).await;
    register(&store, version("two")).await;
    store.set_live(TENANT, &name("area"), v(1), &by("ops")).await.unwrap();

    assert_eq!(register(&store, NewVersion { live: false, ..version("two") }).await, Registered::Same(v(2)));
    assert_eq!(live(&store).await, Some(1));
    assert_eq!(register(&store, version("two")).await, Registered::Same(v(2)));
    assert_eq!(live(&store).await, Some(2));
    assert_eq!(register(&store, version("one")).await, Registered::New(v(3)), "an older one is a new one");
}

async fn a_version_may_wait_to_go_live(store: Bed) {
    let waiting = |text| NewVersion { live: false, ..version(text) };
    register(&store, waiting("one")).await;
    assert_eq!(live(&store).await, Some(1), "there is no other");
    register(&store, waiting("two")).await;
    assert_eq!(live(&store).await, Some(1));
}

async fn a_call_means_the_live_version_or_the_one_it_names(store: Bed) {
    register(&store, version("one")).await;
    register(&store, version("two")).await;
    register(&store, NewVersion { tenant_id: OTHER.into(), ..version("x") }).await;
    let call = |tenant: &str, function: &str, version: Option<u32>| WhichVersion {
        tenant_id: tenant.into(),
        name: name(function),
        version: version.map(v),
    };
    let calls = [
        call(TENANT, "area", Some(1)),
        call(TENANT, "area", None),
        call(TENANT, "area", Some(3)),
        call(TENANT, "none", None),
        call(OTHER, "area", None),
        call(OTHER, "area", Some(2)),
        call(TENANT, "area", None),
    ];
    let meant = store.called_versions(&calls).await.unwrap();
    let meant: Vec<_> = meant.into_iter().map(|version| version.map(Version::get)).collect();
    assert_eq!(meant, [Some(1), Some(2), None, None, Some(1), None, Some(2)]);
    assert!(store.called_versions(&[]).await.unwrap().is_empty());
}

async fn functions_are_listed_newest_first(store: Bed) {
    for function in ["a", "b", "c"] {
        register(&store, NewVersion { name: name(function), ..version("x") }).await;
        // Ids sort by the millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let names = |functions: &[golden_jobs::store::functions::Function]| {
        functions.iter().map(|function| function.name.to_string()).collect::<Vec<_>>()
    };
    let page = store.functions(TENANT, Page { before: None, limit: 2 }).await.unwrap();
    assert_eq!(names(&page), ["c", "b"]);
    let rest = store.functions(TENANT, Page { before: Some(page[1].id), limit: 2 }).await.unwrap();
    assert_eq!(names(&rest), ["a"]);
}

async fn a_function_is_its_tenants_alone(store: Bed) {
    register(&store, version("one")).await;
    register(&store, version("two")).await;
    let area = name("area");

    assert!(store.function(OTHER, &area).await.unwrap().is_none());
    assert!(store.function_version(OTHER, &area, v(1)).await.unwrap().is_none());
    assert!(store.function_versions(OTHER, &area).await.unwrap().is_empty());
    assert!(store.functions(OTHER, everything()).await.unwrap().is_empty());
    assert!(!store.set_live(OTHER, &area, v(1), &by("ops")).await.unwrap());
    assert_eq!(store.delete_function(OTHER, &area, None, &by("ops")).await.unwrap(), FunctionDeleted::NoSuch);
    assert_eq!(store.delete_function(OTHER, &area, Some(v(1)), &by("ops")).await.unwrap(), FunctionDeleted::NoSuch);

    assert_eq!(live(&store).await, Some(2));
    assert_eq!(register(&store, NewVersion { tenant_id: OTHER.into(), ..version("x") }).await, Registered::New(v(1)));
}

async fn there_are_so_many_and_no_more(store: Bed) {
    let most = Most { functions: 2, versions: 2 };
    let of = |function: &str, text: &str| NewVersion { name: name(function), ..version(text) };
    for (function, text, expected) in [
        ("a", "1", Registered::New(v(1))),
        ("b", "1", Registered::New(v(1))),
        ("c", "1", Registered::TooManyFunctions),
        ("a", "2", Registered::New(v(2))),
        ("a", "3", Registered::TooManyVersions),
        ("a", "2", Registered::Same(v(2))),
    ] {
        let answer = store.register_function(&of(function, text), most, &by("ops")).await.unwrap();
        assert_eq!(answer, expected, "{function} {text}");
    }
    let other = NewVersion { tenant_id: OTHER.into(), ..of("c", "1") };
    assert_eq!(store.register_function(&other, most, &by("ops")).await.unwrap(), Registered::New(v(1)));

    // What was refused left nothing, and what goes makes room.
    assert_eq!(store.sql.number("SELECT COUNT(*) FROM functions").await, 3);
    store.delete_function(TENANT, &name("b"), None, &by("ops")).await.unwrap();
    assert_eq!(store.register_function(&of("c", "1"), most, &by("ops")).await.unwrap(), Registered::New(v(1)));
    assert_eq!(store.register_function(&of("b", "1"), most, &by("ops")).await.unwrap(), Registered::TooManyFunctions);
    store.delete_function(TENANT, &name("a"), Some(v(1)), &by("ops")).await.unwrap();
    assert_eq!(store.register_function(&of("a", "3"), most, &by("ops")).await.unwrap(), Registered::New(v(3)));
}

async fn two_who_register_at_once_get_two_versions(store: Bed) {
    let texts: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let answers = futures_util::future::join_all(texts.iter().map(|text| register(&store, version(text)))).await;

    let mut numbers: Vec<u32> = answers
        .into_iter()
        .map(|answer| match answer {
            Registered::New(version) => version.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    assert_eq!(live(&store).await, Some(8));
}

async fn a_version_goes_when_nobody_needs_it(store: Bed) {
    for text in ["one", "two", "three"] {
        register(&store, version(text)).await;
    }
    let queued = store.submit(calling("fn.area@1")).await;
    store.submit(NewJob { tenant_id: OTHER.into(), ..calling("fn.area@2") }).await;
    let later = NewJob { due: golden_jobs::store::Due::In(MINUTE), ..calling("fn.area@3") };
    let later = store.submit(later).await;

    assert_eq!(delete(&store, Some(1)).await, FunctionDeleted::Busy);
    assert_eq!(delete(&store, Some(2)).await, FunctionDeleted::Gone, "anothers jobs are of anothers function");
    assert_eq!(delete(&store, Some(2)).await, FunctionDeleted::NoSuch);
    assert_eq!(delete(&store, Some(3)).await, FunctionDeleted::Live);
    assert_eq!(delete(&store, None).await, FunctionDeleted::Busy);

    store.cancel(TENANT, later, &by("ops")).await.unwrap();
    let claimed = store.claim(Role::Sandbox, 10, store.worker).await.unwrap();
    let run = claimed.iter().find(|run| run.run.id == queued).unwrap();
    assert_eq!(delete(&store, None).await, FunctionDeleted::Busy, "it runs");
    store.end(run, succeeded()).await;

    assert_eq!(delete(&store, Some(1)).await, FunctionDeleted::Gone);
    assert_eq!(delete(&store, None).await, FunctionDeleted::Gone);
    assert_eq!(delete(&store, None).await, FunctionDeleted::NoSuch);
    assert_eq!(live(&store).await, None);
    assert!(find(&store, 3).await.is_none());
    assert!(store.functions(TENANT, everything()).await.unwrap().is_empty());
    assert_eq!(store.state(queued).await, State::Succeeded);
}

/// A job of `fn.area@1` that is put back to work is never another program's.
async fn a_number_is_never_given_out_again(store: Bed) {
    register(&store, version("one")).await;
    register(&store, version("two")).await;
    delete(&store, None).await;

    let gone = WhichVersion { tenant_id: TENANT.into(), name: name("area"), version: None };
    assert_eq!(store.called_versions(&[gone]).await.unwrap(), [None]);
    assert!(!store.set_live(TENANT, &name("area"), v(2), &by("ops")).await.unwrap());
    store.clock.advance(MINUTE);
    assert_eq!(register(&store, version("two")).await, Registered::New(v(3)));
    let function = store.function(TENANT, &name("area")).await.unwrap().unwrap();
    assert_eq!((function.live, function.created_at), (v(3), store.clock.now()));
    assert_eq!(store.function_versions(TENANT, &name("area")).await.unwrap().len(), 1);
}

async fn the_jobs_of_all_versions_are_found_by_the_functions_kind(store: Bed) {
    let mut ids = Vec::new();
    for kind in ["fn.area@1", "fn.area@12", "fn.areas@1", "noop"] {
        ids.push(store.through(calling(kind), dead()).await);
    }
    for (kind, expected) in [("fn.area", &ids[..2]), ("fn.area@1", &ids[..1]), ("noop", &ids[3..]), ("fn", &[])] {
        let mut filter = any_job();
        filter.kind = Some(kind.into());
        let jobs = store.jobs(&filter, everything()).await.unwrap().jobs;
        assert_eq!(jobs.iter().rev().map(|job| job.id).collect::<Vec<_>>(), expected, "{kind}");

        let mut filter = any_letter();
        filter.kind = Some(kind.into());
        assert_eq!(store.count_dead_letters(&filter).await.unwrap(), expected.len() as u64, "{kind}");
        let letters = store.dead_letters(&filter, everything()).await.unwrap();
        assert_eq!(letters.letters.iter().rev().filter_map(|letter| letter.job_id).collect::<Vec<_>>(), expected);
    }
    let mut filter = any_letter();
    filter.kind = Some("fn.area@12".into());
    assert_eq!(store.purge(&filter, &by("ops"), 10).await.unwrap(), 1);
    filter.kind = Some("fn.area".into());
    let replayed = store.replay(&crate::given::replay(filter), 10).await.unwrap();
    assert_eq!(replayed, ids[..1]);
}

async fn functions_go_with_their_tenant(store: Bed) {
    store.create_tenant(TENANT, &golden_jobs::store::Terms::default(), &by("ops")).await.unwrap();
    register(&store, version("one")).await;
    register(&store, NewVersion { tenant_id: OTHER.into(), ..version("x") }).await;

    assert_eq!(store.delete_tenant(TENANT, &by("ops")).await.unwrap(), Deleted::Gone);

    assert_eq!(live(&store).await, None);
    assert!(find(&store, 1).await.is_none());
    let area = name("area");
    assert!(store.function_version(OTHER, &area, v(1)).await.unwrap().is_some());
}
