//! `wharf config`: looking at a configuration file before it counts, and making what stands in one.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use wharf_http::{TokenHash, random_token};
use wharf_model::name::NameRule;

/// What `wharf config --help` prints.
pub(crate) const USAGE: &str = "\
usage: wharf config check [--push.enable-utf8-names] <file>
       wharf config hash-token [--generate]

check: reads a configuration file as --config.file does, and says whether it is sound; otherwise every mistake
with its line and column. Exits with 0 or 1.

hash-token: reads a token from standard input and prints the hash by which the section `access` knows it. With
--generate it makes a token that nobody can guess, and prints both.
";

/// Runs `wharf config` with the arguments behind it.
pub fn run(arguments: &[String]) -> ExitCode {
    match execute(arguments, &mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code says it alone.
            let _unwritten = writeln!(io::stderr(), "wharf config: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: &[String], input: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--help" | "-h" | "help"] => Ok(out.write_all(USAGE.as_bytes())?),
        ["check", "--push.enable-utf8-names", file] => check(file, NameRule::Utf8, out),
        ["check", file] if !file.starts_with('-') => check(file, NameRule::Legacy, out),
        ["check", ..] => bail!("expected one file to check\n\n{USAGE}"),
        ["hash-token"] => hash(input, out),
        ["hash-token", "--generate"] => generate(out),
        ["hash-token", ..] => bail!("expected the token on standard input\n\n{USAGE}"),
        [command, ..] => bail!("expected check or hash-token, found `{command}`\n\n{USAGE}"),
        [] => bail!("expected a command\n\n{USAGE}"),
    }
}

fn check(file: &str, names: NameRule, out: &mut dyn Write) -> anyhow::Result<()> {
    let policy = super::read(Path::new(file), names)?;
    writeln!(
        out,
        "sound: {} expiry rules, {} quotas, {} relabelling rules",
        policy.expiry.len(),
        policy.quotas.len(),
        policy.relabelling.len()
    )?;
    Ok(())
}

/// A token is shorter; who sends more does not send one.
const MAX_INPUT_BYTES: u64 = 64 << 10;

fn hash(input: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut text = String::new();
    input.take(MAX_INPUT_BYTES).read_to_string(&mut text)?;
    // Most programs end what they write with a line feed, and no token has one.
    let hash = TokenHash::of(text.trim_end_matches(['\r', '\n']))?;
    Ok(writeln!(out, "{hash}")?)
}

fn generate(out: &mut dyn Write) -> anyhow::Result<()> {
    let token = random_token()?;
    let hash = TokenHash::of(&token)?;
    Ok(writeln!(out, "token: {token}\nsha256: {hash}")?)
}
