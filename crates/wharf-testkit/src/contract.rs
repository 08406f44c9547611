//! The language of the contract: requests in order, and what a gateway answers to each.
//!
//! A [`Case`] is data. [`Case::run`] plays it against the real Pushgateway, if that is there, and against Wharf, each
//! freshly started. Where Wharf answers something else on purpose, the step says so with [`differs`] and a
//! reason; everything that does not is the same by test.
//!
//! ```no_run
//! use wharf_testkit::contract::{case, ok, scraped, status, differs};
//! use wharf_testkit::http::{get, put};
//!
//! case()
//!     .step(put("/metrics/job/a").body("m 2\n"), ok())
//!     .scrape(scraped().line(r#"m{instance="",job="a"} 2"#))
//!     .step(get("/debug/pprof/"), differs("profiles are Go's", status(200), status(404)))
//!     .run("target/debug/wharf");
//! ```

use std::fmt;

use regex_lite::Regex;
use serde_json::Value;

use crate::http::{Request, Response, get};
use crate::wait::until;
use crate::{Gateway, Kind, Scrape, Spawn};

/// A conversation with a freshly started gateway.
#[derive(Debug, Default)]
pub struct Case {
    flags: Vec<String>,
    wharf_flags: Vec<String>,
    steps: Vec<Step>,
    only: Option<Kind>,
}

#[derive(Debug)]
struct Step {
    /// The step is for one gateway only.
    only: Option<Kind>,
    request: Request,
    expected: Expected,
}

/// What a step expects: the same of both gateways, or of each its own.
#[derive(Debug)]
pub struct Expected {
    real: Expect,
    wharf: Expect,
}

impl From<Expect> for Expected {
    fn from(same: Expect) -> Self {
        Self {
            real: same.clone(),
            wharf: same,
        }
    }
}

/// A deliberate difference. `reason` is for the reader; what users have to know is in `docs/compatibility.md`.
pub fn differs(reason: &'static str, real: Expect, wharf: Expect) -> Expected {
    assert!(!reason.is_empty(), "a difference has a reason");
    Expected { real, wharf }
}

/// An empty conversation.
pub fn case() -> Case {
    Case::default()
}

impl Case {
    /// Adds flags for both gateways.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Adds flags that only Wharf has, which make it behave as the real one does.
    #[must_use]
    pub fn wharf_flags(mut self, flags: &[&str]) -> Self {
        self.wharf_flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Adds a request and what is expected of the answer.
    #[must_use]
    pub fn step(mut self, request: Request, expected: impl Into<Expected>) -> Self {
        self.steps.push(Step {
            only: self.only,
            request,
            expected: expected.into(),
        });
        self
    }

    /// Adds a scrape of `/metrics`.
    #[must_use]
    pub fn scrape(self, expected: impl Into<Expected>) -> Self {
        self.step(get("/metrics"), expected)
    }

    /// Adds steps that only one of the two goes through, because of the difference named by `reason`.
    #[must_use]
    pub fn only(mut self, kind: Kind, reason: &'static str, steps: impl FnOnce(Self) -> Self) -> Self {
        assert!(!reason.is_empty(), "a difference has a reason");
        self.only = Some(kind);
        let mut case = steps(self);
        case.only = None;
        case
    }

    /// Plays the case against the real one, if it is there, and against `wharf`, an executable.
    ///
    /// Both are played before the test fails, so that one message shows whether they differ.
    #[track_caller]
    pub fn run(&self, wharf: &str) {
        let wharf = Spawn::wharf(wharf).args(&self.wharf_flags);
        let failures: Vec<_> = [Spawn::real(), Some(wharf)]
            .into_iter()
            .flatten()
            .filter_map(|spawn| self.play(spawn.args(&self.flags)).err())
            .collect();
        assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    }

    fn play(&self, spawn: Spawn) -> Result<(), String> {
        let kind = spawn.kind();
        let gateway = spawn.start();
        let mut queued = false;
        for (index, step) in self.steps.iter().enumerate() {
            if step.only.is_some_and(|only| only != kind) {
                continue;
            }
            let expect = match kind {
                Kind::Real => &step.expected.real,
                Kind::Wharf => &step.expected.wharf,
            };
            let answer = step.answer(&gateway, expect, queued);
            let (response, mismatch) = answer;
            if let Some(mismatch) = mismatch {
                let request = &step.request;
                return Err(format!(
                    "{kind:?}, step {}: {request}\n  {mismatch}\n{response}",
                    index + 1
                ));
            }
            // The real one answers 202 when a change is queued, so what follows may come too early there.
            queued = kind == Kind::Real && response.0.status == 202;
        }
        Ok(())
    }
}

impl Step {
    fn answer(&self, gateway: &Gateway, expect: &Expect, queued: bool) -> (Shown, Option<Mismatch>) {
        let ask = || {
            let response = gateway.send(&self.request);
            let mismatch = expect.judge(gateway.kind(), &response).err();
            (Shown(response), mismatch)
        };
        let first = ask();
        if !queued || first.1.is_none() {
            return first;
        }
        until("a queued change to be seen", || {
            Some(ask()).filter(|(_, mismatch)| mismatch.is_none())
        })
    }
}

/// What one answer has to be like: a list of checks, all of which have to hold.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    checks: Vec<Check>,
}

