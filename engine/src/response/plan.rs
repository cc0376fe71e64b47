//! What is to be done with a response, by its head.

use super::{Context, MessageStream, SseStream, Stream, TextStream, Texts, Whole};
use crate::exchange::HeaderEdit;
use crate::http::{Charset, Coding, Head, MediaType};
use crate::policy::{Coded, Otherwise};
use crate::reason::Reason;
use crate::response::whole::{Read, of_response};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Headers that say something of the body's bytes, which may not be those that the upstream sent.
const OF_THE_BYTES: [&str; 5] = ["content-length", "content-md5", "content-digest", "digest", "repr-digest"];

/// What is to be done with a response.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) body: Body,
    /// What passes though it could have been judged, by a setting.
    pub(crate) passes: Option<Reason>,
    pub(crate) edits: Vec<HeaderEdit>,
}

/// How a response's body is judged.
#[derive(Debug)]
pub(crate) enum Body {
    /// Not at all.
    Passing,
    /// Once it is there.
    Held(Whole),
    /// As it comes.
    Streamed(Box<Stream>),
}

/// What a body is said to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Json,
    Events,
    /// gRPC messages.
    Messages,
    /// Text; `escaped`, where backslashes hide characters.
    Text {
        escaped: bool,
    },
    /// Text in characters that are not UTF-8.
    Foreign,
    Untyped,
    Opaque,
}

/// Plans by the head of a response that has a body.
pub(crate) fn plan(context: &Context<'_>, head: &Head<'_>) -> Result<Plan, Reason> {
    let settings = &context.policy.parts().settings;
    let opaque =
        context.memory.opaque_bodies || (context.is_lenient() && settings.unscannable == Otherwise::Allow);
    let kind = Kind::of(head);
    match kind {
        Kind::Opaque if opaque => return Ok(Plan::passing(None)),
        Kind::Opaque => return Err(Reason::ResponseUnsupported),
        Kind::Foreign if !opaque => return Err(Reason::ResponseEncoding),
        _ => {}
    }
    let coding = match Coding::read(head).map_err(of_response) {
        Ok(None) => None,
        _ if settings.coded == Coded::Pass && context.is_lenient() => {
            return Ok(Plan::passing(Some(Reason::ResponseEncoding)));
        }
        _ if settings.coded == Coded::Deny => return Err(Reason::ResponseEncoding),
        coding => coding?,
    };
    let strict = !context.is_lenient() || settings.unscannable == Otherwise::Deny;
    let body = kind.body(context.is_lenient(), strict, coding, head);
    Ok(Plan { body, passes: None, edits: edits(context, head, coding) })
}

impl Plan {
    pub(crate) fn passing(passes: Option<Reason>) -> Self {
        Self { body: Body::Passing, passes, edits: Vec::new() }
    }
}

impl Kind {
    fn of(head: &Head<'_>) -> Self {
        let media_type = match head.only("content-type") {
            Ok(None) => return Self::Untyped,
            Ok(Some(value)) => MediaType::parse(value),
            Err(reason) => Err(reason),
        };
        let Ok(media_type) = media_type else { return Self::Opaque };
        let kind = if media_type.is_json() {
            Self::Json
        } else if media_type.is_events() {
            Self::Events
        } else if media_type.is_grpc() {
            return Self::Messages;
        } else if media_type.is_escaped_text() {
            Self::Text { escaped: true }
        } else if media_type.is_text() || media_type.is_multipart() {
            Self::Text { escaped: false }
        } else {
            return Self::Opaque;
        };
        if media_type.charset() == Charset::Other { Self::Foreign } else { kind }
    }

    /// How a body of this kind is judged.
    fn body(self, lenient: bool, strict: bool, coding: Option<Coding>, head: &Head<'_>) -> Body {
        let held = |read| Body::Held(Whole { coding, read });
        let streamed = |texts| Body::Streamed(Box::new(Stream::new(texts, coding)));
        let text = |escaped| streamed(Texts::One(TextStream::new(escaped)));
        match self {
            Self::Json => held(Read::Json { strict }),
            Self::Events => streamed(Texts::Events(SseStream::new())),
            Self::Messages => {
                streamed(Texts::Messages(Box::new(MessageStream::new(Coding::of_messages(head)))))
            }
            Self::Text { escaped } => text(escaped),
            Self::Untyped if lenient => text(true),
            Self::Untyped => held(Read::Guess),
            Self::Foreign | Self::Opaque => text(false),
        }
    }
}

/// What of the head would no longer be true of a body that is decoded, or may be changed.
fn edits(context: &Context<'_>, head: &Head<'_>, coding: Option<Coding>) -> Vec<HeaderEdit> {
    let mut edits = Vec::new();
    if coding.is_none() && !context.may_change() {
        return edits;
    }
    let there = |name: &&str| head.all(name).next().is_some();
    edits.extend(
        OF_THE_BYTES.iter().filter(|name| there(name)).map(|name| HeaderEdit::Remove((*name).to_string())),
    );
    if coding.is_some() {
        edits.push(HeaderEdit::Remove("content-encoding".to_string()));
        // The bytes are others than those that the upstream's validator stands for.
        if let Some(tag) = head.all("etag").next() {
            edits.push(HeaderEdit::Remove("etag".to_string()));
            edits.extend(weak(tag).map(|tag| HeaderEdit::Add("etag", tag.into())));
        }
    }
    edits
}

/// A weak validator (RFC 9110 section 8.8.3) from any.
fn weak(tag: &[u8]) -> Option<String> {
    let tag = core::str::from_utf8(tag).ok()?;
    Some(if tag.starts_with("W/") { tag.to_string() } else { ["W/", tag].concat() })
}

/// What is left of a header as Accept-Encoding when only what the gate decodes may be answered with; `None` where nothing has to go.
/// It never asks for more than the caller did.
pub(crate) fn narrow_coding(head: &Head<'_>, header: &str, decodes: bool) -> Option<String> {
    let members = || {
        let values = head.all(header);
        let members = values.flat_map(|value| value.split(|&byte| byte == b','));
        members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    };
    if members().all(|member| is_read(member, decodes)) {
        return None;
    }
    let kept: Vec<&[u8]> = members().filter(|member| is_read(member, decodes)).collect();
    let kept = String::from_utf8(kept.join(&b", "[..])).ok().filter(|kept| !kept.is_empty());
    Some(kept.unwrap_or_else(|| "identity".to_string()))
}

/// Whether a member of Accept-Encoding names what the gate reads, or only rules something out.
fn is_read(member: &[u8], decodes: bool) -> bool {
    let mut parts = member.splitn(2, |&byte| byte == b';').map(<[u8]>::trim_ascii);
    let (name, weight) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
    let zero = || {
        weight.split_at_checked(2).is_some_and(|(q, number)| {
            q.eq_ignore_ascii_case(b"q=")
                && number.starts_with(b"0")
                && number.iter().all(|byte| matches!(byte, b'0' | b'.'))
        })
    };
    let known: [&[u8]; 3] = [b"gzip", b"deflate", b"x-gzip"];
    // What is kept goes on as it came, so it is text.
    ((decodes && known.iter().any(is)) || is(&&b"identity"[..]) || zero()) && member.is_ascii()
}
