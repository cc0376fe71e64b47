//! The URI subject alternative names of an X.509 certificate in PEM (RFC 7468, RFC 5280 section 4.2.1.6).
//!
//! Envoy shows a filter only the first URI SAN, but a certificate with two is no X.509-SVID and must be refused, so the
//! filter looks for itself. Envoy has validated the certificate; this reader only walks its DER, and answers `None` to
//! anything it does not expect.

use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest certificate read, in bytes of PEM.
const MAX_PEM_LEN: usize = 64 * 1024;
/// The most URI names returned; more than one is refused by the caller anyway.
const MAX_NAMES: usize = 16;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
/// `[3] EXPLICIT Extensions` of a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// `uniformResourceIdentifier [6] IA5String` of a GeneralName.
const URI: u8 = 0x86;
/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Every URI SAN of the first certificate in `pem`, in order; `None` if it cannot be read.
pub fn uri_sans(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let der = first_certificate(pem)?;
    let mut certificate = Der(Der(&der).expect(SEQUENCE)?);
    let mut fields = Der(certificate.expect(SEQUENCE)?);
    while let Some((tag, value)) = fields.next() {
        if tag == EXTENSIONS {
            return names(Der(Der(value).expect(SEQUENCE)?));
        }
    }
    fields.0.is_empty().then(Vec::new)
}

fn first_certificate(pem: &[u8]) -> Option<Vec<u8>> {
    let pem = pem.get(..pem.len().min(MAX_PEM_LEN))?;
    let start = find(pem, BEGIN)?.checked_add(BEGIN.len())?;
    let body = pem.get(start..)?;
    let body = body.get(..find(body, END)?)?;
    let mut compact = Vec::with_capacity(body.len());
    body.split(u8::is_ascii_whitespace).for_each(|line| compact.extend_from_slice(line));
    STANDARD.decode(compact).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // What a certificate's Base64 never holds is looked for first.
    haystack.windows(needle.len()).position(|window| window.first() == needle.first() && window == needle)
}

