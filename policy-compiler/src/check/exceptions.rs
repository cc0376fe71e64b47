//! What a DlpProfile allows though it is found.

use sallyport_engine::glob::Glob;
use sallyport_engine::scan::{DetectorId, Exception, Known, digest, folded};

use super::arguments::pointer;
use super::dlp::unknown_detector;
use super::operations::is_tool_pattern;
use crate::detectors::{self, Tables};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns;
use crate::shape::{Fields, Text};

/// The most exceptions of a policy: each is asked about what is found.
pub(super) const MOST: usize = 1024;

/// Reads an entry of `allow`; none where something in it makes no sense, which is reported.
pub(super) fn read(fields: Fields<'_, '_>, tables: &Tables, out: &mut Diagnostics) -> Option<Exception> {
    let ids: Vec<_> = fields.texts("detectors").map(|id| detector(id, tables, out)).collect();
    let value = known(fields, out);
    let at = fields.text("at").map(|at| pointer(at, out));
    let tool = fields.text("tool").map(|tool| self::tool(tool, out));
    let mut detectors: Vec<DetectorId> = ids.into_iter().collect::<Option<_>>()?;
    detectors.sort_unstable();
    detectors.dedup();
    let at = match at {
        Some(steps) => Some(steps?),
        None => None,
    };
    let tool = match tool {
        Some(tool) => Some(tool?),
        None => None,
    };
    Some(Exception { detectors, value: value?, at, tool })
}

fn detector(id: Text<'_>, tables: &Tables, out: &mut Diagnostics) -> Option<DetectorId> {
    let at = tables.catalogue.detectors.binary_search_by(|detector| detector.id.as_str().cmp(id.text));
    let found = at.ok().and_then(|at| u16::try_from(at).ok()).map(DetectorId);
    if found.is_none() {
        out.push(unknown_detector(id, tables));
    }
    found
}

fn known(fields: Fields<'_, '_>, out: &mut Diagnostics) -> Option<Known> {
    if let Some(text) = fields.word("text") {
        let digest = digest("", &folded(text.text)).to_vec();
        return Some(Known::Digest { salt: String::new(), digest });
    }
    if let Some(hash) = fields.word("hash") {
        let Some((salt, digits)) = hash.text.rsplit_once(':') else {
            let message = format!("`{}` is no salted digest", hash.text);
            let help = "it is a salt, a colon and 32 hexadecimal digits, as `policy-compiler hash-values --allow` prints it";
            out.push(Diagnostic::new(Id::Malformed, hash.at, message).help(help));
            return None;
        };
        let digest = detectors::digest(Text { text: digits, at: hash.at }, out)?.to_vec();
        return Some(Known::Digest { salt: salt.to_owned(), digest });
    }
    match fields.word("pattern") {
        Some(pattern) => match patterns::dfa(pattern.text) {
            Ok(dfa) => Some(Known::Pattern(dfa)),
            Err(why) => {
                out.push(detectors::bad_pattern(pattern, &why));
                None
            }
        },
        None => Some(Known::Anything),
    }
}

fn tool(name: Text<'_>, out: &mut Diagnostics) -> Option<Glob> {
    if !is_tool_pattern(name.text) {
        let message = format!("`{}` is no tool's name", name.text);
        let help = "names are of letters, digits, `_`, `-`, `.` and `/`; `*` stands for any part";
        out.push(Diagnostic::new(Id::Malformed, name.at, message).help(help));
        return None;
    }
    Some(Glob::new(name.text))
}
