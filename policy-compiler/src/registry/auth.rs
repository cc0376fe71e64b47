//! How a registry lets us in: what it asks for (RFC 9110 challenges), and what we answer: a password, or a token from its token service.

use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::Failure;
use super::credentials::Credential;
use super::http::{Ask, Http, Url};
use super::reference::is_loopback;

/// The longest answer of a token service.
const MAX_TOKEN: usize = 1024 * 1024;
/// Who we are to a token service.
const CLIENT_ID: &str = "sallyport-policy-compiler";

/// One way in.
#[derive(Debug, Eq, PartialEq)]
struct Challenge {
    /// In lower case.
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// What a token service answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What to say to be let in to do `scope`, as the registry at `url` asks for it.
pub(super) async fn authorize(
    http: &Http,
    url: &Url,
    asked: &HeaderMap,
    credential: Option<&Credential>,
    scope: &str,
) -> Result<HeaderValue, Failure> {
    let challenges: Vec<_> =
        asked.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    let challenges = parse(&challenges.join(", "));
    let by = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
    if let Some(Credential::Bearer(token)) = credential {
        guard(url)?;
        return secret(format!("Bearer {token}"));
    }
    if let Some(challenge) = by("bearer") {
        let token = token(http, url, challenge, credential, scope).await?;
        return secret(format!("Bearer {token}"));
    }
    match (by("basic"), credential) {
        (Some(_), Some(Credential::Login { user, secret })) => {
            guard(url)?;
            basic(user, secret)
        }
        (Some(_), _) => Err(unknown(url)),
        (None, _) => Err(Failure::Final(format!("{} asks for a way in that we do not know", url.authority))),
    }
}

/// Asks the token service that the registry names.
async fn token(
    http: &Http,
    url: &Url,
    challenge: &Challenge,
    credential: Option<&Credential>,
    scope: &str,
) -> Result<String, Failure> {
    let realm = challenge.get("realm").unwrap_or_default();
    let realm = Url::given(realm, url)?;
    if credential.is_some() {
        guard(&realm)?;
    }
    let service = escape(challenge.get("service").unwrap_or_default());
    let scope = escape(scope);
    let ask = match credential {
        Some(Credential::Identity(token)) => {
            let token = escape(token);
            let form = format!(
                "grant_type=refresh_token&service={service}&scope={scope}&client_id={CLIENT_ID}&refresh_token={token}"
            );
            Ask::new(Method::POST, realm.clone(), MAX_TOKEN)
                .body("application/x-www-form-urlencoded", Bytes::from(form))
        }
        Some(Credential::Login { user, secret }) => {
            let query = realm.clone().with("service", &service).with("scope", &scope);
            Ask::new(Method::GET, query, MAX_TOKEN).header(AUTHORIZATION, basic(user, secret)?)
        }
        _ => Ask::new(Method::GET, realm.clone().with("service", &service).with("scope", &scope), MAX_TOKEN),
    };
    let answer = http.send(ask).await?;
    match answer.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            return Err(refused(url, credential));
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            let why = format!("the token service {} answers {status}", realm.authority);
            return Err(Failure::Passing(why, answer.retry_after()));
        }
        status => {
            return Err(Failure::Final(format!("the token service {} answers {status}", realm.authority)));
        }
    }
    let token: Option<Token> = serde_json::from_slice(&answer.body).ok();
    let token = token.and_then(|token| token.token.or(token.access_token)).filter(|token| !token.is_empty());
    token.ok_or_else(|| Failure::Final(format!("the token service {} gives no token", realm.authority)))
}

/// Nobody is told who we are over a network that others can listen to.
fn guard(url: &Url) -> Result<(), Failure> {
    if url.secure || is_loopback(url.host()) {
        return Ok(());
    }
    Err(Failure::Final(format!("{} asks for credentials, which are not sent without TLS", url.authority)))
}

/// Credentials there are none.
fn unknown(url: &Url) -> Failure {
    let host = &url.authority;
    Failure::Final(format!(
        "{host} asks who we are, and Docker's configuration has nothing for it: run `docker login {host}`, or name its folder in DOCKER_CONFIG"
    ))
}

/// It is not allowed, with what we have.
pub(super) fn refused(url: &Url, credential: Option<&Credential>) -> Failure {
    if credential.is_none() {
        return unknown(url);
    }
    let host = &url.authority;
    Failure::Final(format!(
        "{host} refuses the credentials that Docker's configuration has for it, or they do not allow this"
    ))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure> {
    secret(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// A header that no library prints.
fn secret(text: String) -> Result<HeaderValue, Failure> {
    let wrong = |_| Failure::Final("the credentials can not be sent in a header".to_owned());
    let mut value = HeaderValue::try_from(text).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A value in a query or a form.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The challenges in a header: schemes, each with parameters that may be quoted.
fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let length =
            rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)).count();
        let Some((word, after)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            return challenges;
        };
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, challenges.last_mut()) {
            (None, _) => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                rest = after;
            }
            (Some(value), Some(challenge)) => {
                let (value, after) = take_value(value.trim_start_matches([' ', '\t']));
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(_), None) => return challenges,
        }
    }
}

/// The value at the beginning, and what is behind it.
fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if !escaped => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' if !escaped => escaped = true,
            _ => {
                value.push(character);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let [one] = parse(r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#)
            .try_into()
            .unwrap();
        assert_eq!(one.scheme, "bearer");
        assert_eq!(one.get("realm"), Some("https://auth.example/token"));
        assert_eq!(one.get("scope"), Some("repository:a/b:pull,push"), "a comma inside quotes");
        let two = parse(r#"basic Realm = "a \"b\"", BEARER realm=https://x/y , service=z"#);
        assert_eq!((two[0].scheme.as_str(), two[0].get("realm")), ("basic", Some(r#"a "b""#)));
        assert_eq!((two[1].get("realm"), two[1].get("service")), (Some("https://x/y"), Some("z")));
        assert_eq!(parse("Negotiate, Basic").len(), 2);
        for odd in ["", ",,,", "=x", "\"", "Bearer realm=\"open", "\u{e4}"] {
            assert!(parse(odd).len() <= 1, "{odd}");
        }
    }

    #[test]
    fn values_are_escaped_and_secrets_kept_from_foreign_ears() {
        assert_eq!(
            escape("repository:a/b:pull,push &=\u{e4}"),
            "repository%3Aa%2Fb%3Apull%2Cpush%20%26%3D%C3%A4"
        );
        let url =
            |secure, authority: &str| Url { secure, authority: authority.to_owned(), path: "/".to_owned() };
        assert!(guard(&url(false, "127.0.0.1:5000")).is_ok() && guard(&url(true, "r.example")).is_ok());
        assert!(guard(&url(false, "r.example")).is_err() && guard(&url(false, "10.0.0.1:5000")).is_err());
        let header = basic("someone", "something").unwrap();
        assert!(header.is_sensitive() && !format!("{header:?}").contains("c29t"));
    }
}
