//! The writer of a gateway that shares its groups with others: changes go to a log, and come back from it.
//!
//! ```text
//! change   advisory check -> Book: waits by group                                       (the request's thread)
//! lane     Book -> fold with what memory has -> transaction -> answer                   (some at a time)
//! applier  watch of the log -> State::apply_shared -> Book: the outcomes of changes     (one)
//! ```
//!
//! The order of changes is that of the log's revisions, for every replica. Memory has a change when the watch has brought it, in
//! this order and from no other source; the outcome of a change is told after that. So nothing is visible that is not
//! committed, nothing has to be taken back, and whoever was answered reads what he wrote.
//!
//! - **PUT and DELETE** say what a group is from now on, and expect nothing. Whatever else depends on what the group holds
//!   expects it unchanged; if another replica was quicker, it is folded again when memory has what that one did.
//! - **A lost answer** is settled by the [lane](wharf_shared_log::Lane), or by the watch, which shows the lane's marker.
//!   Until then the group's next changes wait.
//! - **A wipe** removes all groups in one transaction. It waits for the changes that came to this replica before it, and those
//!   that come after it wait. A change of another replica is before or after it, in the log; what was folded before it and
//!   comes later finds its group gone, and is folded again from nothing.
//! - **When history is forgotten** before memory has it, everything is loaded, and what differs is changed group by group.
//! - **A push to many groups** is checked as a whole against what is here, and refused as a whole if something contradicts. Then its groups go
//!   each its own way, in transactions with others: if the log fails in between, or another replica has been quicker with something that
//!   contradicts, some are made and others not, and the answer is the first error. The same goes for deletions by selector.
//! - **Pushes that add up** may have [ids], which stand in the same transaction as the groups. One that is repeated is found in
//!   memory, or beside it in the same transaction, or when its group turns out to be another one than was expected.
//!
//! - **What is removed** is written to the log by the transaction that removes it, so it is kept if and only if it is gone. A wipe is one
//!   transaction for everything: what it took is copied from the log's history behind it, by the replica that made it or, if that is
//!   gone, by another one.
//!
//! Nothing here knows a runtime: [`Store::share`](crate::Store::share) gives the tasks, and whoever calls it runs them.

mod applier;
mod aside;
mod bell;
mod book;
mod claim;
mod compaction;
mod ids;
mod intent;
mod keeping;
mod kept;
mod lanes;
pub(crate) mod outcome;
mod presence;
mod proposal;
mod queue;
mod reach;
mod receipts;
mod removal;
pub(crate) mod removing;
mod replicas;
mod rules;
mod sharing;
mod store;
mod tasks;
mod undo;
mod value;

pub use self::book::Counts;
pub(crate) use self::intent::Op;
pub(crate) use self::queue::Shared;
pub use self::sharing::{ReplicaStatus, Rules, RulesDiffer, SharedStatus, Sharing};
pub use self::tasks::{SharedTasks, Task};
pub use self::value::{record_of_shared, shared_of_record};
