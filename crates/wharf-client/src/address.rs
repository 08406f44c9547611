//! Where a gateway is.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// The URL of a gateway, with the path below which its routes stand: `https://example.org:9091/gateway`.
///
/// Never ends in a slash, and holds no credentials, which would be seen in lists of processes and in logs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Why a text is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL with a host.
    #[error("expected a URL such as `http://localhost:9091`, found `{}`", .0.escape_debug())]
    NoUrl(String),
    /// Neither HTTP nor HTTPS.
    #[error("expected `http://` or `https://` in front of the host, found `{}://`", .0.escape_debug())]
    Scheme(String),
    /// A user name or password within the URL. The text does not repeat them.
    #[error(
        "expected a URL without user name and password, found both in it\n\
         hint: give --username and --password-file, or WHARF_USERNAME and WHARF_PASSWORD_FILE"
    )]
    Credentials,
    /// A part that a base URL cannot have.
    #[error("expected a URL that ends with its path, found `{}`", .0.escape_debug())]
    Query(String),
}

impl Address {
    /// The URL of a route: `path` begins with a slash and is percent-encoded.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The gateway of this machine, on the usual port.
impl Default for Address {
    fn default() -> Self {
        Self("http://localhost:9091".to_owned())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads a URL; `http://` may be left out, as the official clients allow.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        // Schemes are the same in any case.
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(AddressError::Scheme(scheme));
        }
        // Before anything that would repeat the text.
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err(AddressError::Credentials);
        }
        let no_url = || AddressError::NoUrl(text.to_owned());
        if let Some(at) = rest.find(['?', '#']) {
            return Err(AddressError::Query(rest.get(at..).unwrap_or_default().to_owned()));
        }
        let url = format!("{scheme}://{rest}");
        let uri: Uri = url.parse().map_err(|_| no_url())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(no_url());
        }
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = text.parse::<Address>();
        let found = found.map_or_else(|error| error.to_string(), |address| address.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn addresses_are_urls_whose_scheme_may_be_missing() {
        check("localhost:9091", "http://localhost:9091");
        check("https://gateway.example/push/", "https://gateway.example/push");
        check("http://[::1]:9091", "http://[::1]:9091");
        check("HTTP://Host:9091/Push", "http://Host:9091/Push");
        check("Https://host//", "https://host");
        assert!("HTTPS://host".parse::<Address>().unwrap().is_https());
        assert_eq!(
            Address::default().url("/metrics"),
            "http://localhost:9091/metrics"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let example = "expected a URL such as `http://localhost:9091`, found";
        check("", &format!("{example} ``"));
        check("http://", &format!("{example} `http://`"));
        check("a b", &format!("{example} `a b`"));
        check("http://:9091", &format!("{example} `http://:9091`"));
        check(
            "ftp://x",
            "expected `http://` or `https://` in front of the host, found `ftp://`",
        );
        check(
            "http://x/y?z=1",
            "expected a URL that ends with its path, found `?z=1`",
        );
    }

    #[test]
    fn credentials_in_an_address_are_refused_and_not_repeated() {
        let error = "http://me:secret@host"
            .parse::<Address>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected a URL without user name"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
