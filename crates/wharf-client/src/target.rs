//! A gateway, and how to be let in.

use std::fmt;
use std::time::Duration;

use crate::Address;

/// A gateway, and how to be let in.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// Who we are.
    pub credentials: Option<Credentials>,
    /// What every request has in its head besides.
    pub headers: Vec<(String, Secret)>,
    /// How its certificate is checked, and which one is ours.
    pub tls: Tls,
    /// For how long one attempt may take, from the connection to the end of the answer; [`Target::TIMEOUT`] if none.
    pub timeout: Option<Duration>,
}

impl Target {
    /// For how long one attempt may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Basic authentication.
    Basic {
        /// The user name, without a colon.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// A password, token or key, which neither logs nor errors show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// How the gateway's certificate is checked, and which one is ours.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust, in PEM; those of the system if none.
    pub authorities: Option<Vec<u8>>,
    /// The certificate to show, where the gateway asks for one.
    pub identity: Option<Identity>,
    /// Accepts any certificate. Whoever stands on the way can read and change everything, the password included.
    pub insecure_skip_verify: bool,
}

/// A certificate of a client with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and those of its issuers, in PEM.
    pub certificate: Vec<u8>,
    /// The private key, in PEM.
    pub key: Secret,
}

/// Why a [`Target`] cannot be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No certificate where one or more should be.
    #[error("expected certificates in PEM as {what}, found {found}")]
    Certificates {
        /// Which ones.
        what: &'static str,
        /// What is there.
        found: String,
    },
    /// No private key where one should be.
    #[error("expected a private key in PEM, found {0}")]
    Key(String),
    /// The certificate and the key do not belong together, or the key is of a kind that is not known.
    #[error("expected a certificate with its own key, found: {0}")]
    Identity(String),
    /// The system has no list of authorities.
    #[error("expected a list of trusted authorities on this system, found none\nhint: give a CA file")]
    NoAuthorities,
    /// The credentials do not fit into a header.
    #[error("expected {0}")]
    Credentials(&'static str),
}
