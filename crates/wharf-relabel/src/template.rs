//! Texts with `$1` or `${name}` in them, as Go's and Rust's regular expressions write them.

use wharf_model::name::NameRule;

/// Whether the text has something that looks like a variable.
pub(crate) fn has_variable(text: &str) -> bool {
    text.contains('$')
}

/// Whether the text is a label name once its variables have become some. A legacy name only if all of it but the
/// variables consists of the letters of a name, which is how Prometheus checks it.
pub(crate) fn is_name_template(text: &str, names: NameRule) -> bool {
    if names == NameRule::Utf8 {
        return true;
    }
    // A variable stands for the beginning or more of a name, so the first letter may be a digit behind one.
    let mut plain = String::from(if text.starts_with('$') { "_" } else { "" });
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let Some(after) = skip_variable(after) else {
            return false;
        };
        rest = after;
    }
    plain.push_str(rest);
    names.allows_label_name(&plain)
}

/// What stands behind a variable whose `$` is in front of the text.
fn skip_variable(text: &str) -> Option<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_word)).then_some(after);
    }
    let after = text.trim_start_matches(is_word);
    (after.len() < text.len()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_names_have_the_letters_of_names_around_the_variables() {
        for text in ["$1", "${1}", "a_${name}_b", "$1$2", "${1}2", "a${1}"] {
            assert!(is_name_template(text, NameRule::Legacy), "{text}");
        }
        for text in ["a-$1", "${1", "$", "$-", "${}", "1$1", "a$ b"] {
            assert!(!is_name_template(text, NameRule::Legacy), "{text}");
        }
    }
}
