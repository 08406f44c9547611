//! Before the body of a push comes: who may push, what it asks for, and how often.

use std::sync::Arc;

use wharf_model::GroupingKey;
use wharf_store::PushMode;

use crate::access::caller::Caller;
use crate::access::right::{Need, Right};
use crate::activity::{Content, Pushed};
use crate::gateway::Gateway;
use crate::policy::Active;
use crate::refusal::Refusal;
use crate::source::Source;
use crate::wish::Wish;

/// A push to one group that may go on: what can be known before its body comes is in order. The rules that were in force when
/// it was admitted hold for all of it.
///
/// Dropped, it leaves no trace: then the push never came.
#[derive(Debug)]
#[must_use = "a push that was admitted is to be pushed or refused"]
pub struct Admission {
    pub(super) gateway: Arc<Gateway>,
    pub(super) source: Source,
    pub(super) pushed: Pushed,
    pub(super) wish: Wish,
    pub(super) rules: Arc<Active>,
    pub(super) caller: Caller,
}

/// As [`Admission`], of a push to many groups, which are not known before its body has been read.
#[derive(Debug)]
#[must_use = "a push that was admitted is to be pushed or refused"]
pub struct ManyAdmission {
    pub(super) gateway: Arc<Gateway>,
    pub(super) source: Source,
    pub(super) wish: Wish,
    pub(super) rules: Arc<Active>,
    pub(super) caller: Caller,
}

impl Gateway {
    /// Lets a push to a group begin: its sender has the right, and no quota refuses it. What it asks for is looked at only
    /// when its sender has the right; `mode` is what it replaces as far as that is known before.
    ///
    /// The key is that of the group as it is stored: nothing that comes later, relabelling neither, can change it.
    ///
    /// # Errors
    /// If it may not; that has been booked.
    pub fn admit(
        self: &Arc<Self>,
        caller: &Caller,
        source: Source,
        (key, mode): (GroupingKey, PushMode),
        wish: impl FnOnce() -> Result<Wish, Refusal>,
    ) -> Result<Admission, Refusal> {
        let content = Content::default();
        match self.examine(caller, &key, wish) {
            Ok((wish, rules)) => Ok(Admission {
                gateway: Arc::clone(self),
                source,
                pushed: Pushed {
                    mode: wish.mode,
                    key,
                    content,
                },
                wish,
                rules,
                caller: caller.clone(),
            }),
            Err(refusal) => {
                self.refuse(&source, Some(Pushed { key, mode, content }), &refusal);
                Err(refusal)
            }
        }
    }

    fn examine(
        &self,
        caller: &Caller,
        key: &GroupingKey,
        wish: impl FnOnce() -> Result<Wish, Refusal>,
    ) -> Result<(Wish, Arc<Active>), Refusal> {
        caller.demand_for(Right::Push, key)?;
        let wish = wish()?;
        self.demand_date(&wish, caller)?;
        self.demand_expect(&wish)?;
        self.settings.push_limits.check_key(key)?;
        if let Some(said) = &wish.expect {
            said.check_key(key)?;
        }
        let rules = self.policy();
        let mode = rules.mode(key, &wish)?;
        let wish = Wish { mode, ..wish };
        rules
            .admit(key, || self.instant())
            .map_err(|error| Refusal::from(&error))?;
        Ok((wish, rules))
    }

    /// Lets a push to many groups begin. Rights and quotas are asked for each group when they are known.
    ///
    /// # Errors
    /// If it may not; that has been booked.
    pub fn admit_many(
        self: &Arc<Self>,
        caller: &Caller,
        source: Source,
        wish: impl FnOnce() -> Result<Wish, Refusal>,
    ) -> Result<ManyAdmission, Refusal> {
        let wish = wish().and_then(|wish| {
            self.demand_date(&wish, caller)?;
            self.demand_expect(&wish)?;
            Ok(wish)
        });
        match wish {
            Ok(wish) => Ok(ManyAdmission {
                gateway: Arc::clone(self),
                source,
                wish,
                rules: self.policy(),
                caller: caller.clone(),
            }),
            Err(refusal) => {
                self.refuse(&source, None, &refusal);
                Err(refusal)
            }
        }
    }

    /// Whoever says when the next push is expected has to be told where that counts for nothing.
    fn demand_expect(&self, wish: &Wish) -> Result<(), Refusal> {
        if wish.expect.is_none() || self.settings.expect.from_push {
            return Ok(());
        }
        let text = "expect: pushes may not say here when the next one is expected\nhint: start Wharf with --expect.from-push";
        Err(Refusal::parameter(&text))
    }

    /// Who sets the time of a push can make a job that has failed look sound: that is not for everybody who may push.
    fn demand_date(&self, wish: &Wish, caller: &Caller) -> Result<(), Refusal> {
        if wish.pushed_at.is_none() {
            return Ok(());
        }
        self.settings.admin.allow_dates()?;
        caller.demand(Need::ForEvery(Right::Admin))
    }
}

impl Admission {
    /// Who pushes.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What is known of it so far.
    pub fn pushed(&self) -> &Pushed {
        &self.pushed
    }

    /// Its body has come, with so many bytes as they were sent.
    pub fn received(&mut self, body_bytes: u64) {
        self.pushed.content.body_bytes = body_bytes;
    }

    /// Books that it gets no further, for instance because its body did not come.
    pub fn refuse(self, refusal: Refusal) -> Refusal {
        self.gateway.refuse(&self.source, Some(self.pushed), &refusal);
        refusal
    }
}

impl ManyAdmission {
    /// Who pushes.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Books that it gets no further.
    pub fn refuse(self, refusal: Refusal) -> Refusal {
        self.gateway.refuse(&self.source, None, &refusal);
        refusal
    }
}
