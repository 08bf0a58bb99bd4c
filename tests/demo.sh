#!/bin/bash
# SPDX-License-Identifier: MIT
# A real lighttpd with the receiver on a free port of this machine: tests/demo.sh demo|run
#   demo  sends the example events, shows what each got and what PHP and Perl then read, and stops
#   run   stays in the foreground until Ctrl-C, for sending events by hand
set -eu
cd "$(dirname "$0")/.."
top=$PWD bin=$PWD/build/bin
mode=${1-demo} secret=$(sed -n 's/^# secret \([^ ]*\).*/\1/p' tests/vectors/SIGNATURES.tsv)
case $mode in demo | run) ;; *) echo "usage: $0 demo|run" >&2; exit 2 ;; esac
PATH=$PATH:/usr/sbin

# lighttpd cannot start a program if there is a blank in its path.
plain() { case $1 in *[!A-Za-z0-9/._-]*) return 1 ;; esac; }
plain "${TMPDIR-}" || TMPDIR=/tmp
dir=$(mktemp -d "${TMPDIR:-/tmp}/complycube-$mode.XXXXXX")
server=
stop() {
    trap - EXIT
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || :
        for ((i = 0; i < 100; i++)); do kill -0 -- "-$server" 2>/dev/null || break; sleep 0.05; done
        kill -KILL -- "-$server" 2>/dev/null || :
        wait "$server" 2>/dev/null || :
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap '[ "$mode" = run ] && exit 0; exit 130' INT
trap 'exit 143' TERM HUP
fail() { echo "$0: $*" >&2; cat "$dir"/log/* >&2 2>/dev/null || :; exit 1; }

# What a person would put in place: the configuration, the secrets, the database, lighttpd's variables.
mkdir "$dir/private" "$dir/www" "$dir/run" "$dir/log"
cat >"$dir/complycube-webhook.conf" <<CONF
database = "private/inbox.db"
endpoint live {
    secret_file = "private/secrets"
    events      = {"*"}
}
CONF
(umask 077 && echo "example $secret" >"$dir/private/secrets")
"$bin/complycube-inbox" -c "$dir/complycube-webhook.conf" init >"$dir/log/init" || fail 'init failed'
cp lighttpd/*.conf "$dir/run"
program=$bin/complycube-webhook
plain "$program" || { cp "$program" "$dir/run" && program=$dir/run/complycube-webhook; }

start() {
    port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport')
    sed -e "s|^var.port .*|var.port = $port|" \
        -e "s|^var.program .*|var.program = \"$program\"|" \
        -e "s|^var.config .*|var.config = \"$dir/complycube-webhook.conf\"|" \
        -e "s|^var.socket .*|var.socket = \"$dir/run/webhook.sock\"|" \
        -e "s|^var.www .*|var.www = \"$dir/www\"|" \
        -e "s|^var.run .*|var.run = \"$dir/run\"|" \
        -e "s|^var.uploads .*|var.uploads = \"$dir/run\"|" \
        -e "s|^var.log .*|var.log = \"$dir/log\"|" lighttpd/vars.conf >"$dir/run/vars.conf"
    setsid lighttpd -D -f "$dir/run/fastcgi.conf" >>"$dir/log/lighttpd" 2>&1 &
    server=$!
    url=http://127.0.0.1:$port/complycube
    for ((i = 0; i < 100; i++)); do
        kill -0 "$server" 2>/dev/null || return 1
        [ "$(curl -s -m 5 "$url")" = ready ] && return 0
        sleep 0.05
    done
    fail "$url is not ready: $(curl -s -m 5 "$url")"
}
start || start || start || fail 'lighttpd does not start'     # a free port may be taken before lighttpd has it

if [ "$mode" = run ]; then
    cat <<TEXT

lighttpd $server with the receiver listens on $url
Signed events go into $dir/private/inbox.db. Ctrl-C stops it and removes the folder.

In another terminal, send an event signed with the example secret (paste it again: it has a new id each time):

  body='{"id":"try-'\$(openssl rand -hex 6)'","type":"check.completed.clear","resourceType":"check","payload":{"id":"chk-1","status":"complete","outcome":"clear"},"createdAt":"'\$(date -u +%Y-%m-%dT%H:%M:%S.000Z)'"}'; curl -sS -H "ComplyCube-Signature: \$(printf %s "\$body" | openssl dgst -sha256 -hmac '$secret' | sed 's/.*= *//')" --data-binary "\$body" $url; echo

Then read the inbox:

  php $(printf %q "$top")/consumers/php/poll.php $dir/private/inbox.db
  perl $(printf %q "$top")/consumers/perl/poll.pl $dir/private/inbox.db

TEXT
    wait "$server"
    fail 'lighttpd ended'
fi

# send NAME SIGNATURE FILE: post it, print a row, count the answer
stored=0 again=0 refused=0
nl=$'\n'
send() {
    local answer status
    answer=$(curl -s -m 20 -w '\n%{http_code}' -H "ComplyCube-Signature: $2" \
        -H 'Content-Type: application/json' --data-binary "@$3" "$url") || fail "$url does not answer"
    status=${answer##*"$nl"} answer=${answer%%"$nl"*}
    printf "  %-44s %s  %s\n" "$1" "$status" "$answer"
    case $status$answer in
    '200{"received":true}') stored=$((stored + 1)) ;;
    '200{"received":true,"duplicate":true}') again=$((again + 1)) ;;
    '400{"received":false'*) refused=$((refused + 1)) ;;
    esac
}

cat <<TEXT

The receiver runs under a real lighttpd (FastCGI) at $url,
with a database made a moment ago. ComplyCube would now post its events there, each with a signature
in a header; here curl posts the examples of tests/vectors/. An event is answered 200 once it is on disk.

  sent                                         got  answer
TEXT
while read -r file signature; do
    case $file in '#'*) continue ;; esac
    send "$file" "$signature" "tests/vectors/$file"
done <tests/vectors/SIGNATURES.tsv
cat <<TEXT

ComplyCube may deliver an event twice, and anybody may try to forge one:

TEXT
good=$(sed -n 's/^check.completed.json\t//p' tests/vectors/SIGNATURES.tsv)
send 'check.completed.json, once more' "$good" tests/vectors/check.completed.json
sed 's/"outcome":"[a-z]*"/"outcome":"forged"/' tests/vectors/check.completed.json >"$dir/forged.json"
send 'check.completed.json, outcome changed' "$good" "$dir/forged.json"

inbox() {
    printf '\n%s\n\n' "$1"
    "${@:2}" >"$dir/read" || fail "$2 failed"
    awk -F '\t' 'BEGIN { print "  seq  created at                type                              resource                  status     outcome" }
        { printf "  %-4s %-25s %-33s %-25s %-10s %s\n", $1, $2, $3, $4, $5, $6 }' "$dir/read"
    lines=$((lines + $(wc -l <"$dir/read")))
}
lines=0 db=$dir/private/inbox.db
inbox 'Your application polls the inbox. A PHP script takes the first 13 events and marks them done:' \
    php consumers/php/poll.php "$db" live 13
inbox 'A Perl script takes what is still waiting; each event goes to one of them only:' \
    perl consumers/perl/poll.pl "$db" live

cat <<TEXT

$stored events stored, $again recognised as delivered before, $refused forgery refused; $lines read from the inbox, each once.
TEXT
[ "$stored $again $refused $lines" = '26 1 1 26' ] || fail 'that is not what the examples should give: 26, 1, 1 and 26'
echo "The server is stopped now and its folder removed. Next: make run, or INSTALL.md for putting it on a host."
