//! Lints: what a policy says that is probably not what was meant, although it could be enforced as it stands.
//!
//! They look at policy without errors only, each rule both as it is written, for its places, and as the engine reads it, for
//! its meaning. What they say of a document or rule can be waived in it, with a reason.

mod broad;
mod callers;
mod cover;
mod detectors;
mod install;
mod loose;
mod never;
mod patterns;
mod settings;
mod shadowed;
mod similar;
mod view;
mod waivers;

use std::ops::Range;

use sallyport_engine::Policy;

use crate::compile::{in_parallel, reported};
use crate::diagnostic::{Diagnostics, Id};
use crate::source::Source;
use view::View;

/// How many missions one thread looks at before it takes more.
const MISSIONS_AT_ONCE: usize = 64;

/// A part of the work.
enum Work<'v, 'n, 's> {
    /// What one lint says of the policy as a whole.
    Policy(fn(&View<'v, 'n, 's>, &mut Diagnostics)),
    /// What all lints say of the rules of some missions.
    Missions(Range<usize>),
}

/// Adds what lints have to say, and takes out what the policy waives. `policy` is what `source` was compiled to; `None` if it
/// has errors.
pub(crate) fn run(source: &Source<'_, '_>, policy: Option<&Policy>, out: &mut Diagnostics) {
    let Some(policy) = policy else { return waivers::apply(source, out) };
    let view = View::new(source, policy);
    let shadows = shadowed::Shadows::new(&view);
    let of_policy = [
        Work::Policy(broad::report),
        Work::Policy(never::report),
        Work::Policy(similar::report),
        Work::Policy(patterns::report),
        Work::Policy(settings::report),
        Work::Policy(install::report),
        Work::Policy(detectors::report),
    ];
    let policy_lints = of_policy.len();
    let of_missions = |missions: Range<usize>, out: &mut Diagnostics| {
        for mission in missions {
            broad::report_mission(&view, mission, out);
            never::report_mission(&view, mission, out);
            loose::report_mission(&view, mission, out);
            shadows.report_mission(&view, mission, out);
        }
    };
    let missions = (0..view.missions.len()).step_by(MISSIONS_AT_ONCE);
    let missions =
        missions.map(|from| Work::Missions(from..view.missions.len().min(from + MISSIONS_AT_ONCE)));
    let work: Vec<_> = of_policy.into_iter().chain(missions).collect();
    let mut told = in_parallel(&work, |work| {
        reported(|out| match work {
            Work::Policy(lint) => lint(&view, out),
            Work::Missions(missions) => of_missions(missions.clone(), out),
        })
    });
    told.rotate_left(policy_lints);
    told.into_iter().for_each(|((), told)| out.append(told));
    // What stands in a capability is looked at once for each rule that names it.
    out.drop_repeated();
    waivers::apply(source, out);
    let budget = view.gate().and_then(|gate| gate.object("lint").number("broadRules"));
    out.allow_up_to(budget.unwrap_or(0), Id::BroadWildcard);
}
