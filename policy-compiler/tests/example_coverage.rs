//! `policy-compiler test` finds every example, and its cases leave no rule and no agent out.

use std::fs;
use std::path::Path;

use policy_compiler::project;
use policy_compiler::testing::{Outcome, Suite};

#[test]
fn every_example_is_tested_whole() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let mut tested = 0;
    for folder in folders.filter(|folder| folder.join("policy").is_dir()) {
        let projects = project::find(std::slice::from_ref(&folder)).unwrap();
        let suite = Suite::run(&projects[0]).unwrap();
        let failed: Vec<_> = suite.tests.iter().filter(|test| test.outcome() != Outcome::Passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(suite.coverage.reaches(100), "{}: {:#?}", folder.display(), suite.coverage);
        assert!(suite.coverage.agents.iter().all(|agent| agent.cases > 0), "{:#?}", suite.coverage.agents);
        tested += 1;
    }
    assert!(tested >= 5);
}
