//! The hints of a verb, kept until what they are about is committed.

use std::{collections::HashSet, time::Duration};

use crate::{id::JobId, role::Role, wake::Wakes};

#[derive(Default)]
pub(super) struct Hints {
    roles: Vec<Role>,
    due_in: Option<Duration>,
    ended: Vec<JobId>,
    logged: HashSet<String>,
    tell: bool,
    publish: bool,
    cancel: bool,
    stir: bool,
}

impl Hints {
    pub(super) fn wake(&mut self, role: Role) {
        if !self.roles.contains(&role) {
            self.roles.push(role);
        }
    }

    pub(super) fn due_in(&mut self, delay: Duration) {
        self.due_in = Some(self.due_in.map_or(delay, |soonest| soonest.min(delay)));
    }

    pub(super) fn ended(&mut self, id: JobId) {
        self.ended.push(id);
    }

    pub(super) fn logged(&mut self, tenant: &str) {
        if !self.logged.contains(tenant) {
            self.logged.insert(tenant.to_owned());
        }
    }

    pub(super) fn tell(&mut self) {
        self.tell = true;
    }

    pub(super) fn publish(&mut self) {
        self.publish = true;
    }

    pub(super) fn cancel(&mut self) {
        self.cancel = true;
    }

    /// For what no other hint is about.
    pub(super) fn stir(&mut self) {
        self.stir = true;
    }

    pub(super) fn give(self, wakes: &Wakes) {
        if self.stir || self.cancel || self.due_in.is_some() || !self.roles.is_empty() || !self.ended.is_empty() {
            wakes.stir();
        }
        self.roles.into_iter().for_each(|role| wakes.wake(role));
        if let Some(delay) = self.due_in {
            wakes.due_in(delay);
        }
        self.ended.into_iter().for_each(|id| wakes.ended(id));
        self.logged.iter().for_each(|tenant| wakes.logged(tenant));
        if self.tell {
            wakes.tell();
        }
        if self.publish {
            wakes.publish();
        }
        if self.cancel {
            wakes.cancel();
        }
    }
}
