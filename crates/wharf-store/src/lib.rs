//! Groups in memory, and the records of their changes for the ledger.
//!
//! Work is done once, when a push comes, so that a scrape has none left:
//!
//! ```text
//! push    Exposition -> prepare: label rules, order, checks of its own, rendered lines      (no lock)
//!         or text like that of an earlier push -> stencil: the same, for less               (no lock)
//!                    -> state:   consistency index, limits, record to the ledger, leaves    (short lock)
//!                    -> Commit:  the record is on disk                                      (no lock)
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
//! * Changes of **many groups** are one record and one hold of the lock: all of it happens, or nothing.
//!
//! Two rules always hold: a refused push changes nothing but the failure time of its group, and whatever is
//! stored can be scraped, in every format.

mod bulk;
mod checks;
mod checksum;
mod clashes;
mod clock;
mod error;
mod family;
mod images;
mod index;
mod leaf;
mod leaves;
mod lifetime;
mod limits;
mod listing;
mod matching;
mod merge;
mod piece;
mod prepare;
mod record;
mod reserved;
mod restore;
mod roster;
mod split;
mod state;
mod stencil;
mod store;
mod survey;
mod walk;

pub use bulk::{Expired, GroupPush, GroupRefused};
pub use checksum::Checksum;
pub use clashes::Clashes;
pub use clock::{Clock, SystemClock, UnixNanos};
pub use error::{Inconsistency, PushError, Timestamps};
pub use family::{FamilyMeta, FamilyView};
pub use leaf::{FragmentView, Leaf};
pub use lifetime::{Lifetime, Ttl};
pub use limits::{Exceeded, Limited, Limits, Quota, Usage};
pub use listing::{Candidate, Cursor, GroupInfo, GroupView, Listing, Page, SortBy};
pub use piece::{Compressed, Piece};
pub use prepare::InstanceLabel;
pub use record::{RecordError, describe_record};
pub use reserved::{Reserved, ReservedFamily};
pub use restore::Restored;
pub use split::{SplitError, split};
pub use stencil::{FamilyGist, Gist, TextBody};
pub use store::{Commit, Kept, LedgerStatistics, PushMode, Snapshot, Store, Totals};

/// The family that says when a group was last changed.
pub const PUSH_TIME: &str = "push_time_seconds";
/// The family that says when changing a group last failed.
pub const PUSH_FAILURE_TIME: &str = "push_failure_time_seconds";
