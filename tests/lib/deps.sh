#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing: tests/lib/deps.sh build|static|kit|demo|unit|check|check-kit|check-page|bench|fuzz|cover|format|analyze|ports|deb|check-deb|check-debian
# It says which before it installs them, as root or through sudo; else it prints the command and stops. With DEPS=no it
# installs nothing, and what needs a missing package fails by itself. Silent when nothing is missing.
set -eu

build='gcc make pkg-config libfcgi-dev libcjson-dev libsqlite3-dev libssl-dev libconfuse-dev libcurl4-openssl-dev'
static='gcc make musl-tools dpkg-dev xz-utils patch flex tcl perl'
demo="$build lighttpd curl openssl php-cli php-sqlite3 perl libdbi-perl libdbd-sqlite3-perl"
unit="$build libcmocka-dev perl"
check="$demo libcmocka-dev apache2 libapache2-mod-fcgid lighttpd-mod-openssl nginx-light spawn-fcgi multiwatch
       libhtml-parser-perl php-cgi php-fpm php-mysql mariadb-server libdbd-mariadb-perl libproc-fastspawn-perl sqlite3 mandoc clang systemd adduser iproute2 strace wrk fio bindfs"
kit="$static zip"
check_kit="$check $kit unzip apache2-suexec-custom"
check_page="$check chromium"
bench="$check webhook valgrind"
fuzz="$build clang libclang-rt-14-dev llvm-14"
cover="$check libclang-rt-14-dev llvm-14 gcovr"
ports="$check $static gcc-s390x-linux-gnu libc6-dev-s390x-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user-static"
format='clang-format'
analyze="$check $format musl-tools clang-tidy cppcheck valgrind"
deb="$build build-essential dpkg-dev debhelper fakeroot lintian libcmocka-dev"
check_deb="$deb debootstrap systemd-container libproc-fastspawn-perl"

case ${1-} in
build) wanted=$build ;;
static) wanted=$static ;;
kit) wanted=$kit ;;
demo) wanted=$demo ;;
unit) wanted=$unit ;;
check) wanted=$check ;;
check-kit) wanted=$check_kit ;;
check-page) wanted=$check_page ;;
bench) wanted=$bench ;;
fuzz) wanted=$fuzz ;;
cover) wanted=$cover ;;
format) wanted=$format ;;
analyze) wanted=$analyze ;;
ports) wanted=$ports ;;
deb) wanted=$deb ;;
check-deb) wanted=$check_deb ;;
check-debian) wanted='debootstrap git' ;;
*) echo "usage: $0 build|static|kit|demo|unit|check|check-kit|check-page|bench|fuzz|cover|format|analyze|ports|deb|check-deb|check-debian" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "$0: this is not Debian; what is needed is known there as:" $wanted >&2
    exit 0
fi
here=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' $wanted 2>/dev/null || :)"
missing=
for package in $wanted; do
    case $here in *" installed:$package "*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0

if [ "${DEPS-}" = no ]; then
    echo "Missing, and not installed because of DEPS=no:$missing" >&2
    exit 0
fi

announce() {
    echo "About to install these Debian packages:$missing"
    echo "To install none, give make DEPS=no, or install them yourself first."
}
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        announce
        exec sudo -n "$0" "$1" announced
    fi
    echo "Packages are missing. Run this as root, then try again; or give make DEPS=no, to do without them:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
    [ ! -d /run/systemd/system ] || echo "or, so that no server among them is started: $(realpath "$0") $1" >&2
    exit 1
fi

[ "${2-}" = announced ] || announce

# The tests start the web servers they need; none is to be started by its installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
install() { apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing; }
update() { apt-get -q -o DPkg::Lock::Timeout=300 update; }

ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || update
install || { update && install; } || exit 1
for server in apache2 nginx lighttpd; do
    [ -d /run/systemd/system ] || break
    systemctl -q is-enabled $server 2>/dev/null || continue
    systemctl -q is-active $server && continue
    echo "Note: $server was not started, but will be at the next boot; to prevent it: systemctl disable $server"
done
