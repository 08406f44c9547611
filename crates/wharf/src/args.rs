//! What was typed: the command line and the environment.
//!
//! The command line is read exactly as users of the Pushgateway know it, down to the words of each refusal, by one
//! table (`config/flags.rs`) and a small parser. `docs/decisions/0001-flags-by-hand.md` says why there is no library.
//!
//! * `--name=value` or `--name value`; switches take no value, and `--no-name` turns one off.
//! * `@file` stands for the lines of the file, one argument each; lines that start with `#` are skipped.
//! * After `--` nothing is a flag. There are no positional arguments.
//! * Each flag is also a variable: `WHARF_WEB_LISTEN_ADDRESS`. The command line goes first.

mod completion;
mod exporter;
mod help;
mod lexer;
mod outline;
mod requests;
mod suggest;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use wharf_settings::{Takes, ValueError};

#[cfg(test)]
pub(crate) use self::help::FLAG_NOTES as ABOUT_FLAGS;
pub(crate) use self::help::man_page;
use self::lexer::{Lexer, Token};
pub(crate) use self::outline::command as outline;
#[cfg(test)]
pub(crate) use self::requests::VISIBLE_REQUESTS;
use self::requests::{REQUESTS, Request};
pub(crate) use self::suggest::nearest;
use self::suggest::nearest_flag;
use crate::config::{Config, FLAGS, Flag};
use crate::config_file::etcd;
use crate::version::BUILD;

/// What the user asked for.
#[derive(Debug)]
pub enum Invocation {
    /// To serve with these settings.
    Serve(Args),
    /// To print this text on standard output and leave with success: help, version, completion.
    Print(String),
}

/// The settings as they were typed. [`Args::config`] checks them.
#[derive(Debug, Default)]
pub struct Args {
    given: Vec<Given>,
}

/// A flag with the text that was given for it.
struct Given {
    flag: &'static Flag,
    value: String,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    CommandLine,
    Environment,
}

/// Something that cannot be understood: one or more mistakes, the first of which is the one that the Pushgateway
/// would have named.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError {
    mistakes: Vec<Mistake>,
}

/// One thing that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    text: String,
    hint: Option<String>,
}

impl Invocation {
    /// Reads the command line and the environment of this process.
    ///
    /// `tools` are the names of the tools and what they do, for the help. The second item is the name under which the process was called, for [`UsageError::report`].
    ///
    /// # Errors
    /// See [`Invocation::parse`].
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn from_process(tools: &[(&str, &str)]) -> (Result<Self, UsageError>, String) {
        let mut arguments = std::env::args_os();
        let called = arguments.next().unwrap_or_default();
        let name = Path::new(&called)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "wharf".to_owned());
        (
            Self::parse(&name, tools, arguments, |variable| std::env::var_os(variable)),
            name,
        )
    }

    /// Reads `arguments` (without the name of the program) and those variables that belong to a flag.
    ///
    /// `program` is the name that help and completion show, `tools` the tools that help lists.
    ///
    /// # Errors
    /// The first argument that is no flag, and the like. What a flag does with its value is checked later, by
    /// [`Args::config`].
    pub fn parse(
        program: &str,
        tools: &[(&str, &str)],
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, UsageError> {
        let arguments: Vec<String> = arguments.into_iter().map(into_utf8).collect::<Result<_, _>>()?;
        let mut parser = Parser::default();
        let parsed = parser.parse(&mut Lexer::new(arguments.clone()));

        // A request is granted even if a later argument is wrong, except for help. This is the Pushgateway's order.
        let requested = |request| parser.requests.contains(&request);
        if requested(Request::Complete) {
            return Ok(Self::Print(completion::words(&arguments)));
        }
        if let Some(request) = parser.requests.iter().find(|request| **request != Request::Help) {
            return Ok(Self::Print(request.text(program, tools)));
        }
        parsed?;
        if requested(Request::Help) {
            return Ok(Self::Print(Request::Help.text(program, tools)));
        }
        let mut args = Args { given: parser.given };
        args.add_environment(variable)?;
        Ok(Self::Serve(args))
    }
}

/// The settings of a gateway that is started with these arguments and the environment of this process.
///
/// # Errors
/// What a start would refuse, and a request such as `--help`.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub fn settings_of(arguments: Vec<OsString>) -> Result<Config, UsageError> {
    match Invocation::parse("wharf", &[], arguments, |variable| std::env::var_os(variable))? {
        Invocation::Serve(args) => args.config(),
        Invocation::Print(_) => {
            let text = "expected the flags of a gateway that serves, found a request for help or the like";
            Err(Mistake::new(text.to_owned()).into())
        }
    }
}

