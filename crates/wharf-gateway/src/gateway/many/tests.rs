use std::sync::Arc;

use wharf_model::GroupingKey;
use wharf_store::{PushMode, SystemClock};

use super::*;
use crate::access::caller::Caller;
use crate::client::Remote;
use crate::policy::Policy;
use crate::refusal::Reason;
use crate::settings::Settings;
use crate::source::Input;
use crate::telemetry::{BuildLabels, Telemetry};
use crate::wish::{Adding, Wish};

fn gateway() -> Arc<Gateway> {
    let (telemetry, rules) = (Telemetry::new(BuildLabels::default()), (Policy::default(), None));
    let clock = Box::new(SystemClock);
    let gateway = Gateway::new(Settings::default(), telemetry, clock, rules, Vec::new());
    Arc::new(gateway)
}

fn admission(gateway: &Arc<Gateway>) -> ManyAdmission {
    let source = Source {
        input: Input::Many,
        peer: None,
        request_id: gateway.request_ids().make(),
        trace: None,
        began: gateway.instant(),
        request_bytes: 0,
    };
    let wish = Wish {
        expect: None,
        mode: PushMode::ReplaceGroup,
        adding: Adding::default(),
        counters: None,
        ttl: None,
        id: None,
        pushed_at: None,
    };
    let caller = Caller::unlimited(Remote::User(None), None);
    gateway.admit_many(&caller, source, || Ok(wish)).unwrap()
}

/// The disk fails after it has taken the first 97 of a hundred groups.
fn half_done(gateway: &Arc<Gateway>) -> PendingMany {
    let admission = admission(gateway);
    let group = |number: u8| {
        let key = GroupingKey::new([("job", number.to_string().as_str())]).unwrap();
        let (_, commit) = gateway.store.delete(&key).unwrap();
        (admission.pushed(key, Content::default()), commit)
    };
    let visible = (0..100).map(group).collect();
    let committed = (0..100).map(|number| {
        let reason = "no space left".to_owned();
        (number < 97)
            .then_some(())
            .ok_or(PushError::Unavailable { reason })
    });
    PendingMany(Some(Unsettled {
        _held: None,
        groups: Groups::Each {
            visible,
            committed: committed.collect(),
            refused: Vec::new(),
        },
        admission,
    }))
}

fn hour(gateway: &Gateway) -> (u64, u64) {
    let (_, sums) = gateway.activity.hour.read(gateway.instant());
    (sums.pushes, sums.refused)
}

#[tokio::test]
async fn if_the_disk_fails_midway_each_group_is_booked_as_what_it_came_to() {
    let gateway = gateway();
    let outcome = half_done(&gateway).settle().await.unwrap();
    assert_eq!(outcome.stored, 97);
    let refused: Vec<_> = outcome
        .refused
        .iter()
        .map(|(key, refusal)| (key.job(), refusal.reason))
        .collect();
    let expected = ["97", "98", "99"].map(|job| (job, Reason::Unavailable));
    assert_eq!(refused, expected);
    assert_eq!(hour(&gateway), (1, 0));
    assert_eq!(gateway.activity.refused.list().len(), 3);
}

#[tokio::test]
async fn they_are_booked_once_also_if_nobody_waits() {
    let gateway = gateway();
    drop(half_done(&gateway));
    while hour(&gateway) == (0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(hour(&gateway), (1, 0));
    assert_eq!(gateway.activity.refused.list().len(), 3);
}
