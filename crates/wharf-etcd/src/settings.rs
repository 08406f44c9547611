//! Where etcd is, and who asks.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use thiserror::Error;

/// Where etcd is, and who asks.
///
/// Files are read when they are needed: what has changed counts at the next connection, or the next login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdSettings {
    /// The members. One is enough, but it takes the others with it.
    pub members: Vec<Member>,
    /// How all keys begin.
    pub prefix: Bytes,
    /// The user, and the file that has the password.
    pub user: Option<(String, PathBuf)>,
    /// The authorities that have signed the members' certificates, as PEM; those of the system without.
    pub authorities: Option<PathBuf>,
    /// The certificate of this client and its key, as PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The address of a member: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member(Uri);

/// The port that etcd has if nobody says another one.
const PORT: u16 = 2379;

impl Member {
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is to be asked over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// Without the brackets of an address of IPv6.
    pub(crate) fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(PORT)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(
            out,
            "{scheme}://{}:{}",
            self.0.host().unwrap_or_default(),
            self.port()
        )
    }
}

/// Why a text is no address of a member.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected the address of an etcd member, such as http://127.0.0.1:2379, found `{found}`: {reason}")]
pub struct MemberError {
    /// The text, without what may be a password.
    pub found: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let refuse = |reason| MemberError {
            // Somebody may have put a password there.
            found: text.rsplit('@').next().unwrap_or_default().to_owned(),
            reason,
        };
        if !text.contains("://") {
            return Err(refuse("it has no http:// or https:// before it"));
        }
        let uri: Uri = text.parse().map_err(|_| refuse("it is no URL"))?;
        let is_known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        if !is_known {
            return Err(refuse("it begins neither with http:// nor with https://"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(refuse("it has no host"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(refuse("users and passwords have settings of their own"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("it has a path"));
        }
        Ok(Self(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_scheme_host_and_port() {
        let of = |text: &str| {
            let member: Member = text.parse().unwrap();
            (
                member.host().to_owned(),
                member.port(),
                member.is_encrypted(),
                member.to_string(),
            )
        };
        let (host, port, encrypted, shown) = of("https://etcd-0.example");
        assert_eq!(
            (host.as_str(), port, encrypted, shown.as_str()),
            ("etcd-0.example", 2379, true, "https://etcd-0.example:2379")
        );
        let (host, port, encrypted, shown) = of("http://[::1]:2380/");
        assert_eq!(
            (host.as_str(), port, encrypted, shown.as_str()),
            ("::1", 2380, false, "http://[::1]:2380")
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        let refused = |text: &str| text.parse::<Member>().unwrap_err().to_string();
        assert!(refused("127.0.0.1:2379").ends_with("it has no http:// or https:// before it"));
        assert!(refused("ftp://h").contains("neither"));
        assert!(refused("http://h:1/x").ends_with("it has a path"));
        let found = refused("http://root:secret@h:1");
        assert!(
            found.ends_with("settings of their own") && !found.contains("secret"),
            "{found}"
        );
    }
}
