#!/bin/sh
# The core knows no host: no symbol of httpd, APR, libwebsockets or libcurl is used in it, and only
# the module's directory includes httpd's headers. In the agent one file knows each library. wslay,
# which does no I/O, is known where both sides share it, and where its callbacks are.
set -u
bad=0
lib=$top_builddir/mod_dgon/core/.libs/libdgon.a
symbols=$($NM -u "$lib" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u)
n=$(printf '%s\n' "$symbols" | wc -l)
[ "$n" -gt 20 ] || { echo "only $n undefined symbols in $lib: not looked at"; bad=1; }
if printf '%s\n' "$symbols" | grep -E '^(ap|apr|lws|curl)_'; then
    echo "the core uses a symbol of a host library"
    bad=1
fi

one_file() { # one_file DIRECTORY PATTERN FILE...: only these files may include it
    dir=$1 pattern=$2
    shift 2
    found=$(grep -lE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$pattern" -r "$top_srcdir/$dir" \
        --include='*.c' --include='*.h' | sed "s|^$top_srcdir/||")
    for f in $found; do
        case " $* " in
        *" $f "*) ;;
        *) echo "$f includes $pattern, which only $* may"; bad=1 ;;
        esac
    done
}
one_file agent 'libwebsockets' agent/agent_link_int.h agent/agent_loop.c
one_file agent 'curl/' agent/agent_http_dial.c agent/agent_join_http.c
one_file agent '(httpd|http_|ap_|apr)' none
one_file mod_dgon/core '(httpd|http_|ap_|apr|libwebsockets|curl)' none
one_file mod_dgon 'wslay' mod_dgon/core/dgon/ws_in.h
one_file mod_dgon 'dgon/ws_in.h' mod_dgon/core/ws_in.c mod_dgon/mod_dgon_ws.c
one_file agent 'dgon/ws_in.h' agent/agent_link_int.h
one_file agent 'openssl/ssl' agent/agent_link_read.c
exit "$bad"
