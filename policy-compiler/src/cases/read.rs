//! Case files to cases. Every mistake of every file is reported before anything is run.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{CASE, Case, Expect, Header, MAX_BODY_FILE_BYTES, Message, Request, Response};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::files;
use crate::report::Report;
use crate::shape::{self, Fields, Text};
use crate::sources::{FileId, Sources, Span};
use crate::tree::{Node, Value};

/// Reads the cases of files and directories; the report has errors if any of them is bad.
pub fn load(paths: &[PathBuf]) -> (Vec<Case>, Report) {
    let mut report = Report::default();
    let ids = files::read(paths, &mut report);
    let Report { sources, diagnostics } = &mut report;
    let cases: Vec<_> = ids.iter().flat_map(|&file| parse(sources, file, diagnostics)).collect();
    if let (true, false, Some(&file)) = (cases.is_empty(), diagnostics.has_errors(), ids.first()) {
        let help = "a case has the keys `name`, `request` and `expect`";
        diagnostics
            .push(Diagnostic::new(Id::NothingHere, Span::start_of(file), "there is no case here").help(help));
    }
    (cases, report)
}

/// Reads the cases of one file that is among `sources` already.
pub fn parse(sources: &Sources, file: FileId, out: &mut Diagnostics) -> Vec<Case> {
    let mut cases = Vec::new();
    for document in files::parse(sources, file, out) {
        match &document.value {
            Value::List(items) => cases.extend(items.iter().filter_map(|item| case(item, sources, out))),
            _ => cases.extend(case(&document, sources, out)),
        }
    }
    cases
}

/// Reads one case; `None` if it is bad, and then that was reported.
fn case(node: &Node<'_>, sources: &Sources, out: &mut Diagnostics) -> Option<Case> {
    shape::check(node, &CASE, node.span, out);
    let fields = Fields::of(node);
    let name = fields.text("name")?;
    let mut reader = Reader { sources, out };
    let position = sources.position(name.at);
    Some(Case {
        name: name.text.to_owned(),
        place: format!("{}:{}", sources.name(node.span.file), position.line),
        at: fields.text("at").and_then(|at| reader.time(at)),
        repeat: fields.number("repeat").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
        request: reader.request(fields.object("request"))?,
        response: match fields.entry("response") {
            Some(_) => reader.response(fields.object("response")),
            None => Response::default(),
        },
        expect: fields.entry("expect").map(|_| reader.expect(fields.object("expect"))),
    })
}

/// Reads parts of a case and reports what only their meaning shows to be wrong.
struct Reader<'r> {
    sources: &'r Sources,
    out: &'r mut Diagnostics,
}

