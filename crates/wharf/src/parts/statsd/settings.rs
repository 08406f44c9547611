//! Where lines of `StatsD` come in, and what becomes of them. The flags of `statsd_exporter` have its names.

use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use wharf_settings::{Kind, Takes, ValueError, kinds, settings};
use wharf_statsd::Dialect;

use crate::config::{ADDRESSES_OR_NONE, ListenAddress};

const PATHS: Kind<Vec<PathBuf>> = Kind::repeated(
    Takes::File,
    Vec::clear,
    |paths, value| {
        paths.extend((!value.is_empty()).then(|| PathBuf::from(value)));
        Ok(())
    },
    |paths| {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        paths.join(",")
    },
);

const MODE: Kind<u32> = Kind::new(
    Takes::Value("a mode such as 755 or 660"),
    |value| {
        let is_octal = !value.is_empty() && value.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = is_octal.then(|| u32::from_str_radix(value, 8).ok()).flatten();
        mode.filter(|mode| *mode <= 0o7777)
            .ok_or_else(|| ValueError::new(format!("expected an octal mode such as 755, found `{value}`")))
    },
    |mode| format!("{mode:o}"),
);

const JOB: Kind<String> = Kind::new(
    Takes::Value("a job"),
    |value| {
        if value.is_empty() {
            return Err(ValueError::new("expected a job, found nothing".to_owned()));
        }
        Ok(value.to_owned())
    },
    String::clone,
);

const RELAY_TARGETS: Kind<Vec<String>> = Kind::repeated(
    Takes::Value("an address"),
    Vec::clear,
    |targets, value| {
        let port = value.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let port = port.and_then(|(_, port)| port.parse::<NonZeroU16>().ok());
        if !value.is_empty() && port.is_none() {
            return Err(ValueError::new(format!(
                "expected an address such as statsd.example:8125, found `{value}`"
            )));
        }
        targets.extend((!value.is_empty()).then(|| value.to_owned()));
        Ok(())
    },
    |targets| targets.join(","),
);

settings! {
    /// Where lines of `StatsD` come in, and what becomes of them.
    pub struct Statsd {
        /// Where to receive datagrams.
        pub udp: Vec<ListenAddress> = Vec::new(),
            "statsd.listen-udp" as ADDRESSES_OR_NONE,
            "Where to receive StatsD lines over UDP, such as :9125. May be repeated.";
        /// Where to listen for connections.
        pub tcp: Vec<ListenAddress> = Vec::new(),
            "statsd.listen-tcp" as ADDRESSES_OR_NONE,
            "Where to receive StatsD lines over TCP, such as :9125. May be repeated.";
        /// Sockets for datagrams of this machine.
        pub unixgram: Vec<PathBuf> = Vec::new(),
            "statsd.listen-unixgram" as PATHS,
            "Unix socket to receive StatsD lines in datagrams. May be repeated.";
        /// Sockets for connections of this machine.
        pub unix: Vec<PathBuf> = Vec::new(),
            "statsd.listen-unix" as PATHS,
            "Unix socket to receive StatsD lines over connections. May be repeated.";
        /// Who may write to these.
        pub unix_mode: u32 = 0o755,
            "statsd.unixsocket-mode" as MODE,
            "Permission mode of the Unix sockets.";
        /// The file with mapping rules.
        pub mapping: Option<PathBuf> = None,
            "statsd.mapping-config" as kinds::FILE,
            "File with mapping rules, in the format of statsd_exporter. Read again at SIGHUP.";
        /// The job of series.
        pub job: String = "statsd".to_owned(),
            "statsd.job" as JOB,
            "Job of the group for StatsD series that have no label job.";
        /// How much the system keeps of what was not read yet; 0: what is usual.
        pub read_buffer: usize = 0,
            "statsd.read-buffer" as kinds::SIZE,
            "Receive buffer of each UDP and unixgram socket, which net.core.rmem_max limits; 0 for the system's default.";
        /// Series there may be.
        pub max_series: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("it is not zero"),
            "statsd.max-series" as kinds::COUNT,
            "Series that StatsD lines may make. Lines for further ones are refused and counted.";
        /// Connections there may be.
        pub max_connections: NonZeroUsize = NonZeroUsize::new(500).expect("it is not zero"),
            "statsd.max-connections" as kinds::COUNT,
            "Open connections with StatsD lines, over TCP and Unix sockets.";
        /// How long members of a set are gathered.
        pub set_interval: Duration = Duration::from_secs(10),
            "statsd.set-interval" as kinds::UNSIGNED,
            "For how long the members of a StatsD set are gathered, until a gauge shows how many there were.";
        /// Where copies of lines go.
        pub relay_addresses: Vec<String> = Vec::new(),
            "statsd.relay.address" as RELAY_TARGETS,
            "Where to send a copy of each StatsD line over UDP, such as host:8125. May be repeated.";
        /// Bytes of a datagram with such copies.
        pub relay_packet_length: NonZeroUsize = NonZeroUsize::new(1400).expect("it is not zero"),
            "statsd.relay.packet-length" as kinds::COUNT,
            "Bytes of a datagram to --statsd.relay.address. Lines that do not fit are counted, and not sent.";
        /// Whether `|#key:value` is a tag.
        pub dogstatsd: bool = true,
            "statsd.parse-dogstatsd-tags" as kinds::SWITCH,
            "Parse tags of DogStatsD, events and service checks.";
        /// Whether `name,key=value` has a tag.
        pub influxdb: bool = true,
            "statsd.parse-influxdb-tags" as kinds::SWITCH,
            "Parse tags of InfluxDB.";
        /// Whether `name#key=value` has a tag.
        pub librato: bool = true,
            "statsd.parse-librato-tags" as kinds::SWITCH,
            "Parse tags of Librato.";
        /// Whether `na[key=value]me` has a tag.
        pub signalfx: bool = true,
            "statsd.parse-signalfx-tags" as kinds::SWITCH,
            "Parse tags of SignalFX.";
    }
}

