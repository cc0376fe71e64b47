//! Hosts in spellings that no request and no URL is compared by.

use sallyport_engine::http::{Host, HostPattern};

use super::warn;
use crate::diagnostic::Diagnostics;
use crate::lint::view::{RuleView, View};
use crate::shape::Text;

/// Of requests: clients normalise the host that they write.
const WRITTEN: &str = "no client asks for a host by the name";
/// Of URLs, whose hosts are compared in their one canonical form.
const COMPARED: &str = "no host of a URL is ever compared as";

pub(super) fn report_services(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    for service in &view.services {
        service.spec.texts("hosts").for_each(|host| spelling(host, WRITTEN, out));
    }
}

pub(super) fn report(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    rule.fields.object("to").texts("hosts").for_each(|host| spelling(host, WRITTEN, out));
    rule.operations.texts("pushHosts").for_each(|host| spelling(host, COMPARED, out));
    for fields in rule.constraints() {
        let inside = fields.word("private").is_some_and(|word| word.text == "allow");
        for host in fields.texts("hosts") {
            spelling(host, COMPARED, out);
            if rule.allows() && !inside {
                private_suffix(host, out);
            }
        }
    }
}

/// A host in its one canonical form, for a suffix that of some host below it; `None` where there is none.
fn canonical(host: &str) -> Option<(HostPattern, Host)> {
    let pattern = HostPattern::parse(host).ok()?;
    let below = host.strip_prefix("*.").map_or(host.to_owned(), |suffix| format!("x.{suffix}"));
    Host::parse(&below).map(|host| (pattern, host))
}

fn spelling(host: Text<'_>, what: &str, out: &mut Diagnostics) {
    let message = format!("{what} `{}`", host.text);
    match canonical(host.text) {
        Some((pattern, canonical)) if canonical.is_named_by(&pattern) => {}
        Some((HostPattern::Exact(_), Host::V4(address))) => {
            warn(host.at, message, format!("write `{address}`"), out)
        }
        Some((HostPattern::Exact(_), Host::V6(address))) => {
            warn(host.at, message, format!("write \"[{address}]\""), out);
        }
        _ => warn(
            host.at,
            message,
            "write a name, or an address as `10.0.0.1`; addresses have no suffixes",
            out,
        ),
    }
}

/// Hosts inside must be named exactly, or allowed to be inside.
fn private_suffix(host: Text<'_>, out: &mut Diagnostics) {
    if let Some((HostPattern::Suffix(_), below)) = canonical(host.text)
        && below.is_private()
    {
        let message = format!("`{}` only covers hosts inside, which a URL may not lead to", host.text);
        warn(host.at, message, "name the host exactly, or add `private: allow`", out);
    }
}
