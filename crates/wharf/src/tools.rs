//! What `wharf` does when its first argument names a tool: one table.
//!
//! A tool begins at once: no runtime is started for it, and nothing of the gateway's settings is read.

mod backup;
mod check;
mod command;
mod completions;
mod config;
mod contents;
mod counters;
mod delivery;
mod doctor;
mod expect;
mod expectations;
mod expecting;
mod export;
mod families;
pub mod gateway;
mod get;
mod group;
mod healthy;
mod help;
mod import;
mod ledger;
mod ls;
mod man;
mod output;
mod push;
mod receipt;
mod remote;
mod reset;
mod rm;
mod run;
mod statsd;
mod tool;
mod top;
mod undo;
mod version;
mod voice;
mod whole_file;
mod wipe;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::CommandFactory as _;

pub use self::tool::Tool;

/// All tools, in the order of the help.
pub static TOOLS: [Tool; 22] = [
    Tool {
        name: "run",
        about: "Run a command and push how that went.",
        run: run::run,
        command: run::Arguments::command,
    },
    Tool {
        name: "push",
        about: "Push metrics from a file, a pipe or the command line.",
        run: push::run,
        command: push::Arguments::command,
    },
    Tool {
        name: "check",
        about: "Look for mistakes in metrics.",
        run: check::run,
        command: check::Arguments::command,
    },
    Tool {
        name: "ls",
        about: "List the groups of a gateway.",
        run: ls::run,
        command: ls::Arguments::command,
    },
    Tool {
        name: "get",
        about: "Print a scrape, or the metrics of groups.",
        run: get::run,
        command: get::Arguments::command,
    },
    Tool {
        name: "rm",
        about: "Remove groups, after having shown which.",
        run: rm::run,
        command: rm::Arguments::command,
    },
    Tool {
        name: "reset",
        about: "Let what groups have counted begin from nothing.",
        run: reset::run,
        command: reset::Arguments::command,
    },
    Tool {
        name: "wipe",
        about: "Remove all groups.",
        run: wipe::run,
        command: wipe::Arguments::command,
    },
    Tool {
        name: "undo",
        about: "Take back what was removed, or list what can be.",
        run: undo::run,
        command: undo::Arguments::command,
    },
    Tool {
        name: "expect",
        about: "Show which groups are expected, and when.",
        run: expect::run,
        command: expect::Arguments::command,
    },
    Tool {
        name: "top",
        about: "Watch a gateway.",
        run: top::run,
        command: top::Arguments::command,
    },
    Tool {
        name: "doctor",
        about: "Say what is wrong with a gateway on this machine.",
        run: doctor::run,
        command: doctor::Arguments::command,
    },
    Tool {
        name: "healthy",
        about: "Exit code 0 if a gateway is ready: for probes.",
        run: healthy::run,
        command: healthy::Arguments::command,
    },
    Tool {
        name: "import",
        about: "Bring groups over from another gateway or from a file.",
        run: import::run,
        command: import::Arguments::command,
    },
    Tool {
        name: "export",
        about: "Write groups, for import, push or a Pushgateway.",
        run: export::run,
        command: export::Arguments::command,
    },
    Tool {
        name: "ledger",
        about: "Look into the storage folder, copy it, mend it.",
        run: ledger::run,
        command: ledger::Arguments::command,
    },
    Tool {
        name: "config",
        about: "Check a file for --config.file, make tokens.",
        run: config::run,
        command: config::Arguments::command,
    },
    Tool {
        name: "statsd",
        about: "Check the mapping rules of a statsd_exporter.",
        run: statsd::run,
        command: statsd::Arguments::command,
    },
    Tool {
        name: "completions",
        about: "Print a completion script for a shell.",
        run: |arguments| completions::run(&TOOLS, arguments),
        command: completions::Arguments::command,
    },
    Tool {
        name: "man",
        about: "Print the manual pages, or write them into a folder.",
        run: |arguments| man::run(&TOOLS, arguments),
        command: man::Arguments::command,
    },
    Tool {
        name: "help",
        about: "Show this help, or that of a tool.",
        run: |arguments| help::run(&TOOLS, arguments),
        command: help::Arguments::command,
    },
    Tool {
        name: "version",
        about: "Say which build this is.",
        run: version::run,
        command: version::Arguments::command,
    },
];

/// The tool of that name.
pub fn find(name: &str) -> Option<&'static Tool> {
    tool::find(&TOOLS, name)
}

/// All tools with what they do, for the help.
pub fn listed() -> Vec<(&'static str, &'static str)> {
    tool::listed(&TOOLS)
}

/// The command lines of all tools.
#[cfg(test)]
pub(crate) fn outlines() -> Vec<clap::Command> {
    TOOLS.iter().map(man::whole).collect()
}

/// Says that there is no such tool, and which one may have been meant.
pub fn unknown(name: &OsStr) -> ExitCode {
    tool::unknown(&TOOLS, name)
}
