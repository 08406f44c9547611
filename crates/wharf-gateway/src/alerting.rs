//! Telling others which groups are overdue: Alertmanager, and whoever takes webhooks in its format. Off unless rules say whom to tell.
//!
//! ```text
//! expectations: what has changed -> alerts (firing, resolved a while ago) -> outbox of each receiver: what it is to be told now
//!                                                                              '-> a thread for each message, one a receiver at a time
//! ```
//!
//! What a receiver is to be told follows from how the alerts are now and what it was told last. So nothing is queued that could
//! be lost or be out of date, a receiver that is slow or away gets the newest state when it is there again, and none holds up
//! another one. Pushes and the watch for missed jobs leave a note of what has changed, and that is all that they pay.

mod alertmanager;
mod alerts;
mod dispatcher;
mod message;
mod receiver;
mod report;
mod rules;
mod webhook;

pub use self::dispatcher::AlertDispatcher;
pub use self::message::{Alert, AlertError, AlertGroup, AlertMessage, AlertSender};
pub use self::report::{AlertingReport, LastError, ReceiverStatus};
pub use self::rules::{AlertReceiver, AlertingRules, GroupBy, Webhook};

#[cfg(test)]
mod tests;
