use std::net::IpAddr;

use wharf_model::{GroupingKey, Selector};

use super::*;
use crate::access::claim::Credentials;
use crate::access::right::{Need, Right, Scope};
use crate::refusal::Reason;

const TOKEN: &str = "0123456789abcdef";
const NO_PROOF: Proofs = Proofs {
    password: false,
    token: false,
};
const BY_TOKEN: Proofs = Proofs {
    password: false,
    token: true,
};

fn local() -> Remote {
    IpAddr::from([127, 0, 0, 1]).into()
}

fn selectors(texts: &[&str]) -> Vec<Selector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn scope(texts: &[&str]) -> Scope {
    Scope::from(selectors(texts))
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

fn reader() -> Role {
    Role {
        read: Scope::Everything,
        ..Role::default()
    }
}

fn pusher(job: &str) -> Role {
    Role {
        push: scope(&[&format!("{{job={job:?}}}")]),
        ..Role::default()
    }
}

/// Everybody reads, a token pushes to `a`, a certificate to `b`.
fn rules() -> AccessRules {
    let mut rules = AccessRules::new(reader()).unwrap();
    assert!(
        rules
            .add_token("ci", &[TokenHash::of(TOKEN).unwrap()], pusher("a"))
            .is_empty()
    );
    rules.add_certificate("b.example.org".to_owned(), pusher("b"));
    rules
}

async fn ask(rules: &AccessRules, claims: Claims<'_>, names: &[&str]) -> Result<Caller, Refusal> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    rules.caller(None, claims, local(), &names).await
}

fn claim(first: Claim<'_>) -> Claims<'_> {
    Claims {
        first,
        are_several: false,
    }
}

fn token(token: &str) -> Claims<'_> {
    claim(Claim::Token(token.as_bytes()))
}

fn alice() -> Claim<'static> {
    Claim::User(Credentials {
        name: "alice".to_owned(),
        password: b"s3cret".to_vec(),
    })
}

#[tokio::test]
async fn everybody_has_the_rights_of_the_anonymous_and_no_more() {
    let caller = ask(&rules(), Claims::NONE, &["unknown.example.org"])
        .await
        .unwrap();
    assert!(caller.identities().is_empty());
    assert_eq!(caller.scope(Right::Read), Scope::Everything);
    assert_eq!(caller.scope(Right::Push), Scope::Nothing);
    let denied = caller.demand(Need::ForSome(Right::Push)).unwrap_err();
    assert_eq!(denied.reason, Reason::Lacks(Right::Push, BY_TOKEN));
    assert_eq!(
        denied.text,
        "you are not signed in; pushing needs the right `push`"
    );
}

#[tokio::test]
async fn what_a_request_proves_adds_up() {
    let caller = ask(&rules(), token(TOKEN), &["x", "b.example.org"])
        .await
        .unwrap();
    assert_eq!(
        caller.identities(),
        ["token `ci`".to_owned(), "certificate `b.example.org`".to_owned()]
    );
    assert!(caller.have(Right::Read));
    for (job, is_allowed) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(caller.allow(Right::Push, &key(job)), is_allowed, "{job}");
    }
    let denied = caller.demand_for(Right::Push, &key("c")).unwrap_err();
    assert_eq!(denied.reason, Reason::Lacks(Right::Push, NO_PROOF));
    assert_eq!(
        denied.text,
        "expected the right `push` for {job=\"c\"}, found token `ci` and certificate `b.example.org` without \
         it\nhint: `push` is allowed for `{job=\"a\"}` or `{job=\"b\"}`"
    );
}

#[tokio::test]
async fn credentials_that_nobody_knows_are_refused_although_everybody_may_read() {
    let cases = [
        token("guess"),
        token(""),
        claim(Claim::Unreadable),
        claim(alice()),
        Claims {
            first: Claim::Token(TOKEN.as_bytes()),
            are_several: true,
        },
    ];
    for claims in cases {
        let described = format!("{claims:?}");
        let refused = ask(&rules(), claims, &[]).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Credentials(BY_TOKEN), "{described}");
    }
    assert!(ask(&rules(), token(TOKEN), &[]).await.is_ok());
}

