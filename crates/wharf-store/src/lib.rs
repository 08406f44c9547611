//! Groups in memory, and the records of their changes for the ledger.
//!
//! Work is done once, when a push comes, so that a scrape has none left:
//!
//! ```text
//! push    Exposition -> prepare: label rules, order, checks of its own, rendered lines      (no lock)
//!         or text like that of an earlier push -> stencil: the same, for less               (no lock)
//!                    -> state:   consistency index, limits, record to the ledger, leaves    (short lock)
//!                    -> Commit:  the record is on disk                                      (no lock)
//!                    -> Follower: what it has done, for those who want to be told           (no lock)
//! scrape  snapshot = clone of the root of the family map                                    (short lock)
//!                    -> families -> leaves -> text, or its cached compressed form           (no lock)
//! ```
//!
//! * A **fragment** is one family of one group: the lines of its series, rendered, with name, type, help and
//!   unit beside them; and in protobuf form what text cannot say.
//! * A **leaf** holds the fragments of neighbouring groups of one family in one buffer. It is immutable as soon
//!   as a snapshot shares it: a push copies the leaf then, and changes it in place otherwise.
//! * The **index** knows every series' fingerprint and owner, so a push costs what it carries, not what is
//!   stored.
//! * A **lifetime** says when a group expires; a tree of deadlines makes a sweep cost what expires.
//! * **Limits** and quotas are on what is stored. Quotas keep their own books, of the groups they select.
//! * A group has a **revision**, the number of its last change. A push of series is **folded** with what is stored
//!   before the lock is taken, and counts if the revision is still the same.
//! * Changes of **many groups** are one record and one hold of the lock: all of it happens, or nothing.
//! * What takes long is made in a **draft** without the lock, which takes the place of what is stored by an exchange of roots.
//!
//! What is stored is changed in one place, by `State::apply`; what stands beside it (who checks, who writes the ledger, who
//! takes back) is in `write`, and what reads it is in `read`.
//!
//! Two rules always hold: a refused push changes nothing but the failure time of its group, and whatever is
//! stored can be scraped, in every format.

mod aggregation;
mod change;
mod clashes;
mod clock;
mod effect;
mod error;
mod feed;
mod fold;
mod inconsistency;
mod lifetime;
mod limits;
mod load;
mod memory;
mod meta;
mod mode;
mod parts;
mod prepare;
mod push_ids;
mod read;
mod record;
mod removed;
mod reserved;
mod revision;
mod series;
mod shelf;
mod size;
mod split;
mod standing;
mod store;
mod write;

pub use aggregation::{Aggregation, Bounds, Gauges, NotAdded, WhyNotAdded};
pub use clashes::Clashes;
pub use clock::{Clock, SystemClock, UnixNanos};
pub use effect::{By, Effect, Facts, Stored, What};
pub use error::{PushError, Timestamps};
pub use feed::{Batch, Follower};
pub use inconsistency::Inconsistency;
pub use lifetime::{Lifetime, Ttl};
pub use limits::{Exceeded, Limited, Limits, Quota, Usage};
pub use load::Loading;
pub use memory::checksum::Checksum;
pub use memory::cold::Cold;
pub use memory::compressed::{Compressed, compress};
pub use memory::family::FamilyView;
pub use memory::held_back::HeldFamily;
pub use memory::leaf::forms::FormKey;
pub use memory::leaf::{FragmentView, Leaf};
pub use memory::rendered_text::{Lines, RenderedText};
pub use meta::FamilyMeta;
pub use mode::{Counters, Patience, PushMode};
pub use parts::Piece;
pub use prepare::instance::InstanceLabel;
pub use prepare::stencil::{KnownBody, KnownFamily, TextBody};
pub use push_ids::{PushId, PushIdCounts, PushIdLimits};
pub use read::listing::{Candidate, Cursor, Filter, GroupInfo, GroupView, Listing, Page, SortBy};
pub use read::snapshot::{Snapshot, Totals};
pub use read::walk::GroupFragments;
pub use record::{RecordChange, RecordError, RecordKind, describe_record, record_changes, record_key};
pub use removed::{
    Author, Receipt, Removal, RemovalKind, RemovalState, RemovedSettings, RemovedStatus, WhyLost,
};
pub use reserved::{Joins, Reserved, ReservedFamily};
pub use revision::Revision;
pub use shelf::Shelf;
pub use split::{SplitError, split};
pub use standing::{
    EXPECT_LABEL, EXPECTED, EXPECTED_HELP, Note, PAUSED_UNTIL, PAUSED_UNTIL_HELP, is_standing,
};
pub use store::Store;
pub use write::commit::Commit;
pub use write::delete::RemovedNow;
pub use write::expire::Expired;
pub use write::local::Kept;
pub use write::many::{GroupPush, GroupRefused};
pub use write::push::PushOptions;
pub use write::put_back::{Named, UndoError, Undone};
pub use write::restore::Restored;
pub use write::shared::{
    Counts, ReplicaStatus, Rules as SharedRules, RulesDiffer, SharedStatus, SharedTasks, Sharing, Task,
    record_of_shared, shared_of_record,
};
pub use write::statistics::{Detail, Files, WriterStatistics};
pub use write::undelete::Undoing;

/// The family that says when a group was last changed.
pub const PUSH_TIME: &str = "push_time_seconds";
/// The family that says when changing a group last failed.
pub const PUSH_FAILURE_TIME: &str = "push_failure_time_seconds";

/// The help of [`PUSH_TIME`].
pub const PUSH_TIME_HELP: &str = "Last Unix time when changing this group in the Pushgateway succeeded.";
/// The help of [`PUSH_FAILURE_TIME`].
pub const PUSH_FAILURE_TIME_HELP: &str = "Last Unix time when changing this group in the Pushgateway failed.";
