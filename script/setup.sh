# setup.sh - sourced by script/demo and script/test: installs what is missing, builds, gets the model.
# Says what it will do before it does it; does nothing that is done already; one clear line on failure.

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

cd "$(dirname "$0")/.." || exit 1

packages="gcc pkg-config meson ninja-build libsqlite3-dev libjansson-dev libyaml-dev libpcre2-dev libutf8proc-dev
nettle-dev libcurl4-openssl-dev zlib1g-dev libgumbo-dev libmicrohttpd-dev libserd-dev libmariadb-dev libpq-dev libcmocka-dev
python3-pip bubblewrap"

install_packages() {
    command -v dpkg-query >/dev/null || die "setup: this needs Debian 12 or Ubuntu (no dpkg here); see docs/DEPENDENCIES.md"
    missing=""
    for p in $packages; do
        # a pip of the user's own will do
        [ "$p" = python3-pip ] && command -v pip3 >/dev/null && continue
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -z "$missing" ] && return 0
    say "setup: installing Debian packages:$missing"
    sudo=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "setup: run as root, or install sudo, or install these yourself:$missing"
        sudo=sudo
    fi
    log=$(mktemp)
    { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
        >"$log" 2>&1 || {
        cause=$(grep -m1 -E '^E:' "$log" || tail -n 1 "$log")
        die "setup: apt-get could not install$missing: $cause (whole log: $log)"
    }
    rm -f "$log"
}

build() {
    log=build/build.log
    mkdir -p build
    [ -f build/build.ninja ] || meson setup build >"$log" 2>&1 || die "setup: meson: $(grep -m1 ERROR "$log") (whole log: $log)"
    say "setup: building (about two minutes the first time)"
    ninja -C build >"$log" 2>&1 || die "setup: the build failed: $(grep -m1 -E 'error:|FAILED' "$log") (whole log: $log)"
}

get_model() {
    build/src/cli/cmat pull --quiet || die "setup: the default model could not be had (message above)"
}

setup() {
    install_packages
    build
    get_model
}
