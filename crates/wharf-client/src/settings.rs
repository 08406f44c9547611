//! Where the gateway is, and how to be let in: from flags, the environment, and a file.
//!
//! ```yaml
//! # ~/.config/wharf/client.yaml
//! gateway: https://gateway.example:9091
//! username: backup
//! password_file: gateway-password
//! ca_file: /etc/ssl/our-ca.pem
//! ```
//!
//! Each setting is looked for by itself: what a flag says goes first, then the environment, then the file, then the
//! default. Names of files in `client.yaml` are relative to its folder.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use wharf_model::duration;

use crate::{Address, Credentials, Identity, Secret, Target, Tls};

/// A larger file is none that holds a setting, a password or a certificate.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a file for the whole machine may be.
const SYSTEM_FILE: &str = "/etc/wharf/client.yaml";

/// What is known about the gateway so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `gateway`, `WHARF_GATEWAY`: its URL.
    pub gateway: Option<Address>,
    /// `username`, `WHARF_USERNAME`.
    pub username: Option<String>,
    /// `WHARF_PASSWORD`: the password itself, from the environment only.
    pub password: Option<Secret>,
    /// `password_file`, `WHARF_PASSWORD_FILE`.
    pub password_file: Option<PathBuf>,
    /// `WHARF_BEARER_TOKEN`: the token itself, from the environment only.
    pub bearer_token: Option<Secret>,
    /// `bearer_token_file`, `WHARF_BEARER_TOKEN_FILE`.
    pub bearer_token_file: Option<PathBuf>,
    /// `ca_file`, `WHARF_CA_FILE`: the authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// `cert_file`, `WHARF_CERT_FILE`: our certificate.
    pub cert_file: Option<PathBuf>,
    /// `key_file`, `WHARF_KEY_FILE`: the key of our certificate.
    pub key_file: Option<PathBuf>,
    /// `insecure_skip_verify`, `WHARF_INSECURE_SKIP_VERIFY`: takes any certificate.
    pub insecure_skip_verify: Option<bool>,
    /// `timeout`, `WHARF_TIMEOUT`: for how long one attempt may take.
    pub timeout: Option<Duration>,
}

/// Why the settings cannot be used; the text says which one, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// What stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    gateway: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    bearer_token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    insecure_skip_verify: Option<bool>,
    timeout: Option<String>,
}

