# Bash completion for dgonctl and dgon-agent. Options and commands are what --help of the program lists.

_dgon_words() { # _dgon_words PROGRAM: its options, and the commands if it has any
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1/p; s/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p'
}

_dgon() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word
    COMPREPLY=()
    case $prev in
    -c | --config | --socket | --ca)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --url) return ;;
    esac
    local words
    words=$(_dgon_words "$1")
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        # Behind a command only options go on; what it takes is in --help.
        if [[ $word != -* && $'\n'$words$'\n' == *$'\n'"$word"$'\n'* ]]; then
            words=$(grep '^-' <<<"$words")
            break
        fi
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _dgon dgonctl dgon-agent
