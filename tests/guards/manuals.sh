#!/bin/bash
# The manual pages are well formed and have every option, command, key and exit code; completion knows them too.
set -u
cd "$top_builddir" || exit 1
bad=0 n=0
say() { echo "$*"; bad=1; }
programs="dgonctl mod_dgon/ctl"
[ "$BUILD_AGENT" != yes ] || programs="$programs dgon-agent agent"
command -v mandoc >/dev/null && command -v zsh >/dev/null || { echo "no mandoc or no zsh here"; exit 77; }
for page in dgonctl.8 $([ "$BUILD_AGENT" != yes ] || echo dgon-agent.8 dgon-agent.conf.5) $([ "$BUILD_MODULE" != yes ] || echo mod_dgon.8); do
    mandoc -T lint -W warning "$page" || say "$page is not well formed"
    n=$((n + 1))
done

# shellcheck disable=SC2086
set -- $programs
while [ $# -gt 0 ]; do
    name=$1 program=$PWD/$2/$1 folder=$PWD/$2
    shift 2
    help=$("$program" --help) || say "$name --help fails"
    text=$(mandoc -T ascii "$name.8" | col -bx)
    for word in $(grep -oE '(^|[ ,|[])--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+' | sort -u) \
        $(sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$help"); do
        grep -qE -- "^ +.*$word([^a-z-]|\$)" <<<"$text" || say "$name.8 lacks $word"
        n=$((n + 1))
    done

    # Completion: what the shells offer behind the program's name, and behind "--".
    PATH=$folder:$PATH
    all=$(
        . "$top_srcdir/conf/completion/dgon.bash"
        for start in "" --; do
            COMP_WORDS=("$program" "$start") COMP_CWORD=1
            _dgon "$program" "$start" "$program"
            printf '%s\n' "${COMPREPLY[@]}"
        done | sort -u
    )
    zsh=$(program=$program file=$top_srcdir/conf/completion/_dgon zsh -fc '
        _describe() { print -rl -- ${(P)2} }
        _files() { : }
        for start in "" --; do words=($program "$start") CURRENT=2; . $file; done' | cut -d: -f1 | sort -u)
    for word in $(sed -nE 's/^ +(-[a-z], )?(--[a-z-]+).*/\2/p; s/^  ([a-z][a-z-]*) .*/\1/p' <<<"$help"); do
        grep -qxF -- "$word" <<<"$all" || say "bash does not complete $name $word"
        grep -qxF -- "$word" <<<"$zsh" || say "zsh does not complete $name $word"
        n=$((n + 1))
    done
done

codes() { # codes FILE PREFIX: the numbers of an enum
    grep -oE "\b$2[A-Z_]+ = [0-9]+" "$top_srcdir/$1" | grep -oE '[0-9]+$' | sort -n | tr '\n' ' '
}
shown() { mandoc -T ascii "$1" | col -bx | sed -n '/^EXIT STATUS/,/^[A-DF-Z]/s/^ *\([0-9][0-9]*\) .*/\1/p' | sort -n | tr '\n' ' '; }
[ "$(codes mod_dgon/ctl/ctl.h CTL_)" = "$(shown dgonctl.8)" ] ||
    say "dgonctl.8 has exit codes $(shown dgonctl.8), ctl.h $(codes mod_dgon/ctl/ctl.h CTL_)"
if [ "$BUILD_AGENT" = yes ]; then
    [ "$(codes agent/agent.h AGENT_EXIT_)" = "$(shown dgon-agent.8)" ] ||
        say "dgon-agent.8 has exit codes $(shown dgon-agent.8), agent.h $(codes agent/agent.h AGENT_EXIT_)"
    for key in $(sed -nE 's/^#?([a-z_]+) *=.*/\1/p' "$top_srcdir/conf/agent.conf" | sort -u); do
        mandoc -T ascii dgon-agent.conf.5 | col -bx | grep -qE "^ +$key =" || say "dgon-agent.conf.5 lacks $key"
        n=$((n + 1))
    done
fi
echo "$n pages and words looked up"
[ "$n" -gt 10 ] && [ "$bad" -eq 0 ]
