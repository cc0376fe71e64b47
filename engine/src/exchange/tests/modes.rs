//! Modes, holds, circumstances and limits.

use super::{Ask, RESEARCH, WORKER, call, mcp};
use crate::exchange::{HeaderEdit, Step};
use crate::policy::{
    Audit, Conditions, Effect, Limit, Mode, Otherwise, Overflow, Policy, PolicyParts, Staleness, Window,
    fixture,
};
use crate::record::Verdict;
use crate::reply::Reply;
use crate::surroundings::{Spent, Surroundings};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};

/// A world whose clock stands still.
#[derive(Debug, Default)]
struct World {
    now: Cell<u64>,
    counters: RefCell<BTreeMap<String, [u8; 16]>>,
    age: Option<u64>,
    /// Whether there is room for records.
    room: bool,
}

impl Surroundings for World {
    fn unix_time(&self) -> Option<u64> {
        Some(self.now.get())
    }

    fn spend(&self, counter: &str, limit: Limit) -> Spent {
        let mut counters = self.counters.borrow_mut();
        match limit.spend(counters.get(counter).map(|kept| &kept[..]), self.now.get()) {
            Some(kept) => {
                counters.insert(counter.into(), kept);
                Spent::Within
            }
            None => Spent::Over,
        }
    }

    fn reserve_record(&self, _: &Audit) -> bool {
        self.room
    }

    fn policy_age(&self) -> Option<u64> {
        self.age
    }
}

fn policy(change: impl FnOnce(&mut PolicyParts)) -> Rc<Policy> {
    let mut parts = fixture::parts();
    change(&mut parts);
    Rc::new(Policy::new(parts).unwrap())
}

/// Verdict, verdict had it been enforced, and reason.
fn outcome(ask: &Ask<'_>, policy: &Rc<Policy>, world: &Rc<World>) -> (Verdict, Verdict, String) {
    let (_, step, record) = ask.judge_by(policy, Rc::<World>::clone(world));
    assert_eq!(matches!(step, Step::Reply(_)), record.refusal.is_some());
    (record.verdict(), record.enforced(), record.reason().into_owned())
}

/// What the compiler makes of a Gate that observes, and agents that say nothing of it.
fn observe_all(parts: &mut PolicyParts) {
    parts.settings.mode = Mode::Observe;
    parts.agents.iter_mut().for_each(|agent| agent.mode = Mode::Observe);
}

fn said(verdict: Verdict, enforced: Verdict, reason: &str) -> (Verdict, Verdict, String) {
    (verdict, enforced, reason.into())
}

#[test]
fn a_gate_that_observes_lets_everything_go_on_and_says_what_it_would_have_done() {
    let policy = policy(observe_all);
    let world = Rc::new(World::default());
    let observed = |reason| said(Verdict::Allow, Verdict::Deny, reason);
    assert_eq!(outcome(&mcp(&call("drop_table")), &policy, &world), observed("scope.tool"));
    assert_eq!(outcome(&mcp("{"), &policy, &world), observed("request.malformed"));
    assert_eq!(outcome(&Ask { sans: &[], ..Ask::default() }, &policy, &world), observed("identity.absent"));
    assert_eq!(outcome(&Ask { path: "/a//b", ..Ask::default() }, &policy, &world).0, Verdict::Allow);
    assert_eq!(outcome(&Ask::default(), &policy, &world), said(Verdict::Allow, Verdict::Allow, "allowed"));
}

#[test]
fn observing_never_lets_a_client_speak_for_the_gate() {
    let policy = policy(observe_all);
    let headers = [("x-workload-spiffe-id", "spiffe://acme.internal/sa/forged")];
    for path in ["/nowhere", "/a//b"] {
        let (edits, step, _) =
            Ask { headers: &headers, path, ..Ask::default() }.judge_by(&policy, Rc::new(World::default()));
        assert_eq!(step, Step::Forward);
        assert_eq!(
            edits,
            [
                HeaderEdit::Remove("x-workload-spiffe-id".into()),
                HeaderEdit::Add(crate::IDENTITY_HEADER, RESEARCH.into())
            ]
        );
    }
}

#[test]
fn an_agent_can_be_enforced_while_the_gate_observes() {
    let policy = policy(|parts| {
        observe_all(parts);
        parts.agents[0].mode = Mode::Enforce;
    });
    let world = Rc::new(World::default());
    let body = call("drop_table");
    assert_eq!(outcome(&mcp(&body), &policy, &world), said(Verdict::Deny, Verdict::Deny, "scope.tool"));
    assert_eq!(outcome(&Ask { sans: &[WORKER], ..mcp(&body) }, &policy, &world).0, Verdict::Allow);
    assert_eq!(outcome(&Ask { sans: &[], ..mcp(&body) }, &policy, &world).0, Verdict::Allow);
}

#[test]
fn an_agent_that_is_observed_is_refused_nothing() {
    let policy = policy(|parts| parts.agents[0].mode = Mode::Observe);
    let world = Rc::new(World::default());
    let body = call("drop_table");
    assert_eq!(outcome(&mcp(&body), &policy, &world), said(Verdict::Allow, Verdict::Deny, "scope.tool"));
    assert_eq!(outcome(&Ask { sans: &[WORKER], ..mcp(&body) }, &policy, &world).0, Verdict::Deny);
}

