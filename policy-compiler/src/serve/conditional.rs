//! What a request for a bundle asks: conditions (RFC 9110), how long it waits (RFC 7240), and what the filter says of itself.

use std::time::Duration;

use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

/// What stands behind the tag of a compressed bundle.
const GZIP_SUFFIX: &str = "-gzip";
/// The longest word that a filter says of itself, in bytes.
const MAX_WORD: usize = 256;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The tags that the client has; `*` for whatever it is.
    pub(super) tags: Vec<String>,
    pub(super) gzip: bool,
    /// How long it waits for a change; `None` if it does not.
    pub(super) wait: Option<Duration>,
    pub(super) engine: Option<u32>,
    pub(super) format: Option<u16>,
    pub(super) serial: Option<u64>,
    pub(super) module: Option<String>,
    pub(super) node: Option<String>,
    pub(super) refused: Option<String>,
}

impl Asked {
    /// What is written in the headers; what cannot be understood counts as not written.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let word = |name: &'static str| {
            let text = headers.get(name)?.to_str().ok()?.trim();
            (!text.is_empty() && text.len() <= MAX_WORD).then(|| text.to_owned())
        };
        let tags = items(headers, IF_NONE_MATCH);
        let tag = |text: &str| {
            let strong = text.strip_prefix("W/").unwrap_or(text);
            let bare = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(strong);
            bare.strip_suffix(GZIP_SUFFIX).unwrap_or(bare).to_owned()
        };
        Self {
            tags: tags.iter().map(|text| tag(text)).collect(),
            gzip: takes_gzip(headers),
            wait: wait(headers),
            engine: word("x-sallyport-engine").and_then(|text| text.parse().ok()),
            format: word("x-sallyport-format").and_then(|text| text.parse().ok()),
            serial: word("x-sallyport-serial").and_then(|text| text.parse().ok()),
            module: word("x-sallyport-module"),
            node: word("x-sallyport-node"),
            refused: word("x-sallyport-refused"),
        }
    }

    /// Whether the client has what has this tag.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag || known == "*")
    }
}

/// The tag as a header, of the form that is sent.
pub(super) fn etag(tag: &str, gzip: bool) -> String {
    format!("\"{tag}{}\"", if gzip { GZIP_SUFFIX } else { "" })
}

/// The parts of a list, in however many headers it stands.
fn items(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut all = None;
    for item in items(headers, ACCEPT_ENCODING) {
        let mut fields = item.split(';').map(str::trim);
        let coding = fields.next().unwrap_or_default().to_ascii_lowercase();
        let weight = fields.find_map(|field| field.strip_prefix("q=").or(field.strip_prefix("Q=")));
        let wanted =
            weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0));
        match coding.as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => all = Some(wanted),
            _ => {}
        }
    }
    all.unwrap_or(false)
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preference = |item: String| {
        let (name, value) = item.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds.parse().ok()).flatten()
    };
    let seconds = items(headers, HeaderName::from_static("prefer")).into_iter().find_map(preference);
    seconds.map(|seconds: u32| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Asked {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Asked::of(&headers)
    }

    #[test]
    fn tags_match_in_every_form() {
        for text in ["\"ab\"", "W/\"ab\"", "\"ab-gzip\"", "\"x\", \"ab\"", "*"] {
            assert!(asked(&[("if-none-match", text)]).has("ab"), "{text}");
        }
        assert!(asked(&[("if-none-match", "\"x\""), ("if-none-match", "\"ab\"")]).has("ab"));
        for text in ["\"a\"", "\"abc\"", ""] {
            assert!(!asked(&[("if-none-match", text)]).has("ab"), "{text}");
        }
        assert_eq!((etag("ab", false), etag("ab", true)), ("\"ab\"".into(), "\"ab-gzip\"".into()));
    }

    #[test]
    fn encodings_are_weighed() {
        for text in ["gzip", "br, GZIP;q=0.5", "*", "deflate, *;q=0.1", "x-gzip", "gzip; q=1.0"] {
            assert!(asked(&[("accept-encoding", text)]).gzip, "{text}");
        }
        for text in ["", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "identity", "gzip;q=x"] {
            assert!(!asked(&[("accept-encoding", text)]).gzip, "{text}");
        }
    }

    #[test]
    fn preferences_are_read() {
        let wait = |text| asked(&[("prefer", text)]).wait.map(|wait| wait.as_secs());
        for text in ["wait=25", "respond-async, wait=25", "Wait=\"25\"", "wait=25; x=y", "wait = 25"] {
            assert_eq!(wait(text), Some(25), "{text}");
        }
        for text in ["", "wait", "wait=", "wait=-1", "wait=x", "waits=25"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn long_words_count_as_none() {
        let long: &'static str = Box::leak("x".repeat(MAX_WORD + 1).into_boxed_str());
        let asked =
            asked(&[("x-sallyport-node", long), ("x-sallyport-serial", "7"), ("x-sallyport-engine", "-1")]);
        assert_eq!((asked.node, asked.serial, asked.engine), (None, Some(7), None));
    }
}