#[derive(Debug, Clone)]
enum Check {
    Status(u16),
    Body(Vec<u8>),
    /// The whole body on the real one; the first line on Wharf, which may add a hint.
    Refusal(String),
    Matches(String),
    Header(&'static str, String),
    NoHeader(&'static str),
    Exposition,
    Line(String),
    NoLine(String),
    LineMatches(String),
    Order(Vec<String>),
    Json(&'static str, Value),
}

struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Shown(Response);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {:?}", self.0.status, self.0.headers)?;
        let own = |line: &&str| {
            [
                "go_",
                "process_",
                "# HELP go_",
                "# HELP process_",
                "# TYPE go_",
                "# TYPE process_",
            ]
            .iter()
            .any(|prefix| line.starts_with(prefix))
        };
        for line in self.0.text().lines().filter(|line| !own(line)).take(60) {
            writeln!(f, "  | {line:.300}")?;
        }
        Ok(())
    }
}

/// Any answer with that status.
pub fn status(status: u16) -> Expect {
    Expect::default().check(Check::Status(status))
}

/// An accepted push: 200 without a body.
pub fn ok() -> Expect {
    status(200).body("").header("Content-Length", "0")
}

/// An accepted delete, wipe or unchecked push: 202 without a body.
pub fn accepted() -> Expect {
    status(202).body("").header("Content-Length", "0")
}

/// A refusal with 400 and that text. Wharf may say more, in further lines that start with `hint: `.
pub fn refused(text: &str) -> Expect {
    plain_error(400).check(Check::Refusal(text.to_owned()))
}

/// A refusal with 400 whose text matches the expression.
pub fn refused_like(expression: &str) -> Expect {
    plain_error(400).matches(expression)
}

/// The answer for a path that leads nowhere.
pub fn not_found() -> Expect {
    plain_error(404).body("404 page not found\n")
}

/// The answer for a path that does not know the method.
pub fn method_not_allowed(allow: &str) -> Expect {
    plain_error(405)
        .body("Method Not Allowed\n")
        .header("Allow", allow)
}

/// A redirect.
pub fn redirect(code: u16, location: &str) -> Expect {
    status(code).header("Location", location)
}

/// A body in the text format, which is also read by [`Scrape`].
pub fn scraped() -> Expect {
    status(200).check(Check::Exposition)
}

fn plain_error(code: u16) -> Expect {
    status(code)
        .header("Content-Type", "text/plain; charset=utf-8")
        .header("X-Content-Type-Options", "nosniff")
}

impl Expect {
    /// The body, to the byte.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.check(Check::Body(body.into()))
    }

    /// A regular expression that is found in the body.
    #[must_use]
    pub fn matches(self, expression: &str) -> Self {
        self.check(Check::Matches(expression.to_owned()))
    }

