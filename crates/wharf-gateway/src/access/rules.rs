//! Who may do what.
//!
//! Without [`AccessRules`] whoever is admitted may do everything. With them, a caller has the rights of everybody,
//! and those of each identity that it proves: a user, a token, the names in a certificate. A user whom no rule names
//! has no more rights than everybody; so has an input whose senders have no identity.

use std::collections::HashMap;
use std::sync::Arc;

use crate::access::caller::{Caller, Proven};
use crate::access::claim::{Claim, Claims};
use crate::access::randomness::NoRandomness;
use crate::access::right::Role;
use crate::access::token::{TokenHash, Tokens};
use crate::access::users::{Users, Verdict};
use crate::client::Remote;
use crate::refusal::{Proofs, Refusal};
use crate::source::Input;

/// Which identities there are, and their roles.
#[derive(Debug)]
pub struct AccessRules {
    everybody: Arc<Role>,
    users: HashMap<String, Arc<Role>>,
    certificates: HashMap<String, Arc<Role>>,
    inputs: HashMap<&'static str, Arc<Role>>,
    tokens: Tokens<(String, Arc<Role>)>,
}

impl AccessRules {
    /// Rules by which everybody has the rights of `anonymous`, and nobody others.
    ///
    /// # Errors
    /// If the system gives no random numbers, with which tokens are kept.
    pub fn new(anonymous: Role) -> Result<Self, NoRandomness> {
        Ok(Self {
            everybody: Arc::new(anonymous),
            users: HashMap::new(),
            certificates: HashMap::new(),
            inputs: HashMap::new(),
            tokens: Tokens::new()?,
        })
    }

    /// Gives a role to a user of the web config file.
    pub fn add_user(&mut self, name: String, role: Role) {
        self.users.insert(name, Arc::new(role));
    }

    /// Gives a role to those whose certificate has this name: as one of its alternative names, or as common name of its
    /// subject if it has none.
    pub fn add_certificate(&mut self, name: String, role: Role) {
        self.certificates.insert(name, Arc::new(role));
    }

    /// Gives a role to an input whose senders have no identity.
    pub fn add_input(&mut self, input: Input, role: Role) {
        self.inputs.insert(input.as_str(), Arc::new(role));
    }

    /// Gives a role to those who have one of these tokens. The hashes that were there already, which should not be.
    pub fn add_token<'h>(&mut self, name: &str, hashes: &'h [TokenHash], role: Role) -> Vec<&'h TokenHash> {
        let holder = Arc::new((name.to_owned(), Arc::new(role)));
        let mut twice = Vec::new();
        for hash in hashes {
            if !self.tokens.add(hash, Arc::clone(&holder)) {
                twice.push(hash);
            }
        }
        twice
    }

    /// Whoever sends something by an input that knows no identities.
    pub fn caller_of(&self, input: Input) -> Caller {
        let mut proven = Proven::new(&self.everybody, Proofs::default());
        proven.add("input", input.as_str(), self.inputs.get(input.as_str()));
        Caller::proven(Remote::User(None), None, proven)
    }

    /// Who claims this, from there, and with these names in a certificate that was verified.
    ///
    /// # Errors
    /// Credentials that nobody knows are refused, also where nobody needs any: who sends them expects more than what
    /// everybody may do.
    pub async fn caller(
        &self,
        users: Option<&Arc<Users>>,
        claims: Claims<'_>,
        from: Remote,
        names: &[String],
    ) -> Result<Caller, Refusal> {
        let all_users = users;
        let users = users.filter(|users| !users.is_empty());
        let proofs = Proofs {
            password: users.is_some(),
            token: !self.tokens.is_empty(),
        };
        let unknown = || Refusal::credentials(proofs);
        let mut proven = Proven::new(&self.everybody, proofs);
        let claim = if claims.are_several {
            Claim::Unreadable
        } else {
            claims.first
        };
        match claim {
            Claim::None => {}
            Claim::Unreadable => return Err(unknown()),
            Claim::Token(token) => {
                let (name, role) = &**self.tokens.find(token).ok_or_else(unknown)?;
                proven.add("token", name, Some(role));
            }
            Claim::User(credentials) => {
                let name = credentials.name.clone();
                match users.ok_or_else(unknown)?.admit(credentials, from).await {
                    Verdict::Admitted => {}
                    Verdict::Refused => return Err(unknown()),
                    Verdict::Busy => return Err(Refusal::too_many_passwords()),
                }
                proven.add("user", &name, self.users.get(&name));
            }
        }
        for name in names {
            if let Some(role) = self.certificates.get(name) {
                proven.add("certificate", name, Some(role));
            }
        }
        Ok(Caller::proven(from, all_users.cloned(), proven))
    }
}

/// Who asks, by these rules and with these users, as far as there are any. Claims are looked at only where something depends on
/// them.
///
/// Without access rules nobody gets to know anything who has no credentials, as with the Pushgateway. With them it is
/// the rules that say what is for everybody, and what needs no right is for everybody too.
///
/// # Errors
/// Credentials that are wrong, or missing where some are needed; or too many passwords are being checked.
pub async fn identify<'c>(
    (rules, users): (Option<&AccessRules>, Option<&Arc<Users>>),
    needs_right: bool,
    claims: impl FnOnce() -> Claims<'c>,
    from: Remote,
    names: &[String],
) -> Result<Caller, Refusal> {
    match (rules, users) {
        // Boxed, since most gateways have neither rules nor passwords, and a future is as large as its largest branch.
        (Some(rules), _) if needs_right => Box::pin(rules.caller(users, claims(), from, names)).await,
        (Some(_), _) => Ok(Caller::none(from)),
        (None, None) => Ok(Caller::unlimited(from, None)),
        (None, Some(users)) => match Box::pin(users.admit_claim(claims(), from)).await {
            Verdict::Admitted => Ok(Caller::unlimited(from, Some(Arc::clone(users)))),
            Verdict::Refused => Err(Refusal::credentials(Proofs::PASSWORD)),
            Verdict::Busy => Err(Refusal::too_many_passwords()),
        },
    }
}

/// Whether a caller was found by these rules, with these users. If not, whoever it is may have other rights by now.
pub fn are_in_force(caller: &Caller, rules: Option<&AccessRules>, users: Option<&Arc<Users>>) -> bool {
    let are_users = match (caller.users(), users) {
        (Some(users), Some(others)) => Arc::ptr_eq(users, others),
        (users, others) => users.is_none() && others.is_none(),
    };
    are_users
        && match rules {
            Some(rules) => caller
                .everybody()
                .is_some_and(|role| Arc::ptr_eq(role, &rules.everybody)),
            None => !caller.is_by_rules(),
        }
}

#[cfg(test)]
mod tests;
