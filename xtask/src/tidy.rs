//! The longest files and functions. Size is a conversation, so this prints and never fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Step, root};

const SHOWN: usize = 15;

/// Prints both lists for the Rust files that git knows.
pub(crate) fn run() {
    let listing = Step::new(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"],
    )
    .output();
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for path in listing.unwrap_or_default().lines().map(PathBuf::from) {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        files.push((text.lines().count(), path.display().to_string()));
        functions.extend(function_lengths(&path, &text));
    }
    print_longest("files", files);
    print_longest("functions", functions);
}

fn print_longest(what: &str, mut sized: Vec<(usize, String)>) {
    let lines: usize = sized.iter().map(|(lines, _)| lines).sum();
    println!("the longest of {} {what}, {lines} lines", sized.len());
    sized.sort_by(|left, right| right.cmp(left));
    for (lines, name) in sized.into_iter().take(SHOWN) {
        println!("{lines:6}  {name}");
    }
}

/// The functions of a formatted file: from the line with `fn` to the closing brace at the same depth.
fn function_lengths(path: &Path, text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let end = format!("{indent}}}");
        let body = lines.iter().skip(start);
        let length = body
            .take_while(|line| **line != end && !line.starts_with(&format!("{indent};")))
            .count()
            + 1;
        if start + length <= lines.len() {
            found.push((length, format!("{}:{} {name}", path.display(), start + 1)));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_start = before
        .trim()
        .split(' ')
        .all(|word| ["", "pub", "pub(crate)", "pub(super)", "async", "const", "unsafe"].contains(&word));
    let declaration_only = line.ends_with(';') || line.ends_with('}');
    let name = after.split(['(', '<']).next()?;
    (is_start && !declaration_only).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_at_the_brace_of_its_own_depth() {
        let text =
            "impl X {\n    pub fn long(&self) {\n        if x {\n        }\n    }\n\n    fn short();\n}\n";
        assert_eq!(
            function_lengths(Path::new("x.rs"), text),
            [(4, "x.rs:2 long".to_owned())]
        );
    }
}
