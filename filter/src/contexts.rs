//! The contexts that the host has created: one for each plugin configuration, one for each stream.
//!
//! The host calls one callback at a time, and none from within another but the allocator's. A callback that comes otherwise, or
//! for a context that was never created, finds nothing and lets nothing pass.

use crate::root::Root;
use crate::stream::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the host is to do with the part of a message that it has just shown (proxy-wasm `proxy_action_t`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Action {
    /// It goes on.
    Continue = 0,
    /// It waits.
    Pause = 1,
}

/// Contexts by the number that the host has given them.
#[derive(Debug)]
struct Contexts {
    roots: BTreeMap<u32, Root>,
    streams: BTreeMap<u32, Box<Stream>>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> =
        const { RefCell::new(Contexts { roots: BTreeMap::new(), streams: BTreeMap::new() }) };
}

/// Begins the context of a plugin configuration.
pub(crate) fn create_root(context: u32) {
    with(|contexts| contexts.roots.insert(context, Root::default()));
}

/// Begins the context of a stream under a plugin configuration; under one that is unknown, the stream is refused.
pub(crate) fn create_stream(context: u32, root: u32) {
    with(|contexts| {
        let stream = contexts.roots.get(&root).map_or_else(|| Root::default().stream(), Root::stream);
        contexts.streams.insert(context, Box::new(stream))
    });
}

/// Calls `act` with a plugin configuration's context.
pub(crate) fn with_root(context: u32, act: impl FnOnce(&mut Root)) {
    with(|contexts| contexts.roots.get_mut(&context).map(act));
}

/// Calls `act` with a stream's context; a stream that is unknown waits for ever.
pub(crate) fn with_stream(context: u32, act: impl FnOnce(&mut Stream) -> Action) -> Action {
    let action = with(|contexts| contexts.streams.get_mut(&context).map(|stream| act(stream)));
    action.unwrap_or(Action::Pause)
}

/// Ends a context.
pub(crate) fn delete(context: u32) {
    with(|contexts| {
        if contexts.streams.remove(&context).is_none() {
            contexts.roots.remove(&context);
        }
        Some(())
    });
}

fn with<R>(act: impl FnOnce(&mut Contexts) -> Option<R>) -> Option<R> {
    CONTEXTS.with(|contexts| contexts.try_borrow_mut().ok().and_then(|mut contexts| act(&mut contexts)))
}
