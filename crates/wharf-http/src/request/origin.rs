//! Pages of other sites: what their scripts may do here, and what they may read.
//!
//! A browser sends requests for whatever page asks it to, with the credentials that it has for the gateway, from
//! inside the network that the gateway is in. It says which page it was: by `Sec-Fetch-Site`, and older ones by
//! `Origin`. Clients that are no browsers send neither, and nothing changes for them.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HOST, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use regex::Regex;
use wharf_model::{PatternError, anchored};

static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which origins are ours, or as good as that.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    /// That of the external URL.
    own: Option<String>,
    listed: Listed,
}

#[derive(Debug, Clone)]
enum Listed {
    None,
    /// Everyone, as for the Pushgateway.
    Any,
    Matching(Regex),
}

impl Origins {
    /// `own` is the origin under which users see the gateway, if a proxy stands before it, and `listed` a pattern of those
    /// whose pages may do what our own page may; empty for none.
    ///
    /// # Errors
    /// If `listed` is no pattern.
    pub(crate) fn new(own: Option<String>, listed: &str) -> Result<Self, PatternError> {
        let listed = match listed {
            "" => Listed::None,
            ".*" => Listed::Any,
            pattern => Listed::Matching(anchored(pattern)?),
        };
        Ok(Self { own, listed })
    }

