#!/bin/sh
# SPDX-License-Identifier: MIT
# make check-debian: the README's two commands, the Debian package and the hosting kit in a fresh minimal Debian with
# nothing but make, gcc and git, once for each release that is named: tests/package/debian.sh bookworm trixie
#
# The minimal Debian is made once and kept in build/chroot; each run changes an overlay of it, in a mount and a process
# namespace of its own, so that nothing is left mounted or running. All that was printed is in build/debian-RELEASE.log.
# CHROOTS=folder: another place for build/chroot; MIRROR=URL: where the packages come from; ONLY=regex: some of the steps.
set -eu
cd "$(dirname "$0")/../.."
chroots=${CHROOTS:-$PWD/build/chroot}
mirror=${MIRROR:-http://deb.debian.org/debian}

# Runs inside of the chroot: STEP as a function of its name.
steps() {
    cat <<'SH'
set -eu
cd /
with_user() { setpriv --reuid=builder --regid=builder --init-groups env HOME=/home/builder USER=builder PATH=/usr/local/bin:/usr/bin:/bin "$@"; }
# A checkout as a user has it: his home is closed to others, and a folder's name has a blank.
checkout() { git clone -q /mnt/source "$1" && cd "$1"; }
root_demo() { checkout /root/inbox && make demo; }
root_check() { cd /root/inbox && make check; }
user_demo() {
    useradd -M -d /home/builder -s /bin/bash builder
    install -d -m 700 -o builder -g builder /home/builder
    (checkout '/home/builder/my work/inbox')
    chown -R builder:builder /home/builder
    cd '/home/builder/my work/inbox' && with_user make demo
}
user_check() { cd '/home/builder/my work/inbox' && with_user make check; }
programs() {
    cd /root/inbox && make install
    complycube-webhook --version
    complycube-inbox --version
    make uninstall
    test ! -e /usr/local/bin/complycube-inbox
}
package() {
    cd /root/inbox && make deb
    apt-get -q -y install --no-install-recommends ./build/complycube-inbox_*.deb
    echo 'main 0123456789abcdef0123456789abcdef' >/etc/complycube-inbox/secrets
    setpriv --reuid=complycube --regid=complycube --init-groups complycube-inbox init
    body='{"id":"package","type":"check.completed","payload":{}}'
    signature=$(printf %s "$body" | setpriv --reuid=complycube --regid=complycube --init-groups complycube-inbox sign)
    printf %s "$body" | setpriv --reuid=complycube --regid=complycube --init-groups env REQUEST_METHOD=POST \
        HTTP_COMPLYCUBE_SIGNATURE="$signature" CONTENT_LENGTH=${#body} COMPLYCUBE_WEBHOOK_CONFIG=/etc/complycube-inbox/complycube-webhook.conf \
        complycube-webhook | tee /dev/stderr | grep -q '"received":true'
    setpriv --reuid=complycube --regid=complycube --init-groups complycube-inbox list | tee /dev/stderr | grep -q check.completed
    apt-get -q -y purge complycube-inbox
    test ! -e /usr/bin/complycube-inbox
}
kit() { cd /root/inbox && make check-kit; }
export DEBIAN_FRONTEND=noninteractive
"$1"
SH
}

# What a step has run in: the overlay over the kept Debian, with a real /tmp, devices and processes.
inside() {
    unshare --mount --pid --fork --kill-child sh -eu -c '
        base=$1 work=$2 source=$3
        shift 3
        root=$work/root
        mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
        mount --bind "$work/tmp" "$root/tmp"
        mkdir -p "$root/mnt/source"
        mount --bind "$source" "$root/mnt/source"
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        mount --rbind /dev "$root/dev"
        mount --make-rslave "$root/dev"
        cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
        exec chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            sh -c "$@"' sh "$@" </dev/null
}

minimal() {
    [ ! -e "$1.made" ] || return 0
    rm -rf "$1"
    debootstrap --variant=minbase --include=make,gcc,git,ca-certificates "$release" "$1" "$mirror" && touch "$1.made"
}

try() {
    release=$1 log=$PWD/build/debian-$1.log
    base=$chroots/minimal-$release work=$chroots/debian-$release-$$
    mkdir -p "$chroots" build
    minimal "$base" >"$log" 2>&1 || { tail -5 "$log" >&2; return 1; }
    mkdir -p "$work/root" "$work/upper" "$work/work"
    install -d -m 1777 "$work/tmp"
    git clone -q --bare . "$work/source"
    result=0
    for step in root_demo root_check user_demo user_check programs package kit; do
        echo "$step" | grep -qE "${ONLY:-.}" || continue
        begun=$(date +%s)
        echo "== $release: $step" >>"$log"
        if inside "$base" "$work" "$work/source" "$(steps)" sh "$step" >>"$log" 2>&1; then said=ok; else said=FAILED result=1; fi
        echo "$release: $step: $said, $(($(date +%s) - begun)) s: $(sed -n "/^== $release: $step\$/,\$p" "$log" |
            sed -n 's/^\(Files=.*\), *[0-9]* wallclock.*/\1/p; /^26 events stored/p; /^complycube-inbox [0-9.]*$/p' | tail -1)"
        [ $said = ok ] || { tail -30 "$log" >&2; break; }
    done
    rm -rf "$work"
    return $result
}

for release; do try "$release"; done
