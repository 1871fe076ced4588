#!/bin/sh
# Whatever serves the page does it by conf/page.conf, so that its headers are the same everywhere; and the modules are named that it needs.
set -u
cd "$top_srcdir" || exit 1
bad=0 n=0
say() { echo "$*"; bad=1; }
for f in $(grep -lE '@HTDOCS@|mod_dgon/htdocs' -r conf --include='*.conf' --include='*.conf.in'); do
    [ "$f" != conf/page.conf ] || continue
    n=$((n + 1))
    grep -qE '^ *Include "?(@CONF@|/usr/share/mod_dgon)/page\.conf"?$' "$f" || say "$f serves the page without page.conf"
    ! grep -q 'Content-Security-Policy' "$f" || say "$f has a policy of its own"
    case $f in
    conf/examples/*) grep -qE '^# +a2enmod .*\bheaders\b' "$f" || say "$f: its a2enmod lacks headers" ;;
    esac
done
# A value of the policy in two places would soon be two values.
[ "$(grep -c 'Content-Security-Policy' conf/page.conf)" = 1 ] || say "conf/page.conf has not one policy"
! grep 'Content-Security-Policy' conf/page.conf | grep -E "unsafe-|[ \"]\\*[ ;\"]|https?:" || say "the policy is not strict"
echo "$n files serve the page"
[ "$n" -gt 8 ] && [ "$bad" -eq 0 ]
