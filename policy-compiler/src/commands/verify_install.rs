//! `verify-install`: is the gate in the path, and does it enforce what it should?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use axum::http::Uri;
use sallyport_engine::identity::uri_sans;
use serde::Serialize;

use super::{Format, print};
use crate::cases::{self, Case};
use crate::exit;
use crate::files::read_at_most;
use crate::probe::{Companion, Finding, GateFiles, Installation, passes, run as probe};
use crate::report::printable;
use crate::serve::ClientFiles;

/// The longest file with a certificate, in bytes.
const MAX_CERTIFICATE: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The workload's address: `http://HOST` from a pod whose sidecar brings mTLS, `https://HOST` with a certificate of our own
    #[arg(value_name = "URL", value_parser = address)]
    gate: Uri,
    /// Cases to try, as for `test`: at least one that must pass and one that must be refused. What passes reaches the workload
    #[arg(long, value_name = "PATH", required = true)]
    cases: Vec<PathBuf>,
    /// The certificate to show the gate; cases of other callers are left out
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The CAs that the gate's certificate must be from; its name is not compared
    #[arg(long, value_name = "FILE", requires = "cert")]
    ca: Option<PathBuf>,
    /// Who we are, where a sidecar shows the certificate; cases of other callers are left out
    #[arg(long = "as", value_name = "SPIFFE-ID", conflicts_with = "cert")]
    identity: Option<String>,
    /// An address of the workload at which plain text must not be answered [default: that of the gate, if it is `https`]
    #[arg(long, value_name = "URL", value_parser = address)]
    plain: Option<Uri>,
    /// A way to the application that does not lead through the gate; a request there must not be answered
    #[arg(long, value_name = "URL", value_parser = address)]
    direct: Option<Uri>,
    /// The companion, or its `--admin`: is what it published in force?
    #[arg(long, value_name = "URL")]
    companion: Option<String>,
    /// The CAs that the companion's certificate must be from, for `https`
    #[arg(long, value_name = "FILE", requires = "companion")]
    companion_ca: Option<PathBuf>,
    /// Count only the gates of this audience
    #[arg(long, value_name = "NAMESPACE[/WORKLOAD]", requires = "companion")]
    audience: Option<String>,
    /// The serial that must be published at least
    #[arg(long, value_name = "N", requires = "companion")]
    serial: Option<u64>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The result, for programs.
#[derive(Serialize)]
struct Probed<'a> {
    ok: bool,
    probes: &'a [Finding],
    left_out: usize,
}

pub(super) fn run(args: &Args) -> ExitCode {
    if (args.gate.scheme_str() == Some("https")) != args.cert.is_some() {
        return args
            .format
            .fail("an `https` address needs `--cert`, `--key` and `--ca`, and an `http` one takes none");
    }
    let (cases, left_out) = match chosen(args) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    match probe(&installation(args), &cases) {
        Ok(findings) => tell(args.format, &findings, left_out),
        Err(why) => args.format.fail(&why),
    }
}

/// The cases that can be tried from here, and how many can not.
fn chosen(args: &Args) -> Result<(Vec<Case>, usize), ExitCode> {
    let (all, report) = cases::load(&args.cases);
    if report.has_errors() {
        return Err(args.format.refuse(&[&report]));
    }
    args.format.show(&[&report]);
    let ours = match &args.cert {
        Some(path) => {
            Some(identities(path).map_err(|why| args.format.fail(&format!("`{}`: {why}", path.display())))?)
        }
        None => args.identity.clone().map(|identity| vec![identity]),
    };
    let count = all.len();
    let is_ours = |case: &Case| ours.is_none() || case.request.peers == ours;
    // A clock or a counter of the gate can not be set from here.
    let can_be_tried = |case: &Case| case.expect.is_some() && case.at.is_none() && case.repeat == 1;
    let cases: Vec<_> = all.into_iter().filter(|case| is_ours(case) && can_be_tried(case)).collect();
    let expects = |pass: bool| {
        cases.iter().filter_map(|case| case.expect.as_ref()).any(|expect| passes(expect) == pass)
    };
    if !expects(true) || !expects(false) {
        let why = "nothing would be proved: of the cases that can be tried as this caller, one must pass and one must be refused";
        return Err(args.format.fail(why));
    }
    let left_out = count - cases.len();
    Ok((cases, left_out))
}

fn identities(path: &Path) -> Result<Vec<String>, String> {
    let pem = read_at_most(path, MAX_CERTIFICATE).map_err(|why| why.to_string())?.ok_or("it is too large")?;
    let names = uri_sans(&pem).ok_or("it is no certificate in PEM")?;
    names
        .into_iter()
        .map(|name| String::from_utf8(name).map_err(|_| "its name is no text".to_owned()))
        .collect()
}

fn installation(args: &Args) -> Installation {
    let files = (args.cert.clone().zip(args.key.clone())).zip(args.ca.clone());
    let tls = files.map(|((certificate, key), ca)| GateFiles { ca, certificate, key });
    let same = tls.is_some().then(|| args.gate.clone());
    let companion = args.companion.as_ref().map(|url| Companion {
        url: url.clone(),
        files: ClientFiles { ca: args.companion_ca.clone(), own: args.cert.clone().zip(args.key.clone()) },
        audience: args.audience.clone(),
        serial: args.serial,
    });
    let (gate, plain, direct) = (args.gate.clone(), args.plain.clone().or(same), args.direct.clone());
    Installation { gate, plain, direct, tls, companion }
}

fn tell(format: Format, findings: &[Finding], left_out: usize) -> ExitCode {
    let wrong = findings.iter().filter(|finding| finding.problem.is_some()).count();
    let text = match format {
        Format::Json => {
            let result = Probed { ok: wrong == 0, probes: findings, left_out };
            serde_json::to_string_pretty(&result).unwrap_or_default() + "\n"
        }
        Format::Text => {
            let mut text: String = findings.iter().map(line).collect();
            if left_out > 0 {
                text.push_str(&format!("{left_out} cases were left out: for other callers, for another time, repeated, or without `expect`\n"));
            }
            text + &format!("{} probes, {wrong} wrong\n", findings.len())
        }
    };
    let code = print(&text);
    if wrong == 0 { code } else { exit::FINDINGS.into() }
}

fn line(finding: &Finding) -> String {
    let about = printable(&finding.about);
    match &finding.problem {
        None => format!("ok: {}: {about}\n", finding.probe),
        Some(problem) => format!(
            "wrong[{}]: {}: {about}\n  {}\n  help: {}\n",
            problem.id, finding.probe, problem.message, problem.help
        ),
    }
}

fn address(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.trim_end_matches('/').parse().ok();
    let is_address = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/" && uri.query().is_none()
    };
    uri.filter(is_address).ok_or_else(|| "write it as `http://host:port` or `https://host:port`".to_owned())
}
