#!/bin/sh
# Each header of the core compiles alone, with no include path but the core's and jansson's.
set -u
n=0 bad=0
for h in "$top_srcdir"/mod_dgon/core/dgon/*.h "$top_srcdir"/mod_dgon/core/*_int.h; do
    n=$((n + 1))
    # shellcheck disable=SC2086
    echo "#include \"$h\"" |
        $CC $DGON_CFLAGS $JANSSON_CFLAGS -Werror -I"$top_srcdir/mod_dgon/core" \
            -x c -fsyntax-only - || { echo "$h does not compile alone"; bad=1; }
done
echo "$n headers"
[ "$n" -gt 10 ] && [ "$bad" -eq 0 ]
