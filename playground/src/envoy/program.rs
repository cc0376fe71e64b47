//! Which Envoy runs: a binary on this machine, or a container image.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Envoy version that `scripts/envoy` installs unless `$ENVOY_VERSION` names another.
pub const PINNED_VERSION: &str = "1.40.0";

/// The name an Envoy binary has.
const BINARY: &str = "envoy";

/// An Envoy that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A binary on this machine.
    Binary(PathBuf),
    /// A container image, run by `docker` with the host's network, so that ports are where Envoy says they are.
    Image(String),
}

/// No Envoy was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// A path was named, and nothing can be run there.
    #[error("{origin} names `{}`, which is no executable file; name an Envoy binary, or leave it out", path.display())]
    Named {
        /// Who named it: an option or `$ENVOY`.
        origin: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// It is in none of the usual places.
    #[error(
        "no Envoy found: looked for `envoy` on PATH and for `{}`; run `scripts/envoy` in the Sallyport repository to \
         install {version}, or set ENVOY to a binary, or ENVOY_IMAGE to a container image such as envoyproxy/envoy:v{version}",
        cached.display()
    )]
    Nowhere {
        /// Where the installed one would be.
        cached: PathBuf,
        /// The version wanted.
        version: String,
    },
}

/// What decides where to look. Separate from the process environment, so that it can be tested.
#[derive(Debug, Default)]
struct Surroundings {
    explicit: Option<PathBuf>,
    envoy: Option<OsString>,
    image: Option<OsString>,
    path: Option<OsString>,
    version: Option<OsString>,
    cache: PathBuf,
}

// === impl Program ===

impl Program {
    /// The first of: `explicit`, `$ENVOY_IMAGE`, `$ENVOY` (a path), `envoy` on PATH (with `$ENVOY_VERSION` set, only if it
    /// is that version), `<cache>/envoy/<version>/envoy`, where the cache is `$SALLYPORT_CACHE` or the repository's
    /// `.cache`, and the version `$ENVOY_VERSION` or [`PINNED_VERSION`]. `scripts/envoy` looks in the same order.
    pub fn find(explicit: Option<&Path>) -> Result<Self, NotFound> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Surroundings {
            explicit: explicit.map(Path::to_owned),
            envoy: set("ENVOY"),
            image: set("ENVOY_IMAGE"),
            path: set("PATH"),
            version: set("ENVOY_VERSION"),
            cache: set("SALLYPORT_CACHE").map_or_else(repository_cache, PathBuf::from),
        }
        .find()
    }

    /// The version that it says it is, such as `[1, 40, 0]`; none if it says none.
    pub fn version(&self) -> Option<[u32; 3]> {
        match self {
            Self::Binary(path) => {
                let output = Command::new(path).arg("--version").output().ok()?;
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.split('/').find_map(numbers)
            }
            Self::Image(image) => numbers(image.rsplit_once(':')?.1.trim_start_matches('v')),
        }
    }

    /// Whether it shows a filter the certificate of the caller (`connection.peer_certificate`, from 1.38 on), and not only the first of its
    /// URI SANs. One whose version is not known is taken for a new one.
    pub fn shows_certificates(&self) -> bool {
        self.version().is_none_or(|version| version >= [1, 38, 0])
    }

    /// The module's configuration as this proxy needs it: one that does not show certificates has the gate go by the first URI SAN, as the
    /// chart has it, unless the configuration names what to go by.
    pub fn fitted(&self, mut configuration: serde_json::Value) -> serde_json::Value {
        if let (false, Some(keys)) = (self.shows_certificates(), configuration.as_object_mut()) {
            keys.entry("identity").or_insert_with(|| "firstUriSan".into());
        }
        configuration
    }

    /// The command that runs it. `name` names the container, `files` is a folder it reads and writes, `module` a file it reads.
    pub(super) fn command(&self, name: &str, files: &Path, module: Option<&Path>) -> Command {
        let image = match self {
            Self::Binary(path) => return Command::new(path),
            Self::Image(image) => image,
        };
        let mount = |path: &Path, mode: &str| {
            let mut text = path.as_os_str().to_owned();
            text.push(":");
            text.push(path);
            text.push(mode);
            text
        };
        // The user's own id, because keys are readable by their owner alone.
        let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--network", "host", "--name", name, "--user", &user]);
        command.arg("--volume").arg(mount(files, ""));
        if let Some(module) = module {
            command.arg("--volume").arg(mount(module, ":ro"));
        }
        command.args(["--entrypoint", BINARY, image]);
        command
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Binary(path) => write!(f, "{}", path.display()),
            Self::Image(image) => write!(f, "container image {image}"),
        }
    }
}

// === impl Surroundings ===

impl Surroundings {
    fn find(self) -> Result<Program, NotFound> {
        if let Some(path) = self.explicit {
            return named("the option", path);
        }
        if let Some(image) = self.image {
            return Ok(Program::Image(image.to_string_lossy().into_owned()));
        }
        if let Some(path) = self.envoy {
            return named("ENVOY", path.into());
        }
        let wanted = self.version.map(|version| version.to_string_lossy().into_owned());
        let fits = |path: &PathBuf| wanted.as_deref().is_none_or(|version| says_version(path, version));
        let mut on_path = self
            .path
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join(BINARY))
            .filter(|path| is_executable(path));
        // The first on PATH is the one a shell would run, so no other counts.
        if let Some(path) = on_path.next().filter(fits) {
            return Ok(Program::Binary(path));
        }
        let version = wanted.unwrap_or_else(|| PINNED_VERSION.to_owned());
        let cached = self.cache.join(BINARY).join(&version).join(BINARY);
        if is_executable(&cached) {
            Ok(Program::Binary(cached))
        } else {
            Err(NotFound::Nowhere { cached, version })
        }
    }
}

