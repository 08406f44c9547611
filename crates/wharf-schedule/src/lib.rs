//! When a job is due: every so often, or by a cron schedule in a time zone, and how long to wait for it after that.
//!
//! ```text
//! reference ---- every, or the next time of the schedule ----> due ---- grace ----> overdue
//! ```
//!
//! The reference is the last time that the job came. Everything here is a function of it: nothing looks at a clock.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod civil;
mod cron;
mod line;
mod past;
mod timing;

pub use cron::{Schedule, ScheduleError};
pub use line::LineError;
pub use past::{Occasion, Outcome};
pub use timing::{Cadence, Timing, TimingError};
