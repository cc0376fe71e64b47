//! The reader of certificates: it never panics, and where it finds the one name that lets a caller in, another reader of the same
//! certificate finds that name and no other. (No name, or several, and the caller is refused whatever else is true.)
//!
//! The input is tried as PEM and as DER.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::identity::uri_sans;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Checks one certificate.
pub fn check(data: &[u8]) {
    let _ = uri_sans(data);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(data));
    let ours = uri_sans(pem.as_bytes());
    // A certificate stands alone in its PEM block.
    if let (Some(ours), Ok(([], certificate))) = (ours, X509Certificate::from_der(data))
        && ours.len() == 1
        && let Some(theirs) = names(&certificate)
    {
        assert_eq!(ours, theirs);
    }
}

/// The URI names; `None` where an extension could not be read.
fn names(certificate: &X509Certificate<'_>) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    if let GeneralName::URI(uri) = name {
                        found.push(uri.as_bytes().to_vec());
                    }
                }
            }
            ParsedExtension::ParseError { .. } => return None,
            _ => {}
        }
    }
    Some(found)
}
