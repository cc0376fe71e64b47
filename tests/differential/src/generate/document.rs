//! Documents: valid JSON by its grammar, from the messages of MCP to trees of no meaning.

use super::midpoint::Midpoints;
use super::tree::Tree;
use super::{mutate, number, pick, string};
use fastrand::Rng;
use sallyport_engine::json::MAX_DEPTH;

/// A document.
pub(super) fn document(rng: &mut Rng, midpoints: &Midpoints) -> Tree {
    match rng.u8(0..20) {
        0..=6 => message(rng, midpoints),
        7..=13 => {
            let budget = pick(rng, &[4, 12, 40, 120]);
            tree(rng, midpoints, budget, 6)
        }
        14 => leaf(rng, midpoints),
        15 => Tree::Array((0..rng.usize(1..60)).map(|_| Tree::leaf(number::plain(rng, midpoints))).collect()),
        16 => Tree::Array((0..rng.usize(1..4)).map(|_| Tree::leaf(number::odd(rng, midpoints))).collect()),
        17 => members(rng, midpoints),
        18 => nested(rng, midpoints),
        _ => {
            let text = if rng.u8(0..12) == 0 { string::long(rng) } else { string::text(rng) };
            Tree::Array(vec![Tree::Leaf(string::spell(rng, &text)), leaf(rng, midpoints)])
        }
    }
}

/// A JSON-RPC message as MCP has them.
fn message(rng: &mut Rng, midpoints: &Midpoints) -> Tree {
    let quoted = |rng: &mut Rng, text: &str| Tree::Leaf(string::spell(rng, text));
    let id = match rng.u8(0..4) {
        0 => Tree::Leaf(string::token(rng)),
        1 => Tree::leaf(number::plain(rng, midpoints)),
        _ => Tree::leaf(rng.u16(..).to_string()),
    };
    let method = pick(
        rng,
        &[
            "tools/call",
            "tools/call",
            "tools/call",
            "tools/list",
            "resources/read",
            "prompts/get",
            "initialize",
            "ping",
        ],
    );
    let mut envelope = vec![("jsonrpc", quoted(rng, "2.0")), ("id", id), ("method", quoted(rng, method))];
    let name = pick(rng, &["search_docs", "fetch_doc", "drop_table", "trigger_build"]);
    let arguments = tree(rng, midpoints, 16, 4);
    let mut params = vec![("name", quoted(rng, name)), ("arguments", arguments)];
    if rng.u8(0..3) == 0 {
        params.push(("uri", quoted(rng, "docs://handbook/1")));
    }
    if rng.u8(0..3) == 0 {
        params.push(("_meta", tree(rng, midpoints, 6, 3)));
    }
    rng.shuffle(&mut params);
    envelope.push(("params", object(rng, params)));
    rng.shuffle(&mut envelope);
    let mut message = object(rng, envelope);
    if rng.u8(0..6) == 0 {
        mutate::look_alike(&mut message, rng);
    }
    message
}

fn object(rng: &mut Rng, members: Vec<(&str, Tree)>) -> Tree {
    Tree::Object(members.into_iter().map(|(key, value)| (string::spell(rng, key), value)).collect())
}

/// Any tree of about `budget` values, not deeper than `depth`.
pub(super) fn tree(rng: &mut Rng, midpoints: &Midpoints, budget: usize, depth: usize) -> Tree {
    if budget <= 1 || depth == 0 {
        return leaf(rng, midpoints);
    }
    let width = rng.usize(0..=budget.min(8));
    let each = budget / width.max(1);
    if rng.bool() {
        return Tree::Array((0..width).map(|_| tree(rng, midpoints, each, depth - 1)).collect());
    }
    let mut members: Vec<(Vec<u8>, Tree)> = Vec::new();
    for _ in 0..width {
        let key = string::key(rng);
        // Without twins, most of the time: those are a mutation.
        let text = string::unspell(&key);
        if rng.u8(0..50) == 0 || !members.iter().any(|(known, _)| string::unspell(known) == text) {
            members.push((key, tree(rng, midpoints, each, depth - 1)));
        }
    }
    Tree::Object(members)
}

fn leaf(rng: &mut Rng, midpoints: &Midpoints) -> Tree {
    match rng.u8(0..10) {
        0 => Tree::leaf("null"),
        1 => Tree::leaf("true"),
        2 => Tree::leaf("false"),
        3..=5 => Tree::leaf(number::plain(rng, midpoints)),
        _ => Tree::Leaf(string::token(rng)),
    }
}

/// An object of so many members that readers may change how they keep them.
fn members(rng: &mut Rng, midpoints: &Midpoints) -> Tree {
    let count = pick(rng, &[7, 8, 9, 10, 16, 33, 64, 100, 257]);
    let prefix = pick(rng, &["k", "", "key\u{e9}", "-"]);
    let mut members: Vec<_> =
        (0..count).map(|n| (string::spell(rng, &format!("{prefix}{n}")), leaf(rng, midpoints))).collect();
    rng.shuffle(&mut members);
    Tree::Object(members)
}

/// Nesting about the limit.
fn nested(rng: &mut Rng, midpoints: &Midpoints) -> Tree {
    let depth =
        if rng.u8(0..8) == 0 { rng.usize(..2000) } else { MAX_DEPTH.saturating_add_signed(rng.isize(-4..3)) };
    (0..depth).fold(leaf(rng, midpoints), |inner, _| {
        if rng.bool() { Tree::Array(vec![inner]) } else { Tree::Object(vec![(b"\"n\"".to_vec(), inner)]) }
    })
}
