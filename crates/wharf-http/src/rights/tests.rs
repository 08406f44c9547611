use std::net::IpAddr;

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;

const TOKEN: &str = "0123456789abcdef";

fn local() -> Source {
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

async fn ask(rules: &AccessRules, authorization: &[&str], names: &[&str]) -> Result<Rights, Turned> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    rules.rights(None, &headers, local(), &names).await
}

#[tokio::test]
async fn everybody_has_the_rights_of_the_anonymous_and_no_more() {
    let rights = ask(&rules(), &[], &["unknown.example.org"]).await.unwrap();
    assert!(rights.identities().is_empty());
    assert_eq!(rights.scope(Right::Read), Scope::Everything);
    assert_eq!(rights.scope(Right::Push), Scope::Nothing);
    let denied = rights.demand(Need::ForSome(Right::Push)).unwrap_err();
    assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        denied.text(),
        "you are not signed in; pushing needs the right `push`"
    );
}

#[tokio::test]
async fn what_a_request_proves_adds_up() {
    let bearer = format!("Bearer {TOKEN}");
    let rights = ask(&rules(), &[&bearer], &["x", "b.example.org"]).await.unwrap();
    assert_eq!(
        rights.identities(),
        ["token `ci`".to_owned(), "certificate `b.example.org`".to_owned()]
    );
    assert!(rights.have(Right::Read));
    for (job, is_allowed) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(rights.allow(Right::Push, &key(job)), is_allowed, "{job}");
    }
    let denied = rights.demand_for(Right::Push, &key("c")).unwrap_err();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        denied.text(),
        "expected the right `push` for {job=\"c\"}, found token `ci` and certificate `b.example.org` without \
         it\nhint: `push` is allowed for `{job=\"a\"}` or `{job=\"b\"}`"
    );
}

#[tokio::test]
async fn credentials_that_nobody_knows_are_refused_although_everybody_may_read() {
    let bearer = format!("Bearer {TOKEN}");
    let cases: [&[&str]; 9] = [
        &["Bearer guess"],
        &["Bearer"],
        &["Bearer "],
        &[""],
        &["Basic YWxpY2U6czNjcmV0"],
        &["Digest x"],
        &[TOKEN],
        &[&bearer, &bearer],
        &[&bearer, "Basic YWxpY2U6czNjcmV0"],
    ];
    for authorization in cases {
        let turned = ask(&rules(), authorization, &[]).await.unwrap_err();
        let challenges = Challenges {
            basic: false,
            bearer: true,
        };
        assert_eq!(turned, Turned::Unauthorized(challenges), "{authorization:?}");
    }
    assert!(ask(&rules(), &[&format!("bEARER {TOKEN}")], &[]).await.is_ok());
}

#[tokio::test]
async fn a_user_without_a_role_is_known_and_has_no_more_rights_than_everybody() {
    let hash = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
    let users = Arc::new(Users::new([("alice".to_owned(), hash.parse().ok())]).unwrap());
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YWxpY2U6czNjcmV0"));
    let from = local();
    let rules = rules();
    let rights = rules.rights(Some(&users), &headers, from, &[]).await.unwrap();
    assert_eq!(rights.identities(), ["user `alice`".to_owned()]);
    assert!(rights.have(Right::Read));
    let denied = rights.demand(Need::ForSome(Right::Push)).unwrap_err();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_a_scheme_to_say_who_one_is_there_is_nothing_to_ask_for() {
    let rules = AccessRules::new(Role::default()).unwrap();
    let rights = ask(&rules, &[], &[]).await.unwrap();
    let denied = rights.demand(Need::ForSome(Right::Read)).unwrap_err();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_concerns_all_groups_needs_the_right_for_all() {
    let bearer = format!("Bearer {TOKEN}");
    let rights = ask(&rules(), &[&bearer], &[]).await.unwrap();
    assert!(rights.demand(Need::ForEvery(Right::Read)).is_ok());
    assert!(rights.demand(Need::ForSome(Right::Push)).is_ok());
    let denied = rights.demand(Need::ForEvery(Right::Push)).unwrap_err();
    assert_eq!(
        denied.text(),
        "expected the right `push` for every group, found token `ci` without it\n\
         hint: `push` is allowed for `{job=\"a\"}`"
    );
    assert!(rights.demand(Need::ForEvery(Right::Admin)).is_err());
}

#[test]
fn without_rules_everything_is_allowed() {
    let rights = Rights::unlimited(local(), None);
    for right in Right::ALL {
        assert!(rights.have(right));
        assert_eq!(rights.scope(right), Scope::Everything);
        assert!(rights.demand(Need::ForEvery(right)).is_ok());
        assert!(rights.allow(right, &key("a")));
    }
}

#[test]
fn a_scope_narrows_what_is_asked_for() {
    let narrowed = |scope: &Scope, asked: &[&str]| {
        let narrowed = scope.narrow(selectors(asked)).into_iter();
        narrowed.map(|selector| selector.to_string()).collect::<Vec<_>>()
    };
    let limited = scope(&["{a=\"1\"}", "{b=\"2\"}"]);
    assert_eq!(narrowed(&limited, &[]), ["{a=\"1\"}", "{b=\"2\"}"]);
    assert_eq!(
        narrowed(&limited, &["{x=\"y\"}"]),
        ["{x=\"y\",a=\"1\"}", "{x=\"y\",b=\"2\"}"]
    );
    assert_eq!(narrowed(&limited, &["{}"]), ["{a=\"1\"}", "{b=\"2\"}"]);
    assert_eq!(narrowed(&Scope::Everything, &["{x=\"y\"}"]), ["{x=\"y\"}"]);
    assert!(narrowed(&Scope::Everything, &[]).is_empty());
    assert_eq!(narrowed(&Scope::Nothing, &["{}"]), ["{job=\"\"}"]);
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
    let rights = ask(&rules[0], &["Bearer 0123456789abcdef"], &[]).await.unwrap();
    assert!(rights.are_by(Some(&rules[0]), None));
    let users = Arc::new(Users::new([]).unwrap());
    for (rules, users) in [
        (Some(&rules[1]), None),
        (None, None),
        (Some(&rules[0]), Some(&users)),
    ] {
        assert!(!rights.are_by(rules, users));
    }
    let unlimited = Rights::unlimited(local(), Some(Arc::clone(&users)));
    assert!(unlimited.are_by(None, Some(&users)));
    assert!(!unlimited.are_by(None, None));
    assert!(!unlimited.are_by(Some(&rules[0]), Some(&users)));
}
