//! Media types (RFC 9110 section 8.3), read without regard to case.

use crate::reason::Reason;
use alloc::string::String;

/// A media type, lower-case, and its charset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType {
    essence: String,
    charset: Charset,
}

/// What a media type says of its characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Charset {
    /// No charset given.
    Unstated,
    /// UTF-8, or US-ASCII, which is a part of it.
    Utf8,
    /// Anything else.
    Other,
}

impl MediaType {
    /// Reads the value of a Content-Type header.
    pub fn parse(value: &[u8]) -> Result<Self, Reason> {
        let text = core::str::from_utf8(value).map_err(|_| Reason::RequestMalformed)?;
        // Proxies join repeated headers with a comma, which no media type holds outside of quotes.
        if text.contains(',') && !text.contains('"') {
            return Err(Reason::RequestAmbiguous);
        }
        let mut parts = text.split(';');
        let essence = parts.next().unwrap_or_default().trim_matches([' ', '\t']).to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/').ok_or(Reason::RequestMalformed)?;
        if !is_token(kind) || !is_token(subtype) {
            return Err(Reason::RequestMalformed);
        }
        let mut charset = Charset::Unstated;
        for parameter in parts {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            if name.trim_matches([' ', '\t']).eq_ignore_ascii_case("charset") {
                let said = read_charset(value);
                if charset != Charset::Unstated && charset != said {
                    return Err(Reason::RequestAmbiguous);
                }
                charset = said;
            }
        }
        Ok(Self { essence, charset })
    }

    /// Whether it is `application/json` or any `+json` type (RFC 6839 section 3.1).
    pub fn is_json(&self) -> bool {
        matches!(self.essence.as_str(), "application/json" | "text/json") || self.essence.ends_with("+json")
    }

    /// Whether it is a form as browsers send them (WHATWG URL section 5).
    pub fn is_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded"
    }

    /// Whether a body of this type is text that can be scanned as it stands.
    pub fn is_text(&self) -> bool {
        self.essence.starts_with("text/")
            || matches!(self.essence.as_str(), "application/x-www-form-urlencoded" | "application/xml")
            || self.essence.ends_with("+xml")
    }

    /// Whether a body of this type has parts of other types.
    pub(crate) fn is_multipart(&self) -> bool {
        self.essence.starts_with("multipart/")
    }

    /// Whether a body of this type is gRPC messages (gRPC over HTTP/2, Content-Type). gRPC-Web frames them otherwise.
    pub(crate) fn is_grpc(&self) -> bool {
        self.essence
            .strip_prefix("application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    }

    /// Whether a body of this type is a stream of events.
    pub(crate) fn is_events(&self) -> bool {
        self.essence == "text/event-stream"
    }

    /// Whether a body of this type is text in which backslashes can stand for characters, as in JSON.
    pub(crate) fn is_escaped_text(&self) -> bool {
        matches!(
            self.essence.as_str(),
            "application/x-ndjson"
                | "application/jsonl"
                | "application/json-seq"
                | "application/javascript"
                | "application/x-javascript"
                | "application/yaml"
                | "application/x-yaml"
                | "text/javascript"
        )
    }

    /// The charset parameter.
    pub fn charset(&self) -> Charset {
        self.charset
    }
}

fn read_charset(value: &str) -> Charset {
    let value = value.trim_matches([' ', '\t']);
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    if ["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
        Charset::Utf8
    } else {
        Charset::Other
    }
}

/// A token of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_type_not_by_spelling() {
        for (value, json, charset) in [
            ("application/json", true, Charset::Unstated),
            ("Application/JSON", true, Charset::Unstated),
            ("application/json ;charset=utf-8", true, Charset::Utf8),
            ("application/a2a+json; charset=\"UTF-8\"", true, Charset::Utf8),
            ("application/json; charset=utf-16", true, Charset::Other),
            ("application/json; charset=utf-7", true, Charset::Other),
            ("text/plain", false, Charset::Unstated),
        ] {
            let media_type = MediaType::parse(value.as_bytes()).unwrap();
            assert_eq!((media_type.is_json(), media_type.charset()), (json, charset), "{value}");
        }
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for value in ["", "json", "application/", "/json", "a b/c"] {
            assert_eq!(MediaType::parse(value.as_bytes()), Err(Reason::RequestMalformed), "{value}");
        }
        let two = MediaType::parse(b"application/json; charset=utf-8; charset=utf-16");
        assert_eq!(two, Err(Reason::RequestAmbiguous));
        let joined = MediaType::parse(b"application/json, text/html");
        assert_eq!(joined, Err(Reason::RequestAmbiguous));
    }
}