    /// A header and its value.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.check(Check::Header(name, value.to_owned()))
    }

    /// A header that is not there.
    #[must_use]
    pub fn no_header(self, name: &'static str) -> Self {
        self.check(Check::NoHeader(name))
    }

    /// The headers that let pages of other sites read the API.
    #[must_use]
    pub fn cors(self) -> Self {
        self.header(
            "Access-Control-Allow-Headers",
            "Accept, Authorization, Content-Type, Origin",
        )
        .header("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        .header("Access-Control-Allow-Origin", "*")
        .header("Access-Control-Expose-Headers", "Date")
        .header("Cache-Control", "no-cache, no-store, must-revalidate")
    }

    /// A whole line of the body.
    #[must_use]
    pub fn line(self, line: &str) -> Self {
        self.check(Check::Line(line.to_owned()))
    }

    /// The start of a line that the body does not have.
    #[must_use]
    pub fn no_line(self, prefix: &str) -> Self {
        self.check(Check::NoLine(prefix.to_owned()))
    }

    /// A regular expression that is found in a line of the body.
    #[must_use]
    pub fn line_matches(self, expression: &str) -> Self {
        self.check(Check::LineMatches(expression.to_owned()))
    }

    /// Whole lines of the body in this order, with any others between them.
    #[must_use]
    pub fn order(self, lines: &[&str]) -> Self {
        self.check(Check::Order(lines.iter().map(|&line| line.to_owned()).collect()))
    }

    /// A value inside a JSON body, at a JSON pointer.
    #[must_use]
    pub fn json(self, pointer: &'static str, value: Value) -> Self {
        self.check(Check::Json(pointer, value))
    }

    fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    fn judge(&self, kind: Kind, response: &Response) -> Result<(), Mismatch> {
        self.checks
            .iter()
            .try_for_each(|check| check.judge(kind, response).map_err(Mismatch))
    }
}

impl Check {
    fn judge(&self, kind: Kind, response: &Response) -> Result<(), String> {
        let text = response.text();
        match self {
            Self::Status(status) => same("status", status, &response.status),
            Self::Body(body) => same("body", &String::from_utf8_lossy(body).as_ref(), &text.as_str()),
            Self::Refusal(expected) => refusal(kind, expected, &text),
            Self::Matches(expression) => found(matches(expression, &text), "a body like", expression),
            Self::Header(name, value) => same(name, &Some(value.as_str()), &response.header(name)),
            Self::NoHeader(name) => same(name, &None, &response.header(name)),
            Self::Exposition => match Scrape::parse(&text) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("expected the text format: {error}")),
            },
            Self::Line(line) => found(text.lines().any(|other| other == line), "the line", line),
            Self::NoLine(prefix) => found(
                !text.lines().any(|line| line.starts_with(prefix)),
                "no line that starts with",
                prefix,
            ),
            Self::LineMatches(expression) => found(
                text.lines().any(|line| matches(expression, line)),
                "a line like",
                expression,
            ),
            Self::Order(lines) => {
                let mut rest = text.lines();
                let missing = lines.iter().find(|line| !rest.any(|other| other == *line));
                missing.map_or(Ok(()), |line| {
                    Err(format!("expected, after those before it, the line `{line}`"))
                })
            }
            Self::Json(pointer, value) => {
                let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                same(pointer, &Some(value), &json.pointer(pointer))
            }
        }
    }
}

fn refusal(kind: Kind, expected: &str, found: &str) -> Result<(), String> {
    let hints = match kind {
        Kind::Real => (found == format!("{expected}\n")).then_some(""),
        Kind::Wharf => found.strip_prefix(&format!("{expected}\n")),
    };
    match hints {
        Some(hints) if hints.lines().all(|line| line.starts_with("hint: ")) => Ok(()),
        _ => Err(format!("expected the refusal `{expected}`")),
    }
}

fn same<T: PartialEq + fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}

fn found(found: bool, what: &str, text: &str) -> Result<(), String> {
    if found {
        Ok(())
    } else {
        Err(format!("expected {what} `{text}`"))
    }
}

fn matches(expression: &str, text: &str) -> bool {
    match Regex::new(expression) {
        Ok(regex) => regex.is_match(text),
        Err(error) => panic!("the expression `{expression}`: {error}"),
    }
}

#[cfg(test)]
mod tests;
