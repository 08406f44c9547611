//! From the text of a web config file to settings: users, headers, the rate limit. TLS has a module of its own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_saphyr::Location;
use wharf_gateway::{PasswordHash, Users};
use wharf_http::{Access, Fixed, RateLimit};
use wharf_settings::{FlagDuration, Quoted};

use super::document::{self, Document, HttpSection, Problem, RateSection, Text};
use super::inputs::Inputs;
use super::loaded::{Before, Loaded};

/// The headers that a file may set, with their values where not every one is allowed.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Reads a web config file and all files that it names.
pub(super) fn load(path: &Path, inputs: &mut Inputs, before: Option<Before<'_>>) -> Loaded {
    let contents = inputs.read(path).map_err(Problem::whole);
    match contents.and_then(|contents| document::read(path, &contents)) {
        Ok(document) => {
            let loading = Loading {
                path,
                inputs,
                before,
                problems: Vec::new(),
                warnings: Vec::new(),
            };
            loading.load(document)
        }
        Err(problem) => Loaded {
            access: None,
            fixed: Fixed::default(),
            problems: vec![problem],
            warnings: Vec::new(),
        },
    }
}

/// A file being read, and what is found to be wrong with it.
pub(super) struct Loading<'a> {
    pub(super) path: &'a Path,
    pub(super) inputs: &'a mut Inputs,
    /// What was in force last; none at the start.
    pub(super) before: Option<Before<'a>>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

const EMPTIED: &str = "expected settings, which are in force, found an empty file; they stay\n\
                       hint: to let everybody in, write `basic_auth_users: {}`";
const USERS_GONE: &str = "expected the users that are in force, found none; they stay\n\
                          hint: to let everybody in, write `basic_auth_users: {}`";
const NEEDS_RESTART: &str = "expected TLS, HTTP/2 and the rate limit as they were at the start, found others\n\
                             hint: start Wharf anew to change them";

