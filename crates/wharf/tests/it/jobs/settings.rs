//! Where the tools find the gateway and the credentials.

use std::fs;
use std::path::Path;
use std::process::Command;

use wharf_testkit::{Authority, Spawn};

use super::stub::{Answer, Stub};
use super::{ends_with, output, stderr, tool, url, value};
use crate::gateways;

/// `me:s3cret`
const BASIC: &str = "Basic bWU6czNjcmV0";

fn push(config: &Path) -> Command {
    let mut command = tool(["push", "--job", "j", "--metric", "m=1", "--retry-for", "0"]);
    command.env("XDG_CONFIG_HOME", config);
    command
}

fn client_file(folder: &Path, text: &str) {
    fs::create_dir_all(folder.join("wharf")).unwrap();
    fs::write(folder.join("wharf/client.yaml"), text).unwrap();
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [of_flag, of_variable, of_file] = [(); 3].map(|()| Stub::start(vec![Answer::Head("200 OK")]));
    client_file(folder.path(), &format!("gateway: {}\n", of_file.url));

    ends_with(0, &output(push(folder.path())));
    of_file.asked();

    let mut command = push(folder.path());
    command.env("WHARF_GATEWAY", &of_variable.url);
    ends_with(0, &output(command));
    of_variable.asked();

    let mut command = push(folder.path());
    command
        .env("WHARF_GATEWAY", &of_variable.url)
        .args(["--gateway", &of_flag.url]);
    ends_with(0, &output(command));
    of_flag.asked();
    assert!(of_file.is_left_alone() && of_variable.is_left_alone());
}

#[test]
fn a_misspelt_key_of_the_file_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    client_file(folder.path(), "gateway: http://localhost:1\nuser: me\n");
    let output = output(push(folder.path()));
    ends_with(2, &output);
    let said = stderr(&output);
    assert!(
        said.contains("client.yaml: line 2, column 1: ") && said.contains("user"),
        "{said}"
    );
}

#[test]
fn passwords_and_tokens_come_from_files_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    let secret = secret.to_str().unwrap();
    let cases: [(&[(&str, &str)], &str); 4] = [
        (
            &[("WHARF_USERNAME", "me"), ("WHARF_PASSWORD_FILE", secret)],
            BASIC,
        ),
        (&[("WHARF_USERNAME", "me"), ("WHARF_PASSWORD", "s3cret")], BASIC),
        (&[("WHARF_BEARER_TOKEN_FILE", secret)], "Bearer s3cret"),
        (&[("WHARF_BEARER_TOKEN", "s3cret")], "Bearer s3cret"),
    ];
    for (variables, expected) in cases {
        let stub = Stub::start(vec![Answer::Head("200 OK")]);
        let mut command = push(folder.path());
        command
            .envs(variables.iter().copied())
            .env("WHARF_GATEWAY", &stub.url);
        ends_with(0, &output(command));
        let asked = stub.asked();
        assert!(asked.contains(&format!("{expected}\r\n")), "{asked}");
    }
}

#[test]
fn there_is_no_flag_for_a_password_itself_and_none_for_a_token() {
    for flag in ["--password=s3cret", "--bearer-token=s3cret"] {
        let mut command = tool(["push", "--job", "j", "--metric", "m=1"]);
        command.arg(flag);
        ends_with(2, &output(command));
    }
    let mut command = tool(["push", "--job", "j", "--metric", "m=1"]);
    command.args(["--gateway", "http://me:s3cret@localhost"]);
    let output = output(command);
    ends_with(2, &output);
}

#[test]
fn the_password_is_not_in_the_list_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").unwrap();
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let mut command = tool(["run", "--job", "j", "--username", "me", "--password-file"]);
    command.arg(&secret).args([
        "--gateway",
        &stub.url,
        "--",
        "sh",
        "-c",
        "cat /proc/$PPID/cmdline /proc/$$/environ",
    ]);
    let output = output(command);
    ends_with(0, &output);
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(seen.contains("--username"), "{seen}");
    assert!(!seen.contains("s3cret"), "{seen}");
    assert!(stub.asked().contains(BASIC));
}

#[test]
fn tls_with_an_authority_and_a_certificate_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    fs::write(folder.path().join("authority.crt"), &authority.certificate).unwrap();
    authority
        .issue("localhost", &["localhost", "127.0.0.1"])
        .write(folder.path(), "server");
    authority.issue("job", &[]).write(folder.path(), "client");
    let web = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
               client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n";
    fs::write(folder.path().join("web.yml"), web).unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for spawn in gateways() {
        let spawn: Spawn = spawn.arg(format!("--web.config.file={}", file("web.yml")));
        let gateway = spawn.start();
        let url = url(gateway.address()).replace("http", "https");
        let push = |flags: &[&str]| {
            let mut command = push(folder.path());
            command.args(["--gateway", &url]).args(flags);
            output(command)
        };
        let (authority, certificate, key) = (file("authority.crt"), file("client.crt"), file("client.key"));
        let ours = ["--cert-file", &certificate, "--key-file", &key];
        ends_with(0, &push(&[&ours[..], &["--ca-file", &authority]].concat()));
        ends_with(0, &push(&[&ours[..], &["--insecure-skip-verify"]].concat()));
        let without_ours = push(&["--ca-file", &authority]);
        ends_with(1, &without_ours);
        let mixed = push(&["--cert-file", &certificate, "--key-file", &file("server.key")]);
        ends_with(2, &mixed);
        assert!(
            stderr(&mixed).contains("expected a certificate with its own key"),
            "{}",
            stderr(&mixed)
        );
    }
    // The gateway is only asked where it can be, without certificates.
    for spawn in gateways() {
        let gateway = spawn.start();
        let mut command = push(folder.path());
        command.args(["--gateway", &url(gateway.address())]);
        ends_with(0, &output(command));
        assert_eq!(value(&gateway, "m"), 1.0);
    }
}
