#!/bin/sh
# Every line of the threat model names tests that exist.
set -u
cd "$top_srcdir" || exit 1
bad=0 n=0
for name in $(grep -oE '`tests/[^`]+`' conf/THREATS.md | tr -d '`' | sort -u); do
    file=${name%%::*}
    [ -e "$file" ] || { echo "$file is no file"; bad=1; }
    case $name in
    *::*) grep -qE "^(async )?def ${name##*::}\(" "$file" || { echo "$name is no test"; bad=1; } ;;
    esac
    n=$((n + 1))
done
if grep -E '^\|' conf/THREATS.md | grep -vE '^\|(---|[ ]threat [|])' | grep -v 'tests/'; then echo "a line without a test"; bad=1; fi
echo "$n tests looked up"
[ "$n" -gt 20 ] && [ "$bad" -eq 0 ]