#[test]
fn a_mission_on_trial_refuses_nothing_that_rules_decide() {
    let policy = policy(|parts| parts.missions[0].mode = Mode::Observe);
    let world = Rc::new(World::default());
    let observed = |reason| said(Verdict::Allow, Verdict::Deny, reason);
    assert_eq!(outcome(&mcp(&call("drop_table")), &policy, &world), observed("scope.tool"));
    assert_eq!(outcome(&mcp(&call("search_secrets")), &policy, &world), observed("policy.denied"));
    // What no rule decides is enforced, and so is a service of which the mission does not speak.
    assert_eq!(outcome(&mcp("{"), &policy, &world).0, Verdict::Deny);
    let elsewhere = Ask { authority: "other:8080", path: "/api/x", ..Ask::default() };
    assert_eq!(outcome(&elsewhere, &policy, &world).0, Verdict::Deny);
}

#[test]
fn a_deny_that_is_enforced_wins_over_a_trial() {
    let policy = policy(|parts| {
        parts.missions[1].mode = Mode::Observe;
        parts.agents[0].missions.push(crate::policy::MissionId(1));
    });
    let world = Rc::new(World::default());
    let denied = said(Verdict::Deny, Verdict::Deny, "policy.denied");
    assert_eq!(outcome(&mcp(&call("search_secrets")), &policy, &world), denied);
    let observed = said(Verdict::Allow, Verdict::Deny, "scope.tool");
    assert_eq!(outcome(&mcp(&call("drop_table")), &policy, &world), observed);
}

#[test]
fn a_hold_wins_over_an_allow_and_a_deny_over_a_hold() {
    let held = policy(|parts| parts.missions[0].rules[1].effect = Effect::Hold);
    let world = Rc::new(World::default());
    let (search, secrets) = (call("search_docs"), call("search_secrets"));
    let hold = said(Verdict::Hold, Verdict::Hold, "approval.required");
    assert_eq!(outcome(&mcp(&secrets), &held, &world), hold);
    assert_eq!(outcome(&mcp(&secrets.replace("search_s", "Search_S")), &held, &world), hold);
    assert_eq!(outcome(&mcp(&search), &held, &world).0, Verdict::Allow);
    let both = policy(|parts| {
        let mut hold = parts.missions[0].rules[1].clone();
        (hold.effect, hold.name) = (Effect::Hold, "a-hold".into());
        parts.missions[0].rules.insert(0, hold);
    });
    assert_eq!(outcome(&mcp(&secrets), &both, &world).2, "policy.denied");
}

