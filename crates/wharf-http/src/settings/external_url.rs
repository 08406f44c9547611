//! The URL under which users reach the server. Its path matters to us, and its origin, but it is checked as a whole,
//! as the Pushgateway does, so that a typing error is found at the start.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use wharf_settings::{Quoted, ValueError};

/// A URL or a reference such as `/gateway`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ExternalUrl {
    typed: String,
    path: String,
}

impl ExternalUrl {
    /// The path, percent-decoded; empty if there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The origin, as browsers write it: `https://host` or `https://host:port`. None of a mere path.
    pub fn origin(&self) -> Option<String> {
        let (scheme, authority) = self.authority()?;
        let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let host = host.to_ascii_lowercase();
        let port = match scheme.to_ascii_lowercase().as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let host = host.strip_suffix(port).unwrap_or(&host);
        (!host.is_empty()).then(|| format!("{}://{host}", scheme.to_ascii_lowercase()))
    }

    /// Scheme, empty if there is none, and authority. None of a mere path.
    fn authority(&self) -> Option<(&str, &str)> {
        let relative = self.typed.strip_prefix("//").map(|rest| ("", rest));
        let (scheme, rest) = relative.or_else(|| self.typed.split_once("://"))?;
        Some((scheme, rest.split(['/', '?', '#']).next().unwrap_or_default()))
    }

    fn password(&self) -> Option<&str> {
        let (user, _host) = self.authority()?.1.rsplit_once('@')?;
        user.split_once(':').map(|(_name, password)| password)
    }
}

/// As it was typed, but for a password: the flags are shown to readers.
impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.password() {
            Some(password) => f.write_str(&self.typed.replacen(&format!(":{password}@"), ":xxxxx@", 1)),
            None => f.write_str(&self.typed),
        }
    }
}

impl FromStr for ExternalUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let wrong =
            |url: &str, what: String| ValueError::new(format!("invalid URL: parse {}: {what}", Quoted(url)));
        let path = path_of(url).map_err(|what| wrong(url, what))?;
        decode(fragment).map_err(|what| wrong(text, what))?;
        let path = String::from_utf8(path).map_err(|_| wrong(url, "expected a path in UTF-8".to_owned()))?;
        Ok(Self {
            typed: text.to_owned(),
            path,
        })
    }
}

/// The decoded path of a URL without fragment, or what is wrong with the URL.
fn path_of(url: &str) -> Result<Vec<u8>, String> {
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(url)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _query)| rest);
    if !rest.starts_with('/') {
        if scheme.is_some() {
            // Opaque, as in `mailto:x`: there is no path.
            return Ok(Vec::new());
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let authority = rest
        .strip_prefix("//")
        .filter(|rest| scheme.is_some() || !rest.starts_with('/'));
    let Some(authority) = authority else {
        return decode(rest);
    };
    let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
    check_authority(authority)?;
    decode(path)
}

/// Splits `scheme:` off, if the text starts with one.
fn split_scheme(url: &str) -> Result<(Option<&str>, &str), String> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Ok((None, url));
    };
    if scheme.is_empty() {
        return Err("missing protocol scheme".to_owned());
    }
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    Ok(if is_scheme {
        (Some(scheme), rest)
    } else {
        (None, url)
    })
}

/// Checks `user:password@host:port`.
fn check_authority(authority: &str) -> Result<(), String> {
    let (user, host) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(user, host)| (Some(user), host));
    check_host(host)?;
    let Some(user) = user else { return Ok(()) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    decode(user).map(drop)
}

fn check_host(host: &str) -> Result<(), String> {
    let port = if let Some((_, bracketed)) = host.rsplit_once('[') {
        let Some((inner, port)) = bracketed.rsplit_once(']') else {
            return Err("missing ']' in host".to_owned());
        };
        check_brackets(inner)?;
        port
    } else {
        check_host_characters(host)?;
        host.rfind(':')
            .and_then(|colon| host.get(colon..))
            .unwrap_or_default()
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let starts_well = port.is_empty() || port.starts_with(':');
    if !starts_well || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("invalid port {} after host", Quoted(port)));
    }
    Ok(())
}

/// An IPv6 address with an optional zone behind `%25`.
fn check_brackets(inner: &str) -> Result<(), String> {
    let (address, zone) = inner
        .split_once("%25")
        .map_or((inner, None), |(address, zone)| (address, Some(zone)));
    check_host_characters(address)?;
    decode(zone.unwrap_or_default())?;
    let invalid = |what: &str| Err(format!("invalid host: ParseAddr({}): {what}", Quoted(address)));
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if zone == Some("") => invalid("zone must be a non-empty string"),
        Ok(IpAddr::V6(_)) => Ok(()),
        Ok(IpAddr::V4(_)) => Err("invalid IP-literal".to_owned()),
        Err(_) => invalid("unable to parse IP"),
    }
}

