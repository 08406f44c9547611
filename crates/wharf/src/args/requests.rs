//! What is asked of the program instead of serving.

/// Something that is asked of the program instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The help, unless something else on the command line is wrong.
    Help,
    /// The help in any case.
    LongHelp,
    Man,
    Version,
    /// The words that complete a command line.
    Complete,
    CompletionScriptBash,
    CompletionScriptZsh,
}

/// Every request with the flag that makes it.
pub(super) static REQUESTS: [(&str, Request); 7] = [
    ("help", Request::Help),
    ("help-long", Request::LongHelp),
    ("help-man", Request::Man),
    ("version", Request::Version),
    ("completion-bash", Request::Complete),
    ("completion-script-bash", Request::CompletionScriptBash),
    ("completion-script-zsh", Request::CompletionScriptZsh),
];

/// The requests that the help lists: name, short form, help.
pub(crate) static VISIBLE_REQUESTS: [(&str, &str, &str); 2] = [
    ("help", "-h, ", "Show this help (--help-man: as a manual page)."),
    ("version", "    ", "Show which version this is."),
];
