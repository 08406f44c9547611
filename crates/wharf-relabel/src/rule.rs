//! One rule: checked when it is made, and then only run.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use thiserror::Error;
use wharf_model::name::NameRule;
use wharf_model::{PatternError, anchored, pattern_parts};

use crate::NAME;
use crate::template::{has_variable, is_name_template};

/// What a rule does with a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Writes the replacement to the target label if the regular expression matches the source.
    #[default]
    Replace,
    /// Drops metrics whose source does not match.
    Keep,
    /// Drops metrics whose source matches.
    Drop,
    /// Drops metrics whose source is not the value of the target label.
    KeepEqual,
    /// Drops metrics whose source is the value of the target label.
    DropEqual,
    /// Writes a hash of the source, modulo the modulus, to the target label.
    HashMod,
    /// Copies labels whose names match to the names that the replacement makes of them.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Writes the source in lower case to the target label.
    Lowercase,
    /// Writes the source in upper case to the target label.
    Uppercase,
}

const ACTIONS: [(Action, &str); 11] = [
    (Action::Replace, "replace"),
    (Action::Keep, "keep"),
    (Action::Drop, "drop"),
    (Action::KeepEqual, "keepequal"),
    (Action::DropEqual, "dropequal"),
    (Action::HashMod, "hashmod"),
    (Action::LabelMap, "labelmap"),
    (Action::LabelDrop, "labeldrop"),
    (Action::LabelKeep, "labelkeep"),
    (Action::Lowercase, "lowercase"),
    (Action::Uppercase, "uppercase"),
];

/// In any case of letters, as Prometheus reads it.
impl FromStr for Action {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let found = ACTIONS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        found
            .map(|(action, _)| *action)
            .ok_or_else(|| RuleError::UnknownAction(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ACTIONS.iter().find(|(action, _)| action == self);
        f.write_str(name.map_or("", |(_, name)| *name))
    }
}

/// A rule as somebody wrote it. What is not given has Prometheus' default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleSource {
    /// What to do; `replace` if nothing is said.
    pub action: Option<Action>,
    /// The labels whose values, joined by the separator, are the source.
    pub source_labels: Option<Vec<String>>,
    /// Default `;`.
    pub separator: Option<String>,
    /// Must match the whole source. Default `(.*)`.
    pub regex: Option<String>,
    /// For `hashmod`, above 0.
    pub modulus: Option<u64>,
    /// The label that is written; may have variables for `replace`.
    pub target_label: Option<String>,
    /// What is written, with `$1` for what the first group of the expression matched. Default `$1`.
    pub replacement: Option<String>,
}

/// A rule that can be run.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) action: Action,
    pub(crate) source_labels: Vec<String>,
    pub(crate) separator: String,
    pub(crate) regex: Regex,
    /// Of the expression.
    pub(crate) parts: u64,
    pub(crate) modulus: u64,
    pub(crate) target_label: String,
    pub(crate) replacement: String,
}

/// Why a rule cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// There is no such action.
    #[error(
        "expected one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase, found `{0}`"
    )]
    UnknownAction(String),
    /// The action needs a field that is not there.
    #[error("expected `{field}` for the action {action}, found none")]
    Missing {
        /// The field.
        field: &'static str,
        /// The action.
        action: Action,
    },
    /// The action does not use the field.
    #[error("expected no `{field}` for the action {action}, which does not use it")]
    Unused {
        /// The field.
        field: &'static str,
        /// The action.
        action: Action,
    },
    /// The field must be a label name, perhaps with variables.
    #[error("expected a label name as `{field}`, found `{found}`")]
    LabelName {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
    },
    /// The regular expression cannot be read, or is too large.
    #[error(transparent)]
    Regex(#[from] PatternError),
    /// The rule could only write to the label `job`, which is the group's.
    #[error(
        "expected a label that rules may write as `target_label`, found `job`\nhint: the job is part of the group's identity, which the push URL names"
    )]
    WritesJob,
    /// Every push would be refused, since no metric would keep its name.
    #[error(
        "expected a rule that leaves `__name__` alone, found a {action} of it\nhint: add `__name__` to what is kept, or take it from what is dropped"
    )]
    TakesName {
        /// The action.
        action: Action,
    },
}

