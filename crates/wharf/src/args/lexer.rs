//! Splits the command line into flags and values.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

use wharf_settings::Quoted;

/// The longest file of arguments in bytes. What lies beyond is not read, and the file is refused.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How many files of arguments may be opened, so that a file that names itself comes to an end.
const MAX_FILES: u32 = 100;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `--name`, without the dashes and the value.
    Long(String),
    /// `-x`: the letter, and the argument that it is the start of.
    Short { letter: String, argument: String },
    /// A value or a positional argument.
    Argument(String),
    /// A file of arguments that cannot be read.
    Failed(String),
    /// There are no more arguments.
    End,
}

pub(super) struct Lexer {
    /// The arguments to come, the next one last.
    rest: Vec<String>,
    /// The value of the flag that was last returned, if it stood behind `=`.
    value: Option<String>,
    /// Whether `--` has been met.
    only_arguments: bool,
    files_left: u32,
}

impl Lexer {
    pub(super) fn new(mut arguments: Vec<String>) -> Self {
        arguments.reverse();
        Self {
            rest: arguments,
            value: None,
            only_arguments: false,
            files_left: MAX_FILES,
        }
    }

    pub(super) fn next(&mut self) -> Token {
        if let Some(value) = self.value.take() {
            return Token::Argument(value);
        }
        while let Some(argument) = self.rest.pop() {
            if self.only_arguments {
                return Token::Argument(argument);
            } else if argument == "--" {
                self.only_arguments = true;
            } else if let Some(long) = argument.strip_prefix("--") {
                let (name, value) = long
                    .split_once('=')
                    .map_or((long, None), |(name, value)| (name, Some(value)));
                self.value = value.map(str::to_owned);
                return Token::Long(name.to_owned());
            } else if let Some(letters) = argument.strip_prefix('-') {
                return self.short(letters, &argument);
            } else if let Some(path) = argument.strip_prefix('@') {
                match self.expand(path) {
                    Ok(lines) => self.rest.extend(lines.into_iter().rev()),
                    Err(text) => return Token::Failed(text),
                }
            } else {
                return Token::Argument(argument);
            }
        }
        Token::End
    }

    /// Takes the first of several letters; the others come next.
    fn short(&mut self, letters: &str, argument: &str) -> Token {
        let end = letters.chars().next().map_or(0, char::len_utf8);
        let (letter, rest) = letters.split_at(end);
        if !rest.is_empty() {
            self.rest.push(format!("-{rest}"));
        }
        Token::Short {
            letter: letter.to_owned(),
            argument: argument.to_owned(),
        }
    }

    fn expand(&mut self, path: &str) -> Result<Vec<String>, String> {
        if path.is_empty() {
            return Err("expected @ file to expand arguments from".to_owned());
        }
        self.files_left = self.files_left.checked_sub(1).ok_or_else(|| {
            format!(
                "expected at most {MAX_FILES} arguments files, found one more: {}",
                Quoted(path)
            )
        })?;
        let file = File::open(path).map_err(|error| {
            format!(
                "failed to open arguments file {}: open {path}: {}",
                Quoted(path),
                words_of(&error)
            )
        })?;
        let unreadable = |what: String| format!("failed to read arguments from {}: {what}", Quoted(path));
        if file
            .metadata()
            .is_ok_and(|metadata| metadata.len() > MAX_FILE_BYTES)
        {
            return Err(unreadable(format!("expected at most {MAX_FILE_BYTES} bytes")));
        }
        let lines = BufReader::new(file.take(MAX_FILE_BYTES))
            .lines()
            .filter(|line| !line.as_ref().is_ok_and(|line| line.starts_with('#')));
        lines
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(format!("read {path}: {}", words_of(&error))))
    }
}

/// The system's words for an error, as the Pushgateway prints them: without the number, and in lower case.
fn words_of(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::InvalidData {
        return "expected text in UTF-8".to_owned();
    }
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(arguments: &[&str]) -> Vec<Token> {
        let mut lexer = Lexer::new(arguments.iter().copied().map(str::to_owned).collect());
        std::iter::from_fn(|| Some(lexer.next()).filter(|token| *token != Token::End))
            .take(1000)
            .collect()
    }

    fn long(name: &str) -> Token {
        Token::Long(name.to_owned())
    }

    fn argument(text: &str) -> Token {
        Token::Argument(text.to_owned())
    }

    fn short(letter: &str, argument: &str) -> Token {
        Token::Short {
            letter: letter.to_owned(),
            argument: argument.to_owned(),
        }
    }

    #[test]
    fn values_stand_behind_a_blank_or_an_equals_sign() {
        assert_eq!(
            tokens(&["--a=b=c", "--a", "b"]),
            [long("a"), argument("b=c"), long("a"), argument("b")]
        );
        assert_eq!(
            tokens(&["--a=@b", "--=x"]),
            [long("a"), argument("@b"), long(""), argument("x")]
        );
    }

    #[test]
    fn letters_may_stand_together() {
        assert_eq!(tokens(&["-hé"]), [short("h", "-hé"), short("é", "-é")]);
        assert_eq!(tokens(&["-"]), [short("", "-")]);
    }

    #[test]
    fn two_dashes_end_the_flags() {
        assert_eq!(
            tokens(&["--a", "--", "--b", "@c"]),
            [long("a"), argument("--b"), argument("@c")]
        );
    }

    #[test]
    fn a_file_stands_for_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("inner"), "--c\r\nd").unwrap();
        std::fs::write(
            path("outer"),
            format!("# comment\n--a=b c\n\n@{}\n", path("inner")),
        )
        .unwrap();
        let expected = [
            long("a"),
            argument("b c"),
            argument(""),
            long("c"),
            argument("d"),
            long("e"),
        ];
        assert_eq!(tokens(&[&format!("@{}", path("outer")), "--e"]), expected);
    }

    #[test]
    fn a_file_that_names_itself_comes_to_an_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        std::fs::write(&path, format!("@{path}\n")).unwrap();
        let failure = format!("expected at most 100 arguments files, found one more: \"{path}\"");
        assert_eq!(tokens(&[&format!("@{path}")]), [Token::Failed(failure)]);
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let cases = [
            (
                String::new(),
                "expected @ file to expand arguments from".to_owned(),
            ),
            (
                "/nope".to_owned(),
                r#"failed to open arguments file "/nope": open /nope: no such file or directory"#.to_owned(),
            ),
            (
                path.clone(),
                format!(r#"failed to read arguments from "{path}": read {path}: is a directory"#),
            ),
        ];
        for (name, expected) in cases {
            assert_eq!(tokens(&[&format!("@{name}")]), [Token::Failed(expected)]);
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        std::fs::write(&path, "\n".repeat((1 << 20) + 1)).unwrap();
        let failure = format!("failed to read arguments from \"{path}\": expected at most 1048576 bytes");
        assert_eq!(tokens(&[&format!("@{path}")]), [Token::Failed(failure)]);
    }
}
