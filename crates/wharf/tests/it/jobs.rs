//! `wharf run` and `wharf push`, towards Wharf, the real Pushgateway, and gateways that are not well.

#![expect(
    clippy::float_cmp,
    reason = "a gateway gives back the very values that were pushed"
)]

mod docs;
mod push;
mod run;
mod settings;
mod spool;
mod stub;

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use wharf_testkit::{Gateway, Scrape};

use crate::WHARF;

/// Signals that shells and CI systems may have switched off for the tests, which a run would pass on.
const SIGNALS: &str = "--default-signal=HUP,INT,QUIT,TERM,USR1,USR2,CHLD";

/// A tool with its arguments, that knows nothing of the settings of whoever runs the tests.
fn tool<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("env");
    command
        .args([SIGNALS, WHARF])
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", "/nonexistent");
    command
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// `wharf run` with these flags and arguments, for the job `j` of a gateway.
fn run_at(url: &str, arguments: &[&str]) -> Command {
    let mut command = tool(["run", "--job", "j", "--gateway", url]);
    command.args(arguments);
    command
}

/// `wharf push`, likewise.
fn push_at(url: &str, arguments: &[&str]) -> Command {
    let mut command = tool(["push", "--job", "j", "--gateway", url]);
    command.args(arguments);
    command
}

/// Runs a command to its end with that standard input.
fn output_with(mut command: Command, input: &[u8]) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A pipe holds less than some inputs, and the child may be busy with its output.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A command need not read what it is given.
    drop(writer.join());
    output
}

#[track_caller]
fn output(mut command: Command) -> Output {
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails with what the command said unless it ended with that code.
#[track_caller]
fn ends_with(code: i32, output: &Output) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}

/// The value of the only series of that name.
#[track_caller]
fn value(gateway: &Gateway, name: &str) -> f64 {
    found(&gateway.scrape(), name).expect(name)
}

fn found(scrape: &Scrape, name: &str) -> Option<f64> {
    let sample = scrape.samples.iter().find(|sample| sample.name == name)?;
    Some(sample.number())
}

/// A URL where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    url(listener.local_addr().unwrap())
}
