//! Where a server listens, and what is spoken there: HTTP as it is, or inside TLS.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A server as its clients see it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whom clients trust, if it speaks TLS.
    pub tls: Option<Tls>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl Endpoint {
    /// Speaks over a stream as this server wants it. A handshake begins when something is sent.
    ///
    /// # Errors
    /// If the settings of TLS do not fit.
    pub fn open<S: Read + Write>(&self, stream: S) -> Result<Stream<S>> {
        let Some(Tls(config)) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let name = ServerName::IpAddress(self.address.ip().into());
        let session = ClientConnection::new(Arc::clone(config), name).context("begin TLS")?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(session, stream))))
    }
}

/// Settings of clients that speak TLS. None of them has been there before: there are no sessions to resume.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Of those who trust one certificate, in PEM.
    ///
    /// # Errors
    /// If it is none.
    pub fn trusting(certificate: &str) -> Result<Self> {
        let certificate =
            CertificateDer::from_pem_slice(certificate.as_bytes()).context("read a certificate")?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("trust a certificate")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("set TLS up")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// A stream to a server. It blocks or does not, as the one below.
#[derive(Debug)]
pub enum Stream<S: Read + Write> {
    /// As it is.
    Plain(S),
    /// Inside TLS.
    Tls(Box<StreamOwned<ClientConnection, S>>),
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
