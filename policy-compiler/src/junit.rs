//! Test results as JUnit XML, for continuous integration: a `testsuite` per case file, a `testcase` per case.
//!
//! XML 1.0 has characters that no escape makes legal; they become U+FFFD, as does whatever could drive a terminal.

use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::report::printable;
use crate::testing::{Outcome, Suite, Test};

/// What `classname` begins with, in the names that CI systems group by.
const CLASS: &str = "policy";

/// The cases of one file.
struct File<'s> {
    name: &'s str,
    tests: Vec<&'s Test>,
}

/// All suites as one document.
pub fn document(suites: &[Suite]) -> io::Result<Vec<u8>> {
    let files: Vec<_> = suites.iter().flat_map(files).collect();
    let all: Vec<_> = files.iter().flat_map(|file| file.tests.iter().copied()).collect();
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let [tests, failures, _, time] = totals(&all);
    writer
        .create_element("testsuites")
        .with_attribute(("name", "policy-compiler test"))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("time", time.as_str()))
        .write_inner_content(|writer| files.iter().try_for_each(|file| file.write(writer)))?;
    let mut document = writer.into_inner();
    document.push(b'\n');
    Ok(document)
}

fn files(suite: &Suite) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = Vec::new();
    for test in &suite.tests {
        let (name, _) = test.case.file_and_line();
        match files.last_mut().filter(|file| file.name == name) {
            Some(file) => file.tests.push(test),
            None => files.push(File { name, tests: vec![test] }),
        }
    }
    files
}

/// How many tests there are, how many failed and were not checked, and how long all took.
fn totals(tests: &[&Test]) -> [String; 4] {
    let count = |outcome| tests.iter().filter(|test| test.outcome() == outcome).count();
    let took = tests.iter().map(|test| test.took).sum();
    [
        tests.len().to_string(),
        count(Outcome::Failed).to_string(),
        count(Outcome::Unchecked).to_string(),
        seconds(took),
    ]
}

fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}

impl File<'_> {
    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let [tests, failures, skipped, time] = totals(&self.tests);
        writer
            .create_element("testsuite")
            .with_attribute(("name", legal(self.name).as_str()))
            .with_attribute(("tests", tests.as_str()))
            .with_attribute(("failures", failures.as_str()))
            .with_attribute(("errors", "0"))
            .with_attribute(("skipped", skipped.as_str()))
            .with_attribute(("time", time.as_str()))
            .write_inner_content(|writer| {
                self.tests.iter().try_for_each(|test| write_test(test, self.name, writer))
            })?;
        Ok(())
    }
}

fn write_test(test: &Test, file: &str, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let class = format!("{CLASS}.{}", legal(file));
    let (name, time) = (legal(&test.case.name), seconds(test.took));
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("name", name.as_str()))
        .with_attribute(("time", time.as_str()));
    match test.outcome() {
        Outcome::Passed => element.write_empty()?,
        Outcome::Unchecked => element.write_inner_content(|writer| {
            let skipped = writer.create_element("skipped");
            skipped.with_attribute(("message", "the case expects nothing")).write_empty().map(|_| ())
        })?,
        Outcome::Failed => element.write_inner_content(|writer| {
            let lines: Vec<_> = test.differences.iter().map(|line| legal(line)).collect();
            let text = format!("{}\n{}", legal(&test.case.place), lines.join("\n"));
            let failure = writer.create_element("failure").with_attribute(("type", "expectation"));
            let failure = failure.with_attribute(("message", lines.join("; ").as_str()));
            failure.write_text_content(BytesText::new(&text)).map(|_| ())
        })?,
    };
    Ok(())
}

/// What XML can hold of a text.
fn legal(text: &str) -> String {
    printable(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
