//! `wharf wipe`: removing everything.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use wharf_client::{Method, Request};

use super::gateway::GatewayFlags;
use super::output::confirm;
use super::receipt;

/// Remove all groups of a gateway; it must run with --web.enable-admin-api.
#[derive(Debug, clap::Parser)]
pub(super) struct Arguments {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf wipe`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("wipe", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let question = format!("Remove all groups of {}? Type `wipe`:", client.address());
    if !arguments.yes && !confirm(&question, &["wipe"])? {
        bail!("nothing was removed");
    }
    match receipt::remove(&client, &Request::new(Method::Put, "/api/v1/admin/wipe")) {
        Ok(receipt) => {
            let mut out = std::io::stdout().lock();
            writeln!(out, "removed all groups")?;
            receipt::write_hint(&mut out, receipt.as_slice(), &arguments.gateway)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.status() == Some(404) => {
            bail!("{error}\nhint: start the gateway with --web.enable-admin-api");
        }
        Err(error) => Err(error.into()),
    }
}
