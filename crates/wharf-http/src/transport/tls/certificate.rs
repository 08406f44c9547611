//! The few parts of an X.509 certificate that the TLS library does not show: validity, public key, names.
//!
//! ```text
//! Certificate    SEQUENCE { TBSCertificate, algorithm, signature }
//! TBSCertificate SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, public key, ..., [3] extensions? }
//! extensions     SEQUENCE OF SEQUENCE { identifier, critical?, OCTET STRING }
//! ```
//!
//! Certificates come from clients before anything about them is known. What does not have this form is not read at
//! all; nothing is read twice or deeper than this picture.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The parts of a certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// The subject's public key with its algorithm, as DER.
    pub(super) public_key: &'a [u8],
    /// Seconds since the Unix epoch, both included.
    not_before: i64,
    pub(super) not_after: i64,
    /// The contents of the subject's name.
    subject: &'a [u8],
    /// The contents of the extension with alternative names, if there is one.
    alternative_names: &'a [u8],
}

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Fields by number, made of other fields.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// Kinds of alternative names, by number.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

impl<'a> Certificate<'a> {
    /// Reads a certificate; none if it is not one.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outermost = Reader(der);
        let mut certificate = Reader(outermost.expect(SEQUENCE)?);
        let mut fields = Reader(certificate.expect(SEQUENCE)?);
        fields.skip_if(VERSION)?;
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            fields.next()?;
        }
        let mut validity = Reader(fields.expect(SEQUENCE)?);
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        let subject = fields.expect(SEQUENCE)?;
        let before = fields.0;
        fields.expect(SEQUENCE)?;
        let public_key = before.get(..before.len() - fields.0.len())?;
        let mut alternative_names = Default::default();
        while let Some((tag, content)) = fields.next() {
            if tag == EXTENSIONS {
                alternative_names = extension(content, SUBJECT_ALTERNATIVE_NAME)?;
            }
        }
        Some(Self {
            public_key,
            not_before,
            not_after,
            subject,
            alternative_names,
        })
    }

    /// Whether it is valid at a time, in seconds since the Unix epoch.
    pub(super) fn is_valid_at(&self, seconds: u64) -> bool {
        i64::try_from(seconds).is_ok_and(|now| self.not_before <= now && now <= self.not_after)
    }

    /// The names of DNS, mail, network and URI kind, as they are written in a list of allowed ones.
    pub(super) fn alternative_names(&self) -> Vec<String> {
        self.each_alternative_name().map(|(_, name)| name).collect()
    }

    /// The same with their kinds.
    fn each_alternative_name(&self) -> impl Iterator<Item = (u8, String)> {
        let names = Reader(self.alternative_names).expect(SEQUENCE);
        let mut names = Reader(names.unwrap_or_default());
        std::iter::from_fn(move || names.next()).filter_map(|(kind, name)| {
            let name = match kind {
                EMAIL | DNS | URI => str::from_utf8(name).ok().map(str::to_owned),
                IP => address(name).map(|address| address.to_string()),
                _ => None,
            };
            Some((kind, name?))
        })
    }
}

/// The names by which a certificate says whose it is.
impl Certificate<'_> {
    /// The alternative names; the common names of the subject if there are none. Who signs a certificate checks its
    /// alternative names by their kind, so one that looks like a name of another kind is none; and a common name beside
    /// them is what its owner has written.
    pub(super) fn names(&self) -> Vec<String> {
        if self.alternative_names.is_empty() {
            return self.common_names();
        }
        let names = self.each_alternative_name().filter(|(kind, name)| match *kind {
            EMAIL => name.contains('@'),
            URI => name.contains(':'),
            DNS => !name.contains(['@', ':', '/']),
            _ => true,
        });
        names.map(|(_, name)| name).collect()
    }

    /// A subject is a list of sets of attributes, each an identifier with a value.
    fn common_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut sets = Reader(self.subject);
        while let Some(set) = sets.expect(SET) {
            let mut attributes = Reader(set);
            while let Some(attribute) = attributes.expect(SEQUENCE) {
                let mut attribute = Reader(attribute);
                let is_common_name = attribute.expect(OBJECT_IDENTIFIER) == Some(COMMON_NAME);
                // Other kinds of text are long out of use, and are not what they seem when read as these.
                if let Some((UTF8_STRING | PRINTABLE_STRING | IA5_STRING, name)) = attribute.next()
                    && is_common_name
                {
                    names.extend(str::from_utf8(name).ok().map(str::to_owned));
                }
            }
        }
        names
    }
}

/// An IPv4 address in the form of an IPv6 one counts as IPv4.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(address.to_canonical())
}

