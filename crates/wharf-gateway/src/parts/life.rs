//! What a part knows of its own life.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Started};

/// What a part is handed: how it says that it is ready, and how it learns that it is to stop.
#[derive(Debug)]
pub struct Life {
    part: Started,
    board: Arc<Board>,
    has_had_turns: bool,
}

impl Life {
    pub(super) fn new(part: Started, board: Arc<Board>) -> Self {
        Self {
            part,
            board,
            has_had_turns: false,
        }
    }

    /// It is ready. The process is when all its parts are, so one that nobody has to wait for says this first of all.
    pub fn ready(&self) {
        self.board.set_ready(self.part);
    }

    /// Whether it is to stop.
    pub fn is_stopping(&self) -> bool {
        self.board.is_stopping(self.part)
    }

    /// Returns when it is to stop.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let (part, board) = (self.part, Arc::clone(&self.board));
        async move { board.until(|states| states.is_stopping(part)).await }
    }

    /// Returns when it is to stop. Blocks.
    pub fn wait(&self) {
        self.board.block_until(|states| states.is_stopping(self.part));
    }

    /// For what is done again and again, `while life.turn(pause)`: true at once, and then each time after such a pause; false as
    /// soon as the part is to stop. Blocks.
    pub fn turn(&mut self, pause: Duration) -> bool {
        let pause = if self.has_had_turns { pause } else { Duration::ZERO };
        self.has_had_turns = true;
        self.board.wait_turn(self.part, pause)
    }

    /// Waits until another one is ready; false if it is to stop before that. Blocks.
    pub(super) fn wait_for(&self, other: Started) -> bool {
        self.board
            .block_until(|states| states.is_ready(other) || states.is_stopping(self.part));
        !self.is_stopping()
    }

    /// The same for a task.
    pub(super) async fn is_after(&self, other: Started) -> bool {
        let part = self.part;
        self.board
            .until(|states| states.is_ready(other) || states.is_stopping(part))
            .await;
        !self.is_stopping()
    }
}
