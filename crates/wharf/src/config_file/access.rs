//! The section `access`: identities and what they may do.

use std::fmt::Display;

use serde_saphyr::{Location, Spanned};
use wharf_gateway::{AccessRules, Input, Role, Scope, TokenHash};

use super::source::{self, AccessSection, Texts};
use super::{Check, Mistake, SELECTORS};

/// Selectors of one right: each is looked at for every group that a listing or a scrape goes through.
const MAX_SELECTORS: usize = 16;

impl Check<'_> {
    pub(super) fn access(&mut self, section: AccessSection) -> Option<AccessRules> {
        let section = match section {
            AccessSection::Rules(section) => section,
            AccessSection::Missing => return None,
            AccessSection::Empty => {
                let text = "access: expected who may do what, found nothing\n\
                            hint: leave `access` out if everybody may do everything";
                return self.nowhere(text.to_owned());
            }
        };
        self.unknown(&section.unknown);
        let anonymous = section
            .anonymous
            .map(|role| self.role(&role.value, &role.referenced));
        let mut rules = match AccessRules::new(anonymous.unwrap_or_default()) {
            Ok(rules) => rules,
            Err(error) => return self.nowhere(error.to_string()),
        };
        for (name, role) in section.users.into_iter().flatten() {
            rules.add_user(name, self.role(&role.value, &role.referenced));
        }
        for (name, role) in section.certificates.into_iter().flatten() {
            rules.add_certificate(name, self.role(&role.value, &role.referenced));
        }
        if let Some(inputs) = section.inputs {
            self.unknown(&inputs.unknown);
            if let Some(role) = inputs.statsd {
                self.unknown(&role.value.unknown);
                if role.value.push.is_none() && role.value.unknown.is_empty() {
                    self.mistake(&role.referenced, "expected `push`, found nothing".to_owned());
                }
                let push = self.scope(role.value.push.as_ref());
                rules.add_input(
                    Input::Statsd,
                    Role {
                        push,
                        ..Role::default()
                    },
                );
            }
        }
        for (name, role) in section.tokens.into_iter().flatten() {
            let at = role.referenced;
            let (hashes, role) = role.value.into_parts();
            let hashes: Vec<TokenHash> = match hashes {
                Some(hashes) => self.texts(&hashes, "hashes"),
                None if !role.unknown.is_empty() => Vec::new(),
                None => {
                    self.mistake(&at, "expected `sha256` of the token, found none".to_owned());
                    Vec::new()
                }
            };
            let role = self.role(&role, &at);
            for hash in rules.add_token(&name, &hashes, role) {
                let text = format!("expected each token once, found `{hash}` again");
                self.mistake(&at, text);
            }
        }
        Some(rules)
    }

    fn role(&mut self, role: &source::Role, at: &Location) -> Role {
        let source::Role {
            push,
            delete,
            read,
            admin,
            unknown,
        } = role;
        self.unknown(unknown);
        let is_empty = push.is_none() && delete.is_none() && read.is_none() && admin.is_none();
        if is_empty && unknown.is_empty() {
            let text = "expected one of `push`, `delete`, `read`, `admin`, found none";
            self.mistake(at, text.to_owned());
        }
        Role {
            push: self.scope(push.as_ref()),
            delete: self.scope(delete.as_ref()),
            read: self.scope(read.as_ref()),
            admin: self.optional(admin.as_ref(), super::truth).unwrap_or(false),
        }
    }

    fn scope(&mut self, texts: Option<&Spanned<Texts>>) -> Scope {
        texts.map_or(Scope::Nothing, |texts| Scope::from(self.texts(texts, SELECTORS)))
    }

    /// What one text or each of a list stands for. A mistake leaves it out, and the file is of no use then.
    fn texts<T: std::str::FromStr<Err: Display>>(&mut self, texts: &Spanned<Texts>, what: &str) -> Vec<T> {
        match &texts.value {
            Texts::One(text) => self.parsed(text, &texts.referenced, what).into_iter().collect(),
            Texts::List(list) if (1..=MAX_SELECTORS).contains(&list.len()) => list
                .iter()
                .filter_map(|text| self.parsed(&text.value, &text.referenced, what))
                .collect(),
            Texts::List(list) => {
                let found = list.len();
                let text = format!("expected 1 to {MAX_SELECTORS} {what}, found {found}");
                self.mistake(&texts.referenced, text);
                Vec::new()
            }
        }
    }

    fn nowhere<T>(&mut self, text: String) -> Option<T> {
        self.mistakes.push(Mistake { at: None, text });
        None
    }
}
