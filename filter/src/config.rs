//! The plugin's configuration: what `pluginConfig` of the `WasmPlugin` says.

use crate::companion::{BUNDLES, Companion};
use crate::peer::Source;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::bundle::{BundleError, KeySet, MAX_KEYS, PublicKey, Trust, is_audience};
use sallyport_engine::identity::SpiffeId;
use sallyport_engine::json::{Document, JsonError, Kind, Value};
use std::fmt;

/// The keys that a configuration may have.
const KEYS: [&str; 9] =
    ["bundle", "keys", "retiredKeys", "audience", "companion", "interlock", "identity", "hold", "clock"];
/// The keys that `companion` may have.
const COMPANION_KEYS: [&str; 3] = ["cluster", "authority", "path"];
/// The longest text of each of them, and of `interlock`, in bytes.
const MAX_TEXT: usize = 512;
/// The shortest secret that is one.
const MIN_SECRET: usize = 16;

/// How messages are held back until they are judged, requests and responses alike.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Hold {
    /// Headers go on to the next filter, the body waits. Envoy's buffer filter behind this one keeps both from the upstream. Nothing
    /// keeps a response's headers from the client: a response that is refused has the status of the one that came.
    #[default]
    Body,
    /// Headers wait too. Only where the host sets `allow_on_headers_stop_iteration`: elsewhere the body would never come.
    Headers,
}

/// A configuration that was read whole.
#[derive(Debug)]
pub(crate) struct Config {
    /// The bundle, not verified yet.
    pub(crate) bundle: Option<Vec<u8>>,
    /// Whom bundles must be by and for.
    pub(crate) trust: Trust,
    /// Who serves bundles. There is one, or a bundle, or both.
    pub(crate) companion: Option<Companion>,
    /// The secret that proves that the gate is in the path.
    pub(crate) interlock: Option<String>,
    pub(crate) identity: Source,
    pub(crate) hold: Hold,
    /// Where the clock stands still, in seconds since 1970. Only for tests.
    pub(crate) clock: Option<u64>,
}

/// Why a configuration cannot be used. Nothing of it is, then.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// There is none, or the host would not hand it over.
    Absent,
    /// It is not JSON with one meaning.
    Json(JsonError),
    /// A key that does not exist.
    UnknownKey(String),
    /// `bundle` is missing or no string, and there is no `companion`.
    NoBundle,
    /// `bundle` is not standard base64.
    Base64,
    /// `hold` is neither `body` nor `headers`.
    Hold,
    /// `clock` is no whole number.
    Clock,
    /// `keys` or `retiredKeys` is not a list of public keys, each once.
    Keys,
    /// `audience` is no namespace or workload.
    Audience,
    /// `companion` is not what it takes, or there are no keys.
    Companion,
    /// `interlock` is no secret that can stand in a header.
    Interlock,
    /// `identity` is none of `certificate`, `firstUriSan` and `peerPrincipal`, and no SPIFFE ID.
    Identity,
    /// The bundle is refused.
    Bundle(BundleError),
}

impl Config {
    /// Reads `{"bundle": "<base64>", "keys": ["<PEM or base64>"], "retiredKeys": [], "audience": "namespace/workload", "companion":
    /// {"cluster": "…", "authority": "…", "path": "/…"}, "interlock": "<secret>", "identity": "certificate" | "firstUriSan" | "peerPrincipal" | "spiffe://…", "hold": "body" | "headers", "clock": <seconds since
    /// 1970>}`. There must be a bundle or a companion; all else may be left out. Where there are keys, one must have signed the bundle,
    /// and a companion's bundles must be signed.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        if json.is_empty() {
            return Err(ConfigError::Absent);
        }
        let document = Document::parse(json).map_err(ConfigError::Json)?;
        let root = document.root().ok_or(ConfigError::NoBundle)?;
        if let Some((key, _)) = root.entries().find(|(key, _)| !KEYS.contains(&key.as_ref())) {
            return Err(ConfigError::UnknownKey(key.into_owned()));
        }
        let trust = read_trust(&root)?;
        let companion = root.get("companion").map(|value| read_companion(&value, &trust)).transpose()?;
        let bundle = match root.get("bundle") {
            None if companion.is_some() => None,
            value => Some(read_bundle(value)?),
        };
        Ok(Self {
            bundle,
            trust,
            companion,
            interlock: root.get("interlock").map(read_interlock).transpose()?,
            identity: root.get("identity").map_or(Ok(Source::default()), read_identity)?,
            hold: root.get("hold").map_or(Ok(Hold::default()), read_hold)?,
            clock: root.get("clock").map(read_clock).transpose()?,
        })
    }
}

fn read_bundle(value: Option<Value<'_>>) -> Result<Vec<u8>, ConfigError> {
    let text = value.and_then(|value| value.as_str()).ok_or(ConfigError::NoBundle)?;
    STANDARD.decode(text.as_ref()).map_err(|_| ConfigError::Base64)
}

/// A companion's answer is believed for its signature alone, so there must be keys.
fn read_companion(value: &Value<'_>, trust: &Trust) -> Result<Companion, ConfigError> {
    let unknown = value.entries().any(|(key, _)| !COMPANION_KEYS.contains(&key.as_ref()));
    if unknown || value.kind() != Kind::Object || trust.keys.is_none() {
        return Err(ConfigError::Companion);
    }
    let text = |key| value.get(key).map(read_header).transpose();
    let path = match text("path")? {
        Some(path) => path,
        None => {
            trust.audience.as_ref().map_or(BUNDLES.to_owned(), |audience| format!("{BUNDLES}/{audience}"))
        }
    };
    if !path.starts_with('/') {
        return Err(ConfigError::Companion);
    }
    let cluster = text("cluster")?.ok_or(ConfigError::Companion)?;
    let authority = text("authority")?.ok_or(ConfigError::Companion)?;
    Ok(Companion { cluster, authority, path })
}

