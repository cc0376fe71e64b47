//! The plugin's configuration: what `pluginConfig` of the `WasmPlugin` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Bundle, BundleError, KeySet, MAX_KEYS, PublicKey, Trust, is_audience};
use sallyport_engine::json::{Document, JsonError, Kind, Value};
use std::fmt;

/// The keys that a configuration may have.
const KEYS: [&str; 6] = ["bundle", "keys", "retiredKeys", "audience", "hold", "clock"];

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
    pub(crate) policy: Policy,
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
    /// `bundle` is missing or no string.
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
    /// The bundle is refused.
    Bundle(BundleError),
}

impl Config {
    /// Reads `{"bundle": "<base64>", "keys": ["<PEM or base64>"], "retiredKeys": [], "audience": "namespace/workload", "hold": "body" |
    /// "headers", "clock": <seconds since 1970>}`; all but the bundle may be left out. Where there are keys, one must have signed it.
    /// `now` is the time, if the host knows it.
    pub(crate) fn parse(json: &[u8], now: Option<u64>) -> Result<Self, ConfigError> {
        if json.is_empty() {
            return Err(ConfigError::Absent);
        }
        let document = Document::parse(json).map_err(ConfigError::Json)?;
        let root = document.root().ok_or(ConfigError::NoBundle)?;
        if let Some((key, _)) = root.entries().find(|(key, _)| !KEYS.contains(&key.as_ref())) {
            return Err(ConfigError::UnknownKey(key.into_owned()));
        }
        let bundle = root.get("bundle").and_then(|value| value.as_str()).ok_or(ConfigError::NoBundle)?;
        let bundle = STANDARD.decode(bundle.as_ref()).map_err(|_| ConfigError::Base64)?;
        let clock = root.get("clock").map(read_clock).transpose()?;
        let policy = load(&bundle, &read_trust(&root)?, clock.or(now)).map_err(ConfigError::Bundle)?;
        Ok(Self { policy, hold: root.get("hold").map_or(Ok(Hold::default()), read_hold)?, clock })
    }
}

/// Nothing of a bundle is decoded before it is known who made it, for whom and for when.
fn load(bundle: &[u8], trust: &Trust, now: Option<u64>) -> Result<Policy, BundleError> {
    let bundle = Bundle::read(bundle)?;
    trust.accept(None, &bundle, now)?;
    bundle.policy()
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

fn read_hold(value: Value<'_>) -> Result<Hold, ConfigError> {
    match value.as_str().as_deref() {
        Some("body") => Ok(Hold::Body),
        Some("headers") => Ok(Hold::Headers),
        _ => Err(ConfigError::Hold),
    }
}

impl ConfigError {
    /// Every word that [`Self::code`] gives.
    pub(crate) const CODES: [&str; 10] = [
        "absent",
        "json",
        "unknown_key",
        "no_bundle",
        "base64",
        "hold",
        "clock",
        "keys",
        "audience",
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
                write!(
                    f,
                    "pluginConfig has an unknown key {key:?}: it takes `bundle`, `keys`, `retiredKeys`, `audience`, `hold` and, for tests, `clock`"
                )
            }
            Self::NoBundle => f.write_str(
                "pluginConfig has no `bundle`: compile one with `policy-compiler compile --plugin-config`",
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
            Self::Bundle(error) => write!(f, "`bundle` in pluginConfig is refused: {error}"),
        }
    }
}