    /// Whether a page elsewhere asks for a change.
    ///
    /// What a browser says itself counts before what follows from names: it knows whether both are one site, also where a
    /// proxy has changed the name. `authority` is that of the URL, where it has one.
    pub(crate) fn is_foreign(
        &self,
        method: &Method,
        headers: &HeaderMap,
        authority: Option<&Authority>,
    ) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return false;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next().map(HeaderValue::as_bytes);
        if origins.next().is_some() {
            // No browser says two.
            return !self.trusts(None);
        }
        match headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => return false,
            Some(_) => {}
            None if origin.is_none() => return false,
            None => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                let host = authority.map(Authority::as_str).or(host);
                let hosts = [host, forwarded_host(headers)];
                if hosts.into_iter().flatten().any(|host| {
                    is_of(origin, host) || is_asked_before(method) && is_of_without_port(origin, host)
                }) {
                    return false;
                }
            }
        }
        !self.trusts(origin)
    }

    fn trusts(&self, origin: Option<&[u8]>) -> bool {
        if matches!(self.listed, Listed::Any) {
            return true;
        }
        let Some(origin) = origin.and_then(|origin| str::from_utf8(origin).ok()) else {
            return false;
        };
        let is_own = self
            .own
            .as_deref()
            .is_some_and(|own| own.eq_ignore_ascii_case(origin));
        is_own || matches!(&self.listed, Listed::Matching(pattern) if pattern.is_match(origin))
    }

    /// Lets pages of listed origins read an answer of the JSON API, in the words of the Pushgateway.
    pub(crate) fn share(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let allowed = match (&self.listed, origin) {
            (Listed::None, _) => return,
            (Listed::Any, _) => HeaderValue::from_static("*"),
            (Listed::Matching(pattern), origin) => {
                // Caches must not give the answer for one page to another one.
                headers.append(VARY, HeaderValue::from_static("Origin"));
                let text = origin.and_then(|origin| origin.to_str().ok());
                match origin.filter(|_| text.is_some_and(|text| pattern.is_match(text))) {
                    Some(origin) => origin.clone(),
                    None => return,
                }
            }
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        for (name, value) in [
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Accept, Authorization, Content-Type, Origin",
            ),
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE, OPTIONS"),
            (ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The host for which a proxy has got the request; the first, if several proxies have added theirs.
///
/// A page cannot write this header into a request to another origin: its browser would ask before whether it may, and
/// learn that it may not. Who is no browser may write it, and need not, since it sends no origin either.
fn forwarded_host(headers: &HeaderMap) -> Option<&str> {
    let hosts = headers.get(&X_FORWARDED_HOST)?.to_str().ok()?;
    hosts.split(',').next().map(str::trim)
}

/// Whether browsers ask the gateway before they send such a request for a page of another origin. They do for all
/// methods but those of forms.
fn is_asked_before(method: &Method) -> bool {
    *method != Method::POST
}

/// Whether an origin is on this host, whatever its port is, for a proxy that has left the port out: nginx does with
/// `proxy_set_header Host $host`.
///
/// Pages at other ports of this host would pass as well. That is only safe where the browser asks before.
fn is_of_without_port(origin: Option<&[u8]>, host: &str) -> bool {
    let origin = origin.and_then(|origin| str::from_utf8(origin).ok());
    let Some((scheme, origin)) = origin.and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let is_web = matches!(scheme, "http" | "https");
    match (name_and_port(origin), name_and_port(host)) {
        (Some((name, _)), Some((host, None))) => is_web && name.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The parts of `host[:port]`, where the host may be an IPv6 address in brackets; none if it is something else.
fn name_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = match inside {
        Some(address) => address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        None => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_name && is_port && !name.is_empty()).then_some((name, port))
}

/// Whether an origin, `scheme://host[:port]`, is on this host. Not the scheme, which a proxy may have changed.
fn is_of(origin: Option<&[u8]>, host: &str) -> bool {
    let origin = origin.and_then(|origin| str::from_utf8(origin).ok());
    let Some((scheme, origin)) = origin.and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    // Browsers leave the port of the scheme out; others may not.
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    bare(origin) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| line.split_once(": ").unwrap());
        lines
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    fn origins(listed: &str) -> Origins {
        Origins::new(Some("https://gateway.example.org".to_owned()), listed).unwrap()
    }

    fn is_foreign(listed: &str, lines: &[&str]) -> bool {
        origins(listed).is_foreign(&Method::POST, &headers(lines), None)
    }

    #[test]
    fn who_is_no_browser_says_nothing_and_passes() {
        assert!(!is_foreign("", &["host: a:9091"]));
        assert!(!is_foreign("", &[]));
    }

    #[test]
    fn what_the_browser_says_decides() {
        for (site, expected) in [
            ("same-origin", false),
            ("none", false),
            ("same-site", true),
            ("cross-site", true),
            ("", true),
            ("Same-Origin", true),
        ] {
            let site = format!("sec-fetch-site: {site}");
            // Whatever the host is: a proxy may have changed it.
            for origin in ["origin: http://a:9091", "origin: http://b", "origin: null"] {
                assert_eq!(
                    is_foreign("", &[&site, origin, "host: a:9091"]),
                    expected,
                    "{site}"
                );
            }
            assert_eq!(is_foreign("", &[&site]), expected, "{site}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let both = [
            "origin: http://a:9091",
            "origin: http://evil.example",
            "host: a:9091",
        ];
        assert!(is_foreign("", &both));
        assert!(!is_foreign(".*", &both));
    }

    #[test]
    fn without_that_the_origin_has_to_be_the_host() {
        for (origin, host, expected) in [
            ("http://a:9091", "a:9091", false),
            ("http://A:9091", "a:9091", false),
            ("https://a", "a", false),
            ("https://a", "a:443", false),
            ("http://a", "a:80", false),
            ("http://a:80", "a", false),
            ("https://a", "a:80", true),
            ("http://a:9091", "a", true),
            ("http://a:9092", "a:9091", true),
            ("http://evil.example", "a:9091", true),
            ("http://a:9091.evil.example", "a:9091", true),
            ("http://a:9091@evil.example", "a:9091", true),
            ("a:9091", "a:9091", true),
            ("file://a:9091", "a:9091", true),
            ("null", "null", true),
            ("", "", true),
            ("https://gateway.example.org", "internal:9091", false),
            ("http://gateway.example.org", "internal:9091", true),
        ] {
            let lines = [format!("origin: {origin}"), format!("host: {host}")];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(is_foreign("", &lines), expected, "{origin} {host}");
        }
        assert!(is_foreign("", &["origin: http://a"]));
        let authority = Authority::from_static("a:9091");
        let lines = headers(&["origin: http://a:9091", "host: b"]);
        assert!(!origins("").is_foreign(&Method::POST, &lines, Some(&authority)));
    }

    /// As nginx passes it on by `proxy_set_header Host $host`.
    #[test]
    fn a_proxy_may_leave_the_port_out_of_what_browsers_ask_for_before() {
        for (origin, host, expected) in [
            ("http://a:8082", "a", false),
            ("http://A:8082", "a", false),
            ("https://a:8443", "a", false),
            ("http://[::1]:8082", "[::1]", false),
            ("http://192.0.2.1:8082", "192.0.2.1", false),
            ("http://a:8082", "a:9091", true),
            ("http://a:8082", "b", true),
            ("http://evil.example", "a", true),
            ("http://a.evil.example:8082", "a", true),
            ("http://a:8082@evil.example", "a", true),
            ("http://a@evil.example", "a", true),
            ("http://a:8082.evil.example", "a", true),
            ("http://a:8082/", "a", true),
            ("http://[::1]:8082", "[::2]", true),
            ("http://[::1]:8082", "[::1]:9091", true),
            ("file://a:8082", "a", true),
            ("a:8082", "a", true),
            ("null", "null", true),
            ("http://:8082", "", true),
        ] {
            let lines = [format!("origin: {origin}"), format!("host: {host}")];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for method in [Method::DELETE, Method::PUT] {
                let found = origins("").is_foreign(&method, &headers(&lines), None);
                assert_eq!(found, expected, "{method} {origin} {host}");
            }
            // A form of a page at another port could send it.
            assert!(is_foreign("", &lines), "{origin} {host}");
        }
        // A browser that says what it knows is believed, as before.
        let lines = headers(&["origin: http://a:8082", "host: a", "sec-fetch-site: same-site"]);
        assert!(origins("").is_foreign(&Method::DELETE, &lines, None));
    }

    #[test]
    fn what_a_proxy_says_of_the_host_counts_as_the_host() {
        let forwarded = |origin: &str, forwarded: &str| {
            let lines = [
                format!("origin: {origin}"),
                format!("x-forwarded-host: {forwarded}"),
                "host: 127.0.0.1:9091".to_owned(),
            ];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let of = |method| origins("").is_foreign(method, &headers(&lines), None);
            [of(&Method::DELETE), of(&Method::POST)]
        };
        assert_eq!(forwarded("http://a:8082", "a:8082"), [false, false]);
        assert_eq!(forwarded("http://a", "a"), [false, false]);
        assert_eq!(forwarded("http://a:8082", "a:8082, inner:80"), [false, false]);
        assert_eq!(forwarded("http://a:8082", "a"), [false, true]);
        assert_eq!(forwarded("http://inner", "a, inner"), [true, true]);
        assert_eq!(forwarded("http://evil.example", "a:8082"), [true, true]);
        assert_eq!(forwarded("http://a:8082", ""), [true, true]);
    }

    #[test]
    fn reading_changes_nothing() {
        let lines = headers(&["origin: http://evil.example", "sec-fetch-site: cross-site"]);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!origins("").is_foreign(&method, &lines, None));
        }
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            assert!(origins("").is_foreign(&method, &lines, None));
        }
    }

    #[test]
    fn listed_origins_are_as_good_as_our_own() {
        let listed = r"https://(grafana|ops)\.example\.org";
        let from = |origin: &str| {
            let origin = format!("origin: {origin}");
            is_foreign(listed, &[&origin, "sec-fetch-site: same-site", "host: a"])
        };
        assert!(!from("https://ops.example.org"));
        assert!(from("https://ops.example.org.evil.example"));
        assert!(from("https://evil.example/https://ops.example.org"));
        assert!(from("http://ops.example.org"));
        assert!(!is_foreign(".*", &["sec-fetch-site: cross-site"]));
        assert!(Origins::new(None, "(").is_err());
    }

    #[test]
    fn only_pages_of_listed_origins_may_read() {
        let shared = |listed: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            let origin = HeaderValue::from_str(origin).unwrap();
            origins(listed).share(Some(&origin), &mut headers);
            headers
        };
        assert!(shared("", "https://a").is_empty());
        assert_eq!(shared(".*", "https://a")[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!shared(".*", "https://a").contains_key(VARY));
        let headers = shared("https://a", "https://a");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a");
        assert_eq!(headers[VARY], "Origin");
        let headers = shared("https://a", "https://b");
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(headers[VARY], "Origin");
    }
}
