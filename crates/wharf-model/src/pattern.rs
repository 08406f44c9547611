//! Regular expressions as Prometheus has them: Go's syntax, anchored at both ends.

mod machine;

use std::fmt;

use regex::{Regex, RegexBuilder};
use regex_automata::util::syntax;

use crate::effort::{Effort, Stopped};

use self::machine::Machine;
pub(crate) use self::machine::Memory;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Most memory that one compiled pattern may take, in bytes; its cache while matching may take as much again.
const MAX_COMPILED_BYTES: usize = 512 << 10;
/// How deep groups may nest.
const MAX_NESTING: u32 = 100;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, reason } = self;
        write!(f, "expected a regular expression, found `{pattern}`: {reason}")
    }
}

impl std::error::Error for PatternError {}

/// A regular expression as [`anchored`] reads it, whose steps can be counted.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Machine);

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Error(PatternError),
    Stopped(Stopped),
}

impl From<Stopped> for Unreadable {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl Pattern {
    /// Reads one, and holds the bytes that it takes.
    ///
    /// # Errors
    /// As [`anchored`]; if the effort ends.
    pub(crate) fn read(pattern: &str, effort: &Effort) -> Result<Self, Unreadable> {
        let refuse = |reason| Unreadable::Error(PatternError::new(pattern, reason));
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(refuse(too_long()));
        }
        let translated = translate(pattern);
        effort.spend(parse_steps(&translated))?;
        let config = syntax::Config::new()
            .dot_matches_new_line(true)
            .nest_limit(MAX_NESTING);
        let expression = syntax::parse_with(&translated, &config);
        let expression = expression.map_err(|error| refuse(last_line(&error)))?;
        let machine = Machine::new(expression, MAX_COMPILED_BYTES).ok_or_else(|| refuse(too_large()))?;
        effort.spend(machine.compile_steps())?;
        effort.hold(machine.bytes())?;
        Ok(Self(machine))
    }

    /// Whether it matches a text, whatever that costs: for patterns that somebody wrote who is trusted.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// For [`Self::matches_within`]: of about so many bytes.
    pub(crate) fn memory(&self, bytes: usize) -> Memory {
        self.0.memory(bytes)
    }

    /// Whether it matches a text.
    ///
    /// # Errors
    /// If the effort ends.
    pub(crate) fn matches_within(
        &self,
        memory: &mut Memory,
        text: &str,
        effort: &Effort,
    ) -> Result<bool, Stopped> {
        self.0.matches_within(memory, text, effort)
    }
}

/// What reading a pattern costs at most. A class becomes a list of ranges, and without regard to case each character of them
/// is looked up, which may be all there are: some milliseconds.
fn parse_steps(translated: &str) -> u64 {
    const BYTE_STEPS: u64 = 1000;
    const CLASS_STEPS: u64 = 50_000;
    const FOLDED_CLASS_STEPS: u64 = 6_000_000;
    let count = |what: &str| translated.matches(what).count() as u64;
    let classes = count("[") + count(r"\p") + count(r"\P");
    let mut flags = translated.split("(?").skip(1);
    let ignores_case = flags.any(|flags| {
        let end = flags.find([':', ')']).unwrap_or(flags.len());
        flags.get(..end).is_some_and(|flags| flags.contains('i'))
    });
    let class_steps = if ignores_case {
        FOLDED_CLASS_STEPS
    } else {
        CLASS_STEPS
    };
    let bytes = translated.len() as u64;
    BYTE_STEPS * bytes + class_steps * classes
}

impl PatternError {
    fn new(pattern: &str, reason: String) -> Self {
        Self {
            pattern: pattern.chars().take(128).collect(),
            reason,
        }
    }
}

/// Compiles a regular expression that has to match the whole text, and whose `.` matches every character: what
/// Prometheus makes of the patterns of selectors and relabelling rules.
///
/// The syntax is Go's: `\d`, `\s`, `\w` and `\b` are about ASCII, `[`, `&&`, `--` and `~~` in a class are plain
/// characters, and `\Q…\E` quotes. Matching takes time linear in the text.
///
/// # Errors
/// If the pattern is none, or takes too much memory.
pub fn anchored(pattern: &str) -> Result<Regex, PatternError> {
    let refuse = |reason| PatternError::new(pattern, reason);
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(refuse(too_long()));
    }
    let translated = translate(pattern);
    // By itself first: `a)|(b` must not become a pattern by the parentheses that the anchors need.
    compile(&translated)
        .and_then(|_| compile(&format!(r"\A(?s:{translated})\z")))
        .map_err(|error| refuse(describe(&error)))
}

