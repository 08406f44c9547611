//! What a request claims about who sends it, before anything of that is checked.

use std::fmt;

/// What a request claims about who sends it.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Nothing.
    None,
    /// To be a user.
    User(Credentials),
    /// To have this token.
    Token(&'a [u8]),
    /// Something that nobody here understands.
    Unreadable,
}

/// All claims of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The first one.
    pub first: Claim<'a>,
    /// Whether there are others.
    pub are_several: bool,
}

impl Claims<'_> {
    /// No claim at all.
    pub const NONE: Self = Self {
        first: Claim::None,
        are_several: false,
    };
}

/// A name and a password.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// The name of the user.
    pub name: String,
    /// The password, which need not be text.
    pub password: Vec<u8>,
}

impl Credentials {
    /// How many bytes they have.
    pub(super) fn len(&self) -> usize {
        self.name.len() + self.password.len()
    }
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
