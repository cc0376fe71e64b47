//! Files to policy to bundle.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sallyport_engine::Policy;
use sallyport_engine::bundle;

use crate::check::{self, Checked, Detection};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::files;
use crate::lint;
use crate::report::Report;
use crate::slice::{self, Audience};
use crate::source::Source;
use crate::sources::{FileId, Sources, Span};

/// Compiles every policy file that `paths` stand for. There is a policy if and only if the report has no errors.
pub fn compile(paths: &[PathBuf]) -> (Option<Policy>, Report) {
    let (checked, report) = check_all(paths);
    (checked.map(|checked| checked.policy), report)
}

/// The same, for one workload or namespace: the policy carries only what concerns it.
pub fn compile_for(paths: &[PathBuf], audience: &Audience) -> (Option<Policy>, Report) {
    let (checked, mut report) = check_all(paths);
    let policy = checked.and_then(|Checked { policy, audiences, .. }| {
        if !audiences.iter().flatten().any(|one| one.concerns(audience)) {
            let at = report.sources.add("--audience", "");
            let message = "no Service has this audience, so the bundle holds only what is for everyone";
            let help = "compare it with `audiences` of the Services";
            report.diagnostics.push(Diagnostic::new(Id::Unused, Span::start_of(at), message).help(help));
        }
        // A slice of a policy that holds refers to nothing outside of itself.
        Policy::new(slice::slice(policy.parts(), &audiences, audience)).ok()
    });
    (policy, report)
}

/// The detectors and profiles of policy; what is built in without any.
pub fn detection(policy: Option<&Path>) -> (Option<Detection>, Report) {
    let Some(policy) = policy else { return (Some(Detection::built_in()), Report::default()) };
    let (checked, report) = check_all(&[policy.to_owned()]);
    (checked.map(|checked| checked.detection), report)
}

/// Policy with all that is known of it.
pub(crate) fn check_all(paths: &[PathBuf]) -> (Option<Checked>, Report) {
    let mut report = Report::default();
    let ids = files::read(paths, &mut report);
    let checked = check_files(&report.sources, &ids, &mut report.diagnostics);
    (checked.filter(|_| !report.has_errors()), report)
}

/// Compiles policy that was read already.
pub fn compile_files(sources: &Sources, ids: &[FileId], out: &mut Diagnostics) -> Option<Policy> {
    check_files(sources, ids, out).map(|checked| checked.policy)
}

fn check_files(sources: &Sources, ids: &[FileId], out: &mut Diagnostics) -> Option<Checked> {
    let (parsed, told): (Vec<_>, Vec<_>) =
        in_parallel(ids, |&file| reported(|out| files::parse(sources, file, out))).into_iter().unzip();
    told.into_iter().for_each(|of_file| out.append(of_file));
    let mut source = Source::default();
    for (of_file, told) in in_parallel(&parsed, |nodes| reported(|out| Source::of(nodes, out))) {
        source.append(of_file);
        out.append(told);
    }
    let at = Span::start_of(*ids.first()?);
    if source.is_empty() && !out.has_errors() {
        let message = "there is no policy here";
        let help = "a policy document begins with `apiVersion: sallyport.dev/v1` and `kind:`";
        out.push(Diagnostic::new(Id::NothingHere, at, message).help(help));
    }
    let checked = check::policy(&source, at, out);
    lint::run(&source, checked.as_ref().map(|checked| &checked.policy), out);
    out.drop_consequences();
    drop(source);
    drop_in_parallel(parsed);
    checked.filter(|_| !out.has_errors())
}

/// Lets go of the trees, each file's for itself: those of a large policy are millions of small pieces.
fn drop_in_parallel<T: Send>(items: Vec<T>) {
    thread::scope(|scope| items.into_iter().for_each(|item| drop(scope.spawn(move || drop(item)))));
}

/// What `read` makes, and what it reports.
pub(crate) fn reported<T>(read: impl FnOnce(&mut Diagnostics) -> T) -> (T, Diagnostics) {
    let mut out = Diagnostics::default();
    (read(&mut out), out)
}

/// What `make` makes of each item, in their order, by as many threads as the machine has.
pub(crate) fn in_parallel<'t, T: Sync, R: Send>(items: &'t [T], make: impl Fn(&'t T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || items.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed));
    let work = || -> Vec<_> { std::iter::from_fn(take).map(|(at, item)| (at, make(item))).collect() };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut made = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for other in others {
            made.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        made
    });
    made.sort_by_key(|&(at, _)| at);
    made.into_iter().map(|(_, made)| made).collect()
}

/// The bundle at a path: compiled from a directory or a file of policy, or as it stands if it is a bundle.
pub fn load_bundle(path: &Path) -> (Option<Vec<u8>>, Report) {
    let mut report = Report::default();
    match read_bundle(path) {
        Some(Ok((bytes, _))) => (Some(bytes), report),
        Some(Err(why)) => {
            refuse_bundle(path, &why, &mut report);
            (None, report)
        }
        None => {
            let (policy, mut report) = compile(&[path.to_owned()]);
            let bundle = policy.and_then(|policy| {
                let encoded = bundle::encode(&policy);
                encoded.map_err(|why| refuse_bundle(path, &why, &mut report)).ok()
            });
            (bundle, report)
        }
    }
}

/// The policy at a path, as [`load_bundle`] takes it.
pub fn load_policy(path: &Path) -> (Option<Policy>, Report) {
    load_policy_for(path, None)
}

/// The same, for one workload or namespace; a bundle is taken as it is.
pub fn load_policy_for(path: &Path, audience: Option<&Audience>) -> (Option<Policy>, Report) {
    match read_bundle(path) {
        Some(Ok((_, policy))) => (Some(policy), Report::default()),
        Some(Err(why)) => {
            let mut report = Report::default();
            refuse_bundle(path, &why, &mut report);
            (None, report)
        }
        None => match audience {
            Some(audience) => compile_for(&[path.to_owned()], audience),
            None => compile(&[path.to_owned()]),
        },
    }
}

/// The bytes of a bundle's file, or why there are none.
pub fn bundle_file(path: &Path) -> Result<Vec<u8>, String> {
    let read = files::read_at_most(path, bundle::MAX_LEN);
    let read = read.map_err(|error| format!("`{}` can not be read: {error}", path.display()))?;
    let bytes = read.filter(|bytes| bytes.starts_with(bundle::MAGIC));
    bytes.ok_or_else(|| format!("`{}` is no bundle: make one with `policy-compiler compile`", path.display()))
}

/// The file at a path if it begins as bundles do, with the policy in it; `None` for anything else.
fn read_bundle(path: &Path) -> Option<Result<(Vec<u8>, Policy), bundle::BundleError>> {
    let bytes = files::read_at_most(path, bundle::MAX_LEN).ok()??;
    bytes.starts_with(bundle::MAGIC).then(|| bundle::decode(&bytes).map(|policy| (bytes, policy)))
}

fn refuse_bundle(path: &Path, why: &bundle::BundleError, report: &mut Report) {
    let file = report.sources.add(path.display().to_string(), "");
    let diagnostic = Diagnostic::new(Id::BadBundle, Span::start_of(file), why.to_string());
    report
        .diagnostics
        .push(diagnostic.help("compile the policy again, with the compiler of the filter's release"));
}