impl Settings {
    /// What the environment of this process and the file say.
    ///
    /// The file is the one given; or else `$WHARF_CLIENT_FILE`; or else `wharf/client.yaml` in `$XDG_CONFIG_HOME` or
    /// `~/.config`; or else `/etc/wharf/client.yaml`. One that is named must be there.
    ///
    /// # Errors
    /// If a variable or the file cannot be understood.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn from_process(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_environment(file, |name| std::env::var_os(name))
    }

    /// As [`Self::from_process`], with variables from elsewhere. An empty one counts as none.
    ///
    /// # Errors
    /// If a variable or the file cannot be understood.
    pub fn from_environment(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let named = file
            .map(Path::to_owned)
            .or_else(|| variable("WHARF_CLIENT_FILE").map(PathBuf::from));
        let file = match named.or_else(|| usual_file(&variable)) {
            Some(path) => Self::from_file(&path)?,
            None => Self::default(),
        };
        Ok(Self::from_variables(&variable)?.or(file))
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let text = |name: &str| match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(SettingsError(format!(
                "{name}: expected UTF-8, found other bytes"
            ))),
        };
        let path = |name: &str| variable(name).map(PathBuf::from);
        Ok(Self {
            gateway: parsed("WHARF_GATEWAY", text("WHARF_GATEWAY")?, str::parse)?,
            username: text("WHARF_USERNAME")?,
            password: text("WHARF_PASSWORD")?.map(Secret::new),
            password_file: path("WHARF_PASSWORD_FILE"),
            bearer_token: text("WHARF_BEARER_TOKEN")?.map(Secret::new),
            bearer_token_file: path("WHARF_BEARER_TOKEN_FILE"),
            ca_file: path("WHARF_CA_FILE"),
            cert_file: path("WHARF_CERT_FILE"),
            key_file: path("WHARF_KEY_FILE"),
            insecure_skip_verify: parsed(
                "WHARF_INSECURE_SKIP_VERIFY",
                text("WHARF_INSECURE_SKIP_VERIFY")?,
                yes_or_no,
            )?,
            timeout: parsed("WHARF_TIMEOUT", text("WHARF_TIMEOUT")?, positive_duration)?,
        })
    }

    /// What a file says. Unknown keys are refused, so that a misspelt one cannot go unnoticed.
    ///
    /// # Errors
    /// If the file cannot be read or has a mistake; the text says where.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let document: Document = serde_saphyr::from_str(&read_text(path)?).map_err(|error| {
            // The library's text ends in the place; ours begins with it.
            let text = error.without_snippet().to_string();
            match error.location() {
                Some(location) => {
                    let (line, column) = (location.line(), location.column());
                    let place = format!(" at line {line}, column {column}");
                    let bare = text.strip_suffix(&place).unwrap_or(&text);
                    SettingsError(format!("{name}: line {line}, column {column}: {bare}"))
                }
                None => SettingsError(format!("{name}: {text}")),
            }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let beside = |file: Option<PathBuf>| file.map(|file| folder.join(file));
        Ok(Self {
            gateway: parsed(&format!("{name}: gateway"), document.gateway, str::parse)?,
            username: document.username,
            password: None,
            password_file: beside(document.password_file),
            bearer_token: None,
            bearer_token_file: beside(document.bearer_token_file),
            ca_file: beside(document.ca_file),
            cert_file: beside(document.cert_file),
            key_file: beside(document.key_file),
            insecure_skip_verify: document.insecure_skip_verify,
            timeout: parsed(&format!("{name}: timeout"), document.timeout, positive_duration)?,
        })
    }

    /// Takes what is missing here from `weaker`.
    ///
    /// What belongs together is not mixed: a token here leaves no room for a user name from there, and the other way
    /// round; nor a password for the file of another one; nor a certificate for the key of another one.
    #[must_use]
    pub fn or(self, mut weaker: Self) -> Self {
        if self.has_token() {
            weaker.username = None;
        }
        if self.has_token() || self.has_password() {
            weaker.password = None;
            weaker.password_file = None;
        }
        if self.has_token() || self.has_password() || self.username.is_some() {
            weaker.bearer_token = None;
            weaker.bearer_token_file = None;
        }
        if self.cert_file.is_some() || self.key_file.is_some() {
            weaker.cert_file = None;
            weaker.key_file = None;
        }
        Self {
            gateway: self.gateway.or(weaker.gateway),
            username: self.username.or(weaker.username),
            password: self.password.or(weaker.password),
            password_file: self.password_file.or(weaker.password_file),
            bearer_token: self.bearer_token.or(weaker.bearer_token),
            bearer_token_file: self.bearer_token_file.or(weaker.bearer_token_file),
            ca_file: self.ca_file.or(weaker.ca_file),
            cert_file: self.cert_file.or(weaker.cert_file),
            key_file: self.key_file.or(weaker.key_file),
            insecure_skip_verify: self.insecure_skip_verify.or(weaker.insecure_skip_verify),
            timeout: self.timeout.or(weaker.timeout),
        }
    }

    fn has_password(&self) -> bool {
        self.password.is_some() || self.password_file.is_some()
    }

    fn has_token(&self) -> bool {
        self.bearer_token.is_some() || self.bearer_token_file.is_some()
    }

    /// Reads the files that are named, and says whom to talk to.
    ///
    /// # Errors
    /// If a file cannot be read, or the settings contradict each other.
    pub fn target(&self) -> Result<Target, SettingsError> {
        Ok(Target {
            address: self.gateway.clone().unwrap_or_default(),
            credentials: self.credentials()?,
            tls: Tls {
                authorities: self.ca_file.as_deref().map(read).transpose()?,
                identity: self.identity()?,
                insecure_skip_verify: self.insecure_skip_verify.unwrap_or(false),
            },
            headers: Vec::new(),
            timeout: self.timeout,
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, SettingsError> {
        let password = secret(self.password.as_ref(), self.password_file.as_deref(), "password")?;
        let token = secret(
            self.bearer_token.as_ref(),
            self.bearer_token_file.as_deref(),
            "bearer token",
        )?;
        let refuse = |text: &str| Err(SettingsError(text.to_owned()));
        match (&self.username, password, token) {
            (None, None, None) => Ok(None),
            (None, None, Some(token)) => Ok(Some(Credentials::Bearer(token))),
            (Some(username), Some(password), None) => Ok(Some(Credentials::Basic {
                username: username.clone(),
                password,
            })),
            (Some(_), None, None) => refuse("expected a password file beside the user name, found none"),
            (None, Some(_), None) => refuse("expected a user name beside the password, found none"),
            (_, _, Some(_)) => refuse("expected a password or a bearer token, found both"),
        }
    }

    fn identity(&self) -> Result<Option<Identity>, SettingsError> {
        match (&self.cert_file, &self.key_file) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Identity {
                certificate: read(certificate)?,
                key: Secret::new(read_text(key)?),
            })),
            _ => Err(SettingsError(
                "expected a certificate file and a key file, found only one of them".to_owned(),
            )),
        }
    }
}

fn usual_file(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let config = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        // A relative one is to be ignored, says its specification.
        .filter(|path| path.is_absolute())
        .or_else(|| Some(Path::new(&variable("HOME")?).join(".config")));
    let of_the_user = config.map(|config| config.join("wharf/client.yaml"));
    of_the_user
        .into_iter()
        .chain([PathBuf::from(SYSTEM_FILE)])
        .find(|path| path.exists())
}

fn parsed<T, E: std::fmt::Display>(
    name: &str,
    text: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, SettingsError> {
    text.map(|text| parse(&text).map_err(|error| SettingsError(format!("{name}: {error}"))))
        .transpose()
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("expected a duration above 0, found `0`".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("expected true or false, found `{}`", text.escape_debug())),
    }
}

/// A secret that stands in a variable, or in a file on the first line.
fn secret(given: Option<&Secret>, file: Option<&Path>, what: &str) -> Result<Option<Secret>, SettingsError> {
    match (given, file) {
        (Some(_), Some(_)) => Err(SettingsError(format!(
            "expected a {what} or a file that has it, found both"
        ))),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = read_text(path)?;
            // Editors end the line.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                let path = path.display();
                return Err(SettingsError(format!("{path}: expected a {what}, found nothing")));
            }
            Ok(Some(Secret::new(text)))
        }
    }
}

fn read_text(path: &Path) -> Result<String, SettingsError> {
    String::from_utf8(read(path)?)
        .map_err(|_| SettingsError(format!("{}: expected UTF-8, found other bytes", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let failed = |text: String| SettingsError(format!("{}: {text}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    // Counted while it is read, for a pipe or a device does not say its size.
    let count = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    if count.map_err(|error| failed(error.to_string()))? as u64 > MAX_FILE_BYTES {
        return Err(failed(format!(
            "expected at most {MAX_FILE_BYTES} bytes, found more"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
