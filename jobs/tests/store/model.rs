//! What the store does, said a second time and as plainly as can be: one list of jobs in memory.

use std::{collections::BTreeSet, time::Duration};

use golden_jobs::{
    JobId, Role, State,
    outcome::lost_is_dead,
    store::{NewJob, Promoted, Retried, Run},
};

/// How a run ends in the model. Times are in seconds.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Succeeded,
    Retry(u64),
    Dead,
    Snooze(u64),
    Release,
    Await(Vec<JobId>),
    Cancelled,
    Lost { dead: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) role: Role,
    pub(crate) priority: u8,
    pub(crate) max_attempts: u32,
    pub(crate) state: State,
    /// Runs that spent an attempt.
    pub(crate) spent: u32,
    /// Workers lost in a row.
    pub(crate) lost: u32,
    /// When a scheduled or retrying job is due.
    due: u64,
    /// The run under way, and whether it was asked to stop.
    run: Option<Run>,
    pub(crate) cancel: bool,
    parent: Option<JobId>,
    /// Whether the parent still waits for this job.
    awaited: bool,
    heard: bool,
    /// How the runs that spent an attempt ended.
    pub(crate) outcomes: Vec<&'static str>,
}

/// All that is recorded.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) jobs: Vec<Job>,
    pub(crate) now: u64,
    /// Jobs with an unresolved dead letter.
    pub(crate) letters: Vec<JobId>,
    pub(crate) events: Vec<(JobId, String)>,
    /// Paused queues: the whole role's, or those of the one tenant there is.
    pub(crate) paused: BTreeSet<(Role, bool)>,
}

impl Job {
    /// The attempt that readers see.
    pub(crate) fn attempt(&self) -> u32 {
        self.spent + u32::from(self.state == State::Running)
    }

    fn is_due_later(&self) -> bool {
        matches!(self.state, State::Scheduled | State::Retrying)
    }
}

impl Model {
    pub(crate) fn job(&mut self, id: JobId) -> &mut Job {
        self.jobs.iter_mut().find(|job| job.id == id).expect("the job is in the model")
    }

    pub(crate) fn insert(&mut self, job: &NewJob, delay: u64) {
        self.jobs.push(Job {
            id: job.id,
            role: job.role,
            priority: job.priority,
            max_attempts: job.max_attempts,
            state: if delay == 0 { State::Queued } else { State::Scheduled },
            spent: 0,
            lost: 0,
            due: self.now + delay,
            run: None,
            cancel: false,
            parent: job.parent_id,
            awaited: false,
            heard: job.callback_url.is_some(),
            outcomes: Vec::new(),
        });
    }

    /// The priorities of the jobs that a claim must take.
    pub(crate) fn most_urgent(&self, role: Role, limit: usize) -> Vec<u8> {
        if self.paused.contains(&(role, true)) {
            return Vec::new();
        }
        self.ready(role, limit)
    }

    /// Those that are not held back.
    fn ready(&self, role: Role, limit: usize) -> Vec<u8> {
        let held = self.paused.contains(&(role, false));
        let ready = self.jobs.iter().filter(|job| job.role == role && job.state == State::Queued && !held);
        let mut priorities: Vec<_> = ready.map(|job| job.priority).collect();
        priorities.sort_unstable();
        priorities.truncate(limit);
        priorities
    }

    /// Gives the number of the run.
    pub(crate) fn claim(&mut self, run: Run) -> u32 {
        let job = self.job(run.id);
        assert_eq!(job.state, State::Queued, "only what is ready is claimed");
        (job.state, job.run, job.cancel) = (State::Running, Some(run), false);
        job.spent + 1
    }

    /// Whether the run has its lease.
    pub(crate) fn holds(&self, run: Run) -> bool {
        self.jobs.iter().any(|job| job.run == Some(run))
    }

    /// Whether an `Await` of this run starts its children: not if it is late or was asked to stop.
    pub(crate) fn awaits(&mut self, run: Run) -> bool {
        let job = self.job(run.id);
        job.run == Some(run) && !job.cancel
    }