/// Text that can stand in a header: visible ASCII.
fn read_header(value: Value<'_>) -> Result<String, ConfigError> {
    let text = value.as_str().ok_or(ConfigError::Companion)?;
    let fits = (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.into_owned()) } else { Err(ConfigError::Companion) }
}

fn read_interlock(value: Value<'_>) -> Result<String, ConfigError> {
    let secret = read_header(value).map_err(|_| ConfigError::Interlock)?;
    if secret.len() < MIN_SECRET { Err(ConfigError::Interlock) } else { Ok(secret) }
}

/// Whom bundles must be by and for. Keys that are only retired ones would let nobody sign, so they are a mistake.
fn read_trust(root: &Value<'_>) -> Result<Trust, ConfigError> {
    let (active, retired) = (root.get("keys"), root.get("retiredKeys"));
    let keys = match (active, retired) {
        (None, None) => None,
        (active, retired) => {
            let set = KeySet::new(read_keys(active)?, read_keys(retired)?);
            Some(set.ok_or(ConfigError::Keys)?)
        }
    };
    let audience = root.get("audience").map(|value| {
        let text = value.as_str().filter(|text| is_audience(text));
        text.map(|text| text.into_owned()).ok_or(ConfigError::Audience)
    });
    Ok(Trust { keys, audience: audience.transpose()? })
}

fn read_keys(list: Option<Value<'_>>) -> Result<Vec<PublicKey>, ConfigError> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.kind() != Kind::Array {
        return Err(ConfigError::Keys);
    }
    let key =
        |value: Value<'_>| value.as_str().and_then(|text| PublicKey::parse(&text)).ok_or(ConfigError::Keys);
    // One more than may be, so that too many are noticed.
    list.items().take(MAX_KEYS.saturating_add(1)).map(key).collect()
}

fn read_clock(value: Value<'_>) -> Result<u64, ConfigError> {
    let digits = (value.kind() == Kind::Number).then(|| value.raw()).ok_or(ConfigError::Clock)?;
    digits.parse().map_err(|_| ConfigError::Clock)
}

fn read_identity(value: Value<'_>) -> Result<Source, ConfigError> {
    match value.as_str().as_deref() {
        Some("certificate") => Ok(Source::Certificate),
        Some("firstUriSan") => Ok(Source::FirstUriSan),
        Some("peerPrincipal") => Ok(Source::PeerPrincipal),
        Some(id) => SpiffeId::parse(id.as_bytes()).map(Source::Workload).map_err(|_| ConfigError::Identity),
        None => Err(ConfigError::Identity),
    }
}

fn read_hold(value: Value<'_>) -> Result<Hold, ConfigError> {
    match value.as_str().as_deref() {
        Some("body") => Ok(Hold::Body),
        Some("headers") => Ok(Hold::Headers),
        _ => Err(ConfigError::Hold),
    }
}

impl ConfigError {
    /// Every word that [`Self::code`] gives.
    pub(crate) const CODES: [&str; 13] = [
        "absent",
        "json",
        "unknown_key",
        "no_bundle",
        "base64",
        "hold",
        "clock",
        "keys",
        "audience",
        "companion",
        "interlock",
        "identity",
        "bundle",
    ];

    /// A stable word for the metric's label.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Json(_) => "json",
            Self::UnknownKey(_) => "unknown_key",
            Self::NoBundle => "no_bundle",
            Self::Base64 => "base64",
            Self::Hold => "hold",
            Self::Clock => "clock",
            Self::Keys => "keys",
            Self::Audience => "audience",
            Self::Companion => "companion",
            Self::Interlock => "interlock",
            Self::Identity => "identity",
            Self::Bundle(_) => "bundle",
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "pluginConfig is empty: give it the output of `policy-compiler compile --plugin-config`",
            ),
            Self::Json(error) => write!(f, "pluginConfig holds {error}"),
            Self::UnknownKey(key) => {
                write!(f, "pluginConfig has an unknown key {key:?}: it takes {}", KEYS.join(", "))
            }
            Self::NoBundle => f.write_str(
                "pluginConfig has neither `bundle` nor `companion`: compile one with `policy-compiler compile --plugin-config`",
            ),
            Self::Base64 => f.write_str("`bundle` in pluginConfig is not standard base64 with padding"),
            Self::Hold => f.write_str("`hold` in pluginConfig is neither `body` nor `headers`"),
            Self::Clock => f.write_str("`clock` in pluginConfig is no whole number of seconds since 1970"),
            Self::Keys => f.write_str(
                "`keys` in pluginConfig is not a list of 1 to 16 Ed25519 public keys, each once, as PEM or base64; `retiredKeys` is one \
                 of keys that are not among them",
            ),
            Self::Audience => f.write_str(
                "`audience` in pluginConfig is not written as `namespace` or `namespace/workload`, in lower case",
            ),
            Self::Companion => f.write_str(
                "`companion` in pluginConfig is not {\"cluster\": …, \"authority\": …, \"path\": \"/…\"} of visible ASCII, or there are no \
                 `keys` beside it: bundles that are fetched must be signed",
            ),
            Self::Interlock => f.write_str("`interlock` in pluginConfig is not 16 to 512 characters of visible ASCII"),
            Self::Identity => f.write_str("`identity` in pluginConfig is none of `certificate`, `firstUriSan` and `peerPrincipal`, and no SPIFFE ID"),
            Self::Bundle(error) => write!(f, "`bundle` in pluginConfig is refused: {error}"),
        }
    }
}
