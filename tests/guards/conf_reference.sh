#!/bin/sh
# conf/dgon.conf and conf/agent.conf hold every directive and key that the code knows, and no other, numbers with the
# code's default; conf/README.md is what conf/reference.sh makes of them.
set -u
cd "$top_srcdir" || exit 1
bad=0
compare() { # compare WHAT LEFT RIGHT: two lists, one name a line
    n=$(printf '%s\n' "$2" | grep -c .)
    echo "$1: $n names in the code"
    [ "$n" -gt 4 ] || { echo "$1: too few, nothing was looked at"; bad=1; }
    a=$(mktemp) b=$(mktemp)
    printf '%s\n' "$2" >"$a"
    printf '%s\n' "$3" >"$b"
    if ! diff -u --label "$1: code" --label "$1: conf" "$a" "$b"; then bad=1; fi
    rm -f "$a" "$b"
}
compare directives \
    "$(cat mod_dgon/mod_dgon*.c | grep -oE '"Dgon[A-Z][A-Za-z0-9]+"' | tr -d '"' | sort -u)" \
    "$(grep -oE '^[[:space:]]*#?[[:space:]]*Dgon[A-Z][A-Za-z0-9]+ ' conf/dgon.conf | tr -d '# \t' | sort -u)"
compare keys \
    "$(sed -n '/^static const key keys/,/^};/p' agent/agent_config_parse.c |
        sed -nE 's/^ *(CALL|A)\("([a-z]+)", "?([a-z_]+)"?.*/\2.\3/p; s/^ *G\(([a-z_]+).*/gateway.\1/p; s/^ *B\(([a-z_]+).*/backend.\1/p' | sort -u)" \
    "$(awk '/^#?\[/ { gsub(/[#\[\]]/, ""); section = $1 }
        /^#?[a-z_]+ *=/ { sub(/^#/, ""); sub(/ *=.*/, ""); print section "." $0 }' conf/agent.conf | sort -u)"
made=$(mktemp)
sh conf/reference.sh >"$made" || bad=1
[ "$(grep -c '^### ' "$made")" -gt 20 ] || { echo "conf/reference.sh finds too little"; bad=1; }
if ! diff -u conf/README.md "$made"; then echo "conf/README.md is not of today: make reference"; bad=1; fi
rm -f "$made"
exit "$bad"