fn into_utf8(argument: OsString) -> Result<String, UsageError> {
    argument.into_string().map_err(|argument| {
        let text = format!("expected an argument in UTF-8, found `{}`", argument.display());
        UsageError::from(Mistake::new(text))
    })
}

impl Request {
    fn text(self, program: &str, tools: &[(&str, &str)]) -> String {
        match self {
            Self::Help | Self::LongHelp => help::text(program, tools),
            Self::Man => man_page(program, tools),
            Self::Version => BUILD.report(),
            Self::CompletionScriptBash => completion::bash_script(program),
            Self::CompletionScriptZsh => completion::zsh_script(program),
            Self::Complete => String::new(),
        }
    }
}

impl Args {
    /// The settings that this means: the defaults with everything given put over them. What the configuration file says of etcd counts
    /// where nothing else does, so that file is looked at.
    ///
    /// # Errors
    /// Every value that its flag cannot take, in the order typed.
    pub fn config(&self) -> Result<Config, UsageError> {
        let mut config = Config::default();
        let mut mistakes = Vec::new();
        let mut seen = HashSet::new();
        for given in &self.given {
            let flag = given.flag;
            let is_first = seen.insert(flag.name);
            if is_first {
                flag.clear(&mut config);
            } else if !flag.repeats {
                mistakes.push(Mistake::new(format!("flag '{}' cannot be repeated", flag.name)));
                continue;
            }
            if let Err(error) = given.values().try_for_each(|value| flag.set(&mut config, value)) {
                mistakes.push(given.mistake(&error));
            }
        }
        if let Some(file) = config.rules.file.clone() {
            let of_file = etcd::given(&file);
            for (name, value) in of_file.iter().filter(|(name, _)| !seen.contains(name)) {
                let flag = FLAGS.iter().find(|flag| flag.name == *name);
                // They have been set once already, to see whether they can be.
                let set = flag.map_or(Ok(()), |flag| {
                    flag.clear(&mut config);
                    flag.set(&mut config, value)
                });
                mistakes.extend(set.err().map(|error| Mistake::new(error.to_string())));
            }
        }
        if mistakes.is_empty() {
            mistakes.extend(config.check().into_iter().map(Mistake::new));
        }
        UsageError::if_any(mistakes).map_or(Ok(config), Err)
    }

    /// Adds the variables of those flags that the command line does not name.
    ///
    /// An empty variable is an empty value, not an absent one: there must be a way to say "none".
    fn add_environment(&mut self, variable: impl Fn(&str) -> Option<OsString>) -> Result<(), UsageError> {
        let typed: HashSet<&str> = self.given.iter().map(|given| given.flag.name).collect();
        let mut mistakes = Vec::new();
        for flag in FLAGS.iter().filter(|flag| !typed.contains(flag.name)) {
            let name = flag.variable();
            match variable(&name).map(OsString::into_string) {
                Some(Ok(value)) => self.given.push(Given {
                    flag,
                    value,
                    origin: Origin::Environment,
                }),
                Some(Err(value)) => {
                    let text = format!("{name}: expected a value in UTF-8, found `{}`", value.display());
                    mistakes.push(Mistake::new(text));
                }
                None => {}
            }
        }
        UsageError::if_any(mistakes).map_or(Ok(()), Err)
    }
}

impl Given {
    /// The values: one, but a variable may hold several for a flag that repeats, with commas between.
    fn values(&self) -> impl Iterator<Item = &str> {
        let splits = self.origin == Origin::Environment && self.flag.repeats;
        let mut parts = self.value.split(',').map(str::trim);
        let mut whole = Some(self.value.as_str());
        std::iter::from_fn(move || if splits { parts.next() } else { whole.take() })
    }

    /// Says where the wrong value stands. The Pushgateway names no flag, and its words are kept; so the hint does.
    fn mistake(&self, error: &ValueError) -> Mistake {
        let expected = self.flag.takes.described();
        match self.origin {
            Origin::CommandLine => {
                Mistake::with_hint(error.to_string(), format!("--{} {expected}", self.flag.name))
            }
            Origin::Environment => {
                let variable = self.flag.variable();
                Mistake::with_hint(format!("{variable}: {error}"), format!("{variable} {expected}"))
            }
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}={:?} ({:?})", self.flag.name, self.value, self.origin)
    }
}

