//! What runs show of themselves, on its way to the store: of all runs of the process together.

use std::{collections::HashMap, sync::Arc, time::Duration};

use golden_jobs::{
    journal::{Desk, Draft, Journal},
    store::{Run, SharedStore, Store, StoreError},
};

use crate::runs::{Runs, Stop};

/// How long what a run wrote may gather before it goes to the store. It goes sooner when there is
/// much of it, and with the run's end.
const GATHER: Duration = Duration::from_millis(100);
/// Bytes of lines in one statement: it must keep its deadline.
const BATCH_BYTES: usize = 1024 * 1024;
/// After a try that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Writes what gathers on the desk. Runs whose lease turns out to be lost are stopped.
pub(crate) async fn keep_writing(store: SharedStore, desk: Arc<Desk>, runs: Arc<Runs>) {
    loop {
        desk.some().await;
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = desk.pressing() => {}
        }
        for run in write(&*store, &desk, desk.take()).await {
            runs.stop(run, Stop::Lost);
        }
    }
}

/// Writes all that is in these journals, however long the store is away. Answers the runs whose
/// lease is lost, of which nothing was written.
pub(crate) async fn write(store: &dyn Store, desk: &Desk, journals: Vec<Arc<Journal>>) -> Vec<Run> {
    let mut lost = Vec::new();
    let mut pause = FIRST_PAUSE;
    let mut todo = batches(journals);
    while let Some(batch) = todo.pop() {
        match write_batch(store, desk, &batch, &mut lost).await {
            Ok(()) => {}
            // One bad row fails alone.
            Err(StoreError::Rejected(_)) if batch.len() > 1 => todo.extend(batch.into_iter().map(|one| vec![one])),
            Err(StoreError::Rejected(reason)) => {
                for journal in &batch {
                    tracing::error!(job.id = %journal.run().id, %reason, "the store refuses what this run logged");
                    journal.close();
                }
            }
            Err(error) => {
                tracing::warn!(%error, runs = batch.len(), "what runs logged is not recorded yet: trying again");
                todo.push(batch);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    lost
}

/// Journals that go together.
fn batches(journals: Vec<Arc<Journal>>) -> Vec<Vec<Arc<Journal>>> {
    let mut batches: Vec<Vec<Arc<Journal>>> = Vec::new();
    let mut bytes = BATCH_BYTES;
    for journal in journals {
        if bytes >= BATCH_BYTES {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += journal.waiting();
        if let Some(batch) = batches.last_mut() {
            batch.push(journal);
        }
    }
    batches
}

async fn write_batch(
    store: &dyn Store,
    desk: &Desk,
    journals: &[Arc<Journal>],
    lost: &mut Vec<Run>,
) -> Result<(), StoreError> {
    let _turn = desk.turn().await;
    let drafts: Vec<(&Arc<Journal>, Draft)> =
        journals.iter().filter_map(|journal| Some((journal, journal.draft()?))).collect();
    let appends: Vec<_> = drafts.iter().filter_map(|(_, draft)| draft.append.clone()).collect();
    if !appends.is_empty() {
        let kept = store.append_logs(appends).await?;
        let kept: HashMap<Run, _> = kept.into_iter().map(|kept| (kept.run, kept.begin)).collect();
        for (journal, draft) in drafts.iter().filter(|(_, draft)| draft.append.is_some()) {
            match kept.get(&journal.run()) {
                Some(begin) => journal.appended(draft, *begin),
                None => {
                    journal.close();
                    lost.push(journal.run());
                }
            }
        }
    }
    let reports: Vec<_> = drafts.iter().filter_map(|(_, draft)| draft.report.clone()).collect();
    if !reports.is_empty() {
        let late = store.report(reports).await?;
        for (journal, draft) in drafts.iter().filter(|(_, draft)| draft.report.is_some()) {
            if late.contains(&journal.run()) {
                journal.close();
                lost.push(journal.run());
            } else {
                journal.reported(draft);
            }
        }
    }
    Ok(())
}
