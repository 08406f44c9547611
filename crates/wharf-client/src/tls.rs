//! From PEM to what the HTTP library needs. Everything is checked here, for that library panics at a bad identity.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::{Identity, TargetError, Tls};

/// The settings of the HTTP library; `is_used` says whether there will be any TLS at all.
pub(crate) fn config(tls: &Tls, is_used: bool) -> Result<TlsConfig, TargetError> {
    let provider = Arc::new(ring::default_provider());
    let identity = tls.identity.as_ref();
    let identity = identity
        .map(|identity| client_certificate(identity, &provider))
        .transpose()?;
    let authorities = match &tls.authorities {
        Some(pem) => certificates(pem, "authorities")?,
        // Reading the system's takes milliseconds.
        None if is_used && !tls.insecure_skip_verify => of_the_system()?,
        None => Vec::new(),
    };
    let authorities: Vec<_> = authorities
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&authorities))
        .client_cert(identity)
        .disable_verification(tls.insecure_skip_verify)
        .build())
}

fn of_the_system() -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return Err(TargetError::NoAuthorities);
    }
    Ok(found)
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let refuse = |found| TargetError::Certificates { what, found };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| refuse(format!("a mistake: {error}")))?;
    if found.is_empty() {
        return Err(refuse("none".to_owned()));
    }
    Ok(found)
}

fn client_certificate(identity: &Identity, provider: &CryptoProvider) -> Result<ClientCert, TargetError> {
    let chain = certificates(&identity.certificate, "certificate of the client")?;
    let pem = identity.key.expose().as_bytes();
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| TargetError::Key(format!("a mistake: {error}")))?;
    CertifiedKey::from_der(chain.clone(), key, provider)
        .map_err(|error| TargetError::Identity(error.to_string()))?;
    let key = PrivateKey::from_pem(pem).map_err(|error| TargetError::Key(error.to_string()))?;
    let chain: Vec<_> = chain
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    Ok(ClientCert::new_with_certs(&chain, key))
}
