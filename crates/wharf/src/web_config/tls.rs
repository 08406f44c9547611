//! The TLS section of a web config file.

use std::path::PathBuf;

use serde_saphyr::Location;
use wharf_http::tls::{CipherSuite, ClientAuth, NamedGroup, Tls, TlsError, TlsSettings, TlsVersion};

use super::document::{Text, TlsSection};
use super::settings::{Loading, place_of};

const CLIENT_AUTHS: [(&str, ClientAuth); 7] = [
    ("", ClientAuth::NoClientCert),
    ("NoClientCert", ClientAuth::NoClientCert),
    ("RequestClientCert", ClientAuth::RequestClientCert),
    ("RequireAnyClientCert", ClientAuth::RequireAnyClientCert),
    ("RequireClientCert", ClientAuth::RequireAnyClientCert),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyClientCertIfGiven),
    (
        "RequireAndVerifyClientCert",
        ClientAuth::RequireAndVerifyClientCert,
    ),
];

const VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLS10", TlsVersion::Tls10),
    ("TLS11", TlsVersion::Tls11),
    ("TLS12", TlsVersion::Tls12),
    ("TLS13", TlsVersion::Tls13),
];

const CURVES: [(&str, NamedGroup); 4] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("CurveP521", NamedGroup::secp521r1),
    ("X25519", NamedGroup::X25519),
];

/// A suite that has the same name here as there.
macro_rules! suite {
    ($name:ident) => {
        (stringify!($name), CipherSuite::$name)
    };
}

