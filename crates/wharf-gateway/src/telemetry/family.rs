//! How pushes may join the families that the gateway has of itself.

use wharf_model::MetricType;
use wharf_store::{Joins, ReservedFamily};

/// A family that pushes may join with a help of their own, which is then not shown. Clients push `process_`
/// families all the time.
pub(super) const fn own(name: &'static str, metric_type: MetricType, help: &'static str) -> ReservedFamily {
    family(name, metric_type, help, Joins::WithAnyHelp)
}

/// A family that pushes may join with the same help only, as the Pushgateway demands.
pub(super) const fn with_fixed_help(
    name: &'static str,
    metric_type: MetricType,
    help: &'static str,
) -> ReservedFamily {
    family(name, metric_type, help, Joins::WithSameHelp)
}

/// A family of which pushes may have nothing: it says of their groups what the gateway knows.
pub(super) const fn closed(
    name: &'static str,
    metric_type: MetricType,
    help: &'static str,
) -> ReservedFamily {
    family(name, metric_type, help, Joins::Never)
}

const fn family(
    name: &'static str,
    metric_type: MetricType,
    help: &'static str,
    joins: Joins,
) -> ReservedFamily {
    ReservedFamily {
        name,
        metric_type,
        help,
        joins,
    }
}
