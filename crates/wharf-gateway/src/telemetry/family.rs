//! How pushes may join the families that the gateway has of itself.

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

/// A family that pushes may join with a help of their own, which is then not shown. Clients push `process_`
/// families all the time.
pub(super) const fn own(name: &'static str, metric_type: MetricType, help: &'static str) -> ReservedFamily {
    ReservedFamily {
        name,
        metric_type,
        help,
        help_is_fixed: false,
    }
}

/// A family that pushes may join with the same help only, as the Pushgateway demands.
pub(super) const fn with_fixed_help(
    name: &'static str,
    metric_type: MetricType,
    help: &'static str,
) -> ReservedFamily {
    ReservedFamily {
        name,
        metric_type,
        help,
        help_is_fixed: true,
    }
}
