//! Addresses to listen on.

use std::fmt;
use std::str::FromStr;

use wharf_settings::ValueError;

use super::services;

/// Where to listen: a host and a port. An empty host means all interfaces, port 0 any free port.
///
/// Written as `host:port`, `:port` or `[v6]:port`. A port may have a name, as `:http-alt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    host: String,
    port: u16,
    typed: String,
}

impl ListenAddress {
    /// All interfaces at `port`.
    pub fn any(port: u16) -> Self {
        Self {
            host: String::new(),
            port,
            typed: format!(":{port}"),
        }
    }

    /// The name or IP address, without brackets; empty for all interfaces.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 for any that is free.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// As it was typed.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl FromStr for ListenAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.starts_with("vsock://") {
            return Err(ValueError::new(format!(
                "expected a TCP address; vsock is not supported, found `{text}`"
            )));
        }
        // The empty address is any port of all interfaces, as for the Pushgateway.
        let (host, port) = if text.is_empty() {
            ("", "")
        } else {
            split_host_port(text)?
        };
        let port = parse_port(port)?;
        Ok(Self {
            host: host.to_owned(),
            port,
            typed: text.to_owned(),
        })
    }
}

fn split_host_port(text: &str) -> Result<(&str, &str), ValueError> {
    let wrong = |what: &str| ValueError::new(format!("listen tcp: address {text}: {what}"));
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| wrong("missing port in address"))?;
    let host = if let Some(inner) = host.strip_prefix('[') {
        match inner.split_once(']') {
            Some((inner, "")) => inner,
            Some((_, after)) if after.starts_with(':') => return Err(wrong("too many colons in address")),
            Some(_) => return Err(wrong("missing port in address")),
            // The last colon lies inside the brackets, or nothing closes them.
            None if port.ends_with(']') => return Err(wrong("missing port in address")),
            None if port.contains(']') => return Err(wrong("missing port in address")),
            None => return Err(wrong("missing ']' in address")),
        }
    } else if host.contains(':') {
        return Err(wrong("too many colons in address"));
    } else {
        host
    };
    if host.contains('[') || port.contains('[') {
        return Err(wrong("unexpected '[' in address"));
    }
    if host.contains(']') || port.contains(']') {
        return Err(wrong("unexpected ']' in address"));
    }
    Ok((host, port))
}

/// A number, or a name of the system's list of services.
fn parse_port(text: &str) -> Result<u16, ValueError> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return services::port(text).ok_or_else(|| {
            ValueError::new(format!(
                "listen tcp: lookup tcp/{text}: unknown port, expected a number from 0 to 65535 or a name of /etc/services"
            ))
        });
    }
    text.parse()
        .map_err(|_| ValueError::new(format!("listen tcp: address {text}: invalid port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        let cases = [
            (":9091", "", 9091),
            ("127.0.0.1:9091", "127.0.0.1", 9091),
            ("localhost:0", "localhost", 0),
            ("[::1]:80", "::1", 80),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
            ("[]:80", "", 80),
            ("host:", "host", 0),
            (":", "", 0),
            ("", "", 0),
            ("127.0.0.1:00", "127.0.0.1", 0),
            (":https", "", 443),
            ("[::1]:HTTP", "::1", 80),
        ];
        for (text, host, port) in cases {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(":9091".parse(), Ok(ListenAddress::any(9091)));
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        let cases = [
            ("foo", "listen tcp: address foo: missing port in address"),
            ("99999", "listen tcp: address 99999: missing port in address"),
            (":99999", "listen tcp: address 99999: invalid port"),
            (":-1", "listen tcp: address -1: invalid port"),
            (
                ":0x10",
                "listen tcp: lookup tcp/0x10: unknown port, expected a number from 0 to 65535 or a name of /etc/services",
            ),
            (
                "h:no-such",
                "listen tcp: lookup tcp/no-such: unknown port, expected a number from 0 to 65535 or a name of /etc/services",
            ),
            ("a:b:c", "listen tcp: address a:b:c: too many colons in address"),
            ("::1", "listen tcp: address ::1: too many colons in address"),
            ("[::1", "listen tcp: address [::1: missing ']' in address"),
            ("[::1]", "listen tcp: address [::1]: missing port in address"),
            (
                "[::1]x:1",
                "listen tcp: address [::1]x:1: missing port in address",
            ),
            ("[a]b", "listen tcp: address [a]b: missing port in address"),
            (
                "[::1]:1:2",
                "listen tcp: address [::1]:1:2: too many colons in address",
            ),
            ("a[b:1", "listen tcp: address a[b:1: unexpected '[' in address"),
            ("x]:1", "listen tcp: address x]:1: unexpected ']' in address"),
            (
                "vsock://:9091",
                "expected a TCP address; vsock is not supported, found `vsock://:9091`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                text.parse::<ListenAddress>().unwrap_err().to_string(),
                expected,
                "{text}"
            );
        }
    }
}
