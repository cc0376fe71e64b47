//! Tools of a list that are not what they were, or that could be taken for one another.
//!
//! To `redact` such a tool is to cut it out of the list; to `block` it is to refuse the list.

use super::Context;
use crate::json::{Document, Value};
use crate::policy::ToolPin;
use crate::scan::{Action, Inspector, Structural};
use crate::sort::sort;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// A tool of the list, or behind them, one that policy pins.
struct Tool<'d> {
    /// Empty for one that is not looked at.
    name: Cow<'d, str>,
    /// Whether policy pins it, so that it is not in doubt.
    pinned: bool,
    odd: Option<Structural>,
}

/// Looks at the tools of a list that would stay, notes what is wrong with them, and takes back that they stay.
pub(super) fn judge(
    context: &Context<'_>,
    document: &Document<'_>,
    elements: &mut [(Value<'_>, bool)],
    inspector: &mut Inspector<'_>,
) {
    for (tool, (element, stays)) in tools(context, elements).iter().zip(elements) {
        if let Some(odd) = tool.odd {
            *stays = inspector.odd(document, *element, odd) != Action::Redact;
        }
    }
}

/// The tools of a list, and what is wrong with those that would stay.
fn tools<'d>(context: &Context<'d>, elements: &[(Value<'d>, bool)]) -> Vec<Tool<'d>> {
    let origin = context.memory.origin.as_ref();
    let service = origin.and_then(|origin| context.policy.service(origin.service));
    let of_list = elements.iter().map(|(element, stays)| {
        let name = element.get("name").filter(|_| *stays).and_then(|name| name.as_str()).unwrap_or_default();
        let as_pinned = service.and_then(|service| service.is_as_pinned(&name, element));
        let odd = (as_pinned == Some(false)).then_some(Structural::ToolChanged);
        Tool { name, pinned: as_pinned.is_some(), odd }
    });
    let mut tools: Vec<Tool<'_>> = of_list.collect();
    let pins: &[ToolPin] = service.map_or(&[], |service| &service.tools);
    tools.extend(pins.iter().map(|pin| Tool { name: Cow::Borrowed(pin.name()), pinned: true, odd: None }));
    for which in [Structural::ToolCollision, Structural::ToolLookalike] {
        mark(&mut tools, which);
    }
    tools
}

/// Marks tools that have the same name, or names that look the same.
fn mark(tools: &mut [Tool<'_>], which: Structural) {
    let looks = which == Structural::ToolLookalike;
    let view = |name: &str| Cow::Owned(name.chars().map(|of| look(of, looks)).collect::<String>());
    let mut names: Vec<(Cow<'_, str>, u32)> = Vec::with_capacity(tools.len());
    names.extend(tools.iter().zip(0..).map(|(tool, at)| (view(&tool.name), at)));
    sort(&mut names);
    let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    for group in names.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let mut of_group = group.iter().filter_map(|(_, at)| tools.get(place(*at)));
        let first = of_group.next().map_or("", |tool| &tool.name);
        let same = looks && of_group.all(|tool| tool.name.eq_ignore_ascii_case(first));
        if first.is_empty() || same {
            continue;
        }
        for (_, at) in group {
            if let Some(tool) = tools.get_mut(place(*at)).filter(|tool| !tool.pinned && tool.odd.is_none()) {
                tool.odd = Some(which);
            }
        }
    }
}

/// A character of a tool's name as it is compared: without its case, or as what it is easily read as. Rules grant names in ASCII only.
fn look(character: char, looks: bool) -> char {
    match character {
        '1' | 'I' if looks => 'l',
        '0' if looks => 'o',
        '-' | '.' if looks => '_',
        character => character.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