#[test]
fn a_hold_alone_carries_the_session_of_what_it_holds() {
    let policy = policy(|parts| {
        parts.missions[0].rules.truncate(1);
        parts.missions[0].rules[0].effect = Effect::Hold;
    });
    let world = Rc::new(World::default());
    let verdict = |body: &str| outcome(&mcp(body), &policy, &world).0;
    assert_eq!(verdict(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#), Verdict::Allow);
    assert_eq!(verdict(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), Verdict::Allow);
    assert_eq!(verdict(&call("search_docs")), Verdict::Hold);
    assert_eq!(verdict(&call("drop_table")), Verdict::Deny);
}

#[test]
fn circumstances_narrow_a_rule() {
    // The first rule allows `search_*`, the second denies `search_secrets`.
    let with = |rule: usize, conditions: Conditions| {
        policy(|parts| parts.missions[0].rules[rule].conditions = Some(conditions.into()))
    };
    let world = Rc::new(World::default());
    let (docs, secrets) = (call("search_docs"), call("search_secrets"));
    let reason =
        |authority, body, policy: &Rc<Policy>| outcome(&Ask { authority, ..mcp(body) }, policy, &world).2;
    let elsewhere = Conditions { ports: [8443].into(), ..Conditions::default() };
    let (allow, deny) = (with(0, elsewhere.clone()), with(1, elsewhere));
    assert_eq!(reason("tool-api:8443", &docs, &allow), "allowed");
    assert_eq!(reason("tool-api", &docs, &allow), "scope.path", "an unsaid port grants nothing");
    assert_eq!(reason("tool-api", &secrets, &deny), "policy.denied", "and escapes nothing");
    assert_eq!(reason("tool-api:8080", &secrets, &deny), "allowed");
    let others =
        Conditions { namespaces: [crate::glob::Glob::new("agents")].into(), ..Conditions::default() };
    assert_eq!(reason("tool-api", &docs, &with(0, others.clone())), "scope.path");
    assert_eq!(reason("tool-api", &secrets, &with(1, others)), "allowed");
}

#[test]
fn a_window_of_time_opens_and_closes() {
    // The first of January 1970 was a Thursday.
    let thursday =
        Window { days: 0b1000, from: 60, until: 120, offset: 0, not_before: None, not_after: None };
    let conditions = Conditions { windows: [thursday].into(), ..Conditions::default() };
    let policy = policy(|parts| parts.missions[0].rules[0].conditions = Some(conditions.into()));
    let world = Rc::new(World::default());
    let body = call("search_docs");
    assert_eq!(outcome(&mcp(&body), &policy, &world).2, "scope.time");
    world.now.set(3600);
    assert_eq!(outcome(&mcp(&body), &policy, &world).2, "allowed");
    world.now.set(7200);
    assert_eq!(outcome(&mcp(&body), &policy, &world).2, "scope.time");
    // Without a clock nothing opens.
    assert_eq!(mcp(&body).judge_by(&policy, Rc::new(crate::Nowhere)).2.reason(), "scope.time");
}

#[test]
fn a_limit_counts_each_agent_and_each_name_for_itself() {
    let policy = policy(|parts| {
        parts.missions[0].rules[0].limit = Some(Limit { requests: 2, seconds: 60 });
    });
    let world = Rc::new(World::default());
    let ask = |tool: &str| outcome(&mcp(&call(tool)), &policy, &world).2;
    assert_eq!([ask("fetch"), ask("fetch"), ask("fetch")], ["allowed", "allowed", "limit.rate"]);
    // Names that one pattern covers are counted together.
    assert_eq!([ask("search_a"), ask("search_b"), ask("search_c")], ["allowed", "allowed", "limit.rate"]);
    // What a grant only carries along is not counted.
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(outcome(&mcp(list), &policy, &world).2, "allowed");
    world.now.set(60);
    assert_eq!(ask("fetch"), "allowed");
    assert_eq!(mcp(&call("fetch")).judge_by(&policy, Rc::new(crate::Nowhere)).2.reason(), "internal");
}

#[test]
fn settings_say_what_becomes_of_what_is_not_judged() {
    let world = Rc::new(World::default());
    let stranger = Ask { sans: &["spiffe://acme.internal/sa/stranger"], ..Ask::default() };
    assert_eq!(stranger.reason(), "identity.unmapped");
    let lenient = policy(|parts| parts.settings.unmapped = Otherwise::Allow);
    assert_eq!(
        outcome(&stranger, &lenient, &world),
        said(Verdict::Allow, Verdict::Deny, "identity.unmapped")
    );
    let foreign = Ask { sans: &["spiffe://evil.example/sa/stranger"], ..Ask::default() };
    assert_eq!(outcome(&foreign, &lenient, &world).0, Verdict::Deny);

    let large = "x".repeat(64);
    let upload = Ask {
        method: "POST",
        body: Some(&large),
        headers: &[("content-type", "text/plain")],
        ..Ask::default()
    };
    let strict = policy(|parts| parts.limits.max_body_bytes = 63);
    assert_eq!(outcome(&upload, &strict, &world).2, "request.too_large");
    let lenient = policy(|parts| {
        parts.limits.max_body_bytes = 63;
        parts.settings.oversize = Otherwise::Allow;
    });
    assert_eq!(outcome(&upload, &lenient, &world), said(Verdict::Allow, Verdict::Deny, "request.too_large"));
    // Where the body decides, one that is not read decides nothing.
    assert_eq!(outcome(&mcp(&call("search_docs")), &lenient, &world).0, Verdict::Deny);
}

#[test]
fn stale_policy_is_kept_or_not_as_it_says() {
    let stale = |then, age| {
        let policy = policy(|parts| parts.settings.staleness = Some(Staleness { after: 60, then }));
        outcome(&Ask::default(), &policy, &Rc::new(World { age, ..World::default() })).2
    };
    assert_eq!(stale(Otherwise::Deny, Some(61)), "policy.stale");
    assert_eq!(stale(Otherwise::Deny, Some(60)), "allowed");
    assert_eq!(stale(Otherwise::Deny, None), "allowed");
    assert_eq!(stale(Otherwise::Allow, Some(61)), "allowed");
}

#[test]
fn where_records_are_required_nothing_goes_on_without_room_for_one() {
    let required = |change: fn(&mut PolicyParts)| {
        policy(|parts| {
            parts.settings.audit.overflow = Overflow::Required;
            change(parts);
        })
    };
    let full = Rc::new(World::default());
    let enforced = required(|_| {});
    assert_eq!(
        outcome(&Ask::default(), &enforced, &full),
        said(Verdict::Deny, Verdict::Deny, "audit.unavailable")
    );
    let (_, step, record) = Ask::default().judge_by(&enforced, Rc::<World>::clone(&full));
    assert!(matches!(step, Step::Reply(Reply { status: 503, .. })) && record.caller.is_none());
    let room = Rc::new(World { room: true, ..World::default() });
    assert_eq!(outcome(&Ask::default(), &enforced, &room), said(Verdict::Allow, Verdict::Allow, "allowed"));
    // Who only observes refuses nothing.
    let observing = required(observe_all);
    assert_eq!(
        outcome(&Ask::default(), &observing, &full),
        said(Verdict::Allow, Verdict::Deny, "audit.unavailable")
    );
    // Where the oldest may be dropped nobody asks for room.
    assert_eq!(
        outcome(&Ask::default(), &policy(|_| {}), &full),
        said(Verdict::Allow, Verdict::Allow, "allowed")
    );
}
