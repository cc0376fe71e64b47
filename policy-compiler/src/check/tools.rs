//! Tools that a service may offer only as they were approved.

use sallyport_engine::is_tool_name;
use sallyport_engine::policy::ToolPin;

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::source::Document;

/// How a digest begins.
pub(crate) const DIGEST_PREFIX: &str = "sha256:";

/// The pins of a service.
pub(super) fn pins(service: &Document<'_, '_>, out: &mut Diagnostics) -> Vec<ToolPin> {
    let mut pins: Vec<(ToolPin, Text<'_>)> = Vec::new();
    for fields in service.spec.list("tools").iter().map(Fields::of) {
        let (Some(name), Some(digest)) = (fields.text("name"), fields.text("digest")) else { continue };
        let (name_is_fine, digits) = (check_name(name, out), digits(digest, out));
        let Some(digits) = digits.filter(|_| name_is_fine) else { continue };
        let pin = ToolPin::new(name.text, digits);
        match pins.iter().find(|(known, _)| *known == pin) {
            Some((_, first)) => {
                let message = format!("`{}` is pinned twice to the same digest", name.text);
                let diagnostic = Diagnostic::new(Id::Repeated, digest.at, message).help("remove one of them");
                out.push(diagnostic.also(first.at, "first written here"));
            }
            None => pins.push((pin, digest)),
        }
    }
    let speaks_mcp = |route: Fields<'_, '_>| route.word("protocol").is_some_and(|word| word.text == "mcp");
    if let Some(entry) = service.spec.entry("tools")
        && !service.spec.list("routes").iter().map(Fields::of).any(speaks_mcp)
    {
        let message = format!("`tools` says nothing of `{}`: it speaks no MCP", service.name.text);
        let help = "leave it out, or add a route with `protocol: mcp`";
        out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
    }
    pins.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    pins.into_iter().map(|(pin, _)| pin).collect()
}

fn check_name(name: Text<'_>, out: &mut Diagnostics) -> bool {
    let fine = is_tool_name(name.text);
    if !fine {
        let message = format!("`{}` is no tool's name, so no rule grants it", name.text);
        let help = "names are of letters, digits, `_`, `-`, `.` and `/`";
        out.push(Diagnostic::new(Id::Malformed, name.at, message).help(help));
    }
    fine
}

/// The digits of a digest.
fn digits<'n>(digest: Text<'n>, out: &mut Diagnostics) -> Option<&'n str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = digest.text.strip_prefix(DIGEST_PREFIX);
    let digits = digits.filter(|digits| digits.len() == 64 && digits.bytes().all(is_digit));
    if digits.is_none() {
        let message = format!("`{}` is no digest of a tool", digest.text);
        let help =
            "it is `sha256:` and 64 hexadecimal digits in lower case, as `policy-compiler pin` prints it";
        out.push(Diagnostic::new(Id::Malformed, digest.at, message).help(help));
    }
    digits
}
