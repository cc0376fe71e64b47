//! Case files as the unit tests of a policy: every case is put to the engine, and what it did is compared with what is expected.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::cases::{self, Case};
use crate::compile::load_bundle;
use crate::coverage::{Counter, Coverage};
use crate::decide::{Observed, differences};
use crate::native::{Native, Trace};
use crate::project::Project;
use crate::report::Report;

/// The cases of one policy, and what came of them.
#[derive(Debug)]
pub struct Suite {
    /// The policy's path.
    pub policy: String,
    /// Every case, in the order of files and places.
    pub tests: Vec<Test>,
    /// What they reach.
    pub coverage: Coverage,
}

/// One case, and what came of it.
#[derive(Debug)]
pub struct Test {
    /// The case.
    pub case: Case,
    /// What the engine did; `None` if it could not be asked.
    pub observed: Option<Observed>,
    /// What differs from what is expected, a sentence each.
    pub differences: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// Something was not.
    Failed,
    /// Nothing is expected, so nothing was checked.
    Unchecked,
}

/// Why a suite could not be run.
#[derive(Debug)]
pub enum NotRun {
    /// The policy, or case files, are bad.
    Bad {
        /// What is wrong with the policy.
        policy: Box<Report>,
        /// What is wrong with the cases.
        cases: Box<Report>,
    },
    /// The engine did not take the bundle.
    Engine(Box<dyn Error>),
}

impl Suite {
    /// Runs every case of a project.
    pub fn run(project: &Project) -> Result<Self, NotRun> {
        let (bundle, policy) = load_bundle(&project.policy);
        let (cases, report) = cases::load(&project.cases);
        let Some(bundle) = bundle.filter(|_| !policy.has_errors() && !report.has_errors()) else {
            return Err(NotRun::Bad { policy: Box::new(policy), cases: Box::new(report) });
        };
        Self::of(project.policy.display().to_string(), &bundle, cases)
    }

    /// Runs cases on policy that was compiled already.
    pub(crate) fn of(policy: String, bundle: &[u8], cases: Vec<Case>) -> Result<Self, NotRun> {
        let mut engine = Native::new(bundle).map_err(NotRun::Engine)?;
        let mut hits = Counter::default();
        let tests: Vec<_> = cases.into_iter().map(|case| Test::run(case, &mut engine, &mut hits)).collect();
        let coverage = hits.of(engine.policy().parts());
        Ok(Self { policy, tests, coverage })
    }

    /// How many cases came out so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.tests.iter().filter(|test| test.outcome() == outcome).count()
    }
}

impl Test {
    fn run(case: Case, engine: &mut Native, hits: &mut Counter) -> Self {
        let start = Instant::now();
        let traced = engine.traced(&case, Trace::Covering);
        let took = start.elapsed();
        let (observed, differences) = match traced {
            Ok((observed, heard)) => {
                if case.expect.is_some() {
                    hits.count(&observed.record, &heard);
                }
                let differences = differences(&case, &observed);
                (Some(observed), differences)
            }
            Err(error) => (None, vec![format!("could not be run: {error}")]),
        };
        Self { case, observed, differences, took }
    }

    /// What came of it.
    pub fn outcome(&self) -> Outcome {
        match (&self.case.expect, self.differences.is_empty()) {
            (_, false) => Outcome::Failed,
            (Some(_), true) => Outcome::Passed,
            (None, true) => Outcome::Unchecked,
        }
    }
}

impl Outcome {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unchecked => "unchecked",
        }
    }
}