/// Reads `Extensions`. A second subjectAltName is refused: which one counts would be anybody's guess.
fn names(mut extensions: Der<'_>) -> Option<Vec<Vec<u8>>> {
    let mut found = None;
    while let Some((tag, value)) = extensions.next() {
        let mut extension = Der(value);
        if tag != SEQUENCE {
            return None;
        }
        if extension.expect(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        let (mut tag, mut value) = extension.next()?;
        if tag == BOOLEAN {
            (tag, value) = extension.next()?;
        }
        if tag != OCTET_STRING || found.is_some() {
            return None;
        }
        found = Some(uris(Der(Der(value).expect(SEQUENCE)?))?);
    }
    extensions.0.is_empty().then(|| found.unwrap_or_default())
}

fn uris(mut general_names: Der<'_>) -> Option<Vec<Vec<u8>>> {
    let mut uris = Vec::new();
    while let Some((tag, value)) = general_names.next() {
        if tag == URI {
            uris.push(value.to_vec());
        }
        if uris.len() > MAX_NAMES {
            return None;
        }
    }
    general_names.0.is_empty().then_some(uris)
}

/// A run of DER values (X.690 section 10: definite lengths in their shortest form).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes one value off the front. `None` at the end, and also where the bytes are no DER: then they are left standing.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits
                    .iter()
                    .try_fold(0_usize, |n, &d| n.checked_mul(256)?.checked_add(usize::from(d)))?;
                let shortest = length > 0x7f && digits.first() != Some(&0);
                (shortest.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    const ONE: &[u8] = include_bytes!("../../../fuzz/seeds/certificate/one-uri.der");
    const TWO: &[u8] = include_bytes!("../../../fuzz/seeds/certificate/two-uris.der");
    const DNS: &[u8] = include_bytes!("../../../fuzz/seeds/certificate/dns-only.der");
    const NONE: &[u8] = include_bytes!("../../../fuzz/seeds/certificate/no-names.der");

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
    }

    fn read(der: &[u8]) -> Option<Vec<Vec<u8>>> {
        uri_sans(pem(der).as_bytes())
    }

    /// A value with its tag and the shortest length.
    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let length = match u8::try_from(length) {
            Ok(short @ ..=0x7f) => vec![short],
            Ok(long) => vec![0x81, long],
            Err(_) => [&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [&[tag][..], &length, content].concat()
    }

    /// An extension for these names.
    fn names_of(uris: &[&str]) -> Vec<u8> {
        let uris: Vec<u8> = uris.iter().flat_map(|uri| value(URI, uri.as_bytes())).collect();
        let names = value(OCTET_STRING, &value(SEQUENCE, &uris));
        value(SEQUENCE, &[value(OID, SUBJECT_ALT_NAME), value(BOOLEAN, &[0xff]), names].concat())
    }

    /// As much of a certificate as is read: an issuer, say, and the extensions.
    fn certificate(extensions: &[u8]) -> Vec<u8> {
        let extensions = value(EXTENSIONS, &value(SEQUENCE, extensions));
        let fields = value(SEQUENCE, &[value(SEQUENCE, b""), extensions].concat());
        value(SEQUENCE, &[fields, value(SEQUENCE, b"")].concat())
    }

    #[test]
    fn the_names_of_real_certificates_are_read() {
        let counts = [ONE, TWO, DNS, NONE].map(|der| read(der).map(|names| names.len()));
        assert_eq!(counts, [Some(1), Some(2), Some(0), Some(0)]);
        assert!(read(ONE).unwrap()[0].starts_with(b"spiffe://"));
    }

    #[test]
    fn a_certificate_that_is_cut_short_has_no_name() {
        for der in [ONE, TWO] {
            for end in 0..der.len() {
                assert_eq!(read(&der[..end]), None, "{end}");
            }
        }
    }

    #[test]
    fn names_are_in_one_place_and_few() {
        let one = names_of(&["spiffe://a/b"]);
        assert_eq!(read(&certificate(&one)), Some(vec![b"spiffe://a/b".to_vec()]));
        assert_eq!(read(&certificate(&[one.clone(), one.clone()].concat())), None, "twice");
        assert_eq!(read(&certificate(&[one, vec![0]].concat())), None, "something behind it");
        assert_eq!(
            read(&certificate(&names_of(&["u"; MAX_NAMES]))).map(|names| names.len()),
            Some(MAX_NAMES)
        );
        assert_eq!(read(&certificate(&names_of(&["u"; MAX_NAMES + 1]))), None);
    }

    #[test]
    fn a_length_has_one_form() {
        let with = |length: &[u8], content: &[u8]| {
            let bytes = [&[OCTET_STRING][..], length, content].concat();
            Der(&bytes).expect(OCTET_STRING).map(<[u8]>::len)
        };
        assert_eq!(with(&[3], b"abc"), Some(3));
        assert_eq!(with(&[0x81, 0x80], &[0; 0x80]), Some(0x80));
        assert_eq!(with(&[0x82, 1, 0], &[0; 0x100]), Some(0x100));
        for longer in [&[0x81, 3][..], &[0x82, 0, 3], &[0x82, 0, 0x80], &[0x80], &[0x84, 0, 0, 0, 3]] {
            assert_eq!(with(longer, &[0; 0x100]), None, "{longer:?}");
        }
    }

    #[test]
    fn the_first_block_counts_however_it_is_wrapped() {
        let text = pem(ONE).replace('\n', "\r\n");
        assert_eq!(uri_sans(text.as_bytes()), read(ONE));
        assert_eq!(uri_sans(format!("subject: x\n{text}{}", pem(TWO)).as_bytes()), read(ONE));
        assert_eq!(uri_sans(text.replace("END", "EN").as_bytes()), None);
        assert_eq!(uri_sans(text.replace("BEGIN", "BEGI").as_bytes()), None);
        assert_eq!(uri_sans(pem(&vec![0; MAX_PEM_LEN]).as_bytes()), None, "too long");
        assert_eq!(uri_sans(b""), None);
    }
}
