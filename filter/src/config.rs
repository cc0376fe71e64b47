//! The plugin's configuration: what `pluginConfig` of the `WasmPlugin` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::Policy;
use sallyport_engine::bundle::{self, BundleError};
use sallyport_engine::json::{Document, JsonError, Kind, Value};
use std::fmt;

/// The keys that a configuration may have.
const KEYS: [&str; 3] = ["bundle", "hold", "clock"];

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
    /// The bundle is refused.
    Bundle(BundleError),
}

impl Config {
    /// Reads `{"bundle": "<base64>", "hold": "body" | "headers", "clock": <seconds since 1970>}`; all but the bundle may be left out.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ConfigError> {
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
        let policy = bundle::decode(&bundle).map_err(ConfigError::Bundle)?;
        let clock = root.get("clock").map(read_clock).transpose()?;
        Ok(Self { policy, hold: root.get("hold").map_or(Ok(Hold::default()), read_hold)?, clock })
    }
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
    pub(crate) const CODES: [&str; 8] =
        ["absent", "json", "unknown_key", "no_bundle", "base64", "hold", "clock", "bundle"];

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
                    "pluginConfig has an unknown key {key:?}: it takes `bundle`, `hold` and, for tests, `clock`"
                )
            }
            Self::NoBundle => f.write_str(
                "pluginConfig has no `bundle`: compile one with `policy-compiler compile --plugin-config`",
            ),
            Self::Base64 => f.write_str("`bundle` in pluginConfig is not standard base64 with padding"),
            Self::Hold => f.write_str("`hold` in pluginConfig is neither `body` nor `headers`"),
            Self::Clock => f.write_str("`clock` in pluginConfig is no whole number of seconds since 1970"),
            Self::Bundle(error) => write!(f, "`bundle` in pluginConfig is refused: {error}"),
        }
    }
}
