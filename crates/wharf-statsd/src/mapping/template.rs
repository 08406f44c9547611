//! Texts of a rule with `$1` or `${1}` in them.
//!
//! Globs and regular expressions read them in two ways, as in the exporter. With globs, `$` and the longest run of letters, digits,
//! `_` and `$` behind it is a reference, in braces or not, and nothing unless it is the number of a star. With regular expressions
//! it is Go's `Regexp.Expand`, where `$$` is a dollar.

use regex::Regex;

/// A text, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// 0 is the whole.
    Group(usize),
    /// A reference that nothing answers to, as it is written.
    Nothing(String),
}

impl Template {
    /// Reads one for a pattern with so many stars.
    pub(super) fn of_glob(text: &str, stars: usize) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            template.text(before);
            let word = behind.strip_prefix('{').unwrap_or(behind);
            let after = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$');
            if after.len() == word.len() {
                template.text("$");
                rest = behind;
                continue;
            }
            // A brace may be missing, or stand there alone.
            let after = after.strip_prefix('}').unwrap_or(after);
            let reference = behind.strip_suffix(after).unwrap_or(behind);
            let number = reference.trim_matches(['{', '}']);
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            let index = number.parse().ok().filter(|index| is_number && *index <= stars);
            template.reference(index, reference);
            rest = after;
        }
        template.text(rest);
        template
    }

    /// Reads one for a regular expression.
    pub(super) fn of_regex(text: &str, regex: &Regex) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            template.text(before);
            if let Some(after) = behind.strip_prefix('$') {
                template.text("$");
                rest = after;
            } else if let Some((name, after)) = variable(behind) {
                let reference = behind.strip_suffix(after).unwrap_or(behind);
                template.reference(group(name, regex), reference);
                rest = after;
            } else {
                template.text("$");
                rest = behind;
            }
        }
        template.text(rest);
        template
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }

    fn reference(&mut self, index: Option<usize>, text: &str) {
        self.0.push(match index {
            Some(index) => Part::Group(index),
            None => Part::Nothing(format!("${text}")),
        });
    }

    /// The text with the groups in it.
    pub(super) fn fill<'t>(&self, group: &impl Fn(usize) -> &'t str) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Group(index) => group(*index),
            Part::Nothing(_) => "",
        });
        parts.collect()
    }

    /// Whether this may be the text with some groups in it, once what is no letter, digit or `_` has become `_`.
    pub(super) fn may_give(&self, name: &str) -> bool {
        let escaped = |text: &str| text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_'), "_");
        let mut rest = name;
        let mut is_open = false;
        for part in &self.0 {
            match part {
                Part::Group(_) => is_open = true,
                Part::Nothing(_) => {}
                Part::Text(text) => {
                    let text = escaped(text);
                    let found = if is_open {
                        rest.find(&text)
                    } else {
                        rest.starts_with(&text).then_some(0)
                    };
                    let Some(behind) = found.and_then(|at| rest.get(at + text.len()..)) else {
                        return false;
                    };
                    (rest, is_open) = (behind, false);
                }
            }
        }
        // What stands behind the last group has to stand at the end.
        is_open || rest.is_empty() || self.ends_in(name)
    }

    fn ends_in(&self, name: &str) -> bool {
        match self.0.as_slice() {
            [.., Part::Group(_), Part::Text(text)] => name.ends_with(text.as_str()),
            _ => false,
        }
    }

    /// References that nothing answers to.
    pub(super) fn dangling(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Nothing(reference) => Some(reference.as_str()),
            _ => None,
        })
    }

    /// Whether it gives the empty text whatever the groups are.
    pub(super) fn is_always_empty(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Nothing(_)))
    }
}

/// The name in front of a text, in braces or not, and what stands behind it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_word)).then_some((name, after));
    }
    let after = text.trim_start_matches(is_word);
    let name = text.strip_suffix(after)?;
    (!name.is_empty()).then_some((name, after))
}

/// The group of a name, or of a number without zeros in front.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && (name == "0" || !name.starts_with('0')) {
        return name.parse().ok().filter(|index| *index < regex.captures_len());
    }
    regex.capture_names().position(|of_group| of_group == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_template_may_give_are_known() {
        for (template, name, may) in [
            ("orders", "orders", true),
            ("orders", "orders_total", false),
            ("orders", "all_orders", false),
            ("${1}_total", "a_total", true),
            ("${1}_total", "a_total_total", true),
            ("${1}_total", "a_total_b", false),
            ("x_$1", "x_anything", true),
            ("x_$1", "y_x_anything", false),
            ("a_${1}_b_$2", "a_1_b_2", true),
            ("a_${1}_b_$2", "a_1_c_2", false),
        ] {
            assert_eq!(
                Template::of_glob(template, 2).may_give(name),
                may,
                "{template} {name}"
            );
        }
    }
}
