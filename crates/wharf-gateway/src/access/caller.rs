//! Who asks for something, and what they may do.

use std::fmt::Write;
use std::sync::Arc;

use wharf_model::GroupingKey;

use crate::access::right::{Need, Right, Role, Scope};
use crate::access::users::Users;
use crate::client::{Client, Remote};
use crate::refusal::{Proofs, Reason, Refusal};

/// Who asks, from where, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    from: Remote,
    /// Those of whom it may be one.
    users: Option<Arc<Users>>,
    /// None: there are no rules.
    proven: Option<Arc<Proven>>,
}

/// Rights by rules. Without rules there is nothing to know.
#[derive(Debug, Default)]
pub(super) struct Proven {
    identities: Vec<String>,
    /// The first is that of everybody.
    roles: Vec<Arc<Role>>,
    /// How a caller could prove who it is.
    proofs: Proofs,
}

impl Proven {
    pub(super) fn new(everybody: &Arc<Role>, proofs: Proofs) -> Self {
        Self {
            identities: Vec::new(),
            roles: vec![Arc::clone(everybody)],
            proofs,
        }
    }

    pub(super) fn add(&mut self, kind: &str, name: &str, role: Option<&Arc<Role>>) {
        self.identities.push(format!("{kind} `{name}`"));
        self.roles.extend(role.cloned());
    }
}

impl Caller {
    /// One who may do everything: there are no rules.
    pub fn unlimited(from: Remote, users: Option<Arc<Users>>) -> Self {
        Self {
            from,
            users,
            proven: None,
        }
    }

    /// One without any right, for what needs none.
    pub fn none(from: Remote) -> Self {
        Self {
            from,
            users: None,
            proven: Some(Arc::default()),
        }
    }

    /// One with the rights of what was proven.
    pub(super) fn proven(from: Remote, users: Option<Arc<Users>>, proven: Proven) -> Self {
        Self {
            from,
            users,
            proven: Some(Arc::new(proven)),
        }
    }

    pub(super) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }

    /// The role of everybody under the rules by which this caller was found, if it was by rules that it was.
    pub(super) fn everybody(&self) -> Option<&Arc<Role>> {
        self.proven.as_ref()?.roles.first()
    }

    /// Whom to count for what they take: who they are, if that is known, otherwise where they come from.
    pub fn client(&self) -> Client {
        match self.identities().first() {
            Some(identity) => Client::Known(identity.clone()),
            None => Client::At(self.from),
        }
    }

    /// Who asks, by the rules: ``user `alice` ``. Anonymous if it is empty.
    pub fn identities(&self) -> &[String] {
        self.proven.as_ref().map_or(&[], |proven| &proven.identities)
    }

    /// Whether others may have other rights.
    pub fn is_by_rules(&self) -> bool {
        self.proven.is_some()
    }

    /// For which groups it has a right.
    pub fn scope(&self, right: Right) -> Scope {
        let Some(proven) = &self.proven else {
            return Scope::Everything;
        };
        let mut scope = Scope::Nothing;
        for role in &proven.roles {
            scope.add(role.scope(right));
        }
        scope
    }

    /// Whether it has a right for the group of this key.
    pub fn allow(&self, right: Right, key: &GroupingKey) -> bool {
        self.any(|role| role.scope(right).has(key))
    }

    /// Whether it has a right for any group.
    pub fn have(&self, right: Right) -> bool {
        self.any(|role| *role.scope(right) != Scope::Nothing)
    }

    fn any(&self, of: impl FnMut(&Role) -> bool) -> bool {
        let Some(proven) = &self.proven else { return true };
        proven.roles.iter().map(Arc::as_ref).any(of)
    }

    /// Passes if it has what is needed.
    ///
    /// # Errors
    /// [`Reason::Lacks`], with the ways to prove who one is if that could help.
    pub fn demand(&self, need: Need) -> Result<(), Refusal> {
        let (right, is_allowed) = match need {
            Need::Identity => return Ok(()),
            Need::ForSome(right) => (right, self.have(right)),
            Need::One([right, other]) => (right, self.have(right) || self.have(other)),
            Need::ForEvery(right) => (right, self.any(|role| *role.scope(right) == Scope::Everything)),
        };
        if is_allowed {
            return Ok(());
        }
        Err(if self.have(right) {
            self.lacking(right, " for every group", Some(&self.scope(right)))
        } else {
            self.lacking(right, "", None)
        })
    }

    /// Passes if it has a right for the group of this key.
    ///
    /// # Errors
    /// As [`Self::demand`].
    pub fn demand_for(&self, right: Right, key: &GroupingKey) -> Result<(), Refusal> {
        if self.allow(right, key) {
            return Ok(());
        }
        let of_group = format!(" for {}", key.brief());
        Err(self.lacking(right, &of_group, Some(&self.scope(right))))
    }

    /// Who asks, for texts and logs.
    pub fn who(&self) -> String {
        match self.identities() {
            [] => "anonymous".to_owned(),
            identities => identities.join(" and "),
        }
    }

    /// The refusal of a caller that lacks a right, or has it in this scope only.
    fn lacking(&self, right: Right, for_what: &str, scope: Option<&Scope>) -> Refusal {
        let name = right.as_str();
        let doing = match right {
            Right::Push => "pushing",
            Right::Delete => "deleting",
            Right::Read => "reading",
            Right::Admin => "this",
        };
        let is_known = !self.identities().is_empty();
        let can_sign_in = self.proofs().is_any();
        let mut text = match (is_known, can_sign_in) {
            (true, _) => {
                let who = self.who();
                format!("expected the right `{name}`{for_what}, found {who} without it")
            }
            (false, true) => format!("you are not signed in; {doing} needs the right `{name}`{for_what}"),
            (false, false) => {
                format!("{doing} needs the right `{name}`{for_what}, which anonymous clients do not have")
            }
        };
        if let Some(scope) = scope {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "\nhint: `{name}` is allowed for {scope}");
        }
        self.denied(right, text)
    }

    fn proofs(&self) -> Proofs {
        self.proven
            .as_ref()
            .map(|proven| proven.proofs)
            .unwrap_or_default()
    }

    fn denied(&self, right: Right, text: String) -> Refusal {
        let is_known = !self.identities().is_empty();
        let proofs = if is_known {
            Proofs::default()
        } else {
            self.proofs()
        };
        Refusal::new(Reason::Lacks(right, proofs), text)
    }
}
