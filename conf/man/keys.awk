# The keys of conf/agent.conf, its comments as their text, as mdoc: for dgon-agent.conf.5.in, at its @KEYS@.
# usage: awk -f keys.awk agent.conf dgon-agent.conf.5.in
function clean(s) {
    gsub(/\\/, "\\e", s); sub(/^ +/, "", s)
    gsub(/--/, "\\-\\-", s)
    if (s ~ /^[.']/) s = "\\\&" s
    # a sentence a line
    gsub(/\. /, ".\n", s)
    return s
}
FNR == NR && /^#?\[/ {
    section = $0; sub(/^#/, "", section); gsub(/"/, "\\(dq", section)
    out = out (open ? ".El\n" : "") ".Ss " section "\n" (text != "" && open ? clean(text) "\n" : "") ".Bl -tag -width Ds\n"
    open = 1; text = ""; used = 0; next
}
FNR == NR && /^#?[a-z_]+ *=/ {
    key = $0; fixed = key !~ /^#/; sub(/^#/, "", key); value = key
    sub(/ *=.*/, "", key); sub(/^[^=]*= */, "", value)
    out = out ".It Ic " key (value != "" ? " = " clean(value) : " =") "\n" clean(text) "\n"
    used = 1; n++; next
}
FNR == NR && /^#/ { if (used) text = ""; used = 0; sub(/^# ?/, ""); text = text " " $0; next }
FNR == NR { text = ""; next }
/^@KEYS@$/ {
    if (n < 10) { print "too few keys found" >"/dev/stderr"; exit 1 }
    printf "%s.El\n", out; next
}
{ print }