#[tokio::test]
async fn a_user_without_a_role_is_known_and_has_no_more_rights_than_everybody() {
    let hash = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
    let users = Arc::new(Users::new([("alice".to_owned(), hash.parse().ok())]).unwrap());
    let rules = rules();
    let caller = rules
        .caller(Some(&users), claim(alice()), local(), &[])
        .await
        .unwrap();
    assert_eq!(caller.identities(), ["user `alice`".to_owned()]);
    assert!(caller.have(Right::Read));
    let denied = caller.demand(Need::ForSome(Right::Push)).unwrap_err();
    assert_eq!(denied.reason, Reason::Lacks(Right::Push, NO_PROOF));
}

#[tokio::test]
async fn without_a_scheme_to_say_who_one_is_there_is_nothing_to_ask_for() {
    let rules = AccessRules::new(Role::default()).unwrap();
    let caller = ask(&rules, Claims::NONE, &[]).await.unwrap();
    let denied = caller.demand(Need::ForSome(Right::Read)).unwrap_err();
    assert_eq!(denied.reason, Reason::Lacks(Right::Read, NO_PROOF));
}

#[tokio::test]
async fn what_concerns_all_groups_needs_the_right_for_all() {
    let caller = ask(&rules(), token(TOKEN), &[]).await.unwrap();
    assert!(caller.demand(Need::ForEvery(Right::Read)).is_ok());
    assert!(caller.demand(Need::ForSome(Right::Push)).is_ok());
    let denied = caller.demand(Need::ForEvery(Right::Push)).unwrap_err();
    assert_eq!(
        denied.text,
        "expected the right `push` for every group, found token `ci` without it\n\
         hint: `push` is allowed for `{job=\"a\"}`"
    );
    assert!(caller.demand(Need::ForEvery(Right::Admin)).is_err());
}

#[test]
fn without_rules_everything_is_allowed() {
    let caller = Caller::unlimited(local(), None);
    for right in Right::ALL {
        assert!(caller.have(right));
        assert_eq!(caller.scope(right), Scope::Everything);
        assert!(caller.demand(Need::ForEvery(right)).is_ok());
        assert!(caller.allow(right, &key("a")));
    }
}

#[test]
fn a_scope_narrows_what_is_asked_for() {
    let narrowed = |scope: &Scope, asked: &[&str]| scope.groups().asked(selectors(asked)).to_string();
    let limited = scope(&["{a=\"1\"}", "{b=\"2\"}"]);
    assert_eq!(narrowed(&limited, &[]), "{a=\"1\"} or {b=\"2\"}");
    assert_eq!(
        narrowed(&limited, &["{x=\"y\"}"]),
        "{a=\"1\"} or {b=\"2\"} and {x=\"y\"}"
    );
    assert_eq!(narrowed(&limited, &["{}"]), narrowed(&limited, &[]));
    assert_eq!(narrowed(&Scope::Everything, &["{x=\"y\"}"]), "{x=\"y\"}");
    assert!(Scope::Everything.groups().is_all());
    assert_eq!(narrowed(&Scope::Nothing, &["{}"]), "none");
}

#[test]
fn one_unconditional_selector_is_everything_and_none_is_nothing() {
    assert_eq!(scope(&["{a=\"1\"}", "{}"]), Scope::Everything);
    assert_eq!(scope(&[]), Scope::Nothing);
    let mut sum = scope(&["{a=\"1\"}"]);
    sum.add(&Scope::Nothing);
    sum.add(&scope(&["{b=\"2\"}"]));
    assert_eq!(sum, scope(&["{a=\"1\"}", "{b=\"2\"}"]));
    sum.add(&Scope::Everything);
    sum.add(&scope(&["{b=\"2\"}"]));
    assert_eq!(sum, Scope::Everything);
}

#[tokio::test]
async fn rights_are_by_the_rules_that_gave_them() {
    let rules = [rules(), rules()];
    let caller = ask(&rules[0], token(TOKEN), &[]).await.unwrap();
    assert!(are_in_force(&caller, Some(&rules[0]), None));
    let users = Arc::new(Users::new([]).unwrap());
    for (rules, users) in [
        (Some(&rules[1]), None),
        (None, None),
        (Some(&rules[0]), Some(&users)),
    ] {
        assert!(!are_in_force(&caller, rules, users));
    }
    let unlimited = Caller::unlimited(local(), Some(Arc::clone(&users)));
    assert!(are_in_force(&unlimited, None, Some(&users)));
    assert!(!are_in_force(&unlimited, None, None));
    assert!(!are_in_force(&unlimited, Some(&rules[0]), Some(&users)));
}
