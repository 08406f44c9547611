//! `wharf doctor`: what can be wrong with a gateway on this machine, and what to do about it.
//!
//! ```text
//! settings    flags and variables, the files that they name
//! folder      whether the gateway can keep groups there
//! ledger      whether a start could read them; who uses them now
//! machine     clock, open files, addresses
//! running     what a gateway that runs says of itself
//! ```
//!
//! Nothing is changed: not even a lock is taken.

mod finding;
mod folder;
mod ledger;
mod machine;
mod running;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use self::finding::Report;
use super::command::{USAGE, complain, parse};
use super::gateway::GatewayFlags;
use super::output::{self, Format};

/// Say what is wrong with a gateway on this machine, and what to do about it.
///
/// Looks at the settings and the files they name, the storage folder, the ledger in it, clock, open files and addresses, and
/// at the gateway if it runs. Changes nothing. Run it as the user of the gateway, in its working directory and environment, with
/// its flags behind `--`: then it sees what the gateway sees.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  all is well
  1  warnings: it works, but not for long or not as you may think
  2  errors, or the command line cannot be understood

Examples:
  wharf doctor
  wharf doctor -- --storage.path=/var/lib/wharf/wharf-data --config.file=/etc/wharf/rules.yml
  sudo -u wharf wharf doctor -o json -- @/etc/wharf/flags")]
pub(super) struct Arguments {
    /// The flags with which the gateway is started; what is not given here is looked for in its environment variables
    #[arg(last = true, value_name = "FLAGS OF THE GATEWAY")]
    flags: Vec<OsString>,

    /// Text for people, or an object for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf doctor`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    match parse::<Arguments>("doctor", arguments, USAGE) {
        Ok(arguments) => execute(&arguments),
        Err(code) => code,
    }
}

fn execute(arguments: &Arguments) -> ExitCode {
    let report = examine(arguments);
    let written = match arguments.output {
        Format::Text => report.write_text(&mut std::io::stdout().lock()),
        Format::Json => output::write_json(&report),
    };
    match written {
        // Whoever closed the output still gets the exit code.
        Err(error) if !output::is_broken_pipe(&error) => {
            complain("doctor", &error);
            ExitCode::from(USAGE)
        }
        _ => report.exit_code(),
    }
}

fn examine(arguments: &Arguments) -> Report {
    let mut report = Report::default();
    let Some(config) = settings::examine(&arguments.flags, &mut report) else {
        return report;
    };
    let files = settings::examine_files(&config, &mut report);
    let place = config.place();
    folder::examine(&config, &place, &mut report);
    let ledger = ledger::examine(&place, &mut report);
    let running = running::examine(
        &arguments.gateway,
        &config,
        &files,
        ledger.holder.as_ref(),
        &mut report,
    );
    machine::examine_clock(ledger.newest, running.now, &mut report);
    machine::examine_open_files(&config, ledger.holder.as_ref(), &mut report);
    let answers = running.is_there;
    machine::examine_addresses(&config, ledger.holder.is_some(), answers, &mut report);
    report
}