/// An expression of no more parts goes over a byte of any text in a moment.
const FEW_PARTS: u64 = 256;

/// How often rules look at each byte of a metric: once each, but more often where an expression has very many parts, each of which may
/// have to be looked at.
pub fn looks(rules: &[Rule]) -> usize {
    let looks = rules.iter().map(|rule| rule.parts.div_ceil(FEW_PARTS).max(1));
    usize::try_from(looks.fold(0, u64::saturating_add)).unwrap_or(usize::MAX)
}

const DEFAULT_REGEX: &str = "(.*)";

impl Rule {
    /// Checks a rule as Prometheus does when it reads its configuration; `names` says which label names are valid.
    ///
    /// # Errors
    /// If a field is missing, not used by the action, or not what it has to be.
    pub fn new(source: RuleSource, names: NameRule) -> Result<Self, RuleError> {
        let action = source.action.unwrap_or_default();
        check_fields(action, &source)?;
        check_names(action, &source, names)?;
        let pattern = source.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let rule = Self {
            action,
            source_labels: source.source_labels.unwrap_or_default(),
            separator: source.separator.unwrap_or_else(|| ";".to_owned()),
            regex: anchored(pattern)?,
            parts: pattern_parts(pattern)?,
            modulus: source.modulus.unwrap_or(0),
            target_label: source.target_label.unwrap_or_default(),
            replacement: source.replacement.unwrap_or_else(|| "$1".to_owned()),
        };
        let takes_name = match action {
            Action::LabelDrop => rule.regex.is_match(NAME),
            Action::LabelKeep => !rule.regex.is_match(NAME),
            _ => false,
        };
        if takes_name {
            return Err(RuleError::TakesName { action });
        }
        Ok(rule)
    }
}

/// Which fields an action needs, and which it does not use.
fn check_fields(action: Action, source: &RuleSource) -> Result<(), RuleError> {
    let missing = |field| Err(RuleError::Missing { field, action });
    let writes_or_compares = !matches!(
        action,
        Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep
    );
    if writes_or_compares && source.target_label.as_deref().is_none_or(str::is_empty) {
        return missing("target_label");
    }
    if action == Action::HashMod && source.modulus.is_none_or(|modulus| modulus == 0) {
        return missing("modulus");
    }
    let given = [
        ("source_labels", source.source_labels.is_some()),
        ("separator", source.separator.is_some()),
        ("regex", source.regex.is_some()),
        ("modulus", source.modulus.is_some()),
        ("target_label", source.target_label.is_some()),
        ("replacement", source.replacement.is_some()),
    ];
    let used: &[&str] = match action {
        Action::LabelDrop | Action::LabelKeep => &["regex"],
        Action::KeepEqual | Action::DropEqual => &["source_labels", "target_label"],
        Action::Lowercase | Action::Uppercase => {
            &["source_labels", "separator", "regex", "modulus", "target_label"]
        }
        // The others use not all of the fields either, but Prometheus lets them stand.
        _ => return Ok(()),
    };
    match given
        .iter()
        .find(|(field, given)| *given && !used.contains(field))
    {
        Some((field, _)) => Err(RuleError::Unused { field, action }),
        None => Ok(()),
    }
}

