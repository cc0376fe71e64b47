//! `render`: the resources of an installation, without Helm.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{fail, print, show};
use crate::render::{Release, render};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the resources that the Helm chart makes of values, as `helm template` does
    Istio(Istio),
}

#[derive(Debug, clap::Args)]
struct Istio {
    /// Values, as for Helm; may be given several times, and the last one counts
    #[arg(long, value_name = "FILE", required = true)]
    values: Vec<PathBuf>,
    /// The namespace of the workload
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    namespace: String,
    /// The name of the installation; resources are named after it
    #[arg(long, value_name = "NAME", default_value = "sallyport", value_parser = name)]
    name: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let What::Istio(args) = &args.what;
    let release = Release { name: &args.name, namespace: &args.namespace };
    let (rendered, report) = render(&args.values, &release);
    show(&report);
    match rendered {
        Ok(rendered) => {
            eprintln!("{}", rendered.notes);
            print(&rendered.resources)
        }
        Err(why) => fail(&why),
    }
}

/// Helm's limit for names of installations.
fn name(text: &str) -> Result<String, String> {
    label(text, 53)
}

fn namespace(text: &str) -> Result<String, String> {
    label(text, 63)
}

/// A name as Kubernetes has it (RFC 1123).
fn label(text: &str, most: usize) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = !text.is_empty() && text.len() <= most && text.bytes().all(inner);
    if is_label && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err(format!("write at most {most} lower-case letters, digits and `-`, and no `-` at the ends"))
    }
}
