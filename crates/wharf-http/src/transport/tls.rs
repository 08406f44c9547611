//! TLS: from checked settings to what a handshake needs.
//!
//! The settings are those of the Pushgateway's web config file. TLS 1.0 and 1.1, suites with CBC and the curve P-521
//! are not to be had here: settings that name nothing else are refused, and [`TlsSettings::build`] says what it left
//! out of others.

mod certificate;
mod client_auth;
mod clients;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
pub use rustls::{CipherSuite, NamedGroup};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use self::certificate::Certificate;
pub use self::client_auth::ClientAuth;
use self::clients::Clients;

/// What a server needs to speak TLS.
#[derive(Clone)]
pub struct TlsSettings {
    /// The certificate and those of its issuers, in PEM.
    pub certificate: Vec<u8>,
    /// The private key of the first certificate, in PEM.
    pub key: Vec<u8>,
    /// What is demanded of clients.
    pub client_auth: ClientAuth,
    /// Who issues the certificates of clients, in PEM; empty for nobody.
    pub client_authorities: Vec<u8>,
    /// Names of which one has to be in the certificate of a client, to the letter; none: any will do.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The newest version.
    pub max_version: TlsVersion,
    /// The suites of TLS 1.2 in order of preference; empty: all. Those of TLS 1.3 are always there.
    pub cipher_suites: Vec<CipherSuite>,
    /// Whether our order of suites counts, not the client's.
    pub prefer_server_cipher_suites: bool,
    /// The groups for the key exchange in order of preference; empty: all.
    pub curves: Vec<NamedGroup>,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
}

/// Keys are secrets.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("client_auth", &self.client_auth)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .finish_non_exhaustive()
    }
}

/// A version of TLS, older ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// As web config files write it.
impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls10 => "TLS10",
            Self::Tls11 => "TLS11",
            Self::Tls12 => "TLS12",
            Self::Tls13 => "TLS13",
        })
    }
}

/// TLS as it is in force.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    settings: Arc<TlsSettings>,
    expiry_seconds: i64,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why settings do not make a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum TlsError {
    #[error("expected a certificate in PEM, found {0}")]
    Certificate(String),
    #[error("expected a private key in PEM, found {0}")]
    Key(String),
    #[error("expected the private key of the certificate, found that of another one")]
    Mismatch,
    #[error("expected TLS12 or TLS13 to be allowed, found {0} to {1}")]
    Versions(TlsVersion, TlsVersion),
    #[error("expected at least one suite with GCM or CHACHA20_POLY1305, found others only")]
    CipherSuites,
    #[error("expected at least one of X25519, CurveP256 and CurveP384, found others only")]
    Curves,
    #[error("expected certificates of authorities in PEM, found {0}")]
    Authorities(String),
    #[error("expected authorities that issue the certificates of clients, found none")]
    NoAuthorities,
    #[error("client CA's have been configured without a Client Auth Policy")]
    AuthoritiesWithoutAuth,
    #[error("expected a client_auth_type that asks for certificates, found names to look for in them")]
    SansWithoutAuth,
}

impl Tls {
    /// What it was made of.
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// When the first of the certificates ends that are sent to clients, in seconds since the Unix epoch.
    pub fn expiry_seconds(&self) -> i64 {
        self.expiry_seconds
    }

    /// What handshakes work with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The names in a client's certificate, which comes first of those that it has sent. None if nobody vouches
    /// for it: only certificates of an authority say who a client is.
    pub(crate) fn client_names(&self, certificates: Option<&[CertificateDer<'_>]>) -> Vec<String> {
        let certificate = certificates.and_then(|certificates| certificates.first());
        let certificate = certificate.filter(|_| self.settings.client_auth.verifies());
        let names = certificate.and_then(|certificate| Some(Certificate::read(certificate)?.names()));
        names.unwrap_or_default()
    }
}

impl TlsSettings {
    /// Makes a server of the settings, and says which of them are left out because nothing here can do them.
    ///
    /// # Errors
    /// What is wrong, or what nothing is left of.
    pub fn build(&self) -> Result<(Tls, Vec<String>), TlsError> {
        let mut left_out = Vec::new();
        let mut provider = ring::default_provider();
        let versions = self.versions(&mut provider, &mut left_out)?;
        self.choose_curves(&mut provider, &mut left_out)?;
        let provider = Arc::new(provider);
        let (certified, expiry_seconds) = self.certified_key(&provider)?;
        let clients = self.clients(&provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|_| TlsError::CipherSuites)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.ignore_client_order = self.prefer_server_cipher_suites;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if self.http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        let tls = Tls {
            config: Arc::new(config),
            settings: Arc::new(self.clone()),
            expiry_seconds,
        };
        Ok((tls, left_out))
    }

