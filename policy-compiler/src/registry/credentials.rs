//! Who we are to a registry, as Docker and its relatives keep it: `config.json` in `$DOCKER_CONFIG` or `~/.docker`.
//!
//! What is read here is never printed and stands in no message.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Failure;
use super::reference::Reference;
use crate::files::read_at_most;

/// The longest configuration, and the longest answer of a helper.
const MAX_FILE: usize = 1024 * 1024;
/// How long a helper may take.
const HELPER: Duration = Duration::from_secs(30);
/// The name that Docker's own registry has in configurations.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The user's name by which a helper says that its secret is a token.
const TOKEN_USER: &str = "<token>";

/// What proves who we are.
#[derive(Clone)]
pub(super) enum Credential {
    /// A name and a password.
    Login { user: String, secret: String },
    /// A token to get tokens with.
    Identity(String),
    /// A token that the registry takes.
    Bearer(String),
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// What there is for this reference; `None` if nothing is, as for a public image.
pub(super) fn find(reference: &Reference) -> Result<Option<Credential>, Failure> {
    let Some(path) = file() else { return Ok(None) };
    let told =
        |why: &dyn fmt::Display| Failure::Final(format!("`{}` can not be used: {why}", path.display()));
    let bytes = match read_at_most(&path, MAX_FILE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(told(&"it is too large")),
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(told(&why)),
    };
    // What serde says of a mistake could hold a part of a secret.
    let config: Config =
        serde_json::from_slice(&bytes).map_err(|_| told(&"it is no configuration of Docker"))?;
    let key = if reference.host == "docker.io" { DOCKER_HUB } else { &reference.host };
    let helper = config.cred_helpers.get(key).or(config.creds_store.as_ref());
    if let Some(found) = helper.map(|name| ask_helper(name, key)).transpose()?.flatten() {
        return Ok(Some(found));
    }
    config.of(reference).map(Auth::credential).transpose().map(Option::flatten).map_err(|why| told(&why))
}

fn file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

impl Config {
    /// The entry for a reference: the narrowest, as `registry/team` before `registry`.
    fn of(&self, reference: &Reference) -> Option<&Auth> {
        let whole = format!("{}/{}", reference.host, reference.repository);
        let mut name = whole.as_str();
        loop {
            if let Some((_, auth)) = self.auths.iter().find(|(key, _)| normal(key) == name) {
                return Some(auth);
            }
            name = name.rsplit_once('/')?.0;
        }
    }
}

/// A key of `auths` as hosts are written elsewhere.
fn normal(key: &str) -> &str {
    if key == DOCKER_HUB {
        return "docker.io";
    }
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key)
}

impl Auth {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Ok(Some(Credential::Bearer(token)));
        }
        if let Some(token) = set(&self.identitytoken) {
            return Ok(Some(Credential::Identity(token)));
        }
        if let (Some(user), Some(secret)) = (set(&self.username), set(&self.password)) {
            return Ok(Some(Credential::Login { user, secret }));
        }
        let Some(auth) = set(&self.auth) else { return Ok(None) };
        let wrong = "an `auth` in it is no base64 of `user:password`";
        let bytes = STANDARD.decode(auth.trim()).map_err(|_| wrong)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong)?;
        let (user, secret) = text.split_once(':').ok_or(wrong)?;
        Ok(Some(Credential::Login {
            user: user.to_owned(),
            secret: secret.trim_end_matches('\0').to_owned(),
        }))
    }
}

/// Asks `docker-credential-NAME`; `None` if it knows nothing of this registry.
fn ask_helper(name: &str, key: &str) -> Result<Option<Credential>, Failure> {
    let wrong =
        |why: &dyn fmt::Display| Failure::Final(format!("the credential helper `{name}` fails: {why}"));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Err(Failure::Final("a credential helper has a name that is none".to_owned()));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| wrong(&why))?;
    // One that reads nothing closes its end, and its answer says what is wrong.
    let _ = child.stdin.take().map(|mut input| input.write_all(key.as_bytes()));
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        output.map(|output| output.take(MAX_FILE as u64).read_to_end(&mut text));
        text
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|why| wrong(&why))? {
            Some(status) => break status,
            None if start.elapsed() > HELPER => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(wrong(&"it gives no answer"));
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let text = reader.join().unwrap_or_default();
    if !status.success() {
        // The one failure that is none, by words that all helpers share.
        let unknown = String::from_utf8_lossy(&text).contains("credentials not found");
        return if unknown { Ok(None) } else { Err(wrong(&status)) };
    }
    let helped: Helped = serde_json::from_slice(&text).map_err(|_| wrong(&"its answer is none"))?;
    Ok(Some(match helped.username.as_str() {
        TOKEN_USER => Credential::Identity(helped.secret),
        _ => Credential::Login { user: helped.username, secret: helped.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, reference: &str) -> Option<String> {
        let config: Config = serde_json::from_str(config).unwrap();
        let auth = config.of(&Reference::parse(reference).unwrap())?;
        auth.credential().unwrap().map(|credential| match credential {
            Credential::Login { user, secret } => format!("{user}:{secret}"),
            Credential::Identity(token) => format!("identity {token}"),
            Credential::Bearer(token) => format!("bearer {token}"),
        })
    }

    #[test]
    fn entries_are_found_by_host_and_the_narrowest_counts() {
        let login = |text: &str| STANDARD.encode(text);
        let config = format!(
            r#"{{"auths": {{
                "r.example": {{"auth": "{}"}}, "r.example/team": {{"auth": "{}"}},
                "https://old.example/v2/": {{"username": "u", "password": "p:q"}},
                "{DOCKER_HUB}": {{"identitytoken": "t"}}, "empty.example": {{}}, "b.example": {{"registrytoken": "b"}}
            }}, "HttpHeaders": {{}}}}"#,
            login("all:a:b"),
            login("team:x"),
        );
        for (reference, expected) in [
            ("oci://r.example/other/x:1", Some("all:a:b")),
            ("oci://r.example/team/x:1", Some("team:x")),
            ("oci://r.example/teams/x:1", Some("all:a:b")),
            ("oci://r.example:5000/team/x:1", None),
            ("oci://old.example/x:1", Some("u:p:q")),
            ("oci://docker.io/x:1", Some("identity t")),
            ("oci://b.example/x:1", Some("bearer b")),
            ("oci://empty.example/x:1", None),
            ("oci://example/x:1", None),
        ] {
            assert_eq!(found(&config, reference).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_what_is_in_it() {
        for auth in ["%%%", &STANDARD.encode("no colon"), &STANDARD.encode([0xff, b':'])] {
            let auth = Auth { auth: Some(auth.to_owned()), ..Auth::default() };
            assert!(!auth.credential().unwrap_err().contains("no colon"));
        }
        let login = Credential::Login { user: "someone".to_owned(), secret: "something".to_owned() };
        assert_eq!(format!("{login:?}"), "Credential(..)");
        for name in ["", "../x", "a b", "x;y"] {
            assert!(matches!(ask_helper(name, "h"), Err(Failure::Final(_))), "{name}");
        }
    }
}
