//! Repair is for the odd slip. A role whose answers often need it is asked in the wrong way, or by a model that will
//! not do, and repairing on would hide that.

use std::collections::VecDeque;

/// Answers that are looked back on.
const LAST: usize = 100;
/// So many of them may have needed repair.
const MOST: usize = 10;

/// Whether the answers to one role may be repaired.
#[derive(Debug, Clone, Default)]
pub struct RepairSwitch {
    needed_repair: VecDeque<bool>,
}

impl RepairSwitch {
    /// It is off while more than a tenth of the last hundred answers needed repair.
    pub fn is_on(&self) -> bool {
        self.needed_repair.iter().filter(|needed| **needed).count() <= MOST
    }

    /// Counts an answer. One that needed repair counts as such while it is off, too: it is on again once they are few.
    pub fn count(&mut self, needed_repair: bool) {
        if self.needed_repair.len() == LAST {
            self.needed_repair.pop_front();
        }
        self.needed_repair.push_back(needed_repair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_while_more_than_a_tenth_needed_repair() {
        let mut switch = RepairSwitch::default();
        (0..10).for_each(|_| switch.count(true));
        assert!(switch.is_on());
        switch.count(true);
        assert!(!switch.is_on());
        (0..89).for_each(|_| switch.count(false));
        assert!(!switch.is_on(), "eleven of a hundred");
        switch.count(false);
        assert!(switch.is_on(), "ten of a hundred");
    }
}
