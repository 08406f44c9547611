//! Puts the settings of a replica in force among all.

use wharf_shared_log::{Bytes, Committed, Expect, Put, SharedLog, Timer, Txn, timeout};

use super::queue::Shared;
use super::value::RULES;

/// Writes the settings of this replica to the log, if they are still to be written; unless another replica does so in the same
/// moment: then again the next time, after it.
pub(super) async fn claim<L: SharedLog>(shared: &Shared, log: &L, timer: &impl Timer) {
    try_to_claim(shared, log, timer).await;
    shared.rules().note_tried();
}

async fn try_to_claim<L: SharedLog>(shared: &Shared, log: &L, timer: &impl Timer) {
    // Those of a replica that has gone bind nobody.
    if shared.replicas().rules_are_of_nobody(&shared.sharing.name) {
        shared.rules().claim_anew();
    }
    let Some(value) = shared.rules().to_claim() else {
        return;
    };
    let found = shared.replicas().rules.clone();
    let at = match found {
        Some((found, at)) if found == value => at,
        found => {
            let puts = vec![Put {
                key: Bytes::from_static(RULES),
                value: value.clone(),
                expect: Expect::found(found.map(|(_, at)| at)),
                lease: None,
            }];
            let txn = Txn {
                puts,
                ..Txn::default()
            };
            let answer = timeout(timer, shared.sharing.answer_limit, log.commit(txn)).await;
            let Some(Ok(Committed::At(at))) = answer else {
                return;
            };
            at
        }
    };
    shared.rules().claimed(&value, at);
}
