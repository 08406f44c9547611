//! What a snapshot has of what stands in a group.

use wharf_model::GroupingKey;

use crate::memory::leaf::FragmentView;
use crate::read::snapshot::Snapshot;
use crate::{EXPECT_LABEL, EXPECTED, PAUSED_UNTIL, UnixNanos};

impl Snapshot {
    /// When pushes of a group are expected, as one of them has said.
    pub fn expected(&self, key: &GroupingKey) -> Option<String> {
        expected(&self.fragment(EXPECTED, key)?)
    }

    /// Until when nothing is expected of a group, if that was ever said.
    pub fn paused_until(&self, key: &GroupingKey) -> Option<UnixNanos> {
        let seconds = self.fragment(PAUSED_UNTIL, key)?.number()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time that is too large becomes the end of the clock"
        )]
        let nanos = (seconds * 1e9).round() as i64;
        (nanos > 0).then_some(UnixNanos(nanos))
    }
}

fn expected(fragment: &FragmentView<'_>) -> Option<String> {
    fragment.decode(|exposition, family| {
        let metric = family.metrics.first()?;
        let mut labels = exposition.labels(metric.labels);
        let (_, value) = labels.find(|(name, _)| *name == EXPECT_LABEL)?;
        Some(value.to_owned())
    })
}
