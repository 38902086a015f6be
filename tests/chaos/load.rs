//! Clients that submit what is planned, and keep the answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

use crate::plan::{End, Planned, Submission};

/// Requests at once.
const CLIENTS: usize = 16;

/// How long a client waits for an answer, and how long one that has no patience.
const ANSWER: Duration = Duration::from_secs(10);
const IMPATIENCE: Duration = Duration::from_millis(3);

/// Where to submit, and as whom.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) apis: [String; 2],
    /// By tenant.
    pub(crate) tokens: Vec<String>,
    pub(crate) http: reqwest::Client,
}

/// What was answered.
#[derive(Default)]
pub(crate) struct Answered {
    /// Jobs with a 202, by id: the tenant and what was planned.
    pub(crate) accepted: BTreeMap<String, (usize, Planned)>,
    /// Requests that were sent again since no 202 came.
    pub(crate) repeated: usize,
    /// Requests that were sent again though there was one.
    pub(crate) sent_twice: usize,
    pub(crate) cancels: usize,
    /// What should never have been answered.
    pub(crate) wrong: Vec<String>,
}

/// Submits everything, evenly over `span`, however long an answer takes.
pub(crate) async fn submit_all(clients: Clients, submissions: Vec<Submission>, span: Duration) -> Answered {
    let (begun, every) = (Instant::now(), span / u32::try_from(submissions.len()).unwrap());
    let (submissions, next) = (Arc::new(submissions), Arc::new(AtomicUsize::new(0)));
    let answered = Arc::new(Mutex::new(Answered::default()));
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (clients, submissions) = (clients.clone(), Arc::clone(&submissions));
            let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
            tokio::spawn(async move {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(submission) = submissions.get(place) else { return };
                    tokio::time::sleep_until(begun + every * u32::try_from(place).unwrap()).await;
                    clients.submit(place, submission, &answered).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    Arc::into_inner(answered).unwrap().into_inner().unwrap()
}

impl Clients {
    async fn submit(&self, place: usize, submission: &Submission, answered: &Mutex<Answered>) {
        let (ids, repeated) = self.until_accepted(place, submission, submission.impatient, answered).await;
        if submission.twice {
            let (again, _) = self.until_accepted(place + 1, submission, false, answered).await;
            if again != ids {
                let wrong = format!("the key {} is of {ids:?}, and the second time of {again:?}", submission.key);
                answered.lock().unwrap().wrong.push(wrong);
            }
        }
        let mut cancels = 0;
        for (id, _) in ids.iter().zip(&submission.jobs).filter(|(_, job)| job.end == End::MayBeCancelled) {
            let path = format!("/v1/jobs/{id}/cancel");
            // Lost is lost: then the job just runs.
            cancels +=
                usize::from(matches!(self.call(place, "POST", &path, submission.tenant, None).await, Ok((200, _))));
        }
        let mut answered = answered.lock().unwrap();
        answered.repeated += repeated;
        answered.sent_twice += usize::from(submission.twice);
        answered.cancels += cancels;
        for (id, job) in ids.into_iter().zip(&submission.jobs) {
            answered.accepted.insert(id, (submission.tenant, job.clone()));
        }
    }

    /// Sends a submission until it is accepted, now here and now there; gives the ids, and how often it was sent in vain.
    async fn until_accepted(
        &self,
        place: usize,
        submission: &Submission,
        impatient: bool,
        answered: &Mutex<Answered>,
    ) -> (Vec<String>, usize) {
        let path = if submission.batch { "/v1/jobs/batch" } else { "/v1/jobs" };
        for tries in 0.. {
            let patience = if impatient && tries == 0 { IMPATIENCE } else { ANSWER };
            let answer = self.call(place + tries, "POST", path, submission.tenant, Some((submission, patience))).await;
            match answer {
                Ok((202, answer)) => {
                    let jobs = match submission.batch {
                        true => answer["data"].as_array().unwrap().clone(),
                        false => vec![answer],
                    };
                    return (jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect(), tries);
                }
                // What is to be sent again, or got no answer.
                Ok((503 | 504, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok((status, answer)) => {
                    answered.lock().unwrap().wrong.push(format!("{} was answered {status}: {answer}", submission.key));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        unreachable!("there are more numbers than tries")
    }

    pub(crate) async fn call(
        &self,
        api: usize,
        method: &str,
        path: &str,
        tenant: usize,
        submission: Option<(&Submission, Duration)>,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}{path}", self.apis[api % self.apis.len()]);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.tokens[tenant]);
        request = match submission {
            None => request.timeout(ANSWER),
            Some((submission, patience)) => {
                let jobs: Vec<_> = submission.jobs.iter().map(|job| job.body.clone()).collect();
                let body = if submission.batch { Value::Array(jobs) } else { jobs[0].clone() };
                request.timeout(patience).header("idempotency-key", &submission.key).json(&body)
            }
        };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}