#[derive(Default)]
struct Parser {
    given: Vec<Given>,
    requests: Vec<Request>,
}

impl Parser {
    /// Reads tokens up to the end or the first that does not fit.
    fn parse(&mut self, tokens: &mut Lexer) -> Result<(), UsageError> {
        loop {
            match tokens.next() {
                Token::End => return Ok(()),
                Token::Failed(text) => return Err(Mistake::new(text).into()),
                Token::Argument(argument) => {
                    return Err(Mistake::new(format!("unexpected {argument}")).into());
                }
                Token::Short { letter, argument } => self.short(&letter, &argument)?,
                Token::Long(name) => self.long(&name, tokens)?,
            }
        }
    }

    fn short(&mut self, letter: &str, argument: &str) -> Result<(), UsageError> {
        if letter == "h" {
            self.requests.push(Request::Help);
            return Ok(());
        }
        let text = format!("unknown short flag '-{letter}'");
        // Flags with one dash were right before version 0.5 of the Pushgateway.
        let name = argument
            .trim_start_matches('-')
            .split('=')
            .next()
            .unwrap_or_default();
        let hint = (name.len() > 1).then(|| nearest_flag(name)).flatten();
        Err(Mistake {
            text,
            hint: hint.map(|name| format!("did you mean `--{name}`, with two dashes?")),
        }
        .into())
    }

    fn long(&mut self, typed: &str, tokens: &mut Lexer) -> Result<(), UsageError> {
        let unknown = || {
            let advice = exporter::advice(typed).map(str::to_owned);
            let nearest = || Some(format!("did you mean `--{}`?", nearest_flag(typed)?));
            let hint = advice.or_else(nearest);
            UsageError::from(Mistake {
                text: format!("unknown long flag '--{typed}'"),
                hint,
            })
        };
        let lookup = |name: &str| FLAGS.iter().find(|flag| flag.name == name);
        if let Some(request) = find_request(typed) {
            self.requests.push(request);
            return Ok(());
        }
        let (flag, negated) = match (lookup(typed), typed.strip_prefix("no-").and_then(lookup)) {
            (Some(flag), _) => (flag, false),
            (None, Some(flag)) => (flag, true),
            (None, None) => return Err(unknown()),
        };
        let value = match flag.takes {
            Takes::Nothing => if negated { "false" } else { "true" }.to_owned(),
            _ if negated => return Err(unknown()),
            _ => match tokens.next() {
                Token::Argument(value) => value,
                _ => return Err(Mistake::new(format!("expected argument for flag '--{typed}'")).into()),
            },
        };
        self.given.push(Given {
            flag,
            value,
            origin: Origin::CommandLine,
        });
        Ok(())
    }
}

/// The Pushgateway takes `--no-help` for `--help`, and so on.
fn find_request(typed: &str) -> Option<Request> {
    let name = typed.strip_prefix("no-").unwrap_or(typed);
    REQUESTS
        .iter()
        .find(|(request, _)| *request == name)
        .map(|(_, request)| *request)
}

impl Mistake {
    fn new(text: String) -> Self {
        Self { text, hint: None }
    }

    fn with_hint(text: String, hint: String) -> Self {
        Self {
            text,
            hint: Some(hint),
        }
    }
}

impl From<Mistake> for UsageError {
    fn from(mistake: Mistake) -> Self {
        Self {
            mistakes: vec![mistake],
        }
    }
}

impl UsageError {
    /// The status with which the process ends.
    pub const EXIT_CODE: u8 = 1;

    /// The error of these mistakes; none if there are none.
    fn if_any(mistakes: Vec<Mistake>) -> Option<Self> {
        (!mistakes.is_empty()).then_some(Self { mistakes })
    }

    /// The lines for standard error: one a mistake, in the words that the Pushgateway uses, and perhaps a hint.
    pub fn report(&self, program: &str) -> String {
        let line = |mistake: &Mistake| {
            let hint = mistake
                .hint
                .as_ref()
                .map(|hint| format!("hint: {hint}\n"))
                .unwrap_or_default();
            format!("{program}: error: {}, try --help\n{hint}", mistake.text)
        };
        self.mistakes.iter().map(line).collect()
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{}", mistake.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests;
