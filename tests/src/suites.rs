//! The corpus: each folder of `tests/cases/` is a suite, with a policy (`policy.yaml`, or a folder `policy/`) and case files
//! (`*.cases.yaml`).

use std::error::Error;
use std::path::{Path, PathBuf};

use policy_compiler::cases::{self, Case};
use policy_compiler::report::Colour;
use sallyport_playground::envoy::Program;

/// One folder of the corpus.
#[derive(Debug)]
pub struct Suite {
    /// The folder's name.
    pub name: String,
    /// The policy, encoded.
    pub bundle: Vec<u8>,
    /// The cases of all its files.
    pub cases: Vec<Case>,
}

// === impl Suite ===

impl Suite {
    /// Takes away the cases that this Envoy cannot pass whatever the module does, and says how many those are: where a filter is not shown
    /// certificates, it cannot refuse the caller whose certificate names several.
    pub fn leave_out_what_is_not_shown(&mut self, program: &Program) -> usize {
        let all = self.cases.len();
        if !program.shows_certificates() {
            self.cases.retain(|case| case.request.peers.as_ref().is_none_or(|names| names.len() < 2));
        }
        all - self.cases.len()
    }
}

/// Every suite, by name. An empty one is an error, and so is a mistake in a policy or a case file.
pub fn suites() -> Result<Vec<Suite>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut folders = entries(&folder)?;
    folders.retain(|path| path.is_dir());
    if folders.is_empty() {
        return Err(format!("{} holds no suite", folder.display()).into());
    }
    folders.iter().map(|folder| suite(folder)).collect()
}

fn suite(folder: &Path) -> Result<Suite, Box<dyn Error>> {
    let shown = folder.display();
    let policy = [folder.join("policy"), folder.join("policy.yaml")].into_iter().find(|path| path.exists());
    let policy = policy.ok_or_else(|| format!("{shown} has neither policy/ nor policy.yaml"))?;
    let (bundle, report) = policy_compiler::load_bundle(&policy);
    let bundle = bundle.ok_or_else(|| report.text(Colour::Never))?;
    let mut files = entries(folder)?;
    files.retain(|path| path.to_string_lossy().ends_with(".cases.yaml"));
    let (cases, report) = cases::load(&files);
    if report.has_errors() {
        return Err(report.text(Colour::Never).into());
    }
    if cases.is_empty() {
        return Err(format!("{shown} holds no case").into());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Suite { name, bundle, cases })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut entries =
        folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    entries.sort();
    Ok(entries)
}
