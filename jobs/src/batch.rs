//! Turns many single calls into few set-based ones.

use std::{future::Future, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};

/// Collects calls and makes them together: at once when nothing is under way, and by size
/// under load, with no timer anywhere. With two batches in flight, one fills while the other
/// commits.
pub struct Coalescer<T, R> {
    calls: mpsc::Sender<(T, oneshot::Sender<R>)>,
}

/// Why a coalesced call has no answer: the task that makes the calls is gone.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the batch was dropped before it was made")]
pub struct Dropped;

/// How much goes together.
#[derive(Debug, Clone, Copy)]
pub struct Limits<T> {
    /// Calls in a batch at most.
    pub calls: usize,
    /// The weight of a batch at most, in whatever `weigh` counts. The last call may pass it,
    /// so that one that is too heavy alone still goes.
    pub weight: usize,
    /// What one call weighs.
    pub weigh: fn(&T) -> usize,
    /// Batches under way at once.
    pub in_flight: usize,
}

impl<T: Send + 'static, R: Send + 'static> Coalescer<T, R> {
    /// `flush` takes one call or more and answers each, in order.
    pub fn new<F, Fut>(limits: Limits<T>, flush: F) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<R>> + Send + 'static,
    {
        let (calls, mut queue) = mpsc::channel::<(T, oneshot::Sender<R>)>(limits.calls * 4);
        tokio::spawn(async move {
            let flights = Arc::new(Semaphore::new(limits.in_flight));
            let flush = Arc::new(flush);
            // Waiting for a place before taking calls is what lets a batch grow under load.
            while let Ok(place) = Arc::clone(&flights).acquire_owned().await {
                let weigh = |call: &(T, oneshot::Sender<R>)| (limits.weigh)(&call.0);
                let batch = take(&mut queue, limits.calls, limits.weight, weigh).await;
                if batch.is_empty() {
                    return;
                }
                let (items, replies): (Vec<T>, Vec<_>) = batch.into_iter().unzip();
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

/// Waits for one item, then takes what else is waiting, up to `count` items and `weight`;
/// the last may pass the weight. Nothing when the queue has closed.
pub async fn take<T>(
    queue: &mut mpsc::Receiver<T>,
    count: usize,
    weight: usize,
    weigh: impl Fn(&T) -> usize,
) -> Vec<T> {
    let Some(first) = queue.recv().await else { return Vec::new() };
    let mut taken = weigh(&first);
    let mut batch = vec![first];
    while batch.len() < count && taken < weight {
        let Ok(next) = queue.try_recv() else { break };
        taken += weigh(&next);
        batch.push(next);
    }
    batch
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
            Arc::new(Coalescer::new(limits(100), move |items: Vec<u32>| {
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

    fn limits(weight: usize) -> Limits<u32> {
        Limits { calls: 100, weight, weigh: |_| 1, in_flight: 1 }
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_weight_and_takes_at_least_one() {
        let (sender, mut queue) = mpsc::channel(10);
        for weight in [3, 3, 3, 50, 1] {
            sender.send(weight).await.unwrap();
        }
        drop(sender);
        let mut batches = Vec::new();
        loop {
            let batch = take(&mut queue, 100, 5, |weight| *weight).await;
            if batch.is_empty() {
                break;
            }
            batches.push(batch);
        }
        assert_eq!(batches, [vec![3, 3], vec![3, 50], vec![1]]);
    }
}
