//! Traces that wait to be exported.

use std::collections::VecDeque;

use super::trace::FinishedTrace;

/// As many as there is room for.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<FinishedTrace>,
    max: usize,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            max,
        }
    }

    /// Adds one, if there is room.
    pub(super) fn push(&mut self, trace: FinishedTrace) -> bool {
        let has_room = self.waiting.len() < self.max;
        if has_room {
            self.waiting.push_back(trace);
        }
        has_room
    }

    /// Those that have waited longest.
    pub(super) fn take(&mut self, max: usize) -> Vec<FinishedTrace> {
        let taken = self.waiting.drain(..max.min(self.waiting.len())).collect();
        if self.waiting.is_empty() {
            // The room of a storm is given back.
            self.waiting = VecDeque::new();
        }
        taken
    }
}
