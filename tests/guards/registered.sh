#!/bin/sh
# Nothing written is left out: every source is in a build list, every test function in its table,
# every fuzz target has a corpus, every example a test.
set -u
cd "$top_srcdir" || exit 1
bad=0 n=0
say() { echo "$*"; bad=1; }
listed() { # listed FILE WORD
    grep -qE "(^|[[:space:]=/])$2([[:space:]\\\\]|\$)" "$1" || say "$2 is not in $1"
    n=$((n + 1))
}
for f in mod_dgon/core/*.c mod_dgon/core/*_int.h; do listed mod_dgon/core/Makefile.inc "$(basename "$f")"; done
for f in mod_dgon/core/dgon/*.h; do listed mod_dgon/core/Makefile.inc "dgon/$(basename "$f")"; done
for f in mod_dgon/*.c mod_dgon/*.h; do listed mod_dgon/Makefile.am "$(basename "$f")"; done
for f in mod_dgon/ctl/*.c mod_dgon/ctl/*.h; do listed mod_dgon/ctl/Makefile.am "$(basename "$f")"; done
for f in agent/*.c agent/*.h; do listed agent/Makefile.am "$(basename "$f")"; done
for f in tests/unit/test_*.c; do listed tests/unit/Makefile.am "$(basename "$f" .c)"; done
for f in tests/stress/stress_*.c; do listed tests/stress/Makefile.am "$(basename "$f" .c)"; done
for f in tests/fuzz/fuzz_*.c; do
    listed tests/fuzz/Makefile.am "$(basename "$f" .c)"
    unit=$(basename "$f" .c)
    [ -n "$(ls "tests/fuzz/corpus/${unit#fuzz_}" 2>/dev/null)" ] || say "$f has no corpus"
done
for f in tests/guards/*.sh; do listed tests/guards/Makefile.am "$(basename "$f")"; done
for f in conf/examples/*.conf; do
    n=$((n + 1))
    grep -qF "\"$(basename "$f" .conf)\"" tests/examples/test_*.py || say "$f has no test in tests/examples"
done
for f in tests/unit/test_*.c; do
    for t in $(sed -n 's/^static void \(test_[a-z0-9_]*\)(void).*/\1/p' "$f"); do
        n=$((n + 1))
        grep -qE "\{\"[^\"]*\",[[:space:]]*$t\}" "$f" || say "$f: $t is in no table"
    done
done
echo "$n names looked up"
[ "$n" -gt 40 ] && [ "$bad" -eq 0 ]
