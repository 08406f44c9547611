//! Each of several replicas has counted for itself.

use wharf_testkit::Etcd;

use super::{listening, send, until_value};

#[test]
fn each_replica_has_a_group_of_its_own_and_goes_on_from_it() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let start = |name: &str| {
        listening()
            .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
            .arg(format!("--replica.name={name}"))
            .start()
    };
    let (mut first, second) = (start("first"), start("second"));
    send(&first, "orders:3|c");
    send(&second, "orders:4|c");
    for gateway in [&first, &second] {
        until_value(
            gateway,
            "orders",
            &[("job", "statsd"), ("replica", "first")],
            Some("3"),
        );
        until_value(
            gateway,
            "orders",
            &[("job", "statsd"), ("replica", "second")],
            Some("4"),
        );
    }
    first.kill();
    first.wait();
    let first = start("first");
    until_value(&first, "orders", &[("replica", "second")], Some("4"));
    send(&first, "orders:1|c");
    until_value(&second, "orders", &[("replica", "first")], Some("4"));
}
