//! Changes as the body of a push, whole or in part.

use std::ops::Range;

use wharf_gateway::{Body, Reason, Refusal};
use wharf_model::{Exposition, Family, Meter, TooLarge};
use wharf_statsd::{Changes, SeriesId};

/// Some series of the families of changes.
#[derive(Debug, Clone)]
pub(super) struct Part<'c> {
    changes: &'c Changes,
    /// Which families, and which series of each; none: all.
    picked: Option<(Range<usize>, Range<usize>)>,
}

impl<'c> Part<'c> {
    /// All of them.
    pub(super) fn whole(changes: &'c Changes) -> Self {
        let picked = None;
        Self { changes, picked }
    }

    /// What it can be cut into, so that one bad part does not take the others along: families, and series of a family in two halves.
    /// Nothing if that cannot be cut: one series, or a family that is to be kept as a whole.
    pub(super) fn cut(&self) -> Vec<Self> {
        let of_family = |family: Range<usize>, series| Self {
            changes: self.changes,
            picked: Some((family, series)),
        };
        let all = || self.changes.series.iter().map(Vec::len).enumerate();
        match &self.picked {
            None => all()
                .map(|(family, series)| of_family(family..family + 1, 0..series))
                .collect(),
            Some((_, series)) if series.len() < 2 || self.changes.is_whole => Vec::new(),
            Some((family, series)) => {
                let middle = usize::midpoint(series.start, series.end);
                let halves = [series.start..middle, middle..series.end];
                halves.map(|half| of_family(family.clone(), half)).into()
            }
        }
    }

    /// The series.
    pub(super) fn series(&self) -> Vec<SeriesId> {
        let all = &self.changes.series;
        match &self.picked {
            None => all.iter().flatten().copied().collect(),
            Some((families, range)) => {
                let families = all.get(families.clone()).unwrap_or_default().iter();
                let picked = families.filter_map(|series| series.get(range.clone()));
                picked.flatten().copied().collect()
            }
        }
    }

    /// Which of the families it has something of.
    pub(super) fn families(&self) -> Range<usize> {
        match &self.picked {
            None => 0..self.changes.series.len(),
            Some((families, _)) => families.clone(),
        }
    }

    /// The name of its family, if it is of one.
    pub(super) fn family(&self) -> Option<&'c str> {
        let (families, _) = self.picked.as_ref()?;
        let exposition = &self.changes.exposition;
        let family = exposition.families.get(families.start)?;
        Some(exposition.text(family.name))
    }

    fn exposition(&self) -> Result<Exposition<'static>, TooLarge> {
        let all = &self.changes.exposition;
        let Some((families, series)) = &self.picked else {
            return Ok(all.clone());
        };
        let mut picked = Exposition::default();
        for family in all.families.get(families.clone()).unwrap_or_default() {
            let metrics = family.metrics.get(series.clone()).unwrap_or_default();
            let metrics = metrics.iter().map(|metric| picked.adopt(all, metric));
            let metrics = metrics.collect::<Result<_, _>>()?;
            let family = Family {
                name: picked.intern(all.text(family.name))?,
                help: family
                    .help
                    .map(|help| picked.intern(all.text(help)))
                    .transpose()?,
                unit: family.unit,
                metric_type: family.metric_type,
                metrics,
            };
            picked.families.push(family);
        }
        Ok(picked)
    }
}

impl Body for Part<'_> {
    fn bytes(&self) -> &[u8] {
        &[]
    }

    fn is_text(&self) -> bool {
        false
    }

    fn decode<'t>(&self, _bytes: &'t [u8], _memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        self.exposition()
            .map_err(|error| Refusal::new(Reason::TooLarge, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_statsd::{Dialect, Gathered, Inherited, Mapping, State, StateSettings};

    use super::*;

    fn changes(lines: &str) -> Changes {
        let settings = StateSettings {
            dialect: Dialect::default(),
            job: "statsd".into(),
            max_series: 100,
            set_interval: Duration::from_secs(10),
            began: Duration::ZERO,
        };
        let mut state = State::new(settings, Mapping::default(), Box::new(|_| Inherited::default()));
        state.read(lines.as_bytes(), Duration::ZERO);
        let mut gathered = Gathered::default();
        state.gather(&mut gathered, Duration::ZERO, 100);
        gathered.into_changes().remove(0)
    }

    /// The families of a part, each with how many series it has.
    fn shown(part: &Part<'_>) -> String {
        let exposition = part.decode(&[], &Meter::unlimited()).unwrap();
        let families = exposition.families.iter();
        let families =
            families.map(|family| format!("{} {}", exposition.text(family.name), family.metrics.len()));
        let shown = families.collect::<Vec<_>>().join(", ");
        let count: usize = exposition
            .families
            .iter()
            .map(|family| family.metrics.len())
            .sum();
        assert_eq!(part.series().len(), count, "{shown}");
        shown
    }

    #[test]
    fn a_push_is_cut_by_families_and_those_by_halves() {
        let changes = changes("a:1|c|#k:1\na:1|c|#k:2\na:1|c|#k:3\nb:1|ms");
        let whole = Part::whole(&changes);
        assert_eq!((shown(&whole).as_str(), whole.family()), ("a 3, b 1", None));
        assert_eq!(whole.families(), 0..2);
        let families = whole.cut();
        assert_eq!(families[1].families(), 1..2);
        assert_eq!(families.iter().map(shown).collect::<Vec<_>>(), ["a 3", "b 1"]);
        assert_eq!(families[0].family(), Some("a"));
        let halves = families[0].cut();
        assert_eq!(halves.iter().map(shown).collect::<Vec<_>>(), ["a 1", "a 2"]);
        assert_eq!(
            families[1].cut().len() + halves[0].cut().len(),
            0,
            "one series is one"
        );
        let series: Vec<_> = halves.iter().flat_map(Part::series).collect();
        assert_eq!(series, families[0].series(), "none is lost");
    }
}
