//! Large missions by what their rules could cover, so that a request meets few of them.
//!
//! INVARIANT: the rules that are met say the same as all of them would, verdict, reason and the rule that is named. A rule that asks
//! for circumstances, or has a name with `*` in it, is always met. Of the others are met those that name what is asked for, and for each
//! kind of rule one that stands for the rest: it says how near they come, and carries what any grant carries.

use super::{Effect, McpMatch, Mission, Operations, Rule, ServiceId};
use crate::glob::Glob;
use crate::sort::sort;
use alloc::vec::Vec;

/// A mission with fewer rules is walked through.
const SMALL: usize = 32;

/// What is asked for, as far as an index knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lookup {
    /// Something that rules name.
    Name(Key),
    /// Something that no rule names, and any grant carries.
    Nothing,
    /// Something that the index does not know.
    Everything,
}

/// A name and what it is a name of, hashed without regard to ASCII case.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key(u64);

/// What a name is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named {
    /// The first segment of a path.
    Path,
    /// A tool.
    Tool,
    /// A resource.
    Resource,
    /// A prompt.
    Prompt,
    /// A method of MCP.
    Method,
    /// A method of gRPC.
    Grpc,
}

/// The rules of one mission.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MissionIndex {
    /// Rules by what they name, sorted.
    named: Vec<(ServiceId, Key, u32)>,
    /// Rules that are always met, sorted.
    always: Vec<(ServiceId, u32)>,
}

impl Key {
    pub(crate) fn new(of: Named, name: &str) -> Self {
        // FNV-1a, 64 bits. A collision only makes one rule more to be met.
        let tag = match of {
            Named::Path => b'/',
            Named::Tool => b't',
            Named::Resource => b'r',
            Named::Prompt => b'p',
            Named::Method => b'm',
            Named::Grpc => b'g',
        };
        let bytes = core::iter::once(tag).chain(name.bytes().map(|b| b.to_ascii_lowercase()));
        Self(
            bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)),
        )
    }
}

impl MissionIndex {
    /// The index of a mission that is large enough to want one.
    pub(super) fn new(mission: &Mission) -> Option<Self> {
        if mission.rules.len() <= SMALL {
            return None;
        }
        let mut index = Self { named: Vec::new(), always: Vec::new() };
        let mut stood_for: Vec<(ServiceId, Standing)> = Vec::new();
        for (number, rule) in (0_u32..).zip(&mission.rules) {
            match keys(rule).filter(|_| rule.conditions.is_none()) {
                Some(keys) => {
                    index.named.extend(keys.into_iter().map(|key| (rule.service, key, number)));
                    let standing = Standing::of(rule);
                    let known = stood_for.iter_mut().find(|(service, _)| *service == rule.service);
                    let fresh = match known {
                        Some((_, known)) => known.add(standing),
                        None => {
                            stood_for.push((rule.service, standing));
                            true
                        }
                    };
                    if fresh {
                        index.always.push((rule.service, number));
                    }
                }
                None => index.always.push((rule.service, number)),
            }
        }
        sort(&mut index.named);
        sort(&mut index.always);
        Some(index)
    }

    /// The numbers of the rules at a service that have to be met, in order; `None` for all.
    pub(super) fn met(&self, service: ServiceId, lookup: Lookup) -> Option<Vec<u32>> {
        let from = self.always.partition_point(|(known, _)| *known < service);
        let always = self.always.iter().skip(from).take_while(|(known, _)| *known == service);
        let mut met: Vec<u32> = always.map(|(_, number)| *number).collect();
        match lookup {
            Lookup::Everything => return None,
            Lookup::Nothing => {}
            Lookup::Name(key) => {
                let from = self.named.partition_point(|(known, name, _)| (*known, *name) < (service, key));
                let named = self.named.iter().skip(from);
                let named = named.take_while(|(known, name, _)| (*known, *name) == (service, key));
                met.extend(named.map(|(.., number)| *number));
            }
        }
        sort(&mut met);
        met.dedup();
        Some(met)
    }
}

/// For which kinds of rules one stands already: bits.
#[derive(Clone, Copy, Debug)]
struct Standing(u16);