/// The suites by the Pushgateway's names, whether they are to be had here or not.
const SUITES: [(&str, CipherSuite); 13] = [
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    suite!(TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA),
    suite!(TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
    suite!(TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA),
    suite!(TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA),
    suite!(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    suite!(TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    suite!(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    suite!(TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    suite!(TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    suite!(TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// What the names in a section stand for.
pub(super) struct Choices {
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
    cipher_suites: Vec<CipherSuite>,
    curves: Vec<NamedGroup>,
}

/// A text in PEM, and where it was named.
struct Pem {
    key: &'static str,
    place: Option<Location>,
    text: Vec<u8>,
    /// Not if its file cannot be read.
    is_read: bool,
}

const CLIENT_AUTH_GONE: &str = "expected the certificates of clients to be demanded as before, found nothing about it; \
                                they still are\nhint: to let others in, write `client_auth_type: NoClientCert`";

impl Loading<'_> {
    /// Reads the names in a section. Nothing else is looked at yet.
    pub(super) fn tls_choices(&mut self, section: &TlsSection) -> Choices {
        let suites = section.cipher_suites.iter().flatten();
        let curves = section.curve_preferences.iter().flatten();
        Choices {
            min_version: self.named("min_version", section.min_version.as_ref(), &VERSIONS),
            max_version: self.named("max_version", section.max_version.as_ref(), &VERSIONS),
            cipher_suites: suites
                .filter_map(|name| self.named("cipher_suites", Some(name), &SUITES))
                .collect(),
            curves: curves
                .filter_map(|name| self.named("curve_preferences", Some(name), &CURVES))
                .collect(),
        }
    }

    /// Reads the files that a section names, and makes a server of it all.
    ///
    /// What cannot be used leaves in force what was there before. Certificates are replaced together with their keys,
    /// and one of the two comes first; and a file may be read while it is being written.
    pub(super) fn tls(&mut self, section: &TlsSection, choices: Choices, http2: bool) -> Option<Tls> {
        let before = self.before.filter(|before| before.fixed.tls);
        let before = before.and_then(|before| before.access.tls.as_ref());
        if !section.is_enabled() {
            if section.says_anything() {
                let warning =
                    "tls_server_config names neither a certificate nor a key: connections are not encrypted";
                self.warnings.push(warning.to_owned());
            }
            // That TLS needs a restart to go away is said elsewhere.
            return before.cloned();
        }
        let demanded = before.is_some_and(|tls| tls.settings().client_auth.requires());
        if demanded && given(section.client_auth_type.as_ref()).is_none() {
            self.problem("tls_server_config.client_auth_type", None, CLIENT_AUTH_GONE);
            return before.cloned();
        }
        self.new_tls(section, choices, http2, before.map(Tls::settings))
            .or_else(|| before.cloned())
    }

    /// The same for a section that asks for TLS; none if it makes no server, also with parts of `before`.
    fn new_tls(
        &mut self,
        section: &TlsSection,
        choices: Choices,
        http2: bool,
        before: Option<&TlsSettings>,
    ) -> Option<Tls> {
        let problems = self.problems.len();
        let auth = self.named(
            "client_auth_type",
            section.client_auth_type.as_ref(),
            &CLIENT_AUTHS,
        );
        let named = [
            ("cert", &section.cert_file, &section.cert),
            ("key", &section.key_file, &section.key),
        ];
        for (name, file, inline) in named {
            if given(file.as_ref()).or_else(|| given(inline.as_ref())).is_none() {
                let why = format!("missing one of {name} or {name}_file");
                self.problem("tls_server_config", section.first_place(), why);
            }
        }
        if self.problems.len() > problems {
            return None;
        }
        let certificate = self.pem(
            ["cert_file", "cert"],
            section.cert_file.as_ref(),
            section.cert.as_ref(),
        );
        let key = self.pem(
            ["key_file", "key"],
            section.key_file.as_ref(),
            section.key.as_ref(),
        );
        let authorities = self.pem(
            ["client_ca_file", "client_ca"],
            section.client_ca_file.as_ref(),
            section.client_ca.as_ref(),
        );
        let sans = section.client_allowed_sans.as_ref();
        let mut settings = TlsSettings {
            certificate: certificate.text,
            key: key.text,
            client_auth: auth.unwrap_or_default(),
            client_authorities: authorities.text,
            client_allowed_sans: sans.map(|sans| sans.iter().map(|name| name.value.clone()).collect()),
            min_version: choices.min_version.unwrap_or(TlsVersion::Tls12),
            max_version: choices.max_version.unwrap_or(TlsVersion::Tls13),
            cipher_suites: choices.cipher_suites,
            prefer_server_cipher_suites: section.prefer_server_cipher_suites.unwrap_or(true),
            curves: choices.curves,
            http2,
        };
        if !(certificate.is_read && key.is_read) {
            take_pair(&mut settings, before?);
        }
        if !authorities.is_read {
            take_authorities(&mut settings, before?);
        }
        // With the pair, and with the authorities, of before; those make a server.
        for _ in 0..3 {
            let error = match settings.build() {
                Ok((tls, left_out)) => {
                    let warning = |what| format!("tls_server_config: {what} cannot be had here");
                    self.warnings.extend(left_out.into_iter().map(warning));
                    return Some(tls);
                }
                Err(error) => error,
            };
            let is_pair = matches!(
                error,
                TlsError::Certificate(_) | TlsError::Key(_) | TlsError::Mismatch
            );
            let is_authorities = matches!(error, TlsError::Authorities(_) | TlsError::NoAuthorities);
            let (name, place) = match &error {
                TlsError::Certificate(_) => (certificate.key, certificate.place),
                TlsError::Key(_) | TlsError::Mismatch => (key.key, key.place),
                TlsError::Authorities(_) | TlsError::AuthoritiesWithoutAuth => {
                    (authorities.key, authorities.place)
                }
                other => section.place_of(other),
            };
            self.problem(&format!("tls_server_config.{name}"), place, error);
            if is_pair {
                take_pair(&mut settings, before?);
            } else if is_authorities && authorities.place.is_some() {
                take_authorities(&mut settings, before?);
            } else {
                return None;
            }
        }
        None
    }

    /// What a file says, or what stands in the config file itself. The file goes first.
    fn pem(&mut self, keys: [&'static str; 2], file: Option<&Text>, inline: Option<&Text>) -> Pem {
        let [file_key, inline_key] = keys;
        let Some(file) = given(file) else {
            let inline = given(inline);
            return Pem {
                key: inline_key,
                place: place_of(inline),
                text: inline
                    .map(|inline| inline.value.clone().into_bytes())
                    .unwrap_or_default(),
                is_read: true,
            };
        };
        let folder = self.path.parent().map_or_else(PathBuf::new, PathBuf::from);
        let read = self.inputs.read(&folder.join(&file.value));
        if let Err(why) = &read {
            self.problem(
                &format!("tls_server_config.{file_key}"),
                Some(file.referenced),
                why,
            );
        }
        Pem {
            key: file_key,
            place: Some(file.referenced),
            is_read: read.is_ok(),
            text: read.unwrap_or_default(),
        }
    }
}

fn take_pair(settings: &mut TlsSettings, before: &TlsSettings) {
    settings.certificate.clone_from(&before.certificate);
    settings.key.clone_from(&before.key);
}

fn take_authorities(settings: &mut TlsSettings, before: &TlsSettings) {
    settings.client_authorities.clone_from(&before.client_authorities);
}

impl TlsSection {
    /// Whether it asks for TLS at all.
    pub(super) fn is_enabled(&self) -> bool {
        self.first_place().is_some()
    }

    /// Where something about certificates, keys or clients stands.
    fn first_place(&self) -> Option<Location> {
        let keys = [
            &self.cert_file,
            &self.cert,
            &self.key_file,
            &self.key,
            &self.client_ca_file,
            &self.client_ca,
            &self.client_auth_type,
        ];
        keys.into_iter().find_map(|text| place_of(given(text.as_ref())))
    }

    fn says_anything(&self) -> bool {
        self.min_version.is_some()
            || self.max_version.is_some()
            || self.cipher_suites.is_some()
            || self.curve_preferences.is_some()
            || self.client_allowed_sans.is_some()
    }

    /// The key whose value is wrong, and where it is.
    fn place_of(&self, error: &TlsError) -> (&'static str, Option<Location>) {
        let first = |texts: Option<&Vec<Text>>| place_of(texts.and_then(|texts| texts.first()));
        match error {
            TlsError::Versions(..) => {
                let versions = self.max_version.as_ref().or(self.min_version.as_ref());
                ("max_version", place_of(versions))
            }
            TlsError::CipherSuites => ("cipher_suites", first(self.cipher_suites.as_ref())),
            TlsError::Curves => ("curve_preferences", first(self.curve_preferences.as_ref())),
            TlsError::SansWithoutAuth => ("client_allowed_sans", first(self.client_allowed_sans.as_ref())),
            _ => ("client_auth_type", place_of(self.client_auth_type.as_ref())),
        }
    }
}

/// An empty value is none.
fn given(text: Option<&Text>) -> Option<&Text> {
    text.filter(|text| !text.value.is_empty())
}
