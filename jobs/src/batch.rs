//! Turns many single calls into few set-based ones.

use std::{future::Future, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};

/// Collects calls and makes them together: at once when nothing is under way, and by
/// size under load, with no timer anywhere. Two batches are in flight at most, so that one
/// fills while the other commits.
pub struct Coalescer<T, R> {
    calls: mpsc::Sender<(T, oneshot::Sender<R>)>,
}

/// Why a coalesced call has no answer: the task that makes the calls is gone.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the batch was dropped before it was made")]
pub struct Dropped;

impl<T: Send + 'static, R: Send + 'static> Coalescer<T, R> {
    /// `flush` takes 1 to `size` calls and answers each, in order.
    pub fn new<F, Fut>(size: usize, in_flight: usize, flush: F) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<R>> + Send + 'static,
    {
        let (calls, mut queue) = mpsc::channel::<(T, oneshot::Sender<R>)>(size * 4);
        tokio::spawn(async move {
            let flights = Arc::new(Semaphore::new(in_flight));
            let flush = Arc::new(flush);
            let mut batch = Vec::with_capacity(size);
            // Waiting for a place before taking calls is what lets a batch grow under load.
            while let Ok(place) = Arc::clone(&flights).acquire_owned().await {
                if queue.recv_many(&mut batch, size).await == 0 {
                    return;
                }
                let (items, replies): (Vec<T>, Vec<_>) = batch.drain(..).unzip();
                let flush = Arc::clone(&flush);
                tokio::spawn(async move {
                    let answers = flush(items).await;
                    debug_assert_eq!(answers.len(), replies.len(), "one answer a call");
                    for (reply, answer) in replies.into_iter().zip(answers) {
                        // A caller that went away does not undo what was done for it.
                        let _ = reply.send(answer);
                    }
                    drop(place);
                });
            }
        });
        Self { calls }
    }

    /// Makes one call in the company of others.
    pub async fn call(&self, item: T) -> Result<R, Dropped> {
        let (reply, answer) = oneshot::channel();
        self.calls.send((item, reply)).await.map_err(|_| Dropped)?;
        answer.await.map_err(|_| Dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn calls_made_while_one_is_under_way_go_together() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let coalescer = {
            let (sizes, gate) = (Arc::clone(&sizes), Arc::clone(&gate));
            Arc::new(Coalescer::new(100, 1, move |items: Vec<u32>| {
                sizes.lock().unwrap().push(items.len());
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    items.into_iter().map(|n| n * 2).collect()
                }
            }))
        };
        let calls: Vec<_> = (0..50)
            .map(|n| {
                let coalescer = Arc::clone(&coalescer);
                tokio::spawn(async move { coalescer.call(n).await.unwrap() })
            })
            .collect();
        gate.add_permits(50);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap() as usize, n * 2);
        }
        let sizes = sizes.lock().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 50);
        assert!(sizes.len() < 50, "{sizes:?}");
    }
}
