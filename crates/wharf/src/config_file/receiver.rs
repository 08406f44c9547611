//! Others that Wharf sends something to: how they are reached, in the words of Prometheus' configuration.

use std::fmt::Display;
use std::slice;
use std::time::Duration;

use serde_saphyr::{Location, Spanned};
use wharf_client::{Credentials, Identity, Secret, Tls};
use wharf_model::duration;

use super::source::{Authorization, BasicAuth, Text, TlsConfig};
use super::{Check, truth};
use wharf_settings::small_file;

/// So long what else is to be sent there, and the end of the process, wait for a receiver at most.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// A file of certificates, or of a secret, is smaller.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How Wharf says who it is.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) credentials: Option<Credentials>,
    /// What else there is to be in the head of each request.
    pub(super) headers: Vec<(String, Secret)>,
}

impl Check<'_> {
    /// By a password, or by a token.
    pub(super) fn login(
        &mut self,
        basic: Option<&Spanned<BasicAuth>>,
        authorization: Option<&Spanned<Authorization>>,
    ) -> Login {
        if let (Some(basic), Some(_)) = (basic, authorization) {
            let text = "expected `basic_auth` or `authorization`, found both".to_owned();
            self.mistake(&basic.referenced, text);
        }
        match (basic, authorization) {
            (Some(basic), _) => Login {
                credentials: self.basic(basic),
                ..Login::default()
            },
            (None, Some(authorization)) => self.authorization(authorization),
            (None, None) => Login::default(),
        }
    }

    fn basic(&mut self, section: &Spanned<BasicAuth>) -> Option<Credentials> {
        let (at, section) = (section.referenced, &section.value);
        self.unknown(&section.unknown);
        let username = self.secret(
            "username",
            section.username.as_ref(),
            section.username_file.as_ref(),
        );
        let password = self.secret(
            "password",
            section.password.as_ref(),
            section.password_file.as_ref(),
        );
        if username.is_none() && section.unknown.is_empty() && section.username_file.is_none() {
            self.mistake(
                &at,
                "expected `username` or `username_file`, found neither".to_owned(),
            );
        }
        Some(Credentials::Basic {
            username: username?,
            // A user may have none.
            password: Secret::new(password.unwrap_or_default()),
        })
    }

    fn authorization(&mut self, section: &Spanned<Authorization>) -> Login {
        let (at, section) = (section.referenced, &section.value);
        self.unknown(&section.unknown);
        let given = (section.credentials.as_ref(), section.credentials_file.as_ref());
        let credentials = self.secret("credentials", given.0, given.1);
        if given == (None, None) && section.unknown.is_empty() {
            let text = "expected `credentials` or `credentials_file`, found neither".to_owned();
            self.mistake(&at, text);
        }
        let kind = section.kind.as_ref().map_or("Bearer", |kind| kind.value.as_str());
        if let Some(basic) = section.kind.as_ref()
            && kind.eq_ignore_ascii_case("basic")
        {
            let text =
                "expected `basic_auth` for a user name and a password, found the type Basic".to_owned();
            self.mistake(&basic.referenced, text);
        }
        match credentials {
            Some(token) if kind.eq_ignore_ascii_case("bearer") => Login {
                credentials: Some(Credentials::Bearer(Secret::new(token))),
                ..Login::default()
            },
            Some(token) => Login {
                headers: vec![("Authorization".to_owned(), Secret::new(format!("{kind} {token}")))],
                ..Login::default()
            },
            None => Login::default(),
        }
    }

    /// What stands in the configuration itself, or in a file that it names, without the end of its line. It is not repeated.
    pub(super) fn secret(
        &mut self,
        name: &str,
        inline: Option<&Text>,
        file: Option<&Text>,
    ) -> Option<String> {
        let bytes = self.pem(name, inline, file)?;
        let Ok(text) = String::from_utf8(bytes) else {
            if let Some(at) = inline.or(file) {
                let text = format!("expected UTF-8 as `{name}`, found other bytes");
                self.mistake(&at.referenced, text);
            }
            return None;
        };
        // The end of the line is the file's.
        Some(if inline.is_some() {
            text
        } else {
            text.trim().to_owned()
        })
    }

    /// `address` is the key that names the host.
    pub(super) fn tls(&mut self, config: &TlsConfig, at: &Location, address: &str) -> Tls {
        for unknown in &config.unknown {
            if unknown.key.value == "server_name" {
                // The HTTP library takes the name that it checks from the URL.
                let text = format!(
                    "expected no `server_name`, for Wharf checks the certificate for the host of `{address}`\n\
                     hint: write into `{address}` a host that the certificate has"
                );
                self.mistake(&unknown.key.referenced, text);
            } else {
                self.unknown(slice::from_ref(unknown));
            }
        }
        let authorities = self.pem("ca", config.ca.as_ref(), config.ca_file.as_ref());
        let certificate = self.pem("cert", config.cert.as_ref(), config.cert_file.as_ref());
        let key = self.pem("key", config.key.as_ref(), config.key_file.as_ref());
        let has = |inline: &Option<Text>, file: &Option<Text>| inline.is_some() || file.is_some();
        if has(&config.cert, &config.cert_file) != has(&config.key, &config.key_file) {
            let text = "expected a certificate (`cert`, `cert_file`) and its key (`key`, `key_file`), or neither, found one of them";
            self.mistake(at, text.to_owned());
        }
        let key = key.and_then(|key| String::from_utf8(key).ok());
        Tls {
            authorities,
            identity: certificate.zip(key).map(|(certificate, key)| Identity {
                certificate,
                key: Secret::new(key),
            }),
            insecure_skip_verify: self
                .optional(config.insecure_skip_verify.as_ref(), truth)
                .unwrap_or(false),
        }
    }

    /// What stands in the configuration itself, or in a file that it names. It may be a secret, and is not repeated.
    fn pem(&mut self, name: &str, inline: Option<&Text>, file: Option<&Text>) -> Option<Vec<u8>> {
        if let (Some(inline), Some(_)) = (inline, file) {
            let text = format!("expected `{name}` or `{name}_file`, found both");
            self.mistake(&inline.referenced, text);
        }
        match inline {
            Some(inline) => Some(inline.value.clone().into_bytes()),
            None => self.file(file),
        }
    }

    /// What is in a file, which is named from the folder of the configuration on.
    pub(super) fn file(&mut self, name: Option<&Text>) -> Option<Vec<u8>> {
        let folder = self.folder;
        let shown = |error: &dyn Display, name: &str| {
            format!("expected a file that can be read, found `{name}`: {error}")
        };
        name.and_then(|name| {
            self.read(name, |name| {
                small_file::read(&folder.join(name), MAX_FILE_BYTES).map_err(|error| shown(&error, name))
            })
        })
    }
}

/// For one attempt.
pub(super) fn time_limit(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > MAX_TIMEOUT {
        return Err(format!(
            "expected a time above 0 and of at most 1m, found `{text}`"
        ));
    }
    Ok(time)
}
