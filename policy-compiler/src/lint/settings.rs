//! `observing` and `open-setting`: what is open for a while, or for a reason, and should not be forgotten. `short-staleness`: what closes
//! though nothing is wrong.

use std::collections::BTreeSet;

use sallyport_engine::policy::{Otherwise, Staleness};

use super::view::{RuleView, View};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::Fields;
use crate::suggest::either;

/// Settings of the Gate that can be opened, and what passes then.
const OPEN: [(&str, &str, &str); 4] = [
    ("unmappedIdentities", "allow", "callers that are no Agent pass unjudged"),
    ("oversizeBodies", "allow", "bodies over `maxBodyBytes` pass unscanned on `http` routes"),
    (
        "opaqueBodies",
        "allow",
        "bodies that the gate can not read pass unjudged wherever a route does not say otherwise",
    ),
    ("encodedResponses", "pass", "responses with a content coding pass unscanned on `http` routes"),
];

/// A proxy asks every 15 seconds at the latest. A call that is lost takes 20, the pause after it up to 15, and the next answer 15 more.
const SHORTEST_STALENESS: u32 = 60;

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    if let Some(gate) = view.gate() {
        staleness(gate, view, out);
        observing(gate, "nothing is refused at all", out);
        for (key, open, passes) in OPEN {
            if let Some(word) = gate.word(key).filter(|word| word.text == open) {
                let message = format!("with `{key}: {open}`, {passes}");
                let help = "leave it out as soon as it can be; if it can not, waive this with the reason";
                out.push(Diagnostic::new(Id::OpenSetting, word.at, message).help(help));
            }
        }
    }
    for agent in &view.agents {
        observing(agent.spec, &format!("nothing that Agent `{}` asks for is refused", agent.name.text), out);
    }
    for (number, mission) in view.missions.iter().enumerate() {
        let services: BTreeSet<_> = view.rules_of(number).iter().map(RuleView::service_name).collect();
        let services = either(services.into_iter());
        let what = format!(
            "Mission `{}` refuses nothing, and lets go on what no rule allows at {services}",
            mission.name.text
        );
        observing(mission.spec, &what, out);
    }
}

/// Policy that goes stale between two answers of a companion that is there.
fn staleness(gate: Fields<'_, '_>, view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    let Some(Staleness { after, then: Otherwise::Deny }) = view.policy.parts().settings.staleness else {
        return;
    };
    let written = gate.object("staleness").text("after");
    if let Some(written) = written.filter(|_| after < SHORTEST_STALENESS) {
        let message = format!(
            "policy is too old after `{}`, sooner than a proxy that loses one answer hears the next",
            written.text
        );
        let help =
            "write `1m` or more: a proxy asks every 15 seconds, and one call that is lost takes up to 50";
        out.push(Diagnostic::new(Id::ShortStaleness, written.at, message).help(help));
    }
}

fn observing(spec: Fields<'_, '_>, what: &str, out: &mut Diagnostics) {
    if let Some(word) = spec.word("mode").filter(|word| word.text == "observe") {
        let message = format!("{what} while `mode` is `observe`; records say what would have been");
        let help =
            "write `enforce`, or leave `mode` out, once the records show that nothing good would be refused";
        out.push(Diagnostic::new(Id::Observing, word.at, message).help(help));
    }
}
