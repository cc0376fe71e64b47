//! What is asked of a registry: is it there, take this, give that. Everything that may pass is tried again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::sleep;

use super::auth::{authorize, refused};
use super::credentials::{self, Credential};
use super::http::{Answer, Ask, Http, Url};
use super::manifest::{ACCEPT as MANIFESTS, Descriptor, IMAGE, Manifest};
use super::progress::Progress;
use super::reference::{Digest, Reference, Version};
use super::{Access, Failure};
use crate::report::printable;

/// The longest manifest; registries have the same limit.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// The longest answer that is about an error.
const MAX_ERROR: usize = 64 * 1024;
/// The pause before the second try; it doubles with each that follows.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest text of a registry's that is repeated, in characters.
const MAX_TEXT: usize = 200;
/// What manifests and blobs are known by.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A registry, and one reference in it.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    reference: Reference,
    base: Url,
    credential: Option<Credential>,
    /// What is asked to be let in for.
    scope: String,
    /// What was said last to be let in.
    authorization: Mutex<Option<HeaderValue>>,
    progress: Progress,
    tries: u32,
}

/// What registries say of errors.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    code: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// A client for one reference; `writes` when it is to upload.
    pub(crate) fn new(
        reference: &Reference,
        access: &Access,
        writes: bool,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let actions = if writes { "pull,push" } else { "pull" };
        Ok(Self {
            http: Http::new(access)?,
            base: Url {
                secure: !access.plain,
                authority: reference.authority().to_owned(),
                path: format!("/v2/{}/", reference.path()),
            },
            credential: credentials::find(reference)?,
            scope: format!("repository:{}:{actions}", reference.path()),
            reference: reference.clone(),
            authorization: Mutex::default(),
            progress,
            tries: access.tries,
        })
    }

    /// The same registry and repository, at another tag.
    pub(super) fn beside(&self, tag: &str) -> Self {
        self.to(Version::Tag(tag.to_owned()))
    }

    /// The same, at a digest.
    pub(super) fn by(&self, digest: &Digest) -> Self {
        self.to(Version::Digest(digest.clone()))
    }

    fn to(&self, version: Version) -> Self {
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            http: self.http.clone(),
            reference: Reference { version, ..self.reference.clone() },
            base: self.base.clone(),
            credential: self.credential.clone(),
            scope: self.scope.clone(),
            authorization: Mutex::new(known),
            progress: self.progress,
            tries: self.tries,
        }
    }

    /// The repository with its registry, as Docker writes it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.reference.authority(), self.reference.path())
    }

    /// The manifest and its digest, if there is one.
    pub(super) async fn find(&self) -> Result<Option<(Digest, Manifest)>, Failure> {
        let there = self.again(async || {
            let answer = self.ask(self.manifest_ask(Method::HEAD, MAX_ERROR)).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            self.expect(&answer, &[StatusCode::OK], "the manifest").map(|()| true)
        });
        if there.await? { self.manifest().await.map(Some) } else { Ok(None) }
    }

    /// The digest of what the reference names now, without downloading it.
    pub(crate) async fn digest(&self) -> Result<Digest, Failure> {
        let found = self.again(async || {
            let answer = self.ask(self.manifest_ask(Method::HEAD, MAX_ERROR)).await?;
            self.expect(&answer, &[StatusCode::OK], "the manifest")?;
            Ok(answer.header(CONTENT_DIGEST).and_then(Digest::parse))
        });
        match found.await? {
            Some(digest) => Ok(digest),
            None => self.manifest().await.map(|(digest, _)| digest),
        }
    }

    /// The manifest, and its digest.
    pub(super) async fn manifest(&self) -> Result<(Digest, Manifest), Failure> {
        self.again(async || {
            let (digest, answer) = self.checked_manifest().await?;
            let kind = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
            Ok((digest, Manifest::read(&answer.body, kind)?))
        })
        .await
    }

    /// The manifest's digest, and its bytes as they are.
    pub(super) async fn manifest_bytes(&self) -> Result<(Digest, Bytes), Failure> {
        self.again(async || {
            let (digest, answer) = self.checked_manifest().await?;
            let kind = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
            Manifest::read(&answer.body, kind)?;
            Ok((digest, answer.body))
        })
        .await
    }

    async fn checked_manifest(&self) -> Result<(Digest, Answer), Failure> {
        let answer = self.ask(self.manifest_ask(Method::GET, MAX_MANIFEST)).await?;
        self.expect(&answer, &[StatusCode::OK], "the manifest")?;
        let digest = Digest::of(&answer.body);
        let told = answer.header(CONTENT_DIGEST).and_then(Digest::parse);
        let wanted = match &self.reference.version {
            Version::Digest(wanted) => Some(wanted),
            Version::Tag(_) => told.as_ref(),
        };
        if wanted.is_some_and(|wanted| *wanted != digest) {
            let why = format!("the manifest has the digest {digest}, not the one that it should have");
            return Err(Failure::Refused(why));
        }
        Ok((digest, answer))
    }

    /// The list under the tag, as it is; nothing if there is none.
    pub(super) async fn index(&self) -> Result<Option<Bytes>, Failure> {
        self.again(async || {
            let answer = self.ask(self.manifest_ask(Method::GET, MAX_MANIFEST)).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            self.expect(&answer, &[StatusCode::OK], "the list of referrers")?;
            Ok(Some(answer.body))
        })
        .await
    }

    /// Whether the registry itself keeps a list of what refers to a digest.
    pub(super) async fn lists_referrers(&self, digest: &Digest) -> Result<bool, Failure> {
        self.again(async || {
            let ask = Ask::new(Method::GET, self.url(&format!("referrers/{digest}")), MAX_MANIFEST);
            let answer = self.ask(ask).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            self.expect(&answer, &[StatusCode::OK], "the list of referrers").map(|()| true)
        })
        .await
    }

    /// What a descriptor describes, if it is that.
    pub(super) async fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, Failure> {
        let digest = descriptor.checked()?;
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        self.again(async || {
            let mut ask = Ask::new(Method::GET, self.url(&format!("blobs/{digest}")), size.max(MAX_ERROR));
            ask.received = Some(self.progress.meter("pulling", descriptor.size));
            let answer = self.ask(ask).await?;
            self.expect(&answer, &[StatusCode::OK], "a layer")?;
            if answer.body.len() != size || Digest::of(&answer.body) != digest {
                return Err(Failure::Refused(format!("a layer is not what its digest {digest} says")));
            }
            Ok(answer.body)
        })
        .await
    }

    /// Uploads bytes, unless they are there.
    pub(super) async fn put_blob(&self, digest: &Digest, bytes: &Bytes) -> Result<(), Failure> {
        self.again(async || {
            let there =
                self.ask(Ask::new(Method::HEAD, self.url(&format!("blobs/{digest}")), MAX_ERROR)).await?;
            if there.status == StatusCode::OK {
                return Ok(());
            }
            self.expect(&there, &[StatusCode::NOT_FOUND], "a look for a layer")?;
            let begun = self.ask(Ask::new(Method::POST, self.url("blobs/uploads/"), MAX_ERROR)).await?;
            self.expect(&begun, &[StatusCode::ACCEPTED], "the upload")?;
            let place = begun.header(LOCATION.as_str()).unwrap_or_default();
            let place = Url::given(place, &self.base)?.with("digest", digest.as_str());
            let ask = Ask::new(Method::PUT, place, MAX_ERROR);
            let mut ask = ask.body("application/octet-stream", bytes.clone());
            ask.sent = Some(self.progress.meter("pushing", bytes.len() as u64));
            let answer = self.ask(ask).await?;
            self.expect(&answer, &[StatusCode::CREATED, StatusCode::NO_CONTENT], "the upload")
        })
        .await
    }

    /// Gives the tag to a manifest; its digest.
    pub(super) async fn put_manifest(&self, manifest: &[u8]) -> Result<Digest, Failure> {
        self.put(manifest, IMAGE).await
    }

    /// The same of any type.
    pub(super) async fn put(&self, manifest: &[u8], kind: &'static str) -> Result<Digest, Failure> {
        let digest = Digest::of(manifest);
        self.again(async || {
            let ask = self.manifest_ask(Method::PUT, MAX_ERROR).body(kind, Bytes::copy_from_slice(manifest));
            let answer = self.ask(ask).await?;
            self.expect(&answer, &[StatusCode::CREATED, StatusCode::OK], "the manifest")?;
            let told = answer.header(CONTENT_DIGEST).and_then(Digest::parse);
            if told.is_some_and(|told| told != digest) {
                return Err(Failure::Refused(
                    "the registry keeps another manifest than it was sent".to_owned(),
                ));
            }
            Ok(digest.clone())
        })
        .await
    }

    fn manifest_ask(&self, method: Method, most: usize) -> Ask {
        let url = self.url(&format!("manifests/{}", self.reference.version));
        Ask::new(method, url, most).header(ACCEPT, HeaderValue::from_static(MANIFESTS))
    }

    fn url(&self, below: &str) -> Url {
        Url { path: format!("{}{below}", self.base.path), ..self.base.clone() }
    }

    /// Asks, and says who we are if the registry wants to know.
    async fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = self.http.send(self.signed(ask.clone(), known.as_ref())).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // What was said is too old, or for something else, or nothing was said yet.
        let fresh =
            authorize(&self.http, &self.base, &answer.headers, self.credential.as_ref(), &self.scope).await?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        self.http.send(self.signed(ask, Some(&fresh))).await
    }

    /// With who we are, where that is to be told: uploads may go to another host.
    fn signed(&self, ask: Ask, authorization: Option<&HeaderValue>) -> Ask {
        match authorization {
            Some(value) if ask.url.is_same_origin(&self.base) => ask.header(AUTHORIZATION, value.clone()),
            _ => ask,
        }
    }

    /// Whether an answer is a good one.
    fn expect(&self, answer: &Answer, good: &[StatusCode], what: &str) -> Result<(), Failure> {
        let (status, host) = (answer.status, &self.base.authority);
        if good.contains(&status) {
            return Ok(());
        }
        let said = said(&answer.body);
        let why = format!("{host} answers {status} to {what}{said}");
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(&self.base, self.credential.as_ref()),
            StatusCode::NOT_FOUND => {
                Failure::Final(format!("there is no {} in {host}{said}", self.reference))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Failure::Passing(why, answer.retry_after())
            }
            status if status.is_server_error() => Failure::Passing(why, answer.retry_after()),
            _ => Failure::Final(why),
        })
    }

    /// Tries until it works, or fails for good, or has failed too often.
    async fn again<T>(&self, task: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut pause = PAUSE;
        for _ in 1..self.tries {
            match task().await {
                Err(Failure::Passing(why, wait)) => {
                    let wait = wait.unwrap_or(pause).max(pause);
                    self.progress.remark(&format!("trying again in {:.1} s: {why}", wait.as_secs_f32()));
                    sleep(wait).await;
                    pause = pause.saturating_mul(2);
                }
                ended => return ended,
            }
        }
        task().await
    }
}

/// What a registry says of an error, for people; nothing if it says it in no form that we know.
fn said(body: &[u8]) -> String {
    let errors = serde_json::from_slice::<Errors>(body).ok();
    let Some(first) = errors.and_then(|all| all.errors.into_iter().next()) else { return String::new() };
    let text = printable(&format!("{} {}", first.code, first.message));
    let text: String = text.trim_end().chars().take(MAX_TEXT).collect();
    format!(" ({text})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_of_errors_is_short_and_drives_no_terminal() {
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest \u001b[2J unknown","detail":{"Tag":"x"}}]}"#;
        let text = said(body.as_bytes());
        assert!(text.starts_with(" (MANIFEST_UNKNOWN manifest ") && !text.contains('\u{1b}'), "{text}");
        let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(5000));
        assert!(said(long.as_bytes()).len() < 300);
        for other in ["", "<html>", "{}", r#"{"errors":[]}"#] {
            assert_eq!(said(other.as_bytes()), "");
        }
    }
}
