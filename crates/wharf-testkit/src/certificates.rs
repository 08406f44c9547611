//! Certificates made for a test.

use std::net::IpAddr;
use std::path::Path;

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// A certificate with its private key, both in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Certificate {
    /// One that vouches for itself, and could vouch for others.
    pub fn self_signed(name: &str, alternative_names: &[&str]) -> Self {
        Self::of_itself(&parameters(name, alternative_names, true))
    }

    /// As above, but its time was over long ago.
    pub fn expired(name: &str) -> Self {
        let mut parameters = parameters(name, &[], true);
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        Self::of_itself(&parameters)
    }

    fn of_itself(parameters: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a new key");
        let certificate = parameters.self_signed(&key).expect("a valid certificate");
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes `NAME.crt` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) {
        let write = |extension: &str, text: &str| {
            std::fs::write(folder.join(format!("{name}.{extension}")), text).expect("write a file");
        };
        write("crt", &self.certificate);
        write("key", &self.key);
    }
}

/// Somebody who issues certificates.
#[derive(Debug)]
pub struct Authority {
    /// Its own certificate in PEM.
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let parameters = parameters(name, &[], true);
        let key = KeyPair::generate().expect("a new key");
        let certificate = parameters.self_signed(&key).expect("a valid certificate");
        Self {
            certificate: certificate.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// Issues a certificate. An alternative name with a colon is a URI, or an IPv6 address; one with an `@` is a mail
    /// address.
    pub fn issue(&self, name: &str, alternative_names: &[&str]) -> Certificate {
        let key = KeyPair::generate().expect("a new key");
        let certificate = parameters(name, alternative_names, false)
            .signed_by(&key, &self.issuer)
            .expect("a valid certificate");
        Certificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn parameters(name: &str, alternative_names: &[&str], is_authority: bool) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.subject_alt_names = alternative_names
        .iter()
        .map(|name| alternative_name(name))
        .collect();
    parameters.is_ca = if is_authority {
        IsCa::Ca(BasicConstraints::Unconstrained)
    } else {
        IsCa::ExplicitNoCa
    };
    parameters
}

fn alternative_name(name: &str) -> SanType {
    if let Ok(address) = name.parse::<IpAddr>() {
        return SanType::IpAddress(address);
    }
    let text = Ia5String::try_from(name).expect("ASCII");
    if name.contains('@') {
        SanType::Rfc822Name(text)
    } else if name.contains(':') {
        SanType::URI(text)
    } else {
        SanType::DnsName(text)
    }
}
