//! The contexts that the host has created: one for each plugin configuration, one for each stream.
//!
//! The host calls one callback at a time, and none from within another but the allocator's. A callback that comes otherwise, or
//! for a context that was never created, finds nothing and lets nothing pass.

use crate::root::Root;
use crate::stream::Stream;
use std::cell::RefCell;

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
    roots: Numbered<Root>,
    streams: Numbered<Stream>,
}

/// Things in the order of their numbers. The host counts up, so that a new one goes to the end. A map of the standard library would do
/// the same with eight times the code.
#[derive(Debug)]
struct Numbered<T>(Vec<(u32, Box<T>)>);

thread_local! {
    static CONTEXTS: RefCell<Contexts> =
        const { RefCell::new(Contexts { roots: Numbered(Vec::new()), streams: Numbered(Vec::new()) }) };
}

impl<T> Numbered<T> {
    fn place(&self, number: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(known, _)| *known)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let place = self.place(number).ok()?;
        self.0.get_mut(place).map(|(_, thing)| &mut **thing)
    }

    /// Puts a thing where it belongs; one of the same number makes room.
    fn insert(&mut self, number: u32, thing: T) {
        drop(self.remove(number));
        let place = self.place(number).unwrap_or_else(|place| place);
        self.0.insert(place, (number, Box::new(thing)));
    }

    fn remove(&mut self, number: u32) -> Option<Box<T>> {
        let place = self.place(number).ok()?;
        Some(self.0.remove(place).1)
    }
}

/// Begins the context of a plugin configuration.
pub(crate) fn create_root(context: u32) {
    with(|contexts| {
        contexts.roots.insert(context, Root::default());
        Some(())
    });
}

/// Begins the context of a stream under a plugin configuration; under one that is unknown, the stream is refused.
pub(crate) fn create_stream(context: u32, root: u32) {
    with(|contexts| {
        let root = contexts.roots.get_mut(root);
        let stream = root.map_or_else(|| Root::default().stream(), |root| root.stream());
        contexts.streams.insert(context, stream);
        Some(())
    });
}

/// Calls `act` with a plugin configuration's context.
pub(crate) fn with_root(context: u32, act: impl FnOnce(&mut Root)) {
    with(|contexts| contexts.roots.get_mut(context).map(act));
}

/// Calls `act` with a stream's context; a stream that is unknown waits for ever.
pub(crate) fn with_stream(context: u32, act: impl FnOnce(&mut Stream) -> Action) -> Action {
    let action = with(|contexts| contexts.streams.get_mut(context).map(act));
    action.unwrap_or(Action::Pause)
}

/// Ends a context.
pub(crate) fn delete(context: u32) {
    with(|contexts| {
        if contexts.streams.remove(context).is_none() {
            contexts.roots.remove(context);
        }
        Some(())
    });
}

fn with<R>(act: impl FnOnce(&mut Contexts) -> Option<R>) -> Option<R> {
    CONTEXTS.with(|contexts| contexts.try_borrow_mut().ok().and_then(|mut contexts| act(&mut contexts)))
}
