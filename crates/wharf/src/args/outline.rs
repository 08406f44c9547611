//! The flags as an outline of a command line, from which completion scripts are made.

use clap::{Arg, ArgAction, Command, ValueHint};
use wharf_settings::Takes;

use super::requests::VISIBLE_REQUESTS;
use crate::config::{FLAGS, Flag};

/// The gateway's own command line, without the tools.
pub(crate) fn command() -> Command {
    let requests = VISIBLE_REQUESTS
        .iter()
        .map(|(name, _, help)| Arg::new(*name).long(*name).help(*help).action(ArgAction::SetTrue));
    Command::new("wharf")
        .about("Holds the metrics of batch jobs until Prometheus scrapes them")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args(FLAGS.iter().map(argument))
        .args(requests)
}

fn argument(flag: &Flag) -> Arg {
    let argument = Arg::new(flag.name).long(flag.name).help(flag.help);
    match flag.takes {
        Takes::Nothing => argument.action(ArgAction::SetTrue),
        Takes::File => argument.value_hint(ValueHint::FilePath),
        Takes::Folder => argument.value_hint(ValueHint::DirPath),
        Takes::OneOf(words) => argument.value_parser(words.to_vec()),
        // Scripts are to offer nothing rather than files.
        Takes::Value(_) => argument.value_hint(ValueHint::Other),
    }
}
