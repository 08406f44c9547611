use super::*;

const STAT: &str = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1000 0 10 0 120 35 0 0 20 0 5 0 777700 1723670528 3873 \
                    18446744073709551615 1 1 0 0 0 0 0 0 0\n";

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            20000                524288               files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";

const NETSTAT: &str = "TcpExt: SyncookiesSent InOctets\nTcpExt: 1 2\n\
                       IpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 174147299 326424\n";

#[test]
fn every_value_is_found_in_its_file() {
    let process = Process::new("cpu  1 2 3\nintr 5\nbtime 1795241000\nprocesses 7\n");
    let values = process.values(|name| {
        let text = match name {
            "self/stat" => STAT,
            "self/status" => "Name:\ta\nVmPeak:\t  100 kB\nVmRSS:\t   15492 kB\n",
            "self/limits" => LIMITS,
            "self/net/netstat" => NETSTAT,
            _ => "",
        };
        text.to_owned()
    });
    let expected = [
        ("process_cpu_seconds_total", 1.55),
        ("process_max_fds", 20000.0),
        ("process_network_receive_bytes_total", 174_147_299.0),
        ("process_network_transmit_bytes_total", 326_424.0),
        ("process_resident_memory_bytes", 15_863_808.0),
        ("process_start_time_seconds", 1_795_248_777.0),
        ("process_virtual_memory_bytes", 1_723_670_528.0),
        ("process_virtual_memory_max_bytes", 18_446_744_073_709_551_615.0),
    ];
    assert_eq!(
        values.map(|(family, value)| (family.name, value)),
        expected.map(|(name, value)| (name, Some(value)))
    );
}

#[test]
fn what_cannot_be_read_is_absent() {
    for garbage in [
        "",
        ")",
        "1 (a) S",
        "IpExt: InOctets OutOctets\n",
        "Max open files",
        "VmRSS:\n",
        "btime \n",
    ] {
        let values = Process::new(garbage).values(|_| garbage.to_owned());
        assert_eq!(values.map(|(_, value)| value), [None; 8], "{garbage}");
    }
    assert_eq!(open_files(Path::new("/nonexistent")), None);
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_has_plausible_values() {
    let values = Process::this().values(read);
    let value = |wanted: ReservedFamily| values.iter().find(|(family, _)| *family == wanted).unwrap().1;
    let open_files = open_files(Path::new("/proc/self/fd"));
    assert!(
        open_files >= Some(3.0) && open_files < value(MAX_FDS),
        "{open_files:?} {values:?}"
    );
    assert!(value(RESIDENT_MEMORY) > Some(100_000.0), "{values:?}");
    assert!(value(VIRTUAL_MEMORY) > value(RESIDENT_MEMORY), "{values:?}");
    assert!(value(START_TIME) > Some(1.7e9), "{values:?}");
}
