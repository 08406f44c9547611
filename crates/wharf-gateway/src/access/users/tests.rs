use std::net::IpAddr;

use super::*;

/// Of `s3cret`, at the lowest cost.
const HASH: &str = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";

fn users(names: &[&str]) -> Arc<Users> {
    let users = names.iter().map(|name| ((*name).to_owned(), HASH.parse().ok()));
    Arc::new(Users::new(users).unwrap())
}

fn basic(name: &str, password: &str) -> Credentials {
    Credentials {
        name: name.to_owned(),
        password: password.into(),
    }
}

fn address(last: u8) -> Remote {
    IpAddr::from([10, 0, 0, last]).into()
}

async fn admit(users: &Arc<Users>, credentials: Credentials) -> Verdict {
    users.admit(credentials, address(1)).await
}

async fn admit_nobody(users: &Arc<Users>) -> Verdict {
    users.admit_claim(Claims::NONE, address(1)).await
}

#[tokio::test]
async fn without_users_everybody_is_admitted() {
    assert_eq!(admit_nobody(&users(&[])).await, Verdict::Admitted);
    assert_eq!(admit_nobody(&users(&["alice"])).await, Verdict::Refused);
}

#[tokio::test]
async fn of_several_claims_the_first_counts() {
    let users = users(&["alice"]);
    for (first, expected) in [
        (Claim::User(basic("alice", "s3cret")), Verdict::Admitted),
        (Claim::Token(b"s3cret"), Verdict::Refused),
        (Claim::Unreadable, Verdict::Refused),
    ] {
        let claims = Claims {
            first,
            are_several: true,
        };
        assert_eq!(users.admit_claim(claims, address(1)).await, expected);
    }
}

#[tokio::test]
async fn the_right_password_of_a_user_is_admitted_and_nothing_else_is() {
    let users = users(&["alice", ""]);
    for round in 0..2 {
        for (name, password, expected) in [
            ("alice", "s3cret", Verdict::Admitted),
            ("", "s3cret", Verdict::Admitted),
            ("alice", "s3cre", Verdict::Refused),
            ("alice", "", Verdict::Refused),
            ("bob", "s3cret", Verdict::Refused),
            ("alice:s3cret", "", Verdict::Refused),
        ] {
            let found = admit(&users, basic(name, password)).await;
            assert_eq!(found, expected, "{name} {password}, round {round}");
        }
    }
}

#[tokio::test]
async fn a_user_without_a_hash_is_not_let_in_and_does_not_let_others_in() {
    let hashes = [("alice", None), ("bob", HASH.parse().ok())];
    let users = hashes.map(|(name, hash)| (name.to_owned(), hash));
    let users = Arc::new(Users::new(users).unwrap());
    assert_eq!(admit(&users, basic("alice", "s3cret")).await, Verdict::Refused);
    assert_eq!(admit(&users, basic("bob", "s3cret")).await, Verdict::Admitted);

    let nobody = Arc::new(Users::new([("alice".to_owned(), None)]).unwrap());
    assert_eq!(admit(&nobody, basic("alice", "s3cret")).await, Verdict::Refused);
    assert_eq!(admit_nobody(&nobody).await, Verdict::Refused);
}

#[tokio::test]
async fn credentials_have_a_length_that_nobody_needs() {
    let users = users(&["alice"]);
    let long = basic("alice", &"x".repeat(MAX_CREDENTIALS_BYTES));
    assert_eq!(admit(&users, long).await, Verdict::Refused);
    // It was not even checked.
    assert!(lock(&users.refused).is_empty());
}