/// Compiles a regular expression that matches anywhere in a text, and whose `.` matches every character but a line feed: what Go
/// makes of a pattern by itself. The syntax is that of [`anchored`].
///
/// # Errors
/// If the pattern is none, or takes too much memory.
pub fn unanchored(pattern: &str) -> Result<Regex, PatternError> {
    let refuse = |reason| PatternError::new(pattern, reason);
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(refuse(too_long()));
    }
    compile(&translate(pattern)).map_err(|error| refuse(describe(&error)))
}

/// How many parts [`anchored`] makes of a pattern, about. Going over a byte of a text may take it four times as many steps at the worst.
/// Compiles it once more.
///
/// # Errors
/// As [`anchored`].
pub fn parts(pattern: &str) -> Result<u64, PatternError> {
    match Pattern::read(pattern, &Effort::unlimited()) {
        Ok(Pattern(machine)) => Ok(machine.parts()),
        Err(Unreadable::Error(error)) => Err(error),
        // It has no limit.
        Err(Unreadable::Stopped(_)) => Ok(u64::MAX),
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
}

fn describe(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => too_large(),
        other => last_line(other),
    }
}

fn too_long() -> String {
    format!("it is longer than {MAX_PATTERN_BYTES} bytes")
}

fn too_large() -> String {
    format!("it takes more than {MAX_COMPILED_BYTES} bytes")
}

/// The library draws the pattern with a caret below it, and says on the last line what is wrong.
fn last_line(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// Writes a pattern of Go's syntax in that of the library, where they differ.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('Q') => quoted(&mut rest, &mut out),
                Some('b') => out.push_str(r"(?-u:\b)"),
                escaped => {
                    push_escaped(escaped, &mut out);
                    // As in `\pL` and `\p{Greek}`.
                    if matches!(escaped, Some('p' | 'P' | 'x'))
                        && let Some(after) = rest.as_str().strip_prefix('{')
                    {
                        out.push('{');
                        rest = after.chars();
                    }
                }
            },
            '[' => class(&mut rest, &mut out),
            // Where it begins no repetition, it stands for itself.
            '{' if !is_repetition(rest.as_str()) => out.push_str(r"\{"),
            c => out.push(c),
        }
    }
    out
}

/// Whether `n}`, `n,}` or `n,m}` stands behind a `{`.
fn is_repetition(behind: &str) -> bool {
    let Some((inside, _)) = behind.split_once('}') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        None => is_number(inside),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    }
}

/// Writes what stands behind a backslash, inside and outside of classes.
fn push_escaped(escaped: Option<char>, out: &mut String) {
    out.push_str(match escaped {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('s') => r"[\t\n\f\r ]",
        Some('S') => r"[^\t\n\f\r ]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        other => {
            out.push('\\');
            out.extend(other);
            return;
        }
    });
}

/// Writes the text up to `\E`, or up to the end, so that it stands for itself.
fn quoted(rest: &mut std::str::Chars<'_>, out: &mut String) {
    let text = rest.as_str();
    let (literal, after) = text.split_once(r"\E").unwrap_or((text, ""));
    out.push_str(&regex::escape(literal));
    *rest = after.chars();
}

/// Writes a class whose `[` has been read.
fn class(rest: &mut std::str::Chars<'_>, out: &mut String) {
    out.push('[');
    if let Some(after) = rest.as_str().strip_prefix('^') {
        out.push('^');
        *rest = after.chars();
    }
    let mut is_first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !is_first => {
                out.push(']');
                return;
            }
            '[' => match posix_class(rest.as_str()) {
                Some((name, after)) => {
                    out.push('[');
                    out.push_str(name);
                    *rest = after.chars();
                }
                None => out.push_str(r"\["),
            },
            '\\' => push_escaped(rest.next(), out),
            '-' if !is_first => {
                out.push('-');
                if let Some(after) = rest.as_str().strip_prefix('-') {
                    out.push_str(r"\-");
                    *rest = after.chars();
                }
            }
            ']' | '-' | '&' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
        is_first = false;
    }
}

