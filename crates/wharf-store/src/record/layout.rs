//! The numbers that stand in records.

use wharf_model::MetricType;

/// One change, without lifetimes.
pub(super) const SINGLE: u8 = 1;
/// Several changes, with lifetimes.
pub(super) const SEVERAL: u8 = 2;
/// The same, and ids of pushes.
pub(super) const WITH_IDS: u8 = 3;

pub(super) const PUT: u8 = 1;
pub(super) const DELETE: u8 = 2;
pub(super) const WIPE: u8 = 3;
pub(super) const DELETE_FAMILIES: u8 = 4;
pub(super) const PUSH_IDS: u8 = 5;

pub(super) const LIVES_FOR_EVER: u8 = 0;
pub(super) const GOES: u8 = 1;
pub(super) const GOES_BUT_FOR_TIMES: u8 = 2;

pub(super) const HAS_HELP: u8 = 1;
pub(super) const UTF8_NAMES: u8 = 2;
pub(super) const INFINITY_ADDED: u8 = 4;
pub(super) const HAS_EXACT: u8 = 8;
/// Wharf before this flag passes over it, and knows nothing of it.
pub(super) const CONTRADICTS: u8 = 16;
/// As the one before.
pub(super) const ADDED_UP: u8 = 32;
/// As the one before: what it is about stands in the exact form, where an older version passes over it too.
pub(super) const EXPIRES: u8 = 64;

pub(super) fn type_code(metric_type: MetricType) -> u8 {
    match metric_type {
        MetricType::Counter => 0,
        MetricType::Gauge => 1,
        MetricType::Summary => 2,
        MetricType::Untyped => 3,
        MetricType::Histogram => 4,
        MetricType::GaugeHistogram => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

pub(super) fn type_of(code: u8) -> Option<MetricType> {
    let types = [
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Summary,
        MetricType::Untyped,
        MetricType::Histogram,
        MetricType::GaugeHistogram,
        MetricType::Info,
        MetricType::StateSet,
    ];
    types.get(usize::from(code)).copied()
}
