//! What is looked after beside the runs, for as long as a worker lives.

use std::time::Duration;

use tokio::time::sleep;

use crate::{docker, ground::Ground, leftovers::Leftovers, supervisor};

const EVERY: Duration = Duration::from_secs(10);
/// How often a Docker that is away is asked whether it is back. What it still has of this worker is
/// removed then.
const AWAY: Duration = Duration::from_secs(1);

pub(crate) async fn keep_house(ground: Ground) {
    let Ground { docker, images, metrics, .. } = &ground;
    if let Err(error) = supervisor::forget_old(docker, &images.bases()).await {
        tracing::warn!(%error, "cannot look through the images of sandboxes");
    }
    let mut leftovers = Leftovers::default();
    let mut away = false;
    loop {
        match docker::answers(docker).await {
            Ok(()) => {
                if std::mem::take(&mut away) {
                    tracing::info!("Docker answers again");
                }
                ground.remove_condemned().await;
                let swept = leftovers.sweep(docker, metrics).await;
                if let Err(error) = swept.and(images.look(docker).await) {
                    tracing::warn!(%error, "cannot look after the sandboxes");
                }
                sleep(EVERY).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "cannot look after the sandboxes until Docker answers again");
                }
                sleep(AWAY).await;
            }
        }
    }
}
