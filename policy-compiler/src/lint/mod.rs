//! Lints: what a policy says that is probably not what was meant, although it could be enforced as it stands.
//!
//! They look at policy without errors only, each rule both as it is written, for its places, and as the engine reads it, for
//! its meaning. What they say of a document or rule can be waived in it, with a reason.

mod broad;
mod cover;
mod install;
mod never;
mod patterns;
mod settings;
mod shadowed;
mod similar;
mod view;
mod waivers;

use sallyport_engine::Policy;

use crate::compile::{in_parallel, reported};
use crate::diagnostic::{Diagnostics, Id};
use crate::source::Source;
use view::View;

/// Adds what lints have to say, and takes out what the policy waives. `policy` is what `source` was compiled to; `None` if it
/// has errors.
pub(crate) fn run(source: &Source<'_, '_>, policy: Option<&Policy>, out: &mut Diagnostics) {
    let Some(policy) = policy else { return waivers::apply(source, out) };
    let view = View::new(source, policy);
    let lints: [fn(&View<'_, '_, '_>, &mut Diagnostics); 7] = [
        broad::report,
        never::report,
        shadowed::report,
        similar::report,
        patterns::report,
        settings::report,
        install::report,
    ];
    for told in in_parallel(&lints, |lint| reported(|out| lint(&view, out)).1) {
        out.append(told);
    }
    // What stands in a capability is looked at once for each rule that names it.
    out.drop_repeated();
    waivers::apply(source, out);
    let budget = view.gate().and_then(|gate| gate.object("lint").number("broadRules"));
    out.allow_up_to(budget.unwrap_or(0), Id::BroadWildcard);
}
