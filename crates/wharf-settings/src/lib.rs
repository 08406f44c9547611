//! Settings with flags: a part states its settings once, beside itself, and the command line, the environment, the help and the
//! API of flags follow from that.
//!
//! [`settings!`] makes a struct of it, with the defaults, and the rows of a table of flags. Nothing here knows which parts there are;
//! who puts them together does.
//!
//! ```
//! use wharf_settings::{Section as _, kinds, settings};
//!
//! settings! {
//!     /// How a part writes.
//!     pub struct Writing {
//!         /// Size of a file.
//!         pub segment_bytes: usize = 32 << 20,
//!             "storage.segment-bytes" as kinds::SIZE, "Size of a file of the log.";
//!         /// Where; no flag says that.
//!         pub folder: String = String::new();
//!     }
//! }
//!
//! let mut writing = Writing::default();
//! let row = &Writing::rows()[0];
//! (row.set)(&mut writing, "1MiB")?;
//! assert_eq!(writing.segment_bytes, 1 << 20);
//! assert_eq!((row.show)(&writing), "1MiB");
//! # Ok::<(), wharf_settings::ValueError>(())
//! ```

mod bytes;
mod duration;
mod kind;
pub mod kinds;
mod quote;
mod row;
pub mod small_file;
mod value;

pub use bytes::ByteSize;
pub use duration::FlagDuration;
pub use kind::{Kind, Takes};
pub use quote::{Quoted, prints};
pub use row::{Row, Section};
pub use value::ValueError;
