//! The runner that asks the engine itself: no Envoy, no wasm, hundreds of cases in milliseconds.
//!
//! It does what the filter does around the engine, in the same order: the body is collected and judged whole, and the
//! changes to the head are made before it goes on.

mod response;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_engine::http::{Head, HeaderPair};
use sallyport_engine::identity::Peer;
use sallyport_engine::policy::{Audit, Limit, Rule};
use sallyport_engine::{
    Considered, End, Exchange, Gap, HeaderEdit, Miss, Policy, Question, Spent, Step, Surroundings, bundle,
};

use crate::cases::{Case, Header, Message, Request};
use crate::decide::{Observed, Runner, rehearse};
use response::{Answer, respond};

/// The engine under one policy.
#[derive(Debug)]
pub struct Native {
    policy: Rc<Policy>,
    world: Rc<World>,
    holds_heads: bool,
}

/// A rule that the engine considered for a request, and what came of it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The mission that the rule belongs to.
    pub mission: String,
    /// The rule.
    pub rule: Rule,
    /// Whether it covers the request, and if not, the first part that it does not cover.
    pub outcome: Result<(), Miss>,
    /// The same of the operation alone, whoever asks for it where and when.
    pub operation: Result<(), Miss>,
    /// What it was asked.
    pub question: Question,
    /// Why the arguments of a tool call are not as it asks.
    pub gaps: Vec<Gap>,
    /// Whether it is one of the times at which it counts.
    pub timely: bool,
}

/// Which rules a trace is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trace {
    /// None.
    #[default]
    Nothing,
    /// Those that cover the request; the engine decides as it does in a sidecar.
    Covering,
    /// Every rule of the agent for the service; the engine looks at rules that it could leave out.
    Everything,
}

/// A clock that reads what a case says, and counters.
#[derive(Debug, Default)]
struct World {
    trace: Cell<Trace>,
    heard: RefCell<Vec<Heard>>,
    /// Where the clock stands; the present if nothing is set.
    at: Cell<Option<SystemTime>>,
    counters: RefCell<HashMap<String, [u8; 16]>>,
}

impl World {
    fn is_timely(&self, rule: &Rule) -> bool {
        let windows = rule.conditions.as_deref().map_or(&[][..], |asked| &asked.windows);
        let within = |now| windows.iter().any(|window| window.holds(now));
        windows.is_empty() || self.unix_time().is_some_and(within)
    }
}

