# shellcheck shell=bash
# Programs out of Debian's packages: fetched by apt and unpacked into the cache, not installed, root not needed. Sourced
# behind lib.sh, never run.

APT=()

# debian_root PACKAGE PINNED SIZE WORKS REMEDY [MORE]: unpacks the package of that name and prints the folder, which holds what the
# package would put under `/`. It is found again the next time. PINNED has lines VERSION MACHINE SHA256: those versions are also checked by
# sha256; where Debian offers another, apt's own signatures must do. WORKS is a function that is given the folder and says whether it is of use here. MORE
# is one that is given the package and prints others, which are unpacked into the same folder.
debian_root() {
    debian_cached "$1" || {
        locked "$1" debian_fetch "$@"
        debian_cached "$1"
    }
}

# debian_cached PACKAGE: the newest that is in the cache. A rename put it there whole, and only after it had run once.
debian_cached() {
    local all
    all=$(compgen -G "$CACHE/debian/$1/*/") || return 1
    sort -V <<<"${all//\/$'\n'/$'\n'}" | tail -n 1 | sed 's,/$,,'
}

debian_fetch() {
    local package=$1 pinned=$2 size=$3 works=$4 remedy=$5 more=${6:-true}
    debian_cached "$package" >/dev/null && return # another run made it while this one waited
    need apt-get "$remedy"
    need dpkg-deb "$remedy"
    scratch "$package"
    local work=$SCRATCH version machine sha256
    version=$(debian_candidate "$package")
    if [ -z "$version" ] || ! debian_download "$work" "$package" "$version" "$size" "$more"; then
        say "Debian's package lists on this machine are missing or old; fetching them into the cache"
        debian_lists "$work/apt"
        version=$(debian_candidate "$package")
        [ -n "$version" ] || die "Debian here has no $package" "$remedy"
        retry debian_download "$work" "$package" "$version" "$size" "$more" ||
            die "apt can not fetch $package $version" "look at apt's message above"
    fi
    machine=$(dpkg --print-architecture)
    sha256=$(awk -v v="$version" -v m="$machine" '$1 == v && $2 == m { print $3 }' <<<"$pinned")
    local debs=("$work/$package"_*.deb)
    if [ -n "$sha256" ]; then
        check_sha256 "${debs[0]}" "$sha256"
    else
        say "$package $version for $machine is not one that is pinned; apt's signatures vouch for it"
    fi
    local deb
    for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    # What Debian's `/lib` is: a link to `/usr/lib`.
    if [ -d "$work/root/lib" ]; then
        cp -a "$work/root/lib/." "$work/root/usr/lib"
        rm -r "$work/root/lib"
    fi
    "$works" "$work/root" || die "what Debian's $package $version holds does not run here" "$remedy"
    mkdir -p "$CACHE/debian/$package"
    mv "$work/root" "$CACHE/debian/$package/$version"
    # Whoever asks for the folder's name does so in a shell of its own, where no trap does this.
    rm -rf -- "$work"
    say "$package $version is ready in the cache"
}

debian_candidate() {
    apt-cache "${APT[@]}" policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# debian_lists DIR: package lists of the machine's own sources, kept in DIR, so that root is not needed and the machine's
# lists stay as they are. apt checks their signatures as always.
debian_lists() {
    mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
    APT+=(-o "Dir::State=$1/state" -o "Dir::State::lists=$1/state/lists" -o "Dir::State::status=/var/lib/dpkg/status" -o "Dir::Cache=$1/cache")
    apt-get "${APT[@]}" update >&2 || say "apt-get update had errors; going on with the lists that it got"
}

# debian_libraries PACKAGE: the packages of libraries that it needs and this machine lacks, theirs included. Not the C library, which every
# Debian has, nor the compiler that some programs can do without.
debian_libraries() {
    local -r plain=(--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances)
    local direct
    mapfile -t direct < <(apt-cache "${APT[@]}" depends "${plain[@]}" "$1" | awk '$2 ~ /^lib/ && $2 !~ /^libllvm/ { print $2 }')
    [ ${#direct[@]} -gt 0 ] || return 0
    apt-cache "${APT[@]}" depends --recurse "${plain[@]}" "${direct[@]}" | grep -E '^lib[a-z0-9]' | grep -vE '^lib(c6|gcc-s1|crypt1)$' | sort -u |
        while read -r library; do
            dpkg-query -W -f '${db:Status-Status}' "$library" 2>/dev/null | grep -q '^installed' || printf '%s\n' "$library"
        done
}

# debian_download DIR PACKAGE VERSION SIZE MORE: apt checks the files against the signed lists.
debian_download() {
    local more
    mapfile -t more < <("$5" "$2")
    say "fetching Debian's $2 $3 (about $4)${more[*]:+, and ${more[*]}}"
    # Root's downloads run as another user, who can not write here: apt says so, and goes on.
    (cd "$1" && timeout 600 apt-get "${APT[@]}" -o APT::Sandbox::User=root download "$2=$3" "${more[@]}") >&2
}
