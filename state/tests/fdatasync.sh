#!/bin/sh
# Proves with strace that no append is acknowledged before an fdatasync that covers its bytes.
#
# For every acknowledgement it looks up the write that first carried the record's marks to the
# store's file, then demands an fdatasync of that file that began after the write had returned and
# ended before the acknowledgement was printed. Once with one append at a time, once with 16.
#
# Usage: state/tests/fdatasync.sh [APPENDS]    (from the root of the repository; needs strace)
set -eu

appends=${1:-192}
command -v strace >/dev/null || { echo "fdatasync.sh: strace is not installed" >&2; exit 2; }
cargo build --quiet -p flowctl-state --example acknowledge
program=${CARGO_TARGET_DIR:-target}/debug/examples/acknowledge
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

for at_once in 1 16; do
    trace=$directory/trace-$at_once
    strace -f -y -s 4000000 -e trace=pwrite64,write,fdatasync,fsync -o "$trace" \
        "$program" "$directory/state-$at_once" "$appends" "$at_once" >/dev/null
    LC_ALL=C awk -v appends="$appends" -v at_once="$at_once" '
        # A call is one line, or, when another thread came between, two: its arguments stand in the
        # first, its result in the second.
        function call_begins() {
            open_marks[$1] = ""
            if ($0 ~ /\/log\/events\.redb>/) {
                if ($2 ~ /^pwrite64\(/) { kind[$1] = "write"; open_marks[$1] = $0 }
                else if ($2 ~ /^f(data)?sync\(/) { kind[$1] = "sync"; begun[$1] = NR }
                else kind[$1] = ""
            } else kind[$1] = ""
        }
        function call_returns(   text, mark, m) {
            if (kind[$1] == "write") {
                text = open_marks[$1]
                while (match(text, /(head|tail)_[0-9][0-9][0-9]_[0-9][0-9][0-9][0-9][0-9]/)) {
                    mark = substr(text, RSTART, RLENGTH)
                    text = substr(text, RSTART + RLENGTH)
                    if (!(mark in written)) { written[mark] = NR; waiting[mark] = NR }
                }
            } else if (kind[$1] == "sync" && $0 ~ /= 0$/) {
                syncs++
                for (m in waiting) if (waiting[m] < begun[$1]) { durable[m] = NR; delete waiting[m] }
            }
            kind[$1] = ""
        }
        / \+\+\+ / || / --- / { next }
        /"acknowledged / {
            match($0, /head_[0-9_]+/); head = substr($0, RSTART, RLENGTH)
            match($0, /tail_[0-9_]+/); tail = substr($0, RSTART, RLENGTH)
            if (head in durable && tail in durable) good++
            else { bad++; print "fdatasync.sh: " head " was acknowledged, but not durable" > "/dev/stderr" }
            next
        }
        /<unfinished \.\.\.>$/ { call_begins(); next }
        / resumed>/ { call_returns(); next }
        { call_begins(); call_returns() }
        END {
            printf "%d at once: %d appends acknowledged, %d of them durable before it, %d syncs of the file\n", \
                at_once, good + bad, good, syncs
            exit !(good == appends && bad == 0 && syncs > 0)
        }' "$trace"
done
