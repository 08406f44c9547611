//! What a tool says beside its output: on standard error, as much of it as was asked for.

use std::fmt::Display;
use std::io::{self, Write};

/// How much a tool says.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct VoiceFlags {
    /// Say nothing about pushes, not even that one failed
    #[arg(long, short = 'q', conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say what is done
    #[arg(long, short = 'v')]
    pub verbose: bool,
}

/// The voice of one tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    tool: &'static str,
    flags: VoiceFlags,
}

impl Voice {
    /// The voice of the tool `wharf TOOL`.
    pub(crate) fn new(tool: &'static str, flags: VoiceFlags) -> Self {
        Self { tool, flags }
    }

    /// Something went wrong, or may have.
    pub(crate) fn warn(self, text: impl Display) {
        if !self.flags.quiet {
            self.say(&text);
        }
    }

    /// Whether nothing is to be said.
    pub(crate) fn is_quiet(self) -> bool {
        self.flags.quiet
    }

    /// Something was done.
    pub(crate) fn tell(self, text: impl Display) {
        if self.flags.verbose {
            self.say(&text);
        }
    }

    fn say(self, text: &dyn Display) {
        // If standard error is closed, nobody listens.
        let _unwritten = writeln!(io::stderr(), "wharf {}: {text}", self.tool);
    }
}