impl Reader<'_> {
    fn request(&mut self, fields: Fields<'_, '_>) -> Option<Request> {
        let one = fields.text("peer").map(|peer| vec![peer.text.to_owned()]);
        let several = fields.entry("peers").map(|_| texts(fields, "peers"));
        Some(Request {
            peers: one.or(several),
            method: fields.text("method")?.text.to_owned(),
            authority: fields.text("authority")?.text.to_owned(),
            path: fields.text("path")?.text.to_owned(),
            headers: self.headers(fields, "headers"),
            message: self.message(fields),
        })
    }

    fn response(&mut self, fields: Fields<'_, '_>) -> Response {
        Response {
            status: status(fields).unwrap_or(super::DEFAULT_RESPONSE.0),
            headers: self.headers(fields, "headers"),
            message: self.message(fields),
        }
    }

    fn message(&mut self, fields: Fields<'_, '_>) -> Message {
        let chunks = fields.list("chunks").iter().filter_map(shape::number);
        Message {
            body: self.body(fields),
            cuts: chunks.filter_map(|size| usize::try_from(size).ok()).collect(),
            trailers: self.headers(fields, "trailers"),
        }
    }

    fn body(&mut self, fields: Fields<'_, '_>) -> Option<Vec<u8>> {
        if let Some(body) = fields.text("body") {
            return Some(body.text.as_bytes().to_vec());
        }
        if let Some(body) = fields.text("bodyBase64") {
            return self.base64(body);
        }
        let body = fields.text("bodyFile")?;
        let beside = Path::new(self.sources.name(body.at.file)).parent().unwrap_or(Path::new(""));
        match files::read_at_most(&beside.join(body.text), MAX_BODY_FILE_BYTES) {
            Ok(Some(bytes)) => return Some(bytes),
            Ok(None) => {
                self.out.push(Diagnostic::new(Id::TooLarge, body.at, "this file is larger than 64 MiB"))
            }
            Err(error) => {
                let message = format!("`{}` can not be read: {error}", body.text);
                let help = "`bodyFile` is relative to the case file";
                self.out.push(Diagnostic::new(Id::Unreadable, body.at, message).help(help));
            }
        }
        None
    }

    fn headers(&mut self, fields: Fields<'_, '_>, key: &str) -> Vec<Header> {
        let headers = fields.list(key).iter().filter_map(|pair| self.header(pair));
        headers.filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// A pair of name and value; the value is `None` where `null` is written.
    fn header(&mut self, pair: &Node<'_>) -> Option<(String, Option<Vec<u8>>)> {
        let Value::List(pair) = &pair.value else { return None };
        let [name, value] = pair.as_slice() else { return None };
        let name = Text::of(name)?.text.to_owned();
        let value = match &value.value {
            Value::Map(_) => Some(self.base64(Fields::of(value).text("base64")?)?),
            _ if value.is_null() => None,
            _ => Some(Text::of(value)?.text.as_bytes().to_vec()),
        };
        Some((name, value))
    }

    fn expect(&mut self, fields: Fields<'_, '_>) -> Expect {
        let body = |key| {
            let node = fields.get(key)?;
            Some(Text::of(node).map(|text| text.text.as_bytes().to_vec()))
        };
        Expect {
            verdict: fields.text("verdict").map(|text| text.text.to_owned()),
            reason: fields.text("reason").map(|text| text.text.to_owned()),
            status: status(fields),
            forwarded: body("forwarded"),
            returned: body("returned"),
            headers: fields.list("headers").iter().filter_map(|pair| self.header(pair)).collect(),
            trailers: fields.list("trailers").iter().filter_map(|pair| self.header(pair)).collect(),
            findings: fields.entry("findings").map(|_| texts(fields, "findings")),
        }
    }

    fn base64(&mut self, text: Text<'_>) -> Option<Vec<u8>> {
        let joined: String = text.text.split_ascii_whitespace().collect();
        STANDARD
            .decode(joined)
            .map_err(|error| {
                let message = format!(
                    "this is not standard base64: {}",
                    error.to_string().trim_end_matches('.').to_lowercase()
                );
                let help = "use the alphabet with `+` and `/`, padded with `=`";
                self.out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
            })
            .ok()
    }

    fn time(&mut self, text: Text<'_>) -> Option<SystemTime> {
        OffsetDateTime::parse(text.text, &Rfc3339)
            .map_err(|_| {
                let message = format!("`{}` is not an RFC 3339 time", text.text);
                let help = "write it as in \"2026-11-21T10:00:00Z\"";
                self.out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
            })
            .ok()
            .and_then(|time| {
                let fits = u64::try_from(time.unix_timestamp()).is_ok();
                if !fits {
                    let message = format!("`{}` is before 1970, where no gate's clock stands", text.text);
                    let help = "write a time as in \"2026-11-21T10:00:00Z\"";
                    self.out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
                }
                fits.then(|| SystemTime::from(time))
            })
    }
}

fn status(fields: Fields<'_, '_>) -> Option<u16> {
    fields.number("status").and_then(|status| u16::try_from(status).ok())
}

fn texts(fields: Fields<'_, '_>, key: &str) -> Vec<String> {
    fields.texts(key).map(|text| text.text.to_owned()).collect()
}
