//! Who may do what: rights and their scopes, the rules that give them, and how a caller proves who it is.

pub(crate) mod caller;
pub(crate) mod claim;
pub(crate) mod hash;
pub(crate) mod randomness;
pub(crate) mod right;
pub(crate) mod rules;
pub(crate) mod token;
pub(crate) mod users;