impl Standing {
    fn of(rule: &Rule) -> Self {
        // That the mission speaks of the service at all.
        const ANY: u16 = 1;
        if rule.effect == Effect::Deny {
            return Self(ANY);
        }
        let offers = |list: &[Glob], bit: u16| if list.is_empty() { 0 } else { bit };
        Self(
            ANY | match &rule.operations {
                Operations::Http(_) => 1 << 1,
                Operations::Mcp(covered) => {
                    let McpMatch { tools, resources, prompts, .. } = covered;
                    (1 << 2) | offers(tools, 1 << 3) | offers(resources, 1 << 4) | offers(prompts, 1 << 5)
                }
                Operations::A2a(_) => 1 << 6,
                Operations::Grpc(_) => 1 << 7,
                Operations::Llm(_) => 1 << 8,
            },
        )
    }

    /// Whether that adds anything.
    fn add(&mut self, other: Self) -> bool {
        let fresh = other.0 & !self.0 != 0;
        self.0 |= other.0;
        fresh
    }
}

/// Everything that a rule names; `None` if it cannot be found by names.
fn keys(rule: &Rule) -> Option<Vec<Key>> {
    let of = |named: Named, globs: &[Glob]| -> Option<Vec<Key>> {
        globs.iter().map(|glob| glob.is_exact().then(|| Key::new(named, glob.as_str()))).collect()
    };
    match &rule.operations {
        Operations::Http(covered) => {
            let first = |segment: Option<&str>| segment.map(|segment| Key::new(Named::Path, segment));
            covered.paths.iter().map(|path| first(path.first_literal())).collect()
        }
        Operations::Mcp(covered) => {
            let mut keys = of(Named::Tool, &covered.tools)?;
            keys.extend(of(Named::Resource, &covered.resources)?);
            keys.extend(of(Named::Prompt, &covered.prompts)?);
            keys.extend(of(Named::Method, &covered.methods)?);
            Some(keys)
        }
        Operations::Grpc(covered) => of(Named::Grpc, &covered.methods),
        Operations::A2a(_) | Operations::Llm(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{End, Exchange, Step};
    use crate::http::{Head, HeaderPair, PathTemplate};
    use crate::identity::Peer;
    use crate::policy::Limit;
    use crate::policy::{Conditions, HttpMatch, Mode, Policy, fixture};
    use crate::surroundings::{Nowhere, Spent, Surroundings};
    use alloc::rc::Rc;
    use alloc::string::String;
    use alloc::{format, vec};
    use proptest::prelude::*;

    /// A world that wants to hear of every rule, so that none is left out.
    #[derive(Debug)]
    struct Everything;

    impl Surroundings for Everything {
        fn unix_time(&self) -> Option<u64> {
            None
        }

        fn spend(&self, _: &str, _: Limit) -> Spent {
            Spent::Unknown
        }

        fn wants_every_rule(&self) -> bool {
            true
        }
    }

    fn rule(number: usize, effect: Effect, operations: Operations, conditions: Option<Conditions>) -> Rule {
        let service = ServiceId(u16::try_from(number % 2).unwrap());
        let name = format!("rule-{number:04}");
        Rule { name, effect, service, operations, conditions: conditions.map(Into::into), limit: None }
    }

    fn operations() -> impl Strategy<Value = Operations> {
        let name = prop::sample::select(vec!["a", "B", "search", "a*", "*"]);
        let names = prop::collection::vec(name.clone(), 0..3);
        let mcp = (names.clone(), names.clone(), names.clone(), names).prop_filter_map(
            "empty",
            |(tools, resources, prompts, methods)| {
                let globs = |names: Vec<&str>| names.into_iter().map(Glob::new).collect::<Vec<_>>();
                let covered = McpMatch {
                    tools: globs(tools),
                    resources: globs(resources),
                    prompts: globs(prompts),
                    methods: globs(methods),
                    arguments: None,
                };
                let empty =
                    covered.tools.is_empty() && covered.resources.is_empty() && covered.prompts.is_empty();
                (!empty || !covered.methods.is_empty()).then_some(Operations::Mcp(covered))
            },
        );
        let paths = prop::sample::select(vec!["/", "/a", "/A/", "/a/{x}", "/{x}", "/b/**", "/**"]);
        let http = prop::collection::vec(paths, 1..3).prop_map(|paths| {
            let paths = paths.into_iter().map(|path| PathTemplate::parse(path).unwrap()).collect();
            Operations::Http(HttpMatch { methods: vec!["GET".into()], paths })
        });
        prop_oneof![3 => mcp, 2 => http]
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let effect = prop::sample::select(vec![Effect::Allow, Effect::Allow, Effect::Hold, Effect::Deny]);
        let elsewhere = Conditions { ports: vec![1], ..Conditions::default() };
        let conditions = prop::option::weighted(0.2, Just(elsewhere));
        prop::collection::vec((effect, operations(), conditions), SMALL + 1..SMALL + 20).prop_map(|all| {
            let rules = all.into_iter().enumerate();
            rules
                .map(|(number, (effect, operations, conditions))| {
                    rule(number, effect, operations, conditions)
                })
                .collect()
        })
    }

    fn asked(
        policy: &Rc<Policy>,
        around: Rc<dyn Surroundings>,
        path: &str,
        body: Option<&str>,
    ) -> (String, Option<String>, bool) {
        let method: &[u8] = if body.is_some() { b"POST" } else { b"GET" };
        let pairs: [HeaderPair<'_>; 4] = [
            (b":method", method),
            (b":authority", b"tool-api"),
            (b":path", path.as_bytes()),
            (b"content-type", b"application/json"),
        ];
        let mut exchange = Exchange::new(Some(Rc::clone(policy)), around);
        let end = if body.is_some() { End::More } else { End::Last };
        let peer: [&[u8]; 1] = [b"spiffe://acme.internal/sa/research"];
        let mut step = exchange.request_head(&Head::new(&pairs), &Peer::Verified(&peer), end).step;
        if let (Step::Hold, Some(body)) = (&step, body) {
            step = exchange.request_body(body.as_bytes());
        }
        let record = exchange.end();
        (record.reason().into_owned(), record.rule.take(), step == Step::Forward)
    }

    proptest! {
        #[test]
        fn an_index_leaves_nothing_out_that_matters(rules in rules(), trial in any::<bool>()) {
            let mut parts = fixture::parts();
            parts.missions[0].rules = rules;
            parts.missions[0].mode = if trial { Mode::Observe } else { Mode::Enforce };
            let policy = Rc::new(Policy::new(parts).unwrap());
            let mut asks: Vec<(String, Option<String>)> =
                ["/", "/a", "/A", "/a/", "/a/b", "/b/c", "/c"].iter().map(|path| (String::from(*path), None)).collect();
            for message in [
                r#""method":"tools/call","params":{"name":"a"}"#,
                r#""method":"tools/call","params":{"name":"Search"}"#,
                r#""method":"tools/call","params":{"name":"zzz"}"#,
                r#""method":"prompts/get","params":{"name":"b"}"#,
                r#""method":"tools/list""#,
                r#""method":"prompts/list""#,
                r#""method":"ping""#,
                r#""method":"search""#,
            ] {
                asks.push(("/mcp".into(), Some(format!(r#"{{"jsonrpc":"2.0","id":1,{message}}}"#))));
            }
            for (path, body) in &asks {
                let indexed = asked(&policy, Rc::new(Nowhere), path, body.as_deref());
                let walked = asked(&policy, Rc::new(Everything), path, body.as_deref());
                prop_assert_eq!(indexed, walked, "{} {:?}", path, body);
            }
        }
    }

    #[test]
    fn few_rules_are_met_of_many() {
        let tool = |number: usize| {
            let tools = vec![Glob::new(format!("tool-{number}"))];
            Operations::Mcp(McpMatch { tools, ..McpMatch::default() })
        };
        let rules = (0..1000).map(|number| rule(number * 2, Effect::Allow, tool(number), None)).collect();
        let mission = Mission { name: "m".into(), mode: Mode::Enforce, rules };
        let index = MissionIndex::new(&mission).unwrap();
        let met = index.met(ServiceId(0), Lookup::Name(Key::new(Named::Tool, "Tool-7"))).unwrap();
        assert_eq!(met, [0, 7]);
        assert_eq!(index.met(ServiceId(0), Lookup::Nothing).unwrap(), [0]);
        assert_eq!(index.met(ServiceId(1), Lookup::Nothing).unwrap(), Vec::<u32>::new());
    }
}
