# Puts what PROGRAM --help says into a manual page: -v help=FILE with its output, the page on standard input.
# @OPTIONS@ becomes its options, @COMMANDS@ its commands, @EXIT@ its exit codes; @VERSION@ is -v version=.
function clean(s) {
    gsub(/\\/, "\\e", s)
    gsub(/--/, "\\-\\-", s)
    if (s ~ /^[.']/) s = "\\\&" s
    return s
}
# "-c, --config FILE" as mdoc: Fl c , Fl Fl config Ar FILE
function flags(s,    n, w, i, out) {
    n = split(s, w, /[ ,]+/)
    for (i = 1; i <= n; i++) {
        if (w[i] ~ /^--/) out = out (out != "" ? " , " : "") "Fl Fl " substr(w[i], 3)
        else if (w[i] ~ /^-/) out = out (out != "" ? " , " : "") "Fl " substr(w[i], 2)
        else if (w[i] != "" && w[i] != "|") out = out " Ar " w[i]
    }
    return out
}
BEGIN {
    while ((getline line < help) > 0) {
        if (line ~ /^ +-/) {
            name = line; sub(/^ +/, "", name); text = name
            sub(/  .*/, "", name)
            text = text == name ? "" : substr(text, length(name) + 1); sub(/^ +/, "", text)
            options = options ".It " flags(name) "\n" (text != "" ? clean(text) "\n" : "")
            n_options++; last = "option"
        } else if (line ~ /^  [a-z]/) {
            name = line; sub(/^ +/, "", name); text = name; sub(/ .*/, "", name)
            text = substr(text, length(name) + 1); sub(/^ +/, "", text)
            args = ""
            if (match(text, /  +/)) { args = substr(text, 1, RSTART - 1); text = substr(text, RSTART + RLENGTH) }
            commands = commands ".It Ic " name (args != "" ? " Ar " clean(args) : "") "\n" clean(text) "\n"
            n_commands++; last = "command"
        } else if (line ~ /^      / && last == "option") {
            sub(/^ +/, "", line); options = options clean(line) "\n"
        } else if (line ~ /^Exit/) {
            sub(/^[^:]*: */, "", line); sub(/\.$/, "", line)
            n = split(line, w, /, */)
            for (i = 1; i <= n; i++) {
                code = w[i]; sub(/ .*/, "", code); text = w[i]; sub(/^[0-9]+ */, "", text)
                if (code ~ /^[0-9]+$/) codes = codes ".It " code "\n" clean(text) "\n"
                else codes = codes ", " clean(w[i]) "\n"
                n_codes++
            }
        } else last = ""
    }
    if (!n_options || !n_codes) { print help ": no options or exit codes found" >"/dev/stderr"; exit 1 }
}
/^@OPTIONS@$/ { printf ".Bl -tag -width Ds\n%s.El\n", options; next }
/^@COMMANDS@$/ { if (n_commands) printf ".Bl -tag -width Ds\n%s.El\n", commands; next }
/^@EXIT@$/ { printf ".Bl -tag -width 3n -compact\n%s.El\n", codes; next }
{ gsub(/@VERSION@/, version); print }
