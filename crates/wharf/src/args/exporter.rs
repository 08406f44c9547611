//! Flags of `statsd_exporter` that mean nothing here: why, and what to do instead.

/// Each with the end of a hint.
const FLAGS: [(&str, &str); 10] = [
    ("statsd.cache-size", NO_CACHE),
    ("statsd.cache-type", NO_CACHE),
    ("statsd.event-queue-size", NO_QUEUE),
    ("statsd.event-flush-threshold", NO_QUEUE),
    ("statsd.event-flush-interval", NO_QUEUE),
    ("statsd.udp-packet-queue-size", NO_QUEUE),
    ("check-config", "`wharf statsd check FILE` checks mapping rules"),
    (
        "no-check-config",
        "`wharf statsd check FILE` checks mapping rules",
    ),
    (
        "debug.dump-fsm",
        "`wharf statsd test FILE LINE` says which rule takes a line",
    ),
    (
        "statsd.listen-address",
        "give --statsd.listen-udp, --statsd.listen-tcp or both",
    ),
];

const NO_CACHE: &str = "leave it out: lines that came before are known, and there is no cache to size";
const NO_QUEUE: &str = "leave it out: lines wait in the socket only, see --statsd.read-buffer";

/// What to do instead of giving a flag of the exporter.
pub(super) fn advice(typed: &str) -> Option<&'static str> {
    let found = FLAGS.iter().find(|(name, _)| *name == typed);
    found.map(|(_, advice)| *advice)
}