impl Surroundings for World {
    fn unix_time(&self) -> Option<u64> {
        let now = self.at.get().unwrap_or_else(SystemTime::now);
        now.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// A case that says what time it is has the same tokens in every runner.
    fn nonce(&self) -> u64 {
        let now = self.at.get().unwrap_or_else(SystemTime::now);
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn spend(&self, counter: &str, limit: Limit) -> Spent {
        let (Some(now), Ok(mut counters)) = (self.unix_time(), self.counters.try_borrow_mut()) else {
            return Spent::Unknown;
        };
        let Some(kept) = limit.spend(counters.get(counter).map(|kept| &kept[..]), now) else {
            return Spent::Over;
        };
        counters.insert(counter.to_owned(), kept);
        Spent::Within
    }

    /// A case is about what policy says, not about a companion.
    fn reserve_record(&self, _: &Audit) -> bool {
        true
    }

    fn wants_every_rule(&self) -> bool {
        self.trace.get() == Trace::Everything
    }

    fn considered(&self, considered: &Considered<'_>) {
        let wanted = match self.trace.get() {
            Trace::Nothing => false,
            Trace::Covering => considered.outcome.is_ok(),
            Trace::Everything => true,
        };
        if let (true, Ok(mut heard)) = (wanted, self.heard.try_borrow_mut()) {
            heard.push(Heard {
                mission: considered.mission.name.clone(),
                rule: considered.rule.clone(),
                outcome: considered.outcome,
                operation: considered.operation(),
                question: considered.question(),
                gaps: considered.gaps(),
                timely: self.is_timely(considered.rule),
            });
        }
    }
}

impl Native {
    /// Loads a bundle as the filter does.
    pub fn new(bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(Self::of(bundle::decode(bundle)?))
    }

    /// The engine under a policy that is there already.
    pub fn of(policy: Policy) -> Self {
        Self { policy: Rc::new(policy), world: Rc::default(), holds_heads: false }
    }

    /// The same, with the headers of responses held until their bodies are judged.
    #[must_use]
    pub fn holding_heads(self) -> Self {
        Self { holds_heads: true, ..self }
    }

    /// Puts a case to the engine as often as it says, and tells which rules it considered the last time.
    pub fn traced(&mut self, case: &Case, trace: Trace) -> Result<(Observed, Vec<Heard>), Box<dyn Error>> {
        rehearse(self, case)?;
        self.world.trace.set(trace);
        let observed = self.run(case);
        let heard = self.world.heard.take();
        self.world.trace.set(Trace::Nothing);
        Ok((observed?, heard))
    }

    /// The policy that it judges by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Runner for Native {
    fn begin(&mut self, case: &Case) -> Result<(), Box<dyn Error>> {
        self.world = Rc::default();
        self.world.at.set(case.at);
        Ok(())
    }

    fn run(&mut self, case: &Case) -> Result<Observed, Box<dyn Error>> {
        let mut exchange = Exchange::new(Some(Rc::clone(&self.policy)), Rc::<World>::clone(&self.world))
            .holding_heads(self.holds_heads);
        let mut headers = head(&case.request);
        let (answer, forwarded) = match request(&mut exchange, &case.request, &mut headers) {
            Step::Forward => (respond(&mut exchange, case)?, Some(whole(&case.request.message))),
            Step::Replace(body) => (respond(&mut exchange, case)?, Some(body)),
            Step::Reply(reply) => (Answer::of_gate(reply), None),
            Step::Hold | Step::Stream => return Err("the engine holds a request that has ended".into()),
        };
        let Answer { status, body: returned, trailers } = answer;
        if let Some(body) = &forwarded {
            announce(&case.request, body, &mut headers);
        }
        Ok(Observed {
            record: serde_json::from_str(&exchange.end().to_json())?,
            headers: forwarded.is_some().then_some(headers),
            forwarded,
            returned: Some(returned),
            trailers,
            status,
        })
    }
}

/// Announces the length of a body that goes on with another than its client announced, as Envoy's buffer filter does.
fn announce(request: &Request, body: &[u8], headers: &mut Vec<Header>) {
    let announced = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if announced && !headers.iter().any(|(name, _)| name == "content-length") {
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
}

/// Puts a request to the exchange, piece by piece; the head is changed to what goes on.
fn request(exchange: &mut Exchange, request: &Request, headers: &mut Vec<Header>) -> Step {
    let peers: Option<Vec<&[u8]>> =
        request.peers.as_ref().map(|peers| peers.iter().map(|peer| peer.as_bytes()).collect());
    let peer = peers.as_deref().map_or(Peer::Anonymous, Peer::Verified);
    let message = &request.message;
    let end = if message.body.is_none() && message.trailers.is_empty() { End::Last } else { End::More };
    let judged = exchange.request_head(&Head::new(&pairs(headers)), &peer, end);
    apply(&judged.edits, headers);
    let mut step = judged.step;
    let mut arrived = 0;
    for chunk in message.chunks() {
        if step != Step::Hold {
            return step;
        }
        arrived += chunk.len();
        step = exchange.request_progress(arrived);
    }
    if step == Step::Hold && !message.trailers.is_empty() {
        step = exchange.request_trailers(&Head::new(&pairs(&message.trailers))).step;
    }
    match step {
        Step::Hold => exchange.request_body(&whole(message)),
        step => step,
    }
}

/// The head as Envoy hands it to a filter: pseudo-headers first, names in lower case.
fn head(request: &Request) -> Vec<Header> {
    let pseudo = [(":method", &request.method), (":path", &request.path), (":authority", &request.authority)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let others = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    pseudo.chain(others).collect()
}

fn pairs(headers: &[Header]) -> Vec<HeaderPair<'_>> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
}

fn apply(edits: &[HeaderEdit], headers: &mut Vec<Header>) {
    for edit in edits {
        match edit {
            HeaderEdit::Remove(name) => headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name)),
            HeaderEdit::Add(name, value) => headers.push(((*name).to_owned(), value.as_bytes().to_vec())),
        }
    }
}

fn whole(message: &Message) -> Vec<u8> {
    message.body.clone().unwrap_or_default()
}