impl Statsd {
    /// Whether there is a way in.
    pub(crate) fn is_on(&self) -> bool {
        self.sockets() > 0
    }

    /// How many ways in there are.
    pub(crate) fn sockets(&self) -> usize {
        self.udp.len() + self.unixgram.len() + self.listeners()
    }

    /// How many of them have connections.
    fn listeners(&self) -> usize {
        self.tcp.len() + self.unix.len()
    }

    /// How many files may be open for all of it.
    pub(crate) fn descriptors(&self) -> u64 {
        let connections = if self.listeners() > 0 {
            self.max_connections.get()
        } else {
            0
        };
        // Where there are sockets, there is a runtime for them.
        let runtime = if self.is_on() { RUNTIME } else { 0 };
        (self.sockets() + connections + runtime + self.relay_addresses.len()) as u64
    }

    /// Which ways to write tags are understood.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect {
            dogstatsd: self.dogstatsd,
            influxdb: self.influxdb,
            librato: self.librato,
            signalfx: self.signalfx,
        }
    }

    /// What does not go together.
    pub(crate) fn check(&self) -> Option<String> {
        let alone = [
            (self.mapping.is_some(), "mapping-config"),
            (!self.relay_addresses.is_empty(), "relay.address"),
        ];
        let alone = alone.iter().find(|(is_set, _)| *is_set && !self.is_on());
        if let Some((_, flag)) = alone {
            return Some(format!(
                "expected an address beside --statsd.{flag}, such as --statsd.listen-udp=:9125, found none"
            ));
        }
        (self.relay_packet_length.get() > MAX_DATAGRAM).then(|| {
            format!(
                "expected --statsd.relay.packet-length to be at most {MAX_DATAGRAM}, found {}",
                self.relay_packet_length
            )
        })
    }
}

/// Bytes that a datagram over UDP can have.
const MAX_DATAGRAM: usize = 65_507;
/// Descriptors of a runtime, and of a file that is read again.
const RUNTIME: usize = 8;

#[cfg(test)]
mod tests {
    use wharf_settings::Section as _;

    use super::*;

    /// The settings that these flags make.
    fn set(flags: &[(&str, &str)]) -> Result<Statsd, ValueError> {
        let mut settings = Statsd::default();
        for (name, value) in flags {
            let row = Statsd::rows().iter().find(|row| row.name == *name).unwrap();
            (row.set)(&mut settings, value)?;
        }
        Ok(settings)
    }

    #[test]
    fn it_is_on_where_there_is_a_way_in() {
        assert!(
            !set(&[("statsd.listen-udp", ""), ("statsd.listen-unix", "")])
                .unwrap()
                .is_on()
        );
        for flag in ["udp", "tcp"] {
            assert!(
                set(&[(&format!("statsd.listen-{flag}"), ":9125")])
                    .unwrap()
                    .is_on()
            );
        }
        for flag in ["unix", "unixgram"] {
            assert!(
                set(&[(&format!("statsd.listen-{flag}"), "/run/s")])
                    .unwrap()
                    .is_on()
            );
        }
    }

    #[test]
    fn modes_are_octal() {
        let mode = |value| set(&[("statsd.unixsocket-mode", value)]).map(|settings| settings.unix_mode);
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0755"), Ok(0o755));
        for value in ["", "888", "rw", "77777", "-1"] {
            let expected = format!("expected an octal mode such as 755, found `{value}`");
            assert_eq!(mode(value).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn rules_without_lines_are_a_mistake() {
        let file = ("statsd.mapping-config", "mapping.yml");
        let mistake = set(&[file]).unwrap().check().unwrap();
        assert!(
            mistake.starts_with("expected an address beside --statsd.mapping-config"),
            "{mistake}"
        );
        assert_eq!(
            set(&[file, ("statsd.listen-tcp", ":9125")]).unwrap().check(),
            None
        );
    }

    #[test]
    fn copies_go_to_addresses_in_datagrams_that_there_can_be() {
        let target = ("statsd.relay.address", "statsd.example:8125");
        let settings = set(&[target, ("statsd.relay.address", "[::1]:9")]).unwrap();
        assert_eq!(settings.relay_addresses, ["statsd.example:8125", "[::1]:9"]);
        let mistake = settings.check().unwrap();
        assert!(
            mistake.starts_with("expected an address beside --statsd.relay.address"),
            "{mistake}"
        );
        for value in ["host", "host:", ":8125", "host:0", "host:70000"] {
            let expected = format!("expected an address such as statsd.example:8125, found `{value}`");
            let refused = set(&[("statsd.relay.address", value)]).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        }
        let check = |bytes| {
            let length = ("statsd.relay.packet-length", bytes);
            set(&[("statsd.listen-udp", ":1"), target, length])
                .unwrap()
                .check()
        };
        assert_eq!(check("65507"), None);
        let expected = "expected --statsd.relay.packet-length to be at most 65507, found 65508";
        assert_eq!(check("65508").as_deref(), Some(expected));
    }

    #[test]
    fn connections_have_descriptors_where_there_are_some() {
        let descriptors = |flags| set(flags).unwrap().descriptors();
        assert_eq!(descriptors(&[]), 0);
        let datagrams = descriptors(&[("statsd.listen-udp", ":1")]);
        let both = [
            ("statsd.listen-udp", ":1"),
            ("statsd.listen-tcp", ":1"),
            ("statsd.max-connections", "70"),
        ];
        assert_eq!(descriptors(&both), datagrams + 71);
    }
}
