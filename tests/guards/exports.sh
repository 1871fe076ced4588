#!/bin/sh
# The module gives httpd's process one symbol, its module record.
set -u
[ "$BUILD_MODULE" = yes ] || { echo "the module is not built"; exit 77; }
so=$top_builddir/mod_dgon/.libs/mod_dgon.so
symbols=$($NM -D --defined-only "$so" | awk '{ print $NF }')
echo "$symbols"
[ "$symbols" = dgon_module ]
