//! The certificates of clients.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::certificate::Certificate;
use super::client_auth::ClientAuth;

/// Decides which certificates of clients are good.
#[derive(Debug)]
pub(super) struct Clients {
    is_mandatory: bool,
    /// Checks chains of certificates, where they matter.
    chains: Option<Arc<dyn ClientCertVerifier>>,
    /// The authorities, which may be clients themselves.
    authorities: Vec<CertificateDer<'static>>,
    authority_names: Vec<DistinguishedName>,
    allowed_names: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    pub(super) fn new(
        auth: ClientAuth,
        authorities: Vec<CertificateDer<'static>>,
        roots: RootCertStore,
        allowed_names: Option<Vec<String>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let authority_names = roots.subjects();
        let chains = if auth.verifies() {
            Some(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?)
        } else {
            None
        };
        Ok(Self {
            // Who sends no certificate has none of the names.
            is_mandatory: auth.requires() || allowed_names.is_some(),
            chains,
            authorities,
            authority_names,
            allowed_names,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// A certificate that is an authority itself needs no other one to vouch for it, as long as it is valid. People
    /// who make one certificate by hand often make such a one.
    fn is_authority(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        self.authorities.contains(certificate)
            && Certificate::read(certificate)
                .is_some_and(|certificate| certificate.is_valid_at(now.as_secs()))
    }

    fn has_allowed_name(&self, certificate: &CertificateDer<'_>) -> bool {
        let Some(allowed) = &self.allowed_names else {
            return true;
        };
        let names = Certificate::read(certificate).map(|certificate| certificate.alternative_names());
        names.is_some_and(|names| names.iter().any(|name| allowed.contains(name)))
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authority_names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chains) = &self.chains
            && !self.is_authority(end_entity, now)
        {
            chains.verify_client_cert(end_entity, intermediates, now)?;
        }
        if self.has_allowed_name(end_entity) {
            Ok(ClientCertVerified::assertion())
        } else {
            let why = "expected a certificate with one of client_allowed_sans, found one without";
            Err(Error::General(why.to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