/// Whether the fields that become label names can.
fn check_names(action: Action, source: &RuleSource, names: NameRule) -> Result<(), RuleError> {
    let check = |field: &'static str, found: &str, may_have_variables: bool| {
        let is_name = if may_have_variables && has_variable(found) {
            is_name_template(found, names)
        } else {
            names.allows_label_name(found)
        };
        let found = found.to_owned();
        if is_name {
            Ok(())
        } else {
            Err(RuleError::LabelName { field, found })
        }
    };
    for label in source.source_labels.iter().flatten() {
        check("source_labels", label, false)?;
    }
    let target = source.target_label.as_deref().unwrap_or_default();
    match action {
        Action::Replace => check("target_label", target, true)?,
        Action::HashMod | Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual => {
            check("target_label", target, false)?;
        }
        Action::LabelMap => check("replacement", source.replacement.as_deref().unwrap_or("$1"), true)?,
        Action::Keep | Action::Drop | Action::LabelDrop | Action::LabelKeep => {}
    }
    let writes = matches!(
        action,
        Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase
    );
    if writes && target == "job" {
        return Err(RuleError::WritesJob);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn source(action: Action) -> RuleSource {
        RuleSource {
            action: Some(action),
            ..RuleSource::default()
        }
    }

    #[track_caller]
    fn refused(source: RuleSource, expected: &Expect) {
        let error = Rule::new(source, NameRule::Legacy).unwrap_err();
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn actions_are_read_in_any_case() {
        for (action, name) in ACTIONS {
            assert_eq!(name.to_ascii_uppercase().parse(), Ok(action));
            assert_eq!(action.to_string(), name);
        }
        let expected = expect![
            "expected one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase, found `remove`"
        ];
        expected.assert_eq(&"remove".parse::<Action>().unwrap_err().to_string());
    }

    #[test]
    fn fields_that_an_action_needs_are_missed() {
        let needs_target = [
            Action::Replace,
            Action::HashMod,
            Action::Lowercase,
            Action::Uppercase,
            Action::KeepEqual,
            Action::DropEqual,
        ];
        for action in needs_target {
            let error = Rule::new(source(action), NameRule::Legacy).unwrap_err();
            let field = "target_label";
            assert_eq!(error, RuleError::Missing { field, action });
        }
        refused(
            RuleSource {
                target_label: Some("shard".to_owned()),
                modulus: Some(0),
                ..source(Action::HashMod)
            },
            &expect!["expected `modulus` for the action hashmod, found none"],
        );
    }

    #[test]
    fn fields_that_an_action_does_not_use_are_refused() {
        refused(
            RuleSource {
                target_label: Some("x".to_owned()),
                ..source(Action::LabelDrop)
            },
            &expect!["expected no `target_label` for the action labeldrop, which does not use it"],
        );
        refused(
            RuleSource {
                target_label: Some("x".to_owned()),
                regex: Some("a".to_owned()),
                ..source(Action::KeepEqual)
            },
            &expect!["expected no `regex` for the action keepequal, which does not use it"],
        );
        refused(
            RuleSource {
                target_label: Some("x".to_owned()),
                replacement: Some("a".to_owned()),
                ..source(Action::Lowercase)
            },
            &expect!["expected no `replacement` for the action lowercase, which does not use it"],
        );
    }

    #[test]
    fn label_names_are_checked() {
        refused(
            RuleSource {
                target_label: Some("a-b".to_owned()),
                ..RuleSource::default()
            },
            &expect!["expected a label name as `target_label`, found `a-b`"],
        );
        refused(
            RuleSource {
                replacement: Some("a-$1".to_owned()),
                ..source(Action::LabelMap)
            },
            &expect!["expected a label name as `replacement`, found `a-$1`"],
        );
        refused(
            RuleSource {
                source_labels: Some(vec!["a b".to_owned()]),
                target_label: Some("x".to_owned()),
                ..RuleSource::default()
            },
            &expect!["expected a label name as `source_labels`, found `a b`"],
        );
        let utf8 = RuleSource {
            target_label: Some("a-b".to_owned()),
            ..RuleSource::default()
        };
        assert!(Rule::new(utf8, NameRule::Utf8).is_ok());
    }

    #[test]
    fn expressions_are_checked() {
        refused(
            RuleSource {
                regex: Some("a)(b".to_owned()),
                ..source(Action::Drop)
            },
            &expect!["expected a regular expression, found `a)(b`: unopened group"],
        );
    }

    #[test]
    fn rules_that_could_never_do_what_they_say_are_refused() {
        refused(
            RuleSource {
                target_label: Some("job".to_owned()),
                ..RuleSource::default()
            },
            &expect![[r"
                expected a label that rules may write as `target_label`, found `job`
                hint: the job is part of the group's identity, which the push URL names"]],
        );
        refused(
            RuleSource {
                regex: Some("a|b".to_owned()),
                ..source(Action::LabelKeep)
            },
            &expect![[r"
                expected a rule that leaves `__name__` alone, found a labelkeep of it
                hint: add `__name__` to what is kept, or take it from what is dropped"]],
        );
    }
}