fn named(origin: &'static str, path: PathBuf) -> Result<Program, NotFound> {
    if is_executable(&path) { Ok(Program::Binary(path)) } else { Err(NotFound::Named { origin, path }) }
}

/// Whether a binary calls itself this version: `… version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn says_version(path: &Path, version: &str) -> bool {
    let output = Command::new(path).arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!("/{version}/")))
}

/// `.cache` of the repository around the current folder, known by its `scripts/envoy`; else `.cache` right here.
fn repository_cache() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("scripts").join(BINARY).is_file()).unwrap_or(&here);
    root.join(".cache")
}

/// The three numbers of a version; what is joined to the last by a `-` is left out.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let plain = text.split('-').next()?;
    let numbers: Vec<u32> = plain.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that says it is Envoy 9.9.9.
    fn install(path: &Path) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\necho envoy version: c0ffee/9.9.9/Clean\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    #[test]
    fn the_nearest_word_wins() {
        let dir = tempfile::tempdir().unwrap();
        let [explicit, variable, on_path] =
            ["explicit", "variable", "bin/envoy"].map(|name| install(&dir.path().join(name)));
        let [cached, pinned] = ["9.9.8", PINNED_VERSION]
            .map(|version| install(&dir.path().join("envoy").join(version).join("envoy")));
        let all = || Surroundings {
            explicit: Some(explicit.clone()),
            image: Some("envoyproxy/envoy:v9.9.9".into()),
            envoy: Some(variable.clone().into()),
            path: Some(std::env::join_paths([dir.path().join("none"), dir.path().join("bin")]).unwrap()),
            version: Some("9.9.9".into()),
            cache: dir.path().to_owned(),
        };
        assert_eq!(all().find(), Ok(Program::Binary(explicit.clone())));
        let unnamed = || Surroundings { explicit: None, ..all() };
        assert_eq!(unnamed().find(), Ok(Program::Image("envoyproxy/envoy:v9.9.9".to_owned())));
        let local = || Surroundings { image: None, ..unnamed() };
        assert_eq!(local().find(), Ok(Program::Binary(variable.clone())));
        let searched = || Surroundings { envoy: None, ..local() };
        assert_eq!(searched().find(), Ok(Program::Binary(on_path.clone())));
        assert_eq!(Surroundings { version: None, ..searched() }.find(), Ok(Program::Binary(on_path.clone())));
        let other_version = Surroundings { version: Some("9.9.8".into()), ..searched() };
        assert_eq!(other_version.find(), Ok(Program::Binary(cached)));
        assert_eq!(
            Surroundings { version: None, path: None, ..searched() }.find(),
            Ok(Program::Binary(pinned))
        );
    }

    #[test]
    fn its_version_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let binary = Program::Binary(install(&dir.path().join("envoy")));
        assert_eq!(binary.version(), Some([9, 9, 9]));
        let image = |name: &str| Program::Image(name.to_owned());
        assert_eq!(image("envoyproxy/envoy:v1.37.2-dev").version(), Some([1, 37, 2]));
        assert_eq!(image("envoyproxy/envoy:latest").version(), None);
        assert!(!image("envoyproxy/envoy:v1.37.2").shows_certificates());
        assert!(image("envoyproxy/envoy:v1.38.0").shows_certificates());
        assert!(image("envoyproxy/envoy:latest").shows_certificates());
    }

    #[test]
    fn only_a_proxy_that_shows_no_certificates_is_told_to_go_by_less() {
        let fitted = |version: &str, configuration: &serde_json::Value| {
            Program::Image(format!("envoyproxy/envoy:v{version}")).fitted(configuration.clone())
        };
        let plain = serde_json::json!({"bundle": "AAAA"});
        let with = |source: &str| serde_json::json!({"bundle": "AAAA", "identity": source});
        assert_eq!(fitted("1.38.0", &plain), plain);
        assert_eq!(fitted("1.37.2", &plain), with("firstUriSan"));
        assert_eq!(fitted("1.37.2", &with("peerPrincipal")), with("peerPrincipal"));
        assert_eq!(fitted("1.37.2", &"no object".into()), "no object");
    }

    #[test]
    fn an_envoy_that_is_not_there_is_told_with_a_remedy() {
        let wrong = Surroundings { envoy: Some("/nowhere/envoy".into()), ..Surroundings::default() };
        assert!(wrong.find().unwrap_err().to_string().starts_with("ENVOY names `/nowhere/envoy`"));
        let none = Surroundings { cache: "/nowhere".into(), ..Surroundings::default() }
            .find()
            .unwrap_err()
            .to_string();
        assert!(none.contains("/nowhere/envoy/1.40.0/envoy") && none.contains("scripts/envoy"), "{none}");
    }

    #[test]
    fn an_image_is_run_by_docker_on_the_hosts_network() {
        let image = Program::Image("envoyproxy/envoy:v1.40.0".to_owned());
        let command = image.command("sallyport-x", Path::new("/run/x"), Some(Path::new("/m/module.wasm")));
        let line: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let line = line.join(" ");
        assert_eq!(command.get_program(), "docker");
        assert!(line.starts_with("run --rm --network host --name sallyport-x --user "), "{line}");
        assert!(line.contains("--volume /run/x:/run/x --volume /m/module.wasm:/m/module.wasm:ro"), "{line}");
        assert!(line.ends_with("--entrypoint envoy envoyproxy/envoy:v1.40.0"), "{line}");
    }
}