#[test]
fn no_two_pairs_have_the_same_tag() {
    let users = users(&["a"]);
    let tag = |name: &str, password: &[u8]| {
        users.tag(&Credentials {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    };
    let tags = [
        tag("ab", b"c"),
        tag("a", b"bc"),
        tag("", b"abc"),
        tag("abc", b""),
        tag("a", b"b\0c"),
    ];
    let different: std::collections::HashSet<_> = tags.iter().collect();
    assert_eq!(different.len(), tags.len());
    assert_eq!(tag("ab", b"c"), tags[0]);
}

#[tokio::test]
async fn a_right_password_is_remembered_whatever_is_guessed_meanwhile() {
    let users = users(&["alice"]);
    assert_eq!(admit(&users, basic("alice", "s3cret")).await, Verdict::Admitted);
    for guess in 0..MAX_REFUSED + 10 {
        let guess = basic("alice", &format!("guess {guess}"));
        assert_eq!(admit(&users, guess).await, Verdict::Refused);
    }
    assert_eq!(lock(&users.refused).len(), MAX_REFUSED);
    // A check would not be over at once.
    let right = basic("alice", "s3cret");
    let remembered = tokio::select! {
        biased;
        verdict = admit(&users, right) => Some(verdict),
        () = std::future::ready(()) => None,
    };
    assert_eq!(remembered, Some(Verdict::Admitted));
}

/// Nothing runs, so everything stays as it is.
fn stopped(names: &[&str]) -> Arc<Users> {
    let mut users = users(names);
    Arc::get_mut(&mut users).unwrap().max_running = 0;
    users
}

#[tokio::test]
async fn who_asks_for_the_same_check_shares_it_and_each_network_has_few() {
    let users = stopped(&["alice"]);
    let begin = |password: &str, from: &str| {
        let credentials = basic("alice", password);
        let tag = users.tag(&credentials);
        users.check(credentials, tag, from.parse::<IpAddr>().unwrap().into())
    };
    for _ in 0..1000 {
        assert!(begin("s3cret", "2001:db8::1").is_ok());
    }
    assert_eq!(lock(&users.checks).outcomes.len(), 1);
    for guess in 0..100 {
        drop(begin(&guess.to_string(), &format!("2001:db8::{guess}")));
    }
    assert_eq!(lock(&users.checks).outcomes.len(), TURNS.of_one_source);
    for guess in 0..1000 {
        drop(begin(&guess.to_string(), &format!("10.0.0.{}", guess / 40)));
    }
    assert_eq!(lock(&users.checks).outcomes.len(), TURNS.all);
}

#[tokio::test]
async fn a_crowd_of_guesses_makes_room_for_others_and_is_told_to_come_again() {
    let users = stopped(&["alice"]);
    let guesses: Vec<_> = (0..TURNS.all)
        .map(|guess| {
            let credentials = basic("alice", &guess.to_string());
            let from = address(u8::try_from(guess / TURNS.of_one_source).unwrap());
            let users = Arc::clone(&users);
            tokio::spawn(async move { users.admit(credentials, from).await })
        })
        .collect();
    while lock(&users.checks).outcomes.len() < TURNS.all {
        tokio::task::yield_now().await;
    }
    let right = basic("alice", "s3cret");
    let honest = users.admit(right, address(200));
    tokio::pin!(honest);
    let waits = tokio::select! {
        biased;
        _ = &mut honest => false,
        () = tokio::task::yield_now() => true,
    };
    assert!(waits);
    // It is one of the first that are checked.
    lock(&users.checks).running = 1;
    tokio::spawn(Arc::clone(&users).run_all());
    assert_eq!(honest.await, Verdict::Admitted);
    assert!(lock(&users.refused).len() < 20);
    let mut busy = 0;
    for guess in guesses {
        busy += usize::from(guess.await.unwrap() == Verdict::Busy);
    }
    assert_eq!(busy, 1);
}

#[tokio::test]
async fn a_check_ends_even_if_nobody_waits_for_it() {
    let users = users(&["alice"]);
    let credentials = basic("alice", "s3cret");
    let tag = users.tag(&credentials);
    let mut outcome = users.check(credentials, tag, address(1)).unwrap();
    drop(users.admit(basic("alice", "s3cret"), address(1)));
    outcome.wait_for(Option::is_some).await.unwrap();
    assert_eq!(users.remembered("alice", &tag), Some(Verdict::Admitted));
    assert!(lock(&users.checks).outcomes.is_empty());
}

#[test]
fn an_unknown_name_has_always_the_same_stand_in() {
    let users = users(&["a", "b", "c"]);
    for name in ["x", "y", "z"] {
        let (first, second) = (users.stand_in(name).unwrap(), users.stand_in(name).unwrap());
        assert!(std::ptr::eq(first, second));
    }
}
