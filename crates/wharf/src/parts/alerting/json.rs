//! What messages of both kinds have in common.

use std::collections::BTreeMap;

use wharf_client::{group_path, percent_encode};
use wharf_gateway::{Alert, rfc3339};
use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

/// The page of a group: where people look first.
pub(super) fn page_of(external_url: &str, key: &GroupingKey) -> String {
    let path = group_path(key);
    let path = path.strip_prefix("/metrics/").unwrap_or(&path);
    let base = external_url.trim_end_matches('/');
    format!("{base}/?view=group&group={}", percent_encode(path))
}

/// Until when an alert holds: since it was resolved, not any more.
pub(super) fn ends_at(alert: &Alert) -> UnixNanos {
    let ends_at = alert.resolved_at.unwrap_or(alert.valid_until);
    // Alertmanager refuses one that ends when it begins.
    UnixNanos(ends_at.0.max(alert.starts_at.0.saturating_add(1_000_000)))
}

pub(super) fn time(time: UnixNanos) -> String {
    rfc3339(time)
}

/// How Prometheus and Alertmanager call a set of labels: FNV-1a of its names and values, each followed by a byte that is in no text.
pub(super) fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = labels
        .iter()
        .flat_map(|(name, value)| [name, value])
        .flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_alertmanager() {
        // What Alertmanager 0.28.1 and 0.33.1 say of these labels.
        let labels = [("alertname", "WharfGroupOverdue"), ("job", "a")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fingerprint(&labels.into()), "7b351472f7d458df");
    }

    #[test]
    fn the_page_of_a_group_is_found_by_its_path() {
        let key = GroupingKey::new([("job", "a b"), ("dir", "/x")]).unwrap();
        assert_eq!(
            page_of("http://wharf.example/push/", &key),
            "http://wharf.example/push/?view=group&group=job%2Fa%2520b%2Fdir%40base64%2FL3g"
        );
    }
}
