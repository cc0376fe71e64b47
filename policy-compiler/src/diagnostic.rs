//! What is wrong with a policy or case file: an id, a place, what was meant, and what to do about it.
//!
//! INVARIANT: every [`Id`] has a case under `tests/diagnostics/`. Messages are lower-case, without a full stop, in the
//! user's words; what the user wrote stands in backticks.

use std::collections::BTreeSet;

use crate::sources::Span;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Nothing can be compiled or run while it stands.
    Error,
    /// Probably not what was meant; does not stop anything.
    Warning,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Which kind of mistake this is.
    pub id: Id,
    /// Where it is.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to it ("first defined here").
    pub related: Vec<(Span, String)>,
}

/// A warning that the policy itself answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waived {
    /// The warning.
    pub diagnostic: Diagnostic,
    /// Why it is as it should be, in the words of the policy.
    pub reason: String,
}

/// Everything that was found in one run.
#[derive(Debug, Default)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    waived: Vec<Waived>,
    /// Whether something was written that could not be taken in, so that references to it lead nowhere.
    lost: bool,
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $severity:ident;)+) => {
        /// The kinds of diagnostics, each with the stable id that users see.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Id { $($(#[doc = $doc])+ $variant,)+ }

        impl Id {
            /// All of them, in the order of the reference page.
            pub const ALL: &[Id] = &[$(Id::$variant,)+];

            /// The stable, kebab-case id.
            pub fn name(self) -> &'static str {
                match self { $(Id::$variant => $name,)+ }
            }

            /// The diagnostic of an id.
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|id| id.name() == name)
            }

            /// Whether it stops the policy from being used.
            pub fn severity(self) -> Severity {
                match self { $(Id::$variant => Severity::$severity,)+ }
            }

            /// One line for the reference page.
            pub fn doc(self) -> &'static str {
                match self { $(Id::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

ids! {
    /// A file or directory cannot be read.
    Unreadable = "unreadable", Error;
    /// A directory holds no file of ours, or the files hold no document.
    NothingHere = "nothing-here", Error;
    /// A file is larger than 4 MiB.
    TooLarge = "too-large", Error;
    /// A file is not UTF-8 text.
    NotUtf8 = "not-utf8", Error;
    /// The text is not YAML; the rest of that file was not read.
    YamlSyntax = "yaml-syntax", Error;
    /// The text of a `.json` file is not JSON.
    JsonSyntax = "json-syntax", Error;
    /// Lists and mappings are nested more than 64 deep.
    TooDeep = "too-deep", Error;
    /// A mapping has the same key twice.
    DuplicateKey = "duplicate-key", Error;
    /// Anchors, aliases and merge keys are not accepted: what is in force must be readable where it stands.
    Anchor = "anchor", Error;
    /// YAML tags are not accepted.
    Tag = "tag", Error;
    /// A key is something other than text.
    NonStringKey = "non-string-key", Error;
    /// A bare word that YAML readers take for a boolean, a number or nothing stands where text is wanted.
    NeedsQuotes = "needs-quotes", Error;
    /// The value has the wrong shape: a list where text is wanted, and the like.
    WrongType = "wrong-type", Error;
    /// The value is none of those that the key takes.
    WrongValue = "wrong-value", Error;
    /// A key that nothing reads.
    UnknownKey = "unknown-key", Error;
    /// A key that must be there is not.
    MissingKey = "missing-key", Error;
    /// Keys stand together that exclude each other.
    ConflictingKeys = "conflicting-keys", Error;
    /// A list that must name something is empty.
    EmptyList = "empty-list", Error;
    /// A name, SPIFFE ID, host, path, method or other word is malformed.
    Malformed = "malformed", Error;
    /// Two documents of one kind, or two rules of one Mission, have the same name.
    DuplicateName = "duplicate-name", Error;
    /// Two Services have the same host.
    DuplicateHost = "duplicate-host", Error;
    /// Two routes of a Service cover the same paths.
    DuplicateRoute = "duplicate-route", Error;
    /// There is a second Gate.
    DuplicateGate = "duplicate-gate", Error;
    /// A name refers to nothing.
    UnknownReference = "unknown-reference", Error;
    /// A DlpProfile names a detector or a pack that there is not.
    UnknownDetector = "unknown-detector", Error;
    /// An identity belongs to a trust domain that no TrustDomain declares.
    UndeclaredTrustDomain = "undeclared-trust-domain", Error;
    /// Two Agents share a SPIFFE ID, or have patterns that some SPIFFE ID fits both of.
    SharedIdentity = "shared-identity", Error;
    /// A rule is for a protocol that no route of its Service speaks, so it could never apply.
    NoRoute = "no-route", Error;
    /// An MCP method stands in `methods` that rules grant by tool, resource or prompt.
    ReservedMethod = "reserved-method", Error;
    /// A file that looks like a bundle is none that this compiler can read.
    BadBundle = "bad-bundle", Error;
    /// There is more of something than a bundle can number.
    TooMany = "too-many", Error;
    /// A waiver names no lint or an error, or gives no reason.
    BadWaiver = "bad-waiver", Error;
    /// The policy needs more than the Gate's `installMode` gives.
    InstallMode = "install-mode", Error;
    /// An exact SPIFFE ID of one Agent also fits a pattern of another; the exact one wins.
    CoveredIdentity = "covered-identity", Warning;
    /// An Agent has no missions, so everything it asks for is denied.
    NoMissions = "no-missions", Warning;
    /// Something is declared that nothing uses.
    Unused = "unused", Warning;
    /// An item stands twice in a list.
    Repeated = "repeated", Warning;
    /// A method that neither HTTP nor MCP defines.
    UnknownMethod = "unknown-method", Warning;
    /// A name covers everything of its kind: `*`, `/**`, any namespace, `*.com`. The Gate's `lint.broadRules` says how many may.
    BroadWildcard = "broad-wildcard", Warning;
    /// A rule, or a part of one, that no request can ever fit.
    NeverMatches = "never-matches", Warning;
    /// An `allow` rule that `deny` or `hold` rules cover whole, so that it allows nothing.
    Shadowed = "shadowed", Warning;
    /// An `allow` rule that another one of the same Mission covers whole, so that it adds nothing.
    Redundant = "redundant", Warning;
    /// A rule that refuses by arguments names tools by a pattern: it refuses those that have no such arguments as well.
    LooseArguments = "loose-arguments", Warning;
    /// Two names that differ only by case, or look alike.
    SimilarNames = "similar-names", Warning;
    /// The table of a pattern, or of all of them together, is large.
    PatternBudget = "pattern-budget", Warning;
    /// Something is in `mode: observe`: what it would refuse goes on.
    Observing = "observing", Warning;
    /// A Detector that is off in every profile that counts for an agent or a service.
    IdleDetector = "idle-detector", Warning;
    /// A DlpProfile turns a pack off that is on by default.
    PackOff = "pack-off", Warning;
    /// A setting of the Gate lets pass what is not judged.
    OpenSetting = "open-setting", Warning;
    /// Policy counts as too old sooner than a proxy can be sure to hear that it still holds.
    ShortStaleness = "short-staleness", Warning;
    /// A waiver that nothing had to be waived for.
    UnusedWaiver = "unused-waiver", Warning;
}

// === impl Severity ===

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    /// A diagnostic with a message and nothing else yet.
    pub fn new(id: Id, span: Span, message: impl Into<String>) -> Self {
        Self { id, span, message: message.into(), help: None, related: Vec::new() }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Points at another place that belongs to it.
    #[must_use]
    pub fn also(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push((span, note.into()));
        self
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.all.push(diagnostic);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds all of another's.
    pub(crate) fn append(&mut self, other: Self) {
        self.all.extend(other.all);
        self.lost |= other.lost;
    }

    /// Notes that something which others may refer to could not be taken in.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Takes out what is only a consequence of something else that is wrong: nobody should mend the same mistake twice.
    ///
    /// What is unused can be told only of a policy without errors, and what is missing only of one that was read whole.
    pub(crate) fn drop_consequences(&mut self) {
        let (lost, broken) = (self.lost, self.has_errors());
        self.all.retain(|diagnostic| match diagnostic.id {
            Id::NoMissions | Id::Unused | Id::UnusedWaiver => !broken,
            Id::UndeclaredTrustDomain | Id::UnknownReference => !lost,
            _ => true,
        });
    }

    /// Takes out the warnings that `reason` knows a reason for; they are [`Diagnostics::waived`] from then on.
    pub(crate) fn waive(&mut self, mut reason: impl FnMut(&Diagnostic) -> Option<String>) {
        let mut standing = Vec::with_capacity(self.all.len());
        for diagnostic in std::mem::take(&mut self.all) {
            match Some(&diagnostic).filter(|d| d.id.severity() == Severity::Warning).and_then(&mut reason) {
                Some(reason) => self.waived.push(Waived { diagnostic, reason }),
                None => standing.push(diagnostic),
            }
        }
        self.all = standing;
        self.waived.sort_by_key(|waived| waived.diagnostic.span);
    }

    /// The warnings that the policy answers with a reason, by place.
    pub fn waived(&self) -> &[Waived] {
        &self.waived
    }

    /// Takes out what is said twice of the same place.
    pub(crate) fn drop_repeated(&mut self) {
        let mut seen = BTreeSet::new();
        self.all
            .retain(|diagnostic| seen.insert((diagnostic.id, diagnostic.span, diagnostic.message.clone())));
    }

    /// Takes out all of one kind if there are at most so many.
    pub(crate) fn allow_up_to(&mut self, most: u64, id: Id) {
        let count = self.all.iter().filter(|diagnostic| diagnostic.id == id).count();
        if u64::try_from(count).is_ok_and(|count| count <= most) {
            self.all.retain(|diagnostic| diagnostic.id != id);
        }
    }

    /// Whether anything stops the policy from being used.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.all.iter().filter(|diagnostic| diagnostic.id.severity() == severity).count()
    }

    /// All of them by place, and at one place in the order found.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<_> = self.all.iter().collect();
        all.sort_by_key(|diagnostic| diagnostic.span);
        all
    }
}
