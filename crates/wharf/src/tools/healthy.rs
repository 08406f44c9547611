//! `wharf healthy`: whether a gateway is ready, for probes and health checks of containers.

use std::ffi::OsString;
use std::process::ExitCode;

use wharf_client::Request;

use super::gateway::GatewayFlags;

/// Say by the exit code whether a gateway is ready: 0 if `/-/ready` answers with success, 1 if not.
///
/// Nothing is printed if it is. An image that has nothing but `wharf` needs no other program for its health check.
#[derive(Debug, clap::Parser)]
pub(super) struct Arguments {
    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf healthy`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("healthy", arguments, |arguments: &Arguments| {
        arguments.gateway.client()?.send(&Request::get("/-/ready"))?;
        Ok(ExitCode::SUCCESS)
    })
}