/// Splits `:alpha:]` off.
fn posix_class(text: &str) -> Option<(&str, &str)> {
    let name = text.strip_prefix(':')?;
    let length = name.find(|c: char| c != '^' && !c.is_ascii_lowercase())?;
    name.get(length..)?.strip_prefix(":]")?;
    text.split_at_checked(length + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules and selectors have engines of their own, which have to agree.
    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = anchored(pattern).unwrap();
        let counted = Pattern::read(pattern, &Effort::unlimited()).unwrap();
        let mut memory = counted.memory(1);
        let texts = matching.iter().map(|text| (text, true));
        for (text, expected) in texts.chain(other.iter().map(|text| (text, false))) {
            let effort = Effort::unlimited();
            let found = [
                regex.is_match(text),
                counted.matches(text),
                counted.matches_within(&mut memory, text, &effort).unwrap(),
            ];
            assert_eq!(found, [expected; 3], "`{pattern}` on {text:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn a_pattern_matches_the_whole_text() {
        check("ci-.*", &["ci-", "ci-a\nb"], &["xci-1", "ci"]);
        check("a|b", &["a", "b"], &["ab", "xb", "ax"]);
        check("", &[""], &["a"]);
        check("(?i)ÄB", &["äb"], &["ab"]);
        check("(?m)a$", &["a"], &["a\nb"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn classes_and_escapes_are_those_of_go() {
        check(r"\d+", &["12"], &["١٢", ""]);
        check(r"\w\W\D\S", &["a-xx"], &["ä-xx", "aax1", "a-x "]);
        check(r"a\b.*", &["a-", "aä"], &["ab"]);
        check(r"[\d\s-]+", &["1 -"], &["a", "١"]);
        check(r"[^\w]", &["ä", "-"], &["a"]);
        check("[a[b]+", &["a[b"], &["]"]);
        check("[[:digit:]x]+", &["12x"], &[":"]);
        check("[a&&b~~]+", &["a&b~"], &["-"]);
        check("[+--]+", &["+,-"], &["."]);
        check("[--/]", &["-", ".", "/"], &["0"]);
        check("[]a]+", &["]a"], &["b"]);
        check("[^]a]", &["b"], &["]", "a"]);
        check("[a-]+", &["a-"], &["b"]);
        check(r"\Qa.b(\E.", &["a.b(x"], &["axb(x"]);
        check(r"\Qa.*", &["a.*"], &["ab"]);
        check(r"\p{Greek}\pL\x41\x{e4}", &["αbAä"], &["aaAä"]);
        check("(?P<x>a)(?:b)?c{2,3}", &["abcc", "accc"], &["abc"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn what_is_no_pattern_is_refused() {
        let cases = [
            (
                "ci-(",
                "expected a regular expression, found `ci-(`: unclosed group",
            ),
            (
                "a)|(b",
                "expected a regular expression, found `a)|(b`: unopened group",
            ),
            (
                "[a",
                "expected a regular expression, found `[a`: unclosed character class",
            ),
            (
                "*",
                "expected a regular expression, found `*`: repetition operator missing expression",
            ),
            (
                "(?=a)",
                "expected a regular expression, found `(?=a)`: look-around, including look-ahead and look-behind, is not supported",
            ),
            (
                r"a\",
                r"expected a regular expression, found `a\`: incomplete escape sequence, reached end of pattern prematurely",
            ),
            (
                r"\pL{1000}{1000}",
                r"expected a regular expression, found `\pL{1000}{1000}`: it takes more than 524288 bytes",
            ),
        ];
        for (pattern, expected) in cases {
            let error = anchored(pattern).unwrap_err();
            assert_eq!(error.to_string(), expected);
            let unreadable = Pattern::read(pattern, &Effort::unlimited()).unwrap_err();
            assert_eq!(unreadable, Unreadable::Error(error));
        }
        let long = anchored(&"a".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err();
        assert!(
            long.to_string().ends_with("it is longer than 4096 bytes"),
            "{long}"
        );
    }

    /// The steps for a text, after others.
    fn steps(pattern: &str, texts: &[&str]) -> u64 {
        let pattern = Pattern::read(pattern, &Effort::unlimited()).unwrap();
        let (mut memory, mut steps) = (pattern.memory(512 << 10), 0);
        for text in texts {
            let effort = Effort::unlimited();
            let _matches = pattern.matches_within(&mut memory, text, &effort).unwrap();
            steps = effort.steps();
        }
        steps
    }

    /// Letters without any order.
    fn noise(bytes: usize) -> String {
        let mut state = 1u32;
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { 'a' } else { 'b' }
        });
        letters.take(bytes).collect()
    }

    #[test]
    fn a_brace_that_begins_no_repetition_stands_for_itself() {
        check("a{b", &["a{b"], &["ab"]);
        check("a.{b}.c", &["ax{b}yc"], &["axbyc"]);
        check("a{,3}", &["a{,3}"], &["aa", ""]);
        check("{", &["{"], &[""]);
        check("a{2}b{1,}c{1,2}", &["aabcc"], &["abc", "aabccc"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn what_is_known_of_an_expression_costs_two_steps_a_byte() {
        let name = "ci-build-of-something";
        let first = steps(".*build.*", &[name]);
        assert!(first > 1000, "{first}");
        assert_eq!(steps(".*build.*", &[name, name]), 16 + 2 * name.len() as u64);
        // It says after how many bytes it is known that a text does not match, but all are paid for.
        assert_eq!(steps("x.*", &[name, name]), 16 + 2 * name.len() as u64);
        let hosts: Vec<String> = (0..700).map(|n| format!("h{n:03}")).collect();
        let expression = hosts.join("|");
        let mut twice: Vec<&str> = hosts.iter().map(String::as_str).collect();
        twice.push("h123");
        assert_eq!(steps(&expression, &twice), 16 + 8);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn an_expression_that_leads_somewhere_new_at_each_byte_costs_its_parts_each_time() {
        let text = noise(15_800);
        let steps = |parts: usize| {
            let expression = format!("(?:[ab]*a[ab]{{0,{parts}}}){{2}}[cd]");
            steps(&expression, &[&text]) / text.len() as u64
        };
        let [few, many] = [steps(40), steps(400)];
        assert!(few > 500, "{few} a byte");
        assert!(many > 5 * few, "{many} a byte, {few} with a tenth of the parts");
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn borders_of_words_in_other_alphabets_cost_all_parts_for_each_byte() {
        check(r".*a\B.*", &["äaä", "xab"], &["a", "b"]);
        let (ascii, other) = ("a".repeat(100), "ä".repeat(100));
        let cheap = steps(r".*a\B.*", &[&ascii, &ascii]);
        let dear = steps(r".*a\B.*", &[&other, &other]);
        assert!(cheap < 300 && dear > 200 * 100, "{cheap}, {dear}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn reading_an_expression_costs_before_it_is_read() {
        let read = |pattern: &str, max_steps| {
            let effort = Effort::new(max_steps, 4 << 20);
            Pattern::read(pattern, &effort).map(|_| effort.steps())
        };
        let limit = 1_000_000_000;
        let costly = Err(Unreadable::Stopped(Stopped::TooCostly { max_steps: limit }));
        // Each of these would take a good part of a second.
        assert_eq!(read(&format!("(?i){}", r"\W".repeat(2000)), limit), costly);
        assert_eq!(read(&format!("(?i){}", r"\pL".repeat(1300)), limit), costly);
        for honest in ["ci-.*", "(?i)[a-z]+-backup", r"\pL+", &"web-1|".repeat(600)] {
            let steps = read(honest, limit).unwrap();
            assert!(steps < limit / 100, "{honest}: {steps}");
        }
        let large = Stopped::TooLarge { max_bytes: 1 << 20 };
        let effort = Effort::new(limit, 1 << 20);
        let mut patterns = (0..20).map(|_| Pattern::read(r"\pL{9}", &effort).map(drop));
        assert_eq!(patterns.next(), Some(Ok(())));
        assert_eq!(patterns.last(), Some(Err(Unreadable::Stopped(large))));
    }
}
