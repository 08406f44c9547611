//! Who may do what.
//!
//! Without [`AccessRules`] whoever is admitted may do everything. With them, a request has the rights of everybody,
//! and those of each identity that it proves: a user, a token, the names in a certificate. A user whom no rule names
//! has no more rights than everybody.
//!
//! Which right a route needs stands in the router's table. Which groups a right is for is asked of [`Rights`], by the
//! handlers that know the groups.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use wharf_model::{GroupingKey, Selector};

use crate::answer::error::ApiError;
use crate::auth::{Claim, NoRandomness, TokenHash, Tokens, Users, Verdict};
use crate::client::{Client, Source};
use crate::request::grouping::brief;
use crate::transport::access::Turned;
use crate::transport::chunks::ResponseBody;

/// What somebody may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To push.
    Push,
    /// To delete groups, one by one or by selector.
    Delete,
    /// To see what is stored: scrapes, listings, JSON.
    Read,
    /// To wipe, to import, to reload and to end the process, and to see its flags.
    Admin,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Push, Self::Delete, Self::Read, Self::Admin];

    /// As the configuration file and the metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To know who asks. Whoever does is welcome.
    Identity,
    /// A right for some group at least. The handler asks again about the groups that it deals with, or narrows what it
    /// shows.
    ForSome(Right),
    /// A right for every group. The handler asks nothing: this is for routes that deal with all groups at once.
    ForEvery(Right),
}

/// For which groups a right holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// For none: the right is not there.
    #[default]
    Nothing,
    /// For those that one of these selects; there is at least one.
    Groups(Vec<Selector>),
    /// For all.
    Everything,
}

impl From<Vec<Selector>> for Scope {
    fn from(selectors: Vec<Selector>) -> Self {
        if selectors.iter().any(Selector::is_unconditional) {
            Self::Everything
        } else if selectors.is_empty() {
            Self::Nothing
        } else {
            Self::Groups(selectors)
        }
    }
}

impl Scope {
    /// Whether the right holds for the group of this key.
    pub fn has(&self, key: &GroupingKey) -> bool {
        match self {
            Self::Nothing => false,
            Self::Groups(selectors) => Selector::any(selectors, key),
            Self::Everything => true,
        }
    }

    /// Selectors for the groups of this scope that `asked` selects, which is all groups if it is empty. So is the
    /// result, and only if that is what was asked for and nothing limits it.
    pub(crate) fn narrow(&self, asked: Vec<Selector>) -> Vec<Selector> {
        let allowed = match self {
            Self::Everything => return asked,
            Self::Nothing => return vec![Selector::none()],
            Self::Groups(allowed) => allowed,
        };
        if asked.is_empty() {
            return allowed.clone();
        }
        let both = |asked: &Selector| {
            allowed
                .iter()
                .map(|allowed| asked.and(allowed))
                .collect::<Vec<_>>()
        };
        asked.iter().flat_map(both).collect()
    }

    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Everything, _) | (_, Self::Nothing) => {}
            (Self::Groups(selectors), Self::Groups(others)) => selectors.extend_from_slice(others),
            (_, other) => *self = other.clone(),
        }
    }
}

/// For an error text: the selectors that count.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no group"),
            Self::Everything => f.write_str("every group"),
            Self::Groups(selectors) => {
                for (index, selector) in selectors.iter().enumerate() {
                    write!(f, "{}`{selector}`", if index == 0 { "" } else { " or " })?;
                }
                Ok(())
            }
        }
    }
}

/// The rights that go together with an identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// To which groups it may push.
    pub push: Scope,
    /// Which groups it may delete.
    pub delete: Scope,
    /// Which groups it may see.
    pub read: Scope,
    /// Whether it may do what concerns the gateway as a whole.
    pub admin: bool,
}

impl Role {
    fn scope(&self, right: Right) -> &Scope {
        match right {
            Right::Push => &self.push,
            Right::Delete => &self.delete,
            Right::Read => &self.read,
            Right::Admin if self.admin => &Scope::Everything,
            Right::Admin => &Scope::Nothing,
        }
    }
}

/// Which identities there are, and their roles.
#[derive(Debug)]
pub struct AccessRules {
    everybody: Arc<Role>,
    users: HashMap<String, Arc<Role>>,
    certificates: HashMap<String, Arc<Role>>,
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

    /// What a request may do, with these headers, from this address, and with these names in a certificate that was
    /// verified.
    ///
    /// # Errors
    /// Credentials that nobody knows are refused, also where nobody needs any: who sends them expects more than what
    /// everybody may do.
    pub(crate) async fn rights(
        &self,
        users: Option<&Arc<Users>>,
        headers: &HeaderMap,
        from: Source,
        names: &[String],
    ) -> Result<Rights, Turned> {
        let all_users = users;
        let users = users.filter(|users| !users.is_empty());
        let challenges = Challenges {
            basic: users.is_some(),
            bearer: !self.tokens.is_empty(),
        };
        let unknown = Turned::Unauthorized(challenges);
        let mut proven = Proven {
            identities: Vec::new(),
            roles: vec![Arc::clone(&self.everybody)],
            challenges,
        };
        match Claim::of(headers) {
            Claim::None => {}
            Claim::Other => return Err(unknown),
            Claim::Token(token) => {
                let (name, role) = &**self.tokens.find(token).ok_or(unknown)?;
                proven.add("token", name, Some(role));
            }
            Claim::User(name) => {
                match users.ok_or(unknown)?.admit(headers, from).await {
                    Verdict::Admitted => {}
                    Verdict::Refused => return Err(unknown),
                    Verdict::Busy => return Err(Turned::Busy),
                }
                proven.add("user", &name, self.users.get(&name));
            }
        }
        for name in names {
            if let Some(role) = self.certificates.get(name) {
                proven.add("certificate", name, Some(role));
            }
        }
        Ok(Rights {
            from,
            users: all_users.cloned(),
            proven: Some(Arc::new(proven)),
        })
    }
}

