//! `observing` and `open-setting`: what is open for a while, or for a reason, and should not be forgotten.

use super::view::View;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::Fields;

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

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    if let Some(gate) = view.gate() {
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
    for mission in &view.missions {
        observing(mission.spec, &format!("Mission `{}` refuses nothing", mission.name.text), out);
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
