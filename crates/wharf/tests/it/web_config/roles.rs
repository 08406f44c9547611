//! Users and certificates of a web config file, with the roles that `--config.file` gives them.

use wharf_testkit::http::{get, put};
use wharf_testkit::{Gateway, Spawn};

use super::tls::with_clients;
use super::{ALICE, ALICE_GUESSED, BOB, Curl, Folder, HASH, as_user, curl};
use crate::wharf;

fn with_rules(folder: &Folder, rules: &str) -> Spawn {
    folder.write("wharf.yml", rules);
    wharf().arg(format!(
        "--config.file={}",
        folder.path().join("wharf.yml").display()
    ))
}

#[test]
fn users_have_the_roles_of_their_names_and_others_those_of_everybody() {
    let folder = Folder::new(&format!("basic_auth_users: {{alice: {HASH}, bob: {HASH}}}\n"));
    let rules = "access:\n  anonymous: {read: '{job=\"public\"}'}\n  users: {alice: {push: '{}'}}\n";
    let gateway = folder.start(with_rules(&folder, rules));
    let push = put("/metrics/job/public").body("m 1\n");
    let refused = gateway.send(&push);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("WWW-Authenticate"), Some("Basic"));
    assert_eq!(gateway.send(&as_user(&push, ALICE_GUESSED)).status, 401);
    assert_eq!(gateway.send(&as_user(&push, BOB)).status, 403);
    assert_eq!(gateway.send(&as_user(&push, ALICE)).status, 200);
    let scrape = get("/metrics");
    for request in [scrape.clone(), as_user(&scrape, ALICE), as_user(&scrape, BOB)] {
        let answer = gateway.send(&request);
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("m{instance=\"\",job=\"public\"} 1\n"));
    }
    assert_eq!(gateway.send(&as_user(&scrape, ALICE_GUESSED)).status, 401);
    // Health is for everybody then.
    assert_eq!(gateway.send(&get("/-/healthy")).status, 200);
}

/// Whether a client of this name may scrape.
fn may_read(folder: &Folder, gateway: &Gateway, name: &str, http: &str) -> bool {
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    let mut args = vec!["--cacert", "authority.crt", http];
    if name != "none" {
        args.extend(["--cert", &certificate, "--key", &key]);
    }
    let answer = curl(folder, gateway, "/metrics", &args);
    let is_refused = matches!(answer, Curl::Answer(403, _));
    assert!(
        is_refused || matches!(answer, Curl::Answer(200, _)),
        "{name}: {answer:?}"
    );
    !is_refused
}

#[test]
fn certificates_have_the_roles_of_their_names_if_somebody_vouches_for_them() {
    let vouched = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.crt\n";
    let unvouched = "  client_auth_type: RequestClientCert\n";
    for (tls, name, known, itself) in [
        // By each kind of alternative name, and not by the name of the subject beside them.
        (vouched, "client", false, false),
        (vouched, "batch.test", true, false),
        (vouched, "ops@batch.test", true, false),
        (vouched, "spiffe://batch.test/job", true, false),
        (vouched, "10.0.0.1", true, false),
        (vouched, "self", false, false),
        (vouched, "self.test", false, true),
        (vouched, "BATCH.test", false, false),
        (vouched, "test", false, false),
        // Anybody may write a name into a certificate.
        (unvouched, "client", false, false),
        (unvouched, "self", false, false),
    ] {
        let folder = with_clients(tls);
        let rules = format!("access:\n  certificates: {{\"{name}\": {{read: '{{}}'}}}}\n");
        let gateway = folder.start(with_rules(&folder, &rules));
        for http in ["--http2", "--http1.1"] {
            for (client, expected) in [("known", known), ("self", itself), ("none", false)] {
                let found = may_read(&folder, &gateway, client, http);
                assert_eq!(found, expected, "{tls} {name} {client} {http}");
            }
        }
    }
}
