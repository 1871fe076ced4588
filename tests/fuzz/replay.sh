#!/bin/sh
# replay.sh PROGRAM: feeds corpus/<unit> to fuzz_<unit>. No corpus is a failure, not a pass.
unit=$(basename "$1")
unit=${unit#fuzz_}
exec "$1" "$(dirname "$0")/corpus/$unit"
