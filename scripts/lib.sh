# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is used by the scripts that source it
# What every script here shares: where things are kept, how to speak, how to fail, how to install without tearing.
# Sourced, never run. Messages go to stderr; stdout is for the one thing a script is asked for.

set -euo pipefail
shopt -s inherit_errexit

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Downloads and the tools made from them. Safe to delete at any time: the next run fetches them again.
CACHE=$(realpath -m "${SALLYPORT_CACHE:-$REPO/.cache}")
readonly WASM_TARGET=wasm32-unknown-unknown

say() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for remedy in "$@"; do printf '  help: %s\n' "$remedy" >&2; done
    exit 1
}

# need COMMAND REMEDY: stops early, and says what mends it.
need() { command -v "$1" >/dev/null 2>&1 || die "$1 is not installed" "$2"; }

# retry COMMAND...: a registry that stumbles once should not fail the build. Three tries, 2 s and 4 s apart.
retry() {
    local wait=2
    until "$@"; do
        [ "$wait" -le 4 ] || return 1
        say "that failed; trying again in $wait s: $*"
        sleep "$wait"
        wait=$((wait * 2))
    done
}

# locked NAME FUNCTION [ARG...]: runs the function while no other run holds the lock NAME. It fails when the function
# does; where that ends the script, it ends the lock too.
locked() {
    local name=$1 fd status
    shift
    need flock "install util-linux (Debian: apt-get install util-linux)"
    mkdir -p "$CACHE/locks"
    exec {fd}>"$CACHE/locks/$name"
    if ! flock --nonblock "$fd"; then
        say "waiting for another run that is preparing $name"
        flock --timeout 1800 "$fd" || die "another run has held $CACHE/locks/$name for half an hour" \
            "see whether it still works; the lock ends when it ends"
    fi
    "$@"
    status=$? # not `|| status=$?`, which would let the function go on after a failed command
    exec {fd}>&-
    return "$status"
}

# check_sha256 FILE HEX: a download is used only when it is the file we pinned.
check_sha256() {
    local got
    got=$(sha256sum "$1" | cut -d' ' -f1)
    [ "$got" = "$2" ] || die "$(basename "$1") has sha256 $got, expected $2" \
        "the registry serves another file than the one pinned here; do not use it"
}

# scratch: a fresh folder inside the cache, so that a rename into place stays on one file system. Removed at exit.
SCRATCH_DIRS=()
scratch() {
    mkdir -p "$CACHE/tmp"
    local dir
    dir=$(mktemp -d "$CACHE/tmp/$1.XXXXXX")
    SCRATCH_DIRS+=("$dir")
    SCRATCH=$dir
}
remove_scratch() {
    [ ${#SCRATCH_DIRS[@]} -eq 0 ] || rm -rf -- "${SCRATCH_DIRS[@]}"
}
trap remove_scratch EXIT

# install_file FROM TO: readers of TO see the old file or the new one, never half of one.
install_file() {
    mkdir -p "$(dirname "$2")"
    local next
    next=$(mktemp "$2.XXXXXX")
    cp "$1" "$next"
    chmod "${3:-644}" "$next"
    mv -f "$next" "$2"
}

# need_rust: cargo of the pinned toolchain, a linker for build scripts, and registered components.
need_rust() {
    need cargo "install Rust with rustup: https://rustup.rs"
    need cc "install a C compiler (Debian: apt-get install gcc libc6-dev)"
    (cd "$REPO" && cargo --version >/dev/null 2>&1) && return
    local channel
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$REPO/rust-toolchain.toml")
    need rustup "cargo can not run and rustup is missing: install Rust $channel with https://rustup.rs"
    say "installing Rust $channel, the pinned toolchain"
    retry rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt >&2 ||
        die "Rust $channel can not be installed" "rustup toolchain install $channel"
}

need_python() {
    need python3 "install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$(python3 --version) is too old" "install Python 3.11 or newer, first on PATH"
}

# need_venv: `python3 -m venv` works. Debian keeps its parts in a package of their own.
need_venv() {
    need_python
    python3 -c 'import venv, ensurepip' 2>/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing Debian's python3-venv, which Python needs to make virtual environments"
        { apt-get update && apt-get install -y --no-install-recommends python3-venv; } >&2 || true
        python3 -c 'import venv, ensurepip' 2>/dev/null && return
    fi
    die "python3 can not make virtual environments" "as root: apt-get install python3-venv"
}

# pip_python: prints a python whose pip works; system Pythons often come without one.
pip_python() {
    need_python
    if python3 -m pip --version >/dev/null 2>&1; then
        command -v python3
        return
    fi
    need_venv
    locked pip make_pip_venv
    printf '%s\n' "$CACHE/python/pip/bin/python"
}
make_pip_venv() {
    local dir=$CACHE/python/pip
    "$dir/bin/python" -m pip --version >/dev/null 2>&1 && return
    say "making a small virtual environment that holds pip"
    python3 -m venv --clear "$dir" >&2
}

# size in bytes of stdin or of a file
bytes() { wc -c <"$1" | tr -d ' '; }
