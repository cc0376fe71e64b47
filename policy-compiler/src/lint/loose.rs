//! `loose-arguments`: rules that refuse by the arguments of tools that they name by a pattern. A rule that refuses lets go only what it is
//! certain about, so it refuses what has no such argument as well.

use sallyport_engine::policy::{Effect, McpMatch, Operations};

use super::view::{RuleView, View};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};

pub(super) fn report_mission(view: &View<'_, '_, '_>, mission: usize, out: &mut Diagnostics) {
    for rule in view.rules_of(mission).iter().filter(|rule| !rule.allows()) {
        report(rule, out);
    }
}

fn report(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let Operations::Mcp(McpMatch { arguments: Some(asked), .. }) = &rule.rule.operations else { return };
    let pattern = rule.operations.texts("tools").find(|tool| tool.text.contains('*'));
    let (Some(tool), false) = (pattern, asked.fields.is_empty()) else { return };
    let done = if rule.rule.effect == Effect::Hold { "holds" } else { "denies" };
    let message =
        format!("rule `{}` {done} tools of `{}` without these arguments as well", rule.name.text, tool.text);
    let help = "name the tools that have them: a rule that refuses lets go only what certainly differs; \
                or waive this where it is meant";
    out.push(Diagnostic::new(Id::LooseArguments, tool.at, message).help(help));
}
