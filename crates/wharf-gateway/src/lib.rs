//! What a gateway does, whatever a push or a question comes in by: HTTP today, other protocols beside it. Nothing here knows a
//! status code, a header or a socket.

mod access;
mod advice;
mod client;
mod conflict;
mod limits;
mod parts;
mod peer;
mod places;
mod policy;
mod rate;
mod refusal;
mod shutdown;

pub use access::caller::Caller;
pub use access::claim::{Claim, Claims, Credentials};
pub use access::hash::{HashError, PasswordHash};
pub use access::randomness::NoRandomness;
pub use access::right::{Need, Right, Role, Scope};
pub use access::rules::{AccessRules, are_in_force, identify};
pub use access::token::{TokenError, TokenHash, random_token};
pub use access::users::Users;
pub use client::{Client, Remote};
pub use conflict::{in_history_of, of_groups, of_push};
pub use limits::PushLimits;
pub use parts::{Life, Outcome, Part, PartError, Parts, Readiness, Started};
pub use peer::Peer;
pub use places::{Full, Permit, Places};
pub use policy::{
    Active, ExpiryRule, Lifespan, Loader, Policies, Policy, QuotaGauge, QuotaRule, Reading, Reload,
    ReloadError, TooFast,
};
pub use rate::Rate;
pub use refusal::{Again, Proofs, Reason, Refusal};
pub use shutdown::Shutdown;