fn check_host_characters(host: &str) -> Result<(), String> {
    for (index, byte) in host.bytes().enumerate() {
        let fine =
            !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte);
        if byte == b'%' {
            // In a host only bytes beyond ASCII may be escaped.
            let escape = Escape::at(host, index)?;
            if escape.byte.is_ascii() && escape.text != "%25" {
                return Err(invalid_escape(escape.text));
            }
        } else if !fine {
            return Err(format!(
                "invalid character {} in host name",
                Quoted(&char::from(byte).to_string())
            ));
        }
    }
    Ok(())
}

/// Resolves percent escapes.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        if byte == b'%' {
            decoded.push(Escape::at(text, index)?.byte);
            // The two digits.
            bytes.nth(1);
        } else {
            decoded.push(byte);
        }
    }
    Ok(decoded)
}

/// A percent sign and two hexadecimal digits.
struct Escape<'a> {
    text: &'a str,
    byte: u8,
}

impl<'a> Escape<'a> {
    fn at(text: &'a str, index: usize) -> Result<Self, String> {
        let rest = text.get(index..).unwrap_or_default();
        let escape = rest
            .get(..3)
            .filter(|escape| escape.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit()));
        let byte = escape.and_then(|escape| u8::from_str_radix(escape.get(1..)?, 16).ok());
        match (escape, byte) {
            (Some(text), Some(byte)) => Ok(Self { text, byte }),
            _ => Err(invalid_escape(
                rest.char_indices()
                    .nth(3)
                    .and_then(|(end, _)| rest.get(..end))
                    .unwrap_or(rest),
            )),
        }
    }
}

fn invalid_escape(escape: &str) -> String {
    format!("invalid URL escape {}", Quoted(escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_written_as_browsers_do() {
        for (text, expected) in [
            (
                "https://Gateway.example.org:443/pre/?q",
                Some("https://gateway.example.org"),
            ),
            ("HTTP://user:pass@h:9091", Some("http://h:9091")),
            ("http://[::1]:80/", Some("http://[::1]")),
            ("/gateway", None),
            ("", None),
            ("ftp://h/", None),
        ] {
            let url: ExternalUrl = text.parse().unwrap();
            assert_eq!(url.origin().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_path_is_found_and_decoded() {
        let cases = [
            ("", ""),
            ("/", "/"),
            ("http://h", ""),
            ("http://h/ext", "/ext"),
            ("http://H:80/%7efoo bar/?q=%zz#f", "/~foo bar/"),
            ("https://user:xxxxx@host/a%2Fb", "/a/b"),
            ("http://[::1]:9091/x", "/x"),
            ("http://[fe80::1%25en0]/x", "/x"),
            ("http:///x", "/x"),
            ("//h/x", "/x"),
            ("///x", "///x"),
            ("ext/", "ext/"),
            ("localhost:9091/x", ""),
            ("?", ""),
            ("http://h:80:90/", "/"),
            ("http://grün/é", "/é"),
        ];
        for (text, path) in cases {
            let url: ExternalUrl = text.parse().unwrap();
            assert_eq!(url.path(), path, "{text}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn bad_urls_say_what_is_wrong() {
        let cases = [
            (":foo", r#"":foo": missing protocol scheme"#),
            (
                "1foo:bar",
                r#""1foo:bar": first path segment in URL cannot contain colon"#,
            ),
            (
                " http://x",
                r#"" http://x": first path segment in URL cannot contain colon"#,
            ),
            ("http://[::1", r#""http://[::1": missing ']' in host"#),
            ("http://[::1]x", r#""http://[::1]x": invalid port "x" after host"#),
            (
                "http://[zz]/",
                r#""http://[zz]/": invalid host: ParseAddr("zz"): unable to parse IP"#,
            ),
            (
                "http://[fe80::1%en0]/",
                r#""http://[fe80::1%en0]/": invalid URL escape "%en""#,
            ),
            ("http://a:b", r#""http://a:b": invalid port ":b" after host"#),
            (
                "http://a b/",
                r#""http://a b/": invalid character " " in host name"#,
            ),
            (
                "http://h^/",
                r#""http://h^/": invalid character "^" in host name"#,
            ),
            ("http://h%41/", r#""http://h%41/": invalid URL escape "%41""#),
            ("http://u:p w@h", r#""http://u:p w@h": net/url: invalid userinfo"#),
            (
                "http://h/\u{1}",
                r#""http://h/\x01": net/url: invalid control character in URL"#,
            ),
            ("http://h/%4", r#""http://h/%4": invalid URL escape "%4""#),
            ("%zz", r#""%zz": invalid URL escape "%zz""#),
            ("%é5", r#""%é5": invalid URL escape "%é5""#),
            ("http://h/x#%zz", r#""http://h/x#%zz": invalid URL escape "%zz""#),
            ("http://h/%ff#x", r#""http://h/%ff": expected a path in UTF-8"#),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ExternalUrl>().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid URL: parse {expected}"));
        }
    }
}