    /// Whether the run held its lease.
    pub(crate) fn finish(&mut self, run: Run, end: &End) -> bool {
        let now = self.now;
        let job = self.job(run.id);
        if job.run != Some(run) {
            return false;
        }
        let asked_to_stop = job.cancel;
        (job.run, job.cancel) = (None, false);
        let end = match end {
            End::Succeeded | End::Dead | End::Lost { dead: true } => end,
            _ if asked_to_stop => &End::Cancelled,
            _ => end,
        };
        job.lost = if let End::Lost { .. } = end { job.lost + 1 } else { 0 };
        let outcome = match end {
            End::Succeeded => Some("succeeded"),
            End::Retry(_) => Some("retry"),
            End::Dead => Some("dead"),
            End::Cancelled => Some("cancelled"),
            End::Lost { .. } => Some("lost"),
            End::Snooze(_) | End::Release | End::Await(_) => None,
        };
        job.spent += u32::from(outcome.is_some());
        job.outcomes.extend(outcome);
        let due_in = |job: &mut Job, delay, state| {
            (job.state, job.due) = if delay == 0 { (State::Queued, now) } else { (state, now + delay) };
        };
        match end {
            End::Retry(delay) => due_in(job, *delay, State::Retrying),
            End::Snooze(delay) => due_in(job, *delay, State::Scheduled),
            End::Release | End::Lost { dead: false } => job.state = State::Queued,
            End::Await(children) => {
                job.state = if children.is_empty() { State::Queued } else { State::Waiting };
                children.iter().for_each(|child| self.job(*child).awaited = true);
            }
            End::Succeeded => self.end(run.id, State::Succeeded),
            End::Dead | End::Lost { dead: true } => self.end(run.id, State::Dead),
            End::Cancelled => self.end(run.id, State::Cancelled),
        }
        true
    }

    fn end(&mut self, id: JobId, state: State) {
        let job = self.job(id);
        job.state = state;
        let (heard, awaited, parent) = (job.heard, job.awaited, job.parent);
        job.awaited = false;
        if heard {
            self.events.push((id, format!("job.{state}")));
        }
        if state == State::Dead {
            self.letters.push(id);
        }
        if let Some(parent) = parent.filter(|_| awaited) {
            self.resume(parent);
        }
    }

    /// Lets a parent go on that waits for nobody any more.
    fn resume(&mut self, parent: JobId) {
        let waits = self.jobs.iter().any(|job| job.parent == Some(parent) && job.awaited);
        let parent = self.job(parent);
        if parent.state == State::Waiting && !waits {
            parent.state = State::Queued;
        }
    }

    pub(crate) fn promote(&mut self) -> Promoted {
        let now = self.now;
        let mut promoted = Promoted::default();
        for job in self.jobs.iter_mut().filter(|job| job.is_due_later() && job.due <= now) {
            job.state = State::Queued;
            promoted.moved += 1;
        }
        promoted.ready = Role::ALL.into_iter().filter(|role| !self.ready(*role, 1).is_empty()).collect();
        let next = self.jobs.iter().filter(|job| job.is_due_later()).map(|job| job.due).min();
        promoted.next_due = next.map(|due| Duration::from_secs(due - now));
        promoted
    }

    /// The runs under way and how each must end if its worker is gone.
    pub(crate) fn lost(&self) -> Vec<(Run, End)> {
        let end = |job: &Job| End::Lost { dead: lost_is_dead(job.attempt(), job.max_attempts, job.lost) };
        self.jobs.iter().filter_map(|job| Some((job.run?, end(job)))).collect()
    }

    /// Whether anything was open.
    pub(crate) fn cancel(&mut self, root: JobId) -> bool {
        let mut tree = vec![root];
        let mut looked_at = 0;
        while let Some(parent) = tree.get(looked_at).copied() {
            tree.extend(self.jobs.iter().filter(|job| job.parent == Some(parent)).map(|job| job.id));
            looked_at += 1;
        }
        let open: Vec<_> = tree.into_iter().filter(|id| !self.job(*id).state.is_terminal()).collect();
        for id in &open {
            let job = self.job(*id);
            // Whoever waits for it within the tree ends with it.
            job.awaited &= *id == root;
            match job.state {
                State::Running => job.cancel = true,
                _ => self.end(*id, State::Cancelled),
            }
        }
        !open.is_empty()
    }

    pub(crate) fn retry(&mut self, id: JobId) -> Retried {
        let job = self.job(id);
        match job.state {
            State::Dead | State::Cancelled => self.requeue(id),
            State::Scheduled | State::Retrying => job.state = State::Queued,
            state => return Retried::NotNow(state),
        }
        Retried::Requeued
    }

    /// Puts a job that ended back to work and resolves its letter.
    pub(crate) fn requeue(&mut self, id: JobId) {
        self.letters.retain(|letter| *letter != id);
        let job = self.job(id);
        (job.state, job.spent, job.lost, job.awaited) = (State::Queued, 0, 0, false);
    }
}