/// By which schemes a client may say who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Challenges {
    pub(crate) basic: bool,
    pub(crate) bearer: bool,
}

impl Challenges {
    /// Of a web config file with users.
    pub(crate) const BASIC: Self = Self {
        basic: true,
        bearer: false,
    };

    /// Names the schemes in a response.
    pub(crate) fn put(self, response: &mut Response<ResponseBody>) {
        for (scheme, is_known) in [("Basic", self.basic), ("Bearer", self.bearer)] {
            if is_known {
                let scheme = HeaderValue::from_static(scheme);
                response.headers_mut().append(WWW_AUTHENTICATE, scheme);
            }
        }
    }

    /// What to answer to those who might be allowed if they said who they are: 401 has to name a scheme.
    pub(crate) fn status(self) -> StatusCode {
        if self == Self::default() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::UNAUTHORIZED
        }
    }
}

/// Who asks, and what they may do.
#[derive(Debug, Clone)]
pub struct Rights {
    from: Source,
    /// Those of whom it may be one.
    users: Option<Arc<Users>>,
    /// None: there are no rules.
    proven: Option<Arc<Proven>>,
}

/// Rights by rules. Without rules there is nothing to know.
#[derive(Debug, Default)]
struct Proven {
    identities: Vec<String>,
    roles: Vec<Arc<Role>>,
    challenges: Challenges,
}

impl Proven {
    fn add(&mut self, kind: &str, name: &str, role: Option<&Arc<Role>>) {
        self.identities.push(format!("{kind} `{name}`"));
        self.roles.extend(role.cloned());
    }
}

impl Rights {
    /// Everything: there are no rules.
    pub(crate) fn unlimited(from: Source, users: Option<Arc<Users>>) -> Self {
        Self {
            from,
            users,
            proven: None,
        }
    }

    /// None, for what needs none.
    pub(crate) fn none(from: Source) -> Self {
        Self {
            from,
            users: None,
            proven: Some(Arc::default()),
        }
    }

    /// Whether these were found by these rules, with these users. If not, those who have them may have others by now.
    pub(crate) fn are_by(&self, rules: Option<&AccessRules>, users: Option<&Arc<Users>>) -> bool {
        let are_users = match (&self.users, users) {
            (Some(users), Some(others)) => Arc::ptr_eq(users, others),
            (users, others) => users.is_none() && others.is_none(),
        };
        are_users
            && match (&self.proven, rules) {
                // The first role is that of everybody.
                (Some(proven), Some(rules)) => {
                    let everybody = proven.roles.first();
                    everybody.is_some_and(|role| Arc::ptr_eq(role, &rules.everybody))
                }
                (proven, rules) => proven.is_none() && rules.is_none(),
            }
    }

    /// Whom to count for what they take: who they are, if that is known, otherwise where they come from.
    pub(crate) fn client(&self) -> Client {
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
    pub(crate) fn are_by_rules(&self) -> bool {
        self.proven.is_some()
    }

    /// For which groups the request has a right.
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

    /// Whether the request has a right for the group of this key.
    pub fn allow(&self, right: Right, key: &GroupingKey) -> bool {
        self.any(|role| role.scope(right).has(key))
    }

    /// Whether the request has a right for any group.
    pub fn have(&self, right: Right) -> bool {
        self.any(|role| *role.scope(right) != Scope::Nothing)
    }

    fn any(&self, of: impl FnMut(&Role) -> bool) -> bool {
        let Some(proven) = &self.proven else { return true };
        proven.roles.iter().map(Arc::as_ref).any(of)
    }

    /// Lets a request pass that has what a route needs.
    ///
    /// # Errors
    /// 401 for those who have not said who they are and could, otherwise 403.
    pub(crate) fn demand(&self, need: Need) -> Result<(), ApiError> {
        let (right, is_allowed) = match need {
            Need::Identity => return Ok(()),
            Need::ForSome(right) => (right, self.have(right)),
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

    /// Lets a request pass that has a right for the group of this key.
    ///
    /// # Errors
    /// As [`Self::demand`].
    pub(crate) fn demand_for(&self, right: Right, key: &GroupingKey) -> Result<(), ApiError> {
        if self.allow(right, key) {
            return Ok(());
        }
        let of_group = format!(" for {}", brief(key));
        Err(self.lacking(right, &of_group, Some(&self.scope(right))))
    }

    /// Who asks, for texts and logs.
    pub(crate) fn who(&self) -> String {
        match self.identities() {
            [] => "anonymous".to_owned(),
            identities => identities.join(" and "),
        }
    }

    /// The refusal of a request that lacks a right, or has it in this scope only.
    fn lacking(&self, right: Right, for_what: &str, scope: Option<&Scope>) -> ApiError {
        let name = right.as_str();
        let doing = match right {
            Right::Push => "pushing",
            Right::Delete => "deleting",
            Right::Read => "reading",
            Right::Admin => "this",
        };
        let is_known = !self.identities().is_empty();
        let can_sign_in = self.challenges() != Challenges::default();
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
        self.denied(right, &text)
    }

    fn challenges(&self) -> Challenges {
        let proven = self.proven.as_ref();
        proven.map(|proven| proven.challenges).unwrap_or_default()
    }

    fn denied(&self, right: Right, text: &str) -> ApiError {
        let is_known = !self.identities().is_empty();
        let challenges = if is_known {
            Challenges::default()
        } else {
            self.challenges()
        };
        ApiError::denied(right, text, challenges)
    }
}

#[cfg(test)]
mod tests;