impl Loading<'_> {
    fn load(mut self, document: Document) -> Loaded {
        if let Some(Before { access, fixed }) = self.before
            && document.says_nothing()
            && !access.says_nothing()
        {
            self.whole(EMPTIED);
            return self.loaded(Some(Arc::clone(access)), fixed);
        }
        let http = document.http_server_config.unwrap_or_default();
        let http2 = http.http2.unwrap_or(true);
        let headers = self.headers(http);
        let rate_limit = self.rate_limit(&document.rate_limit.unwrap_or_default());
        let section = document.tls_server_config.unwrap_or_default();
        let choices = self.tls_choices(&section);
        // Others can do without a usable certificate and without the password of one user, but not if the file does
        // not say what is meant.
        let is_understood = self.problems.is_empty();
        let fixed = Fixed {
            tls: section.is_enabled(),
            http2,
            rate_limit,
        };
        if self.before.is_some_and(|before| before.fixed != fixed) {
            self.whole(NEEDS_RESTART);
        }
        let tls = self.tls(&section, choices, http2);
        let users = self.users(document.basic_auth_users);
        let access = users.filter(|_| is_understood);
        let access = access.map(|users| Arc::new(Access { headers, users, tls }));
        self.loaded(access, fixed)
    }

    fn loaded(self, access: Option<Arc<Access>>, fixed: Fixed) -> Loaded {
        Loaded {
            access,
            fixed,
            problems: self.problems,
            warnings: self.warnings,
        }
    }

    /// Something is wrong with the file that has no place in it.
    pub(super) fn whole(&mut self, why: &str) {
        self.problem("", None, why);
    }

    pub(super) fn problem(&mut self, key: &str, place: Option<Location>, why: impl fmt::Display) {
        self.problems.push(Problem::at(self.path, key, place, why));
    }

    /// A user whose hash is of no use is still one, whom no password lets in.
    ///
    /// Users who are in force do not go away because the file does not mention any: it may have been emptied, or
    /// half written, and nobody may mean by that that everybody is let in.
    fn users(&mut self, hashes: Option<document::Users>) -> Option<Arc<Users>> {
        let before = self.before.map(|before| &before.access.users);
        if let Some(before) = before.filter(|users| hashes.is_none() && !users.is_empty()) {
            self.problem("basic_auth_users", None, USERS_GONE);
            return Some(Arc::clone(before));
        }
        let mut users = Vec::new();
        for (name, hash) in hashes.into_iter().flatten() {
            let text = hash.as_ref().map_or("", |hash| hash.value.as_str());
            let parsed = text.parse::<PasswordHash>();
            let (key, place) = (format!("basic_auth_users.{name}"), place_of(hash.as_ref()));
            match &parsed {
                Ok(hash) if hash.excess() > 0 => {
                    let excess = hash.excess();
                    let bytes = if excess == 1 { "byte" } else { "bytes" };
                    let why = format!(
                        "expected a bcrypt hash and nothing behind it, found {excess} {bytes} more: what is more does not count"
                    );
                    self.warnings
                        .push(Problem::at(self.path, &key, place, why).to_string());
                }
                Ok(_) => {}
                Err(error) => self.problem(&key, place, error),
            }
            users.push((name, parsed.ok()));
        }
        if users.is_empty() && before.is_some_and(|users| !users.is_empty()) {
            self.warnings
                .push("basic_auth_users is empty now: everybody is let in".to_owned());
        }
        let users = Users::new(users);
        if let Err(error) = &users {
            self.problems.push(Problem::whole(error));
        }
        users.ok().map(Arc::new)
    }

    fn headers(&mut self, section: HttpSection) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in section.headers.into_iter().flatten() {
            let text = value.as_ref().map_or("", |value| value.value.as_str());
            match header(&name, text) {
                Ok((name, value)) => {
                    headers.insert(name, value);
                }
                Err(why) => {
                    let key = format!("http_server_config.headers.{name}");
                    self.problem(&key, place_of(value.as_ref()), why);
                }
            }
        }
        headers
    }

    fn rate_limit(&mut self, section: &RateSection) -> Option<RateLimit> {
        let text = section.interval.as_ref()?;
        // A bare number counts nanoseconds.
        let interval = match text.value.parse::<i64>() {
            Ok(nanoseconds) => format!("{nanoseconds}ns").parse(),
            Err(_) => text.value.parse::<FlagDuration>(),
        };
        let interval = match interval {
            Ok(interval) => interval.to_duration(),
            Err(error) => {
                self.problem("rate_limit.interval", Some(text.referenced), error);
                return None;
            }
        };
        if interval.is_zero() {
            return None;
        }
        let (burst, place) = match &section.burst {
            Some(burst) => (burst.value, burst.referenced),
            None => (0, text.referenced),
        };
        if burst < 1 {
            let why = format!("expected at least 1, since otherwise no request is answered, found `{burst}`");
            self.problem("rate_limit.burst", Some(place), why);
        }
        Some(RateLimit {
            interval,
            burst: u32::try_from(burst).unwrap_or(u32::MAX),
        })
    }

    /// The value that a name stands for, if it is a known one.
    pub(super) fn named<T: Copy>(
        &mut self,
        key: &str,
        text: Option<&Text>,
        known: &[(&str, T)],
    ) -> Option<T> {
        let text = text?;
        let found = known.iter().find(|(name, _)| *name == text.value);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let why = format!("expected one of {}, found `{}`", list(&names), text.value);
            self.problem(&format!("tls_server_config.{key}"), Some(text.referenced), why);
        }
        found.map(|(_, value)| *value)
    }
}

/// A header that may be set, in the words of the Pushgateway where it may not.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let known = HEADERS.iter().find(|(known, _)| *known == name);
    let (name, allowed) = known
        .and_then(|(_, allowed)| Some((HeaderName::try_from(name).ok()?, allowed)))
        .ok_or_else(|| format!("HTTP header {} can not be configured", Quoted(name)))?;
    if !allowed.is_empty() && !allowed.contains(&value) {
        return Err(format!(
            "expected one of {}, found {}",
            list(allowed),
            Quoted(value)
        ));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("expected the value of a header, found {}", Quoted(value)))?;
    Ok((name, value))
}

pub(super) fn place_of(text: Option<&Text>) -> Option<Location> {
    text.map(|text| text.referenced)
}

fn list(names: &[&str]) -> String {
    let names = names.iter().filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
