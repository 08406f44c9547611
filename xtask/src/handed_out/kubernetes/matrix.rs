//! Every combination of what matters most among the chart's values.

/// Objects that the values below say are there already.
pub(super) const OTHERS: [&str; 4] = ["web", "wharf-tls", "probe", "claim"];

const WORKLOADS: [&str; 2] = ["runAsStatefulSet: true", "runAsStatefulSet: false"];

const STORAGE: [&str; 3] = [
    "persistentVolume: {enabled: true}",
    "persistentVolume: {enabled: false}",
    "persistentVolume: {existingClaim: claim, mountPath: /var/lib/wharf}",
];

const WEB: [&str; 7] = [
    "webConfiguration: {}",
    "webConfiguration: {basicAuthUsers: {jobs: secret}}",
    "webConfiguration: {tls: {secretName: wharf-tls}}",
    "webConfiguration: {basicAuthUsers: {jobs: secret}, tls: {secretName: wharf-tls}}",
    "webConfiguration: {existingSecret: {name: web}}",
    "webConfiguration: {existingSecret: {name: web}, tls: {secretName: wharf-tls}}",
    "webConfiguration: {existingSecret: {name: web}, tls: {secretName: wharf-tls}, probeSecret: probe}",
];

const MONITORS: [&str; 3] = [
    "serviceMonitor: {enabled: true}",
    "podMonitor: {enabled: true, namespace: prometheus}",
    "{serviceMonitor: {enabled: true, namespace: prometheus}, podMonitor: {enabled: true}}",
];

const AROUND: [&str; 2] = [
    "{}",
    "{networkPolicy: {allowAll: true}, podDisruptionBudget: {maxUnavailable: 1}, config: {expiry: [{match: '{}', ttl: 1d}]}, \
     ingress: {enabled: true, hosts: [push.example.org]}, service: {type: NodePort}}",
];

/// The values of each combination, as YAML.
pub(super) fn combinations() -> Vec<String> {
    let mut all = vec![String::new()];
    for dimension in [&WORKLOADS[..], &STORAGE, &WEB, &MONITORS, &AROUND] {
        let with = |values: &String| {
            let values = values.clone();
            dimension.iter().map(move |more| {
                // One mapping of several keys.
                let inner = more.strip_prefix('{').and_then(|more| more.strip_suffix('}'));
                let inner = inner.unwrap_or(more);
                if inner.is_empty() {
                    values.clone()
                } else {
                    format!("{values}{}{inner}", if values.is_empty() { "" } else { ", " })
                }
            })
        };
        all = all.iter().flat_map(with).collect();
    }
    all.into_iter().map(|values| format!("{{{values}}}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_is_one_mapping() {
        let all = combinations();
        assert_eq!(all.len(), 2 * 3 * 7 * 3 * 2);
        for values in all {
            let values: serde_json::Value = serde_saphyr::from_str(&values).unwrap();
            assert!(values["persistentVolume"].is_object(), "{values}");
            assert!(values["webConfiguration"].is_object(), "{values}");
        }
    }
}
