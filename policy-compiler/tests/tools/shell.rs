//! Completions and manual pages: there for every command, and well-formed where a tool is there to say so.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::common::{run, run_in};
use policy_compiler::commands::definition;

fn commands() -> Vec<String> {
    let names: Vec<_> = definition().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(names.len() > 8);
    names
}

/// Commands and theirs, as pages call them: `audit-verify`.
fn pages(of: &clap::Command, path: &str) -> Vec<String> {
    let names = of.get_subcommands().map(|command| (format!("{path}{}", command.get_name()), command));
    names
        .flat_map(|(name, command)| [vec![name.clone()], pages(command, &format!("{name}-"))].concat())
        .collect()
}

/// What a program says to a text on its standard input; `None` where there is no such program.
fn say(program: &str, args: &[&str], text: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for command in commands() {
            assert!(ran.stdout.contains(&command), "{shell}: {command}");
        }
        assert!(ran.stdout.contains("--min-coverage") || ran.stdout.contains("min-coverage"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).code, Some(2));
}

#[test]
fn bash_takes_its_completions() {
    let script = run(&["completions", "bash"]).stdout;
    if let Some(checked) = say("bash", &["-n"], script.as_bytes()) {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// What Bash would put in the place of the last word.
fn completed(script: &str, words: &[&str]) -> Option<Vec<String>> {
    let drive = "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n\
                 _policy__compiler \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n\
                 printf '%s\\n' \"${COMPREPLY[@]}\"";
    let arguments: Vec<_> = ["-s", "--", "policy-compiler"].iter().chain(words).copied().collect();
    let said = say("bash", &arguments, format!("{script}\n{drive}\n").as_bytes())?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Some(String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_their_options_and_what_those_take() {
    let script = run(&["completions", "bash"]).stdout;
    for (words, expected) in [
        (&["exp"][..], &["explain"][..]),
        (&["explain", "--f"], &["--format"]),
        (&["explain", "--format", ""], &["text", "json"]),
        (&["verify-install", "--pl"], &["--plain"]),
        (&["audit", "ver"], &["verify"]),
        (&["audit", "verify", "--k"], &["--key"]),
    ] {
        if let Some(found) = completed(&script, words) {
            assert_eq!(found, expected, "{words:?}");
        }
    }
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), &["man", "--out", "share/man1"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let page = |name: &str| fs::read_to_string(folder.path().join("share/man1").join(name)).unwrap();
    let commands = pages(&definition(), "");
    assert!(commands.contains(&"audit-verify".to_owned()));
    for command in &commands {
        let page = page(&format!("policy-compiler-{command}.1"));
        assert!(page.contains("Exit codes: 0 all is well"), "{page}");
        assert!(page.contains(&format!(".TH policy-compiler-{command} 1")), "{page}");
        assert!(ran.stdout.contains(&format!("share/man1/policy-compiler-{command}.1\n")));
        if let Some(checked) = say("groff", &["-man", "-ww", "-z", "-Tutf8"], page.as_bytes()) {
            let told = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success() && told.is_empty(), "{command}: {told}");
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("share/man1")).unwrap().count(), commands.len() + 1);
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(run_in(folder.path(), &["man", "--out", "file"]).code, Some(2));
}
