//! The shape of a web config file, and what may be wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

/// Hashes by name.
pub(super) type Users = BTreeMap<String, Option<Text>>;

/// The whole file. What is not there, or there without a value, has its default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) tls_server_config: Option<TlsSection>,
    pub(super) http_server_config: Option<HttpSection>,
    pub(super) rate_limit: Option<RateSection>,
    pub(super) basic_auth_users: Option<Users>,
}

impl Document {
    /// Whether nothing stands in it but comments, blanks, and keys without values.
    pub(super) fn says_nothing(&self) -> bool {
        let Self {
            tls_server_config,
            http_server_config,
            rate_limit,
            basic_auth_users,
        } = self;
        tls_server_config.is_none()
            && http_server_config.is_none()
            && rate_limit.is_none()
            && basic_auth_users.is_none()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsSection {
    pub(super) cert: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) client_ca: Option<Text>,
    pub(super) cert_file: Option<Text>,
    pub(super) key_file: Option<Text>,
    pub(super) client_auth_type: Option<Text>,
    pub(super) client_ca_file: Option<Text>,
    pub(super) cipher_suites: Option<Vec<Text>>,
    pub(super) curve_preferences: Option<Vec<Text>>,
    pub(super) min_version: Option<Text>,
    pub(super) max_version: Option<Text>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) client_allowed_sans: Option<Vec<Text>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, Option<Text>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateSection {
    pub(super) interval: Option<Text>,
    pub(super) burst: Option<Spanned<i64>>,
}

/// Something that is wrong with a web config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Problem {
    /// With a file as a whole.
    pub(super) fn whole(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// With the value of a key, or with what a key does not have. Without a key, with what stands at that place.
    pub(super) fn at(file: &Path, key: &str, place: Option<Location>, why: impl fmt::Display) -> Self {
        let position = place.map_or_else(String::new, |place| {
            format!(", line {}, column {}", place.line(), place.column())
        });
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("`{key}`: ")
        };
        Self(format!("{}{position}: {key}{why}", file.display()))
    }
}

/// Reads a document.
///
/// # Errors
/// The first thing that is wrong with its syntax, its keys, or the kinds of its values.
pub(super) fn read(file: &Path, contents: &[u8]) -> Result<Document, Problem> {
    let text = str::from_utf8(contents)
        .map_err(|error| Problem::whole(format!("{}: expected UTF-8: {error}", file.display())))?;
    // A piece of the file in an error message could be a password's hash or a key.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let why = error.render_with_formatter(&UserMessageFormatter);
        let Some(place) = error.location() else {
            return Problem::whole(format!("{}: {why}", file.display()));
        };
        let (line, column) = (place.line(), place.column());
        let why = why
            .strip_suffix(&format!(" at line {line}, column {column}"))
            .unwrap_or(&why);
        // The key is what stands before the colon, also where the error is in its value.
        let number = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let line = number.and_then(|number| text.lines().nth(number));
        let key = line
            .and_then(|line| line.split_once(':'))
            .map(|(key, _)| key.trim());
        Problem::at(file, key.unwrap_or_default(), Some(place), why)
    })
}
