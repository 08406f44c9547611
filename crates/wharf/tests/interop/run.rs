//! Running one client against both gateways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expect_test::expect_file;
use tempfile::TempDir;
use wharf_testkit::{Gateway, Spawn, peers, same_contents};

use crate::wharf;

/// The user `batch` with the password `s3cret`, hashed at the lowest cost.
const USERS: &str =
    "basic_auth_users:\n  batch: $2b$04$e8JzXiFHdB/CfVOyUbsVK.KYYVTPlm1RyPCtxSGp.SjxT1kq3AILy\n";
/// The same as a header.
const AUTHORIZATION: &str = "Basic YmF0Y2g6czNjcmV0";
/// A client that takes longer hangs.
const LIMIT_SECONDS: &str = "300";

/// The folder of the clients.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop")
}

/// The folders that have a client to run, sorted.
pub(crate) fn clients() -> Vec<String> {
    let entries = fs::read_dir(sources())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut clients: Vec<String> = entries
        .filter(|path| path.join("run").exists())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    clients.sort();
    clients
}

/// Runs the client against the real Pushgateway and Wharf. What it says has to be the same, and what the gateways
/// hold in the end; and it has to be what the client's `expected.txt` has, lest two equal failures pass.
///
/// Where a flag of Wharf makes it behave as a client needs it, the file `wharf-flags` has that flag. Where a client does
/// not get along with the real one, `expected.real.txt` has what it says there.
#[track_caller]
pub(crate) fn needs_no_change(client: &str) {
    let Some(built) = peers::client(client) else {
        return;
    };
    let Some(real) = Spawn::real() else { return };
    let real = Pair::start(real, Spawn::real().unwrap());
    let folder = sources().join(client);
    let flags = fs::read_to_string(folder.join("wharf-flags")).unwrap_or_default();
    let wharf = || flags.lines().fold(wharf(), Spawn::arg);
    let ours = Pair::start(wharf(), wharf());
    let transcript = real.run(client, &built);
    let of_ours = ours.run(client, &built);
    let expected_of_real = folder.join("expected.real.txt");
    if expected_of_real.exists() {
        expect_file![expected_of_real].assert_eq(&transcript);
    } else {
        assert!(
            transcript == of_ours,
            "{client} tells the gateways apart\n--- with the real one\n{transcript}--- with Wharf\n{of_ours}"
        );
    }
    for (what, left, right) in [
        ("the gateways", &real.open, &ours.open),
        ("the gateways with a password", &real.locked, &ours.locked),
    ] {
        let difference = same_contents(left, right).err().unwrap_or_default();
        assert!(
            difference.is_empty(),
            "{client} leaves {what} different: {difference}"
        );
    }
    expect_file![folder.join("expected.txt")].assert_eq(&of_ours);
}

/// A gateway without and one with a password.
struct Pair {
    open: Gateway,
    locked: Gateway,
    /// Holds the configuration, and what the client writes.
    folder: TempDir,
}

impl Pair {
    fn start(open: Spawn, locked: Spawn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        fs::write(&file, USERS).unwrap();
        Self {
            open: open.start(),
            locked: locked
                .arg(format!("--web.config.file={}", file.display()))
                .start()
                .authorized_by(AUTHORIZATION),
            folder,
        }
    }

    /// Runs the client to its end and returns what it printed.
    #[track_caller]
    fn run(&self, client: &str, built: &Path) -> String {
        let [open, locked] = [&self.open, &self.locked].map(|gateway| gateway.address().to_string());
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", LIMIT_SECONDS])
            .arg(sources().join(client).join("run"))
            .arg(built)
            .env("GATEWAY", format!("http://{open}"))
            .env("GATEWAY_AUTH", format!("http://{locked}"))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(
            output.status.success(),
            "{client} against {:?}: {}\n{stdout}{stderr}",
            self.open.kind(),
            output.status
        );
        let stdout = stdout.replace(&locked, "GATEWAY_AUTH").replace(&open, "GATEWAY");
        let lines = stdout.lines().filter(|line| !line.starts_with("hint: "));
        lines.map(|line| without_reasons(line) + "\n").collect()
    }
}

/// Takes out of a line what only one of the gateways says, see the end of "Pushes" in `docs/compatibility.md`: hints,
/// and which series clashes with what.
fn without_reasons(line: &str) -> String {
    const CLASH: &str = "inconsistent with existing metrics: ";
    const SAME_WORDS: &str = "pushed metrics must not have timestamps";
    // Where the answer is long, curl says this behind it.
    const CURL: &str = "curl: (22) The requested URL returned error: 400\\n";
    let parts = line.split("\\n").filter(|part| !part.starts_with("hint: "));
    let line = as_python_quotes(parts.collect::<Vec<_>>().join("\\n"));
    match line.split_once(CLASH) {
        Some((before, reason)) if !reason.starts_with(SAME_WORDS) => {
            format!("{}{CLASH}...", before.replace(CURL, ""))
        }
        _ => line,
    }
}

/// Python writes a text with `'` in it in `"`, but not if there is a `"` in it as well, which may have been in a hint.
fn as_python_quotes(line: String) -> String {
    match line.split_once(" | '") {
        Some((before, text)) if text.contains("\\'") && !text.contains('"') => {
            let text = text.strip_suffix('\'').unwrap_or(text).replace("\\'", "'");
            format!("{before} | \"{text}\"")
        }
        _ => line,
    }
}