    /// The versions, and the suites that go with them.
    fn versions(
        &self,
        provider: &mut CryptoProvider,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let (min, max) = (self.min_version, self.max_version);
        if max < TlsVersion::Tls12 || min > max {
            return Err(TlsError::Versions(min, max));
        }
        if min < TlsVersion::Tls12 {
            left_out.push("versions of TLS before 1.2".to_owned());
        }
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites = self.choose_suites(&provider.cipher_suites, left_out);
        }
        let allowed = |version: TlsVersion, supported: &'static SupportedProtocolVersion| {
            let has_suite = provider
                .cipher_suites
                .iter()
                .any(|suite| suite.version().version == supported.version);
            (min <= version && version <= max && has_suite).then_some(supported)
        };
        let versions: Vec<_> = [
            allowed(TlsVersion::Tls13, &TLS13),
            allowed(TlsVersion::Tls12, &TLS12),
        ]
        .into_iter()
        .flatten()
        .collect();
        let names_only_others = left_out.len() >= self.cipher_suites.len() && !self.cipher_suites.is_empty();
        if versions.is_empty() || names_only_others {
            return Err(TlsError::CipherSuites);
        }
        Ok(versions)
    }

    /// Those of `available` that are named, in the order named, and before them those of TLS 1.3, which cannot be
    /// chosen.
    fn choose_suites(
        &self,
        available: &[SupportedCipherSuite],
        left_out: &mut Vec<String>,
    ) -> Vec<SupportedCipherSuite> {
        let is_newest = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
        let mut chosen: Vec<_> = available.iter().filter(is_newest).copied().collect();
        for named in &self.cipher_suites {
            match available.iter().find(|suite| suite.suite() == *named) {
                Some(suite) if chosen.contains(suite) => {}
                Some(suite) => chosen.push(*suite),
                None => left_out.push(format!("cipher suite {}", named.as_str().unwrap_or_default())),
            }
        }
        chosen
    }

    fn choose_curves(
        &self,
        provider: &mut CryptoProvider,
        left_out: &mut Vec<String>,
    ) -> Result<(), TlsError> {
        if self.curves.is_empty() {
            return Ok(());
        }
        let mut chosen = Vec::new();
        for named in &self.curves {
            match provider.kx_groups.iter().find(|group| group.name() == *named) {
                Some(group) => chosen.push(*group),
                None => left_out.push(format!("curve {}", named.as_str().unwrap_or_default())),
            }
        }
        if chosen.is_empty() {
            return Err(TlsError::Curves);
        }
        provider.kx_groups = chosen;
        Ok(())
    }

    /// Certificates with their key, and when the first of them ends, in seconds since the Unix epoch.
    fn certified_key(&self, provider: &CryptoProvider) -> Result<(CertifiedKey, i64), TlsError> {
        let chain = certificates(&self.certificate).map_err(TlsError::Certificate)?;
        let first = chain.first().and_then(|first| Certificate::read(first));
        let Some(first) = first else {
            return Err(TlsError::Certificate("one that cannot be read".to_owned()));
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Key(found(&error)))?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::Key(format!("one that cannot be used: {error}")))?;
        let matches = key
            .public_key()
            .is_none_or(|public| public.as_ref() == first.public_key);
        if !matches {
            return Err(TlsError::Mismatch);
        }
        let issuers = chain.iter().skip(1);
        let ends = issuers.filter_map(|issuer| Some(Certificate::read(issuer)?.not_after));
        let expiry_seconds = ends.fold(first.not_after, i64::min);
        Ok((CertifiedKey::new(chain, key), expiry_seconds))
    }

    fn clients(&self, provider: &Arc<CryptoProvider>) -> Result<Option<Clients>, TlsError> {
        let auth = self.client_auth;
        let authorities = if self.client_authorities.is_empty() {
            Vec::new()
        } else {
            certificates(&self.client_authorities).map_err(TlsError::Authorities)?
        };
        if auth == ClientAuth::NoClientCert {
            if !authorities.is_empty() {
                return Err(TlsError::AuthoritiesWithoutAuth);
            }
            if self.client_allowed_sans.is_some() {
                return Err(TlsError::SansWithoutAuth);
            }
            return Ok(None);
        }
        if auth.verifies() && authorities.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots
                .add(authority.clone())
                .map_err(|error| TlsError::Authorities(error.to_string()))?;
        }
        Clients::new(
            auth,
            authorities,
            roots,
            self.client_allowed_sans.clone(),
            provider,
        )
        .map(Some)
        .map_err(|error| TlsError::Authorities(error.to_string()))
    }
}

/// All certificates in a text, of which there must be one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| found(&error))?;
    if certificates.is_empty() {
        return Err(found(&pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// What was found instead of something in PEM.
fn found(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "none".to_owned(),
        error => format!("something else: {error}"),
    }
}

#[cfg(test)]
mod tests;
