//! The web config file, on the real Pushgateway and on Wharf: the same file, the same answers.

mod auth;
mod files;
mod reload;
mod roles;
mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wharf_testkit::http::Request;
use wharf_testkit::{Gateway, Kind, Spawn};

use crate::gateways;

/// Of `s3cret`, at the lowest cost.
const HASH: &str = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
/// `alice:s3cret`
const ALICE: &str = "Basic YWxpY2U6czNjcmV0";
/// `alice:guess`
const ALICE_GUESSED: &str = "Basic YWxpY2U6Z3Vlc3M=";
/// `bob:s3cret`
const BOB: &str = "Basic Ym9iOnMzY3JldA==";

/// A folder with a web config file and what it names.
struct Folder(TempDir);

impl Folder {
    fn new(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("web.yml", config);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join("web.yml")
    }

    /// Writes a file at once: nobody sees half of it.
    fn write(&self, name: &str, text: &str) {
        let new = self.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path().join(name)).unwrap();
    }

    /// Starts a gateway with the file as it is now: what is written to it from then on is a change.
    fn start(&self, spawn: Spawn) -> Gateway {
        let gateway = spawn.arg(self.flag()).start();
        if gateway.kind() == Kind::Real {
            // It says where it listens before it reads the file, and what it found there afterwards.
            gateway.log_line("msg=\"TLS is ");
        }
        gateway
    }

    fn flag(&self) -> String {
        format!("--web.config.file={}", self.config().display())
    }
}

/// The same gateway once more, since a spawn is used up by its start.
fn again(spawn: &Spawn) -> Spawn {
    gateways().find(|other| other.kind() == spawn.kind()).unwrap()
}

fn as_user(request: &Request, credentials: &str) -> Request {
    request.clone().header("Authorization", credentials)
}

/// What curl made of a request to `path`.
#[derive(Debug, PartialEq, Eq)]
enum Curl {
    /// The status, and the version of HTTP.
    Answer(u16, String),
    /// There was no answer.
    Failure,
}

/// Asks with curl, for what our own client does not speak. Files are found in the folder.
fn curl(folder: &Folder, gateway: &Gateway, path: &str, args: &[&str]) -> Curl {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--output", "answer"])
        .args(["--write-out", "%{http_code} %{http_version}"])
        .args(args)
        .arg(format!("https://{}{path}", gateway.address()))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    match text.split_once(' ') {
        Some((code, version)) if output.status.success() => {
            Curl::Answer(code.parse().unwrap(), version.to_owned())
        }
        _ => Curl::Failure,
    }
}

fn answered(version: &str) -> Curl {
    Curl::Answer(200, version.to_owned())
}
