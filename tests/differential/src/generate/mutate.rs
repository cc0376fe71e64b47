//! Mutations of a document's structure. Some leave it valid, and a few leave it the same value.

use super::midpoint::Midpoints;
use super::tree::Tree;
use super::{document, number, pick, string};
use fastrand::Rng;

/// Words that other languages read as values.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "True", "TRUE", "False", "None", "Null", "NULL", "nil", "undefined", "nul", "tru", "truefalse", "true1",
    "NaN", "Infinity", "-Infinity", "void 0", "new Date()", "[]0", "", ",", ":", "{", "}", "[", "]", "\"",
    "()", "0x1F", "1/2", "{]", "[}", "{1:2}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "{:1}", "{\"a\" 1}",
    "{\"a\"=1}", "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{,}", "[,]", "[1,,2]", "[1 2]", "{\"a\":1,}",
    "[1,]", "{null:1}", "{\"a\":1,\"b\"}", "[\"a\":1]", "...", "{...x}",
];

type Mutation = fn(&mut Tree, &mut Rng, &Midpoints);

/// Every mutation, as often as it should be chosen.
const MUTATIONS: &[Mutation] = &[
    twin,
    twin,
    twin,
    case_twin,
    case_twin,
    odd_number,
    odd_number,
    odd_number,
    broken_string,
    word,
    longer,
    wrapped,
    other,
];

/// Changes one place of a document.
pub(super) fn mutate(tree: &mut Tree, rng: &mut Rng, midpoints: &Midpoints) {
    pick(rng, MUTATIONS)(tree, rng, midpoints);
}

/// Any value of the document.
fn any_value<'t>(tree: &'t mut Tree, rng: &mut Rng) -> Option<&'t mut Tree> {
    let at = rng.usize(..tree.count());
    tree.nth_mut(at)
}

/// Any object with a member: the first at or after a place chosen at random.
fn any_object<'t>(tree: &'t mut Tree, rng: &mut Rng) -> Option<&'t mut Vec<(Vec<u8>, Tree)>> {
    let count = tree.count();
    let from = rng.usize(..count);
    let is_object = |tree: &mut Tree, at: usize| matches!(tree.nth_mut(at), Some(Tree::Object(members)) if !members.is_empty());
    let at = (from..count).chain(0..from).find(|&at| is_object(tree, at))?;
    match tree.nth_mut(at) {
        Some(Tree::Object(members)) => Some(members),
        _ => None,
    }
}

/// Puts a member beside one whose key is `respelt` from its key.
fn put_beside(tree: &mut Tree, rng: &mut Rng, respelt: impl Fn(&mut Rng, &str) -> String) {
    if let Some(members) = any_object(tree, rng) {
        put_into(members, rng, respelt);
    }
}

fn put_into(members: &mut Vec<(Vec<u8>, Tree)>, rng: &mut Rng, respelt: impl Fn(&mut Rng, &str) -> String) {
    let Some((key, value)) = rng.choice(members.iter()).cloned() else { return };
    let text = respelt(rng, &string::unspell(&key).unwrap_or_default());
    let value = if rng.bool() { Tree::Leaf(string::token(rng)) } else { value };
    let at = rng.usize(..=members.len());
    members.insert(at, (string::spell(rng, &text), value));
}

/// A key twice, in whatever spelling.
fn twin(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    put_beside(tree, rng, |_, key| key.to_string());
}

/// A key beside one that some reader could take for it.
fn case_twin(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    put_beside(tree, rng, nearly);
}

/// A member beside one of a message, or of its parameters, that some server could take for it.
pub(super) fn look_alike(message: &mut Tree, rng: &mut Rng) {
    let Tree::Object(members) = message else { return };
    let nested = members.iter_mut().find_map(|(_, value)| matches!(value, Tree::Object(_)).then_some(value));
    match nested.filter(|_| rng.bool()) {
        Some(Tree::Object(params)) => put_into(params, rng, nearly),
        _ => put_into(members, rng, nearly),
    }
}

fn nearly(rng: &mut Rng, key: &str) -> String {
    match rng.u8(0..9) {
        0 => key.to_uppercase(),
        1 => {
            let mut letters = key.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
        // What folds to an ASCII letter without being one.
        2 => key.replace(['s', 'S'], "\u{17f}"),
        3 => key.replace(['k', 'K'], "\u{212a}"),
        4 => key.replace('i', pick(rng, &["\u{131}", "\u{130}"])),
        5 => format!("{key}{}", pick(rng, &[" ", "\0", "\u{200b}", "\u{feff}", "\u{301}", "."])),
        6 => format!("{}{key}", pick(rng, &[" ", "\u{feff}", "_", "$"])),
        7 => key.replace('e', "e\u{301}").replace('a', "\u{430}"),
        _ => key.chars().take(key.chars().count().saturating_sub(1)).collect(),
    }
}

fn odd_number(tree: &mut Tree, rng: &mut Rng, midpoints: &Midpoints) {
    let number = number::odd(rng, midpoints);
    replace(tree, rng, Tree::leaf(number));
}

fn broken_string(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    let token = string::broken(rng);
    let as_key = rng.bool();
    match any_object(tree, rng).filter(|_| as_key) {
        Some(members) => {
            let at = rng.usize(..members.len());
            if let Some((key, _)) = members.get_mut(at) {
                *key = token;
            }
        }
        None => replace(tree, rng, Tree::Leaf(token)),
    }
}

fn word(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    let word = pick(rng, WORDS);
    replace(tree, rng, Tree::leaf(word));
}

fn longer(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    if rng.u8(0..10) == 0 {
        let text = string::long(rng);
        let token = string::spell(rng, &text);
        replace(tree, rng, Tree::Leaf(token));
    }
}

/// A value within brackets.
fn wrapped(tree: &mut Tree, rng: &mut Rng, _: &Midpoints) {
    let depth = pick(rng, &[1, 2, 55, 60, 62, 63, 64]);
    let Some(value) = any_value(tree, rng) else { return };
    let inner = std::mem::replace(value, Tree::leaf("0"));
    *value = (0..depth).fold(inner, |inner, _| Tree::Array(vec![inner]));
}

fn other(tree: &mut Tree, rng: &mut Rng, midpoints: &Midpoints) {
    let new = document::tree(rng, midpoints, 12, 3);
    replace(tree, rng, new);
}

fn replace(tree: &mut Tree, rng: &mut Rng, new: Tree) {
    if let Some(value) = any_value(tree, rng) {
        *value = new;
    }
}
