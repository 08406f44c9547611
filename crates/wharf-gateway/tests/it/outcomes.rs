//! What pushes come to that is particular to one way in.

use std::sync::Arc;

use wharf_exposition::protobuf;
use wharf_gateway::{
    Adding, Body, Change, Input, Policy, PushSettings, Reason, Refusal, Settings, Settled, Wish,
};
use wharf_model::{Effort, Exposition, Meter};
use wharf_store::PushMode;

use crate::inputs::{One, Push, Way, by_job, source, text};
use crate::support::{World, anybody, key, plain, world};

const PUT: Wish = Wish {
    expect: None,
    mode: PushMode::ReplaceGroup,
    adding: Adding {
        wanted: None,
        gauges: None,
        bounds: None,
    },
    counters: None,
    ttl: None,
    id: None,
    pushed_at: None,
};

async fn push(world: &World, job: &str, body: &impl Body) -> Result<Settled, Refusal> {
    let source = source(&world.gateway, Input::Push);
    let group = (key(job), PushMode::ReplaceGroup);
    let admission = world.gateway.admit(&anybody(), source, group, || Ok(PUT))?;
    let pending = admission.push(&Effort::unlimited(), |_| Ok(body));
    pending.settle().await
}

#[tokio::test]
async fn a_push_that_is_dropped_in_silence_does_not_count_as_stored() {
    let settings = Settings {
        pushes: PushSettings {
            unchecked: true,
            ..PushSettings::default()
        },
        ..Settings::default()
    };
    let world = world(settings, Policy::default());
    let body = text("# TYPE m counter\nm 1\n".to_owned());
    assert_eq!(push(&world, "a", &body).await, Ok(Settled::Stored));
    let body = text("# TYPE m gauge\nm 1\n".to_owned());
    assert_eq!(push(&world, "b", &body).await, Ok(Settled::Dropped));
    assert_eq!(world.hour(), (1, 1));
    assert_eq!(world.history("a"), [""]);
    let history = world.history("b");
    assert_eq!(history.len(), 1);
    assert_ne!(history, [""]);
    assert_eq!(world.refused(&history[0]), 1);
    assert!(world.says_failed("b"));
    // What cannot be read is refused all the same.
    let refused = push(&world, "b", &text("m x\n".to_owned())).await;
    assert_eq!(refused.unwrap_err().reason, Reason::Syntax);
}

/// A body in protobuf with these values of a label `a`.
struct Message(Vec<u8>);

impl Message {
    fn with_label(value: &[u8]) -> Self {
        let field = |number: u8, bytes: &[u8]| {
            let length = u8::try_from(bytes.len()).unwrap();
            [&[number << 3 | 2, length], bytes].concat()
        };
        let label = [field(1, b"a"), field(2, value)].concat();
        let number = [&[9][..], &1f64.to_le_bytes()].concat();
        let metric = [field(1, &label), field(2, &number)].concat();
        let gauge = [24, 1];
        let family = [field(1, b"m"), gauge.to_vec(), field(4, &metric)].concat();
        let length = u8::try_from(family.len()).unwrap();
        Self([&[length][..], &family].concat())
    }
}

impl Body for Message {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn is_text(&self) -> bool {
        false
    }

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        protobuf::decode_within(bytes, memory).map_err(|error| {
            let reason = match error.kind() {
                protobuf::ErrorKind::InvalidUtf8 { .. } => Reason::NotUtf8,
                _ => Reason::Syntax,
            };
            Refusal::new(reason, error.to_string())
        })
    }
}

/// The Pushgateway finds that out when it checks a push against what is stored, and makes a group for that as well.
#[tokio::test]
async fn a_label_that_is_not_utf8_is_a_failure_of_its_group() {
    let world = plain();
    push(&world, "old", &Message::with_label(b"x")).await.unwrap();
    for job in ["old", "new"] {
        let refused = push(&world, job, &Message::with_label(b"\xff"))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.reason, refused.reason.label()),
            (Reason::NotUtf8, "syntax")
        );
        assert!(world.says_failed(job), "{job}");
    }
    assert_eq!((world.series("old"), world.series("new")), (Some(3), Some(2)));
    // A message that ends too early cannot be read there either.
    let mut short = Message::with_label(b"x");
    short.0.truncate(short.0.len() - 3);
    assert_eq!(
        push(&world, "c", &short).await.unwrap_err().reason,
        Reason::Syntax
    );
    assert_eq!(world.series("c"), None);
}

#[tokio::test]
async fn of_many_groups_those_are_stored_that_can_be_and_each_is_booked() {
    let world = plain();
    One::push(
        &world.gateway,
        &anybody(),
        Push::new("a", "# TYPE m counter\nm 1\n"),
    )
    .await
    .unwrap();
    world.notices().await;
    let body = text(
        "# TYPE m gauge\nm{job=\"b\"} 1\n# TYPE n gauge\nn{job=\"c\"} 1\nn{job=\"d\"} 1\nn{job=\"e\"} 1\n"
            .to_owned(),
    );
    let source = source(&world.gateway, Input::Many);
    let admission = world.gateway.admit_many(&anybody(), source, || Ok(PUT)).unwrap();
    let pending = admission.push(&by_job(true), &Effort::unlimited(), |_| Ok(&body));
    let outcome = pending.settle().await.unwrap();
    let refused: Vec<_> = outcome.refused.iter().map(|(key, _)| key.job()).collect();
    assert_eq!((outcome.stored, refused), (3, vec!["b"]));
    let mut expected: Vec<_> = ["c", "d", "e"].map(|job| (job.to_owned(), Change::Pushed)).into();
    expected.insert(0, ("b".to_owned(), Change::Refused));
    assert_eq!(world.notices().await, expected);
    for job in ["c", "d", "e"] {
        assert_eq!(world.history(job), [""], "{job}");
    }
    assert_eq!(world.hour(), (2, 0), "a request counts once");
    assert_eq!(world.gateway.activity().refused.list().len(), 1);
}

#[tokio::test]
async fn whoever_follows_is_told_of_a_stored_push_once_however_often_the_feed_is_read() {
    let world = plain();
    One::push(&world.gateway, &anybody(), Push::new("a", "m 1\n"))
        .await
        .unwrap();
    for _ in 0..3 {
        Arc::clone(&world.gateway).catch_up();
    }
    assert_eq!(world.history("a"), [""]);
    assert_eq!(world.notices().await, [("a".to_owned(), Change::Pushed)]);
    assert_eq!(world.notices().await, []);
}
