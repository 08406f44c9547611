//! Which pushes are dealt with on a thread that others wait for: those that are quick, whatever was sent.

use wharf_gateway::{Adding, Admission, Input, Policy, Settings, Settled, Wish};
use wharf_model::name::NameRule;
use wharf_model::{Effort, GroupingKey};
use wharf_relabel::{Action, Rule, RuleSource};
use wharf_store::PushMode;

use crate::inputs::{Text, source};
use crate::support::{World, anybody, key, plain, world};

fn admit(world: &World, key: GroupingKey, mode: PushMode) -> Admission {
    let wish = Wish {
        expect: None,
        mode,
        adding: Adding::default(),
        counters: None,
        ttl: None,
        id: None,
        pushed_at: None,
    };
    let source = source(&world.gateway, Input::Push);
    let admitted = world.gateway.admit(&anybody(), source, (key, mode), || Ok(wish));
    admitted.unwrap()
}

fn series(count: usize) -> Text {
    let lines: Vec<_> = (0..count)
        .map(|number| format!("m{{n=\"{number}\"}} 1\n"))
        .collect();
    Text(lines.concat())
}

/// Whether a push is quick; if it is not, it is stored all the same.
async fn is_quick(world: &World, key: GroupingKey, mode: PushMode, body: &Text) -> bool {
    let pushed = admit(world, key, mode).push_quickly(body);
    let is_quick = pushed.is_ok();
    let pending = pushed.unwrap_or_else(|takes_long| takes_long.push(&Effort::unlimited(), |_| Ok(body)));
    assert_eq!(pending.settle().await, Ok(Settled::Stored));
    is_quick
}

#[tokio::test]
async fn an_ordinary_push_is_quick() {
    let world = plain();
    for mode in [
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
    ] {
        assert!(is_quick(&world, key("a"), mode, &series(100)).await, "{mode:?}");
    }
    assert_eq!(world.hour(), (3, 0));
}

#[tokio::test]
async fn a_push_whose_group_has_long_labels_takes_as_long_as_its_lines() {
    let world = plain();
    let long = key(&"j".repeat(60_000));
    let mode = PushMode::ReplaceGroup;
    assert!(is_quick(&world, long.clone(), mode, &series(3)).await);
    assert!(!is_quick(&world, long, mode, &series(10)).await);
    // Booked once, although it was begun twice.
    assert_eq!(world.hour(), (2, 0));
}

#[tokio::test]
async fn rules_that_look_at_long_labels_take_long() {
    let policy = |rules: usize| Policy {
        relabelling: (0..rules).map(|_| rule("v*w")).collect(),
        ..Policy::default()
    };
    let value = "v".repeat(10_000);
    let body = Text(format!(
        "m{{a=\"{value}\"}} 1\nm{{a=\"{value}\",b=\"\"}} 1\nm{{a=\"{value}\",b=\"c\"}} 1\n"
    ));
    for (rules, expected) in [(1, true), (20, false)] {
        let world = world(Settings::default(), policy(rules));
        let found = is_quick(&world, key("a"), PushMode::ReplaceGroup, &body).await;
        assert_eq!(found, expected, "{rules} rules");
    }
    // One whose expression has very many parts counts as several.
    let policy = Policy {
        relabelling: vec![rule("(?:[ab]*a[ab]{0,1000}){2}")],
        ..Policy::default()
    };
    let world = world(Settings::default(), policy);
    assert!(!is_quick(&world, key("a"), PushMode::ReplaceGroup, &body).await);
}

fn rule(regex: &str) -> Rule {
    let source = RuleSource {
        action: Some(Action::Drop),
        source_labels: Some(vec!["a".to_owned()]),
        regex: Some(regex.to_owned()),
        ..RuleSource::default()
    };
    Rule::new(source, NameRule::Utf8).unwrap()
}

#[tokio::test]
async fn a_small_push_that_takes_the_place_of_much_takes_long() {
    let families: Vec<_> = (0..3000).map(|number| format!("f{number} 1\n")).collect();
    for much in [Text(families.concat()), series(3000)] {
        for mode in [
            PushMode::ReplaceSeries,
            PushMode::ReplaceFamilies,
            PushMode::ReplaceGroup,
        ] {
            let world = plain();
            let first = PushMode::ReplaceGroup;
            assert!(!is_quick(&world, key("a"), first, &much).await, "much comes");
            assert!(!is_quick(&world, key("a"), mode, &series(1)).await, "{mode:?}");
            assert!(is_quick(&world, key("b"), mode, &series(1)).await, "{mode:?}");
            assert_eq!(world.hour(), (3, 0));
        }
    }
}

#[tokio::test]
async fn what_rules_drop_is_counted_once_although_the_push_is_begun_twice() {
    let drop = Policy {
        relabelling: vec![rule("drops?")],
        ..Policy::default()
    };
    let world = world(Settings::default(), drop);
    assert!(!is_quick(&world, key("a"), PushMode::ReplaceGroup, &series(3000)).await);
    let body = Text("m{a=\"drop\"} 1\nm{a=\"drops\"} 1\nm{a=\"stays\"} 1\n".to_owned());
    assert!(!is_quick(&world, key("a"), PushMode::ReplaceSeries, &body).await);
    assert_eq!(world.dropped(), 2);
}

#[tokio::test]
async fn what_rules_drop_is_counted_once_although_they_make_so_much_of_the_rest_that_it_takes_long() {
    let lengthens = RuleSource {
        source_labels: Some(vec!["n".to_owned()]),
        target_label: Some("long".to_owned()),
        replacement: Some(format!("${{1}}{}", "x".repeat(4000))),
        ..RuleSource::default()
    };
    let policy = Policy {
        relabelling: vec![rule("drops?"), Rule::new(lengthens, NameRule::Utf8).unwrap()],
        ..Policy::default()
    };
    let world = world(Settings::default(), policy);
    let Text(many) = series(1500);
    let body = Text(format!("{many}m{{a=\"drop\"}} 1\n"));
    assert!(!is_quick(&world, key("a"), PushMode::ReplaceGroup, &body).await);
    assert_eq!(world.dropped(), 1);
}
