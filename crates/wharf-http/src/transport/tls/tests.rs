use rcgen::{CertificateParams, KeyPair};

use super::TlsVersion::{Tls10, Tls11, Tls12, Tls13};
use super::*;

fn settings() -> TlsSettings {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    TlsSettings {
        certificate: certificate.pem().into_bytes(),
        key: key.serialize_pem().into_bytes(),
        client_auth: ClientAuth::NoClientCert,
        client_authorities: Vec::new(),
        client_allowed_sans: None,
        min_version: Tls12,
        max_version: Tls13,
        cipher_suites: Vec::new(),
        prefer_server_cipher_suites: true,
        curves: Vec::new(),
        http2: true,
    }
}

#[track_caller]
fn left_out(settings: &TlsSettings) -> Vec<String> {
    settings.build().unwrap().1
}

#[track_caller]
fn refused(change: impl FnOnce(&mut TlsSettings)) -> TlsError {
    let mut settings = settings();
    change(&mut settings);
    settings.build().unwrap_err()
}

#[test]
fn http2_is_offered_first_or_not_at_all() {
    for (http2, offered) in [(true, vec!["h2", "http/1.1"]), (false, vec!["http/1.1"])] {
        let (tls, _) = TlsSettings { http2, ..settings() }.build().unwrap();
        let offered: Vec<_> = offered.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        assert_eq!(tls.config().alpn_protocols, offered);
    }
}

#[test]
fn suites_are_those_named_in_the_order_named_and_those_of_the_newest_version() {
    let named = vec![
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let settings = TlsSettings {
        cipher_suites: named,
        ..settings()
    };
    let (tls, left_out) = settings.build().unwrap();
    let config = tls.config();
    let suites = config.crypto_provider().cipher_suites.iter();
    let suites: Vec<_> = suites.map(SupportedCipherSuite::suite).collect();
    assert_eq!(
        suites[3..],
        [
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ]
    );
    assert!(suites[..3].contains(&CipherSuite::TLS13_AES_256_GCM_SHA384));
    assert_eq!(left_out, ["cipher suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]);
    assert!(config.ignore_client_order);
}

#[test]
fn what_is_missing_here_is_left_out_beside_others_and_an_error_alone() {
    let old = TlsSettings {
        min_version: Tls10,
        ..settings()
    };
    assert_eq!(left_out(&old), ["versions of TLS before 1.2"]);
    let curves = TlsSettings {
        curves: vec![NamedGroup::secp521r1, NamedGroup::X25519],
        ..settings()
    };
    assert_eq!(left_out(&curves), ["curve secp521r1"]);

    let versions = |min_version, max_version| {
        refused(|settings| {
            settings.min_version = min_version;
            settings.max_version = max_version;
        })
    };
    assert_eq!(versions(Tls10, Tls11), TlsError::Versions(Tls10, Tls11));
    assert_eq!(versions(Tls13, Tls12), TlsError::Versions(Tls13, Tls12));
    let old = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA;
    assert_eq!(
        refused(|settings| settings.cipher_suites = vec![old]),
        TlsError::CipherSuites
    );
    let newest = CipherSuite::TLS13_AES_128_GCM_SHA256;
    let without_any = refused(|settings| {
        settings.cipher_suites = vec![newest];
        settings.max_version = Tls12;
    });
    assert_eq!(without_any, TlsError::CipherSuites);
    let curve = NamedGroup::secp521r1;
    assert_eq!(
        refused(|settings| settings.curves = vec![curve]),
        TlsError::Curves
    );
}

#[test]
fn certificate_and_key_belong_together() {
    let other = settings();
    assert_eq!(refused(|settings| settings.key = other.key), TlsError::Mismatch);
    let none = "none".to_owned();
    assert_eq!(
        refused(|settings| settings.certificate.clone_from(&settings.key)),
        TlsError::Certificate(none.clone())
    );
    assert_eq!(
        refused(|settings| settings.key.clone_from(&settings.certificate)),
        TlsError::Key(none)
    );
    let cut = refused(|settings| settings.key.truncate(80));
    assert!(matches!(cut, TlsError::Key(_)), "{cut}");
}

#[test]
fn certificates_of_clients_need_somebody_who_issues_them() {
    let auth = ClientAuth::RequireAndVerifyClientCert;
    assert_eq!(
        refused(|settings| settings.client_auth = auth),
        TlsError::NoAuthorities
    );
    let authorities = refused(|settings| settings.client_authorities.clone_from(&settings.certificate));
    assert_eq!(authorities, TlsError::AuthoritiesWithoutAuth);
    let names = refused(|settings| settings.client_allowed_sans = Some(vec!["batch.test".to_owned()]));
    assert_eq!(names, TlsError::SansWithoutAuth);
    let garbage = refused(|settings| {
        settings.client_auth = auth;
        settings.client_authorities = b"garbage".to_vec();
    });
    assert_eq!(garbage, TlsError::Authorities("none".to_owned()));
}
