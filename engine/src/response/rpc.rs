//! JSON-RPC messages that come back over MCP: lists are cut to what the caller may use, and everything in them is looked at.
//!
//! Lists are known by their shape, not only by the request that they answer: the answer to a request of one exchange can arrive in the
//! stream of another.

use super::{Context, tools};
use crate::decide::{Offer, may_call};
use crate::glob::Glob;
use crate::json::{Document, Kind, Numbers, Value};
use crate::operation::Feature;
use crate::scan::{Edit, Inspection, Inspector, Place, apply};
use crate::sort::sort_by;
use alloc::string::String;
use alloc::vec::Vec;

/// Judges a message, or a batch of them: a body, or the data of an event. Edits are byte ranges of [`Document::text`].
pub(crate) fn judge_rpc_message(context: &Context<'_>, document: &Document<'_>) -> Inspection {
    let Some(root) = document.root() else { return Inspection::default() };
    if root.kind() != Kind::Array {
        return judge_message(context, document, root);
    }
    let lists = root.items().any(|message| lists_of(context, message).next().is_some());
    if !lists { inspect(context, document) } else { judge_batch(context, root) }
}

/// Judges each message of a batch for itself: only some of them are lists.
fn judge_batch(context: &Context<'_>, root: Value<'_>) -> Inspection {
    let mut all = Inspection::default();
    for message in root.items() {
        // A part of a text that was read can be read; were it not so, it would not go on.
        let Ok(document) = Document::parse_with(message.raw().as_bytes(), Numbers::Opaque) else {
            all.refusal = Some(crate::reason::Reason::Internal);
            continue;
        };
        let judged = match document.root() {
            Some(root) => judge_message(context, &document, root),
            None => Inspection::default(),
        };
        let (start, _) = message.span();
        let moved = |edit: Edit| Edit {
            start: edit.start.saturating_add(start),
            end: edit.end.saturating_add(start),
            ..edit
        };
        all.edits.extend(judged.edits.into_iter().map(moved));
        all.findings.extend(judged.findings);
        all.refusal = all.refusal.or(judged.refusal);
    }
    all
}

fn judge_message(context: &Context<'_>, document: &Document<'_>, root: Value<'_>) -> Inspection {
    let mut lists = lists_of(context, root).peekable();
    if lists.peek().is_none() {
        return inspect(context, document);
    }
    let mut inspector = context.inspector(Place::Tools);
    let mut cuts: Vec<Edit> =
        lists.flat_map(|(list, of)| cuts(context, document, (list, of), &mut inspector)).collect();
    sort_by(&mut cuts, |a, b| a.start < b.start);
    if cuts.is_empty() {
        inspector.document(document);
        return inspector.finish();
    }
    // What is cut out is not looked at: it does not reach the caller.
    let shorter = apply(document.text().as_bytes(), &cuts);
    match Document::parse_with(&shorter, Numbers::Opaque) {
        Ok(shorter) => {
            inspector.document(&shorter);
            let mut inspection = inspector.finish();
            inspection.edits = merge(cuts, inspection.edits);
            inspection
        }
        Err(_) => Inspection { refusal: Some(crate::reason::Reason::Internal), ..Inspection::default() },
    }
}

fn inspect(context: &Context<'_>, document: &Document<'_>) -> Inspection {
    let mut inspector = context.inspector(Place::Response);
    inspector.document(document);
    inspector.finish()
}

/// The members of a result that are lists of what a server offers, unless the result answers a request for something else.
const LISTS: [(&str, Offered); 4] = [
    ("tools", Offered::Tools),
    ("prompts", Offered::Prompts),
    ("resources", Offered::Resources),
    ("resourceTemplates", Offered::Templates),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Offered {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Offered {
    fn feature(self) -> Feature {
        match self {
            Self::Tools => Feature::Tools,
            Self::Prompts => Feature::Prompts,
            Self::Resources | Self::Templates => Feature::Resources,
        }
    }

    /// The member by which rules name an element.
    fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Whether the caller may use an element. One without a name could be anything.
    fn is_usable(self, context: &Context<'_>, element: Value<'_>) -> bool {
        let Some(origin) = &context.memory.origin else { return false };
        let Some(name) = element.get(self.key()).and_then(|name| name.as_str()) else { return false };
        let may = |offer| may_call(context.policy, origin, offer);
        match self {
            Self::Tools => may(Offer::Tool(&name)),
            Self::Prompts => may(Offer::Prompt(&name)),
            Self::Resources => may(Offer::Resource(&name)),
            Self::Templates => may(Offer::Template(&Glob::new(with_stars(&name)))),
        }
    }
}

/// The lists in the result of a message.
fn lists_of<'d>(context: &Context<'_>, message: Value<'d>) -> impl Iterator<Item = (Value<'d>, Offered)> {
    let asked = message.get("id").and_then(|id| context.memory.call(id.raw()));
    let result = message.get("result");
    LISTS.iter().filter_map(move |&(member, offered)| {
        let list = result?.get(member).filter(|list| list.kind() == Kind::Array)?;
        let fits = asked.is_none_or(|call| call.list == Some(offered.feature()));
        fits.then_some((list, offered))
    })
}

/// The elements that have to go, each with one of the commas beside it.
fn cuts(
    context: &Context<'_>,
    document: &Document<'_>,
    (list, of): (Value<'_>, Offered),
    inspector: &mut Inspector<'_>,
) -> Vec<Edit> {
    let mut elements: Vec<(Value<'_>, bool)> =
        list.items().map(|element| (element, of.is_usable(context, element))).collect();
    if of == Offered::Tools {
        tools::judge(context, document, &mut elements, inspector);
    }
    let mut cuts = Vec::new();
    let span = |at: Option<usize>| at.and_then(|at| elements.get(at)).map(|(element, _)| element.span());
    // Where the last element that stays ends, or the list begins.
    let mut kept = None;
    for (at, (element, stays)) in elements.iter().enumerate() {
        let (start, end) = element.span();
        if *stays {
            kept = Some(end);
            continue;
        }
        let (from, to) = match (kept, span(at.checked_sub(1)), span(at.checked_add(1))) {
            (Some(_), Some((_, before)), _) => (before, end),
            (_, _, Some((after, _))) => (start, after),
            _ => (start, end),
        };
        cuts.push(Edit { start: from, end: to, with: String::new() });
    }
    cuts
}

/// A template of URIs (RFC 6570) with a `*` for each of its expressions.
fn with_stars(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut inside = false;
    for character in template.chars() {
        match (inside, character) {
            (false, '{') => {
                inside = true;
                out.push('*');
            }
            (true, '}') => inside = false,
            (true, _) => {}
            (false, character) => out.push(character),
        }
    }
    out
}

/// Cuts of a text, and edits of the text that they leave, as edits of the first. None of the latter reaches over a cut: cuts end and
/// begin between elements, the others stay within strings and numbers.
fn merge(cuts: Vec<Edit>, edits: Vec<Edit>) -> Vec<Edit> {
    let mut merged = Vec::with_capacity(cuts.len().saturating_add(edits.len()));
    let mut cuts = cuts.into_iter().peekable();
    let mut gone = 0_usize;
    for edit in edits {
        while let Some(cut) = cuts.next_if(|cut| cut.start <= edit.start.saturating_add(gone)) {
            gone = gone.saturating_add(cut.end.saturating_sub(cut.start));
            merged.push(cut);
        }
        merged.push(Edit {
            start: edit.start.saturating_add(gone),
            end: edit.end.saturating_add(gone),
            with: edit.with,
        });
    }
    merged.extend(cuts);
    merged
}

#[cfg(test)]
mod tests;
