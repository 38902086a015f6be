//! Messages that came in and cannot be jobs.

use golden_jobs::{
    DeadLetterId, JobId,
    store::{DeadLetterFilter, messages::MessageLetter},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{TENANT, any_letter, by, dead, everything, job, json, replay},
};

both_stores! {
    a_message_has_one_letter_however_often_it_comes
    a_letter_of_a_message_is_resolved_once_and_by_no_replay
}

fn letter() -> MessageLetter {
    MessageLetter {
        id: DeadLetterId::new(),
        tenant_id: TENANT.to_owned(),
        original_subject: "golden.submit.acme.nothing".to_owned(),
        kind: "nothing".to_owned(),
        payload: json(r#""{oops""#),
        error_code: "unknown-kind".to_owned(),
        error: "there is no kind \0 of that name".to_owned(),
        attempts: 3,
    }
}

async fn a_message_has_one_letter_however_often_it_comes(store: Bed) {
    let letter = letter();
    store.bury_message(&letter).await.unwrap();
    store.bury_message(&MessageLetter { error: "another time".to_owned(), ..letter.clone() }).await.unwrap();

    let found = store.dead_letters(&any_letter(), everything()).await.unwrap().letters;
    let [found] = &found[..] else { panic!("{found:?}") };
    assert_eq!((found.id, found.job_id, found.role), (letter.id, None, None));
    assert_eq!((found.original_subject.as_str(), found.kind.as_str()), ("golden.submit.acme.nothing", "nothing"));
    assert_eq!((found.payload.get(), found.attempts, found.resolved), (r#""{oops""#, 3, false));
    assert!(found.error.starts_with("there is no kind"), "{found:?}");
    let other = DeadLetterFilter { tenant_id: "globex".to_owned(), ..DeadLetterFilter::default() };
    assert_eq!(store.count_dead_letters(&other).await.unwrap(), 0);
}

async fn a_letter_of_a_message_is_resolved_once_and_by_no_replay(store: Bed) {
    let [letter, purged] = [letter(), letter()];
    store.bury_message(&letter).await.unwrap();
    let died = store.through(job(), dead()).await;
    assert_eq!(store.replay(&replay(any_letter()), ALL).await.unwrap(), [died], "a message has no job to run again");
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1);

    let job = JobId(letter.id.0);
    assert!(!store.resubmitted("globex", letter.id, job, &by("ops")).await.unwrap());
    assert!(store.resubmitted(TENANT, letter.id, job, &by("ops")).await.unwrap());
    assert!(!store.resubmitted(TENANT, letter.id, job, &by("else")).await.unwrap());
    let filter = DeadLetterFilter { ids: vec![letter.id], include_resolved: true, ..any_letter() };
    let found = store.dead_letters(&filter, everything()).await.unwrap().letters.remove(0);
    assert_eq!((found.job_id, found.resolution.as_deref()), (Some(job), Some("replayed")));
    assert_eq!((found.resolved_by.as_deref(), found.resolved_at), (Some("ops"), Some(store.clock.now())));

    store.bury_message(&purged).await.unwrap();
    assert_eq!(store.purge(&any_letter(), &by("ops"), ALL).await.unwrap(), 1);
    assert!(!store.resubmitted(TENANT, purged.id, job, &by("ops")).await.unwrap());
}