/// The content of an extension; empty if it is not there, none if the extensions are broken.
fn extension<'a>(extensions: &'a [u8], identifier: &[u8]) -> Option<&'a [u8]> {
    let mut extensions = Reader(Reader(extensions).expect(SEQUENCE)?);
    while !extensions.0.is_empty() {
        let mut extension = Reader(extensions.expect(SEQUENCE)?);
        let found = extension.expect(OBJECT_IDENTIFIER)?;
        extension.skip_if(BOOLEAN)?;
        let content = extension.expect(OCTET_STRING)?;
        if found == identifier {
            return Some(content);
        }
    }
    Some(&[])
}

/// A time of a validity, in seconds since the Unix epoch: `YYMMDDHHMMSSZ` or with four digits for the year.
fn time(reader: &mut Reader<'_>) -> Option<i64> {
    let (tag, text) = reader.next()?;
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Years of two digits are those from 1950 to 2049.
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some(Offset::UTC.to_timestamp(time).ok()?.as_second())
}

/// Reads values of DER one after another: a tag, a length, and as many bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, short], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81 => rest.split_first().map(|(&length, rest)| (length.into(), rest))?,
            0x82 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(*length).into(), rest)
            }
            0x83 => {
                let (&[a, b, c], rest) = rest.split_first_chunk()?;
                (usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?, rest)
            }
            // No certificate is longer than 16 MB.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    /// Skips a value that may be left out.
    fn skip_if(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SanType, date_time_ymd};

    use super::*;

    fn parameters() -> CertificateParams {
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.not_before = date_time_ymd(2001, 9, 9);
        parameters.not_after = date_time_ymd(2060, 1, 1);
        parameters.subject_alt_names = vec![
            SanType::DnsName(text("batch.test")),
            SanType::Rfc822Name(text("ops@batch.test")),
            SanType::URI(text("spiffe://batch.test/job")),
            SanType::IpAddress([10, 0, 0, 1].into()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::IpAddress("::ffff:10.0.0.2".parse().unwrap()),
        ];
        parameters
    }

    #[test]
    fn a_certificate_tells_its_names_its_times_and_its_key() {
        let key = KeyPair::generate().unwrap();
        let der = parameters().self_signed(&key).unwrap();
        let certificate = Certificate::read(der.der()).unwrap();
        assert_eq!(
            certificate.alternative_names(),
            [
                "batch.test",
                "ops@batch.test",
                "spiffe://batch.test/job",
                "10.0.0.1",
                "2001:db8::1",
                "10.0.0.2"
            ]
        );
        assert_eq!(certificate.public_key, key.subject_public_key_info());
        assert_eq!(certificate.not_after, 2_840_140_800);
        // 2001-09-09 and 2060-01-01, at midnight; the first is written with two digits for the year, the second
        // with four.
        for (seconds, is_valid) in [
            (0, false),
            (999_993_599, false),
            (999_993_600, true),
            (2_840_140_800, true),
            (2_840_140_801, false),
            (u64::MAX, false),
        ] {
            assert_eq!(certificate.is_valid_at(seconds), is_valid, "{seconds}");
        }
    }

    #[test]
    fn a_name_counts_as_what_its_kind_says() {
        let key = KeyPair::generate().unwrap();
        let names = |subject_alt_names: &[SanType]| {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            parameters
                .distinguished_name
                .push(rcgen::DnType::CommonName, "backup.test");
            parameters.subject_alt_names = subject_alt_names.to_vec();
            let der = parameters.self_signed(&key).unwrap();
            Certificate::read(der.der()).unwrap().names()
        };
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        assert_eq!(names(&[]), ["backup.test"]);
        let mallory = SanType::DnsName(text("mallory.test"));
        assert_eq!(names(std::slice::from_ref(&mallory)), ["mallory.test"]);
        let odd = [
            SanType::Rfc822Name(text("backup.test")),
            SanType::URI(text("backup.test")),
            SanType::DnsName(text("ops@backup.test")),
            SanType::DnsName(text("spiffe://backup.test")),
        ];
        assert!(names(&odd).is_empty());
        let own = parameters();
        assert_eq!(names(&own.subject_alt_names).len(), own.subject_alt_names.len());
    }

    #[test]
    fn a_certificate_without_extensions_has_no_names() {
        let key = KeyPair::generate().unwrap();
        let der = CertificateParams::default().self_signed(&key).unwrap();
        let names = Certificate::read(der.der()).unwrap().alternative_names();
        assert!(names.is_empty(), "{names:?}");
    }

    #[test]
    fn what_is_cut_or_changed_is_read_without_a_panic() {
        let key = KeyPair::generate().unwrap();
        let der = parameters().self_signed(&key).unwrap().der().to_vec();
        for length in 0..der.len() {
            assert!(Certificate::read(&der[..length]).is_none(), "{length}");
        }
        for at in 0..der.len() {
            for byte in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = byte;
                let names = Certificate::read(&changed).map(|changed| changed.alternative_names());
                assert!(names.is_none_or(|names| names.len() < changed.len()));
            }
        }
    }
}
