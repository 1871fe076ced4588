#!/bin/sh
# Writes conf/README.md: the module's directives and the agent's keys, out of the code's tables and the comments of
# dgon.conf and agent.conf. `make reference` renews it; the guard conf_reference.sh compares.
set -eu
cd "$(dirname -- "$0")/.."

cat <<'TEXT'
# Configuration

| file | what |
|---|---|
| [dgon.conf](dgon.conf) | every directive of the module with its default |
| [agent.conf](agent.conf) | every key of the agent with its default |
| [dgon-agent.service](dgon-agent.service) | the agent's systemd unit |
| [page.conf](page.conf) | how the chat page is served: included where it is |
| [THREATS.md](THREATS.md) | who may attack what, what is done about it, and which test shows it |
| [openapi.yaml](openapi.yaml) | the HTTP interface |
| `packaging/` | what `./build.sh deb` and `./build.sh rpm` build from |

This page is made of the tables in the code and the comments in the two files: `make reference`.
Mistakes are told at start with file and line: `apachectl -t`, `dgon-agent --check-config`.

## Directives of the module
A number is a whole one; a size is in bytes, with K or M behind it if wanted; a time is 30 or 30s, 500ms, 2min. *Server* stands outside of any
`<VirtualHost>`, *virtual host* there too, *directory* in `<Location>` and its kind.
TEXT

# shellcheck disable=SC2016
awk '
function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }
# The n-th part of s, cut at commas outside of strings and brackets.
function part(s, n,    i, c, depth, quoted, at, from) {
    from = 1; at = 1
    for (i = 1; i <= length(s) + 1; i++) {
        c = substr(s, i, 1)
        if (c == "\"") quoted = !quoted
        if (!quoted && index("({", c) && c != "") depth++
        if (!quoted && index(")}", c) && c != "") depth--
        if (i > length(s) || (c == "," && !quoted && !depth)) {
            if (at == n) return trim(substr(s, from, i - from))
            at++; from = i + 1
        }
    }
    return ""
}
FILENAME ~ /\.c$/ {
    if ($0 ~ /^[a-z].*[ *][a-z_]+\(/) { fn = $0; sub(/\(.*/, "", fn); sub(/.*[ *]/, "", fn) }
    if (/GLOBAL_ONLY/) global[fn] = 1
    if ($0 !~ /^#define/) code = code " " $0
    next
}
FILENAME ~ /\.conf$/ && !looked { looked = 1; look(code) }
# Rows of the tables: {"DgonX", ...} and CMD("DgonX", ...).
function look(s,    row, name) {
    gsub(/[ \t]+/, " ", s)
    gsub(/" "/, "", s)
    while (match(s, /(\{|CMD\() ?"Dgon[A-Z][A-Za-z0-9]*",/)) {
        s = substr(s, RSTART)
        row = s; sub(/^(\{|CMD\()/, "", row)
        name = part(row, 1); gsub(/[" ]/, "", name)
        if (s ~ /^CMD/) { number[name] = 1 }
        else if (part(row, 3) ~ /^UNIT_/) {
            unit[name] = part(row, 3); def[name] = amount(part(row, 6)); whole[name] = part(row, 7) == "true"
        } else {
            fn = part(row, 2); gsub(/[{} ]/, "", fn); sub(/.*=/, "", fn)
            where[name] = part(row, 4); takes[name] = part(row, 5); only[name] = fn in global
        }
        s = substr(s, 8)
    }
}
# 16384, 32 << 20, 24 * HOUR_MS; in dgon.conf 16K, 32M, 500ms, 60s, 2min. Bytes and milliseconds.
function amount(s,    n) {
    n = s + 0
    if (s ~ /<< *[0-9]+$/) { sub(/.*<< */, "", s); return n * 2 ^ s }
    if (s ~ /HOUR_MS/) return (n ? n : 1) * 3600000
    if (s ~ /[0-9]K$/) return n * 1024
    if (s ~ /[0-9]M$/) return n * 1048576
    if (s ~ /[0-9]ms$/) return n
    if (s ~ /[0-9]min$/) return n * 60000
    if (s ~ /[0-9]s$/) return n * 1000
    return n
}
function context(n,    w, out) {
    if (n in unit) return whole[n] ? "server" : "server, virtual host"
    w = where[n]
    if (w ~ /RSRC_CONF/) out = only[n] ? "server" : "server, virtual host"
    if (w ~ /ACCESS_CONF|OR_/) out = out (out == "" ? "" : ", ") "directory"
    if (w ~ /OR_/) out = out ", .htaccess"
    return out
}
function syntax(n) {
    if (n in unit) return unit[n] ~ /TIME/ ? "a time" : unit[n] ~ /BYTES/ ? "a size" : "a number"
    if (takes[n] == "FLAG") return "On or Off"
    if (takes[n] == "TAKE1") return "one argument"
    if (takes[n] == "TAKE2") return "two arguments"
    if (takes[n] == "TAKE12") return "one or two arguments"
    if (takes[n] == "TAKE23") return "two or three arguments"
    if (takes[n] == "TAKE3") return "three arguments"
    if (takes[n] == "NO_ARGS") return "no argument"
    if (takes[n] == "ITERATE2") return "a name, then any number of arguments; the directive may be repeated"
    if (takes[n] ~ /ITERATE|TAKE_ARGV/) return "any number of arguments"
    return "the rest of the line"
}
function flush_rows(    i) {
    for (i = 1; i <= rows; i++) {
        printf "\n### %s\n", names[i]
        printf "`%s`\n\n", lines[i]
        printf "%s · %s%s\n\n", syntax(names[i]), context(names[i]), names[i] in unit ? " · this is the default" : " · example"
        print trim(text)
    }
    if (rows) text = ""
    rows = 0
}
/^[ \t]*#?Dgon[A-Z][A-Za-z0-9]+ / {
    line = $0; sub(/^[ \t]*#?/, "", line); name = line; sub(/ .*/, "", name)
    if (name in unit && amount(substr(line, length(name) + 2)) != def[name]) {
        print "conf/dgon.conf: " line ": the code has " def[name] | "cat >&2"
        wrong = 1
    }
    if (rows && names[rows] == name) lines[rows] = lines[rows] "`<br>`" line
    else { names[++rows] = name; lines[rows] = line }
    next
}
/^# ----/ || !/^#/ { flush_rows(); text = ""; next }
{ if (rows) flush_rows(); sub(/^# ?/, ""); text = text " " $0 }
END { flush_rows(); exit wrong }
' mod_dgon/mod_dgon*.c conf/dgon.conf

cat <<'TEXT'

## Keys of the agent
Yes and no may be true and false. Files that hold a secret must have mode 600 (640 at most).
TEXT
awk '
function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); gsub(/\|/, "\\|", s); return s }
/^#?\[/ {
    section = $0; sub(/^#/, "", section); used = 0
    printf "\n### `%s`\n", section
    if (text != "" && started) print trim(text)
    print "| key | default or example | what |\n|---|---|---|"
    text = ""; started = 1; next
}
/^#?[a-z_]+ *=/ {
    key = $0; fixed = key !~ /^#/; sub(/^#/, "", key)
    value = key; sub(/ *=.*/, "", key); sub(/^[^=]*= */, "", value); value = trim(value)
    printf "| `%s` | %s | %s |\n", key, fixed ? "needed: `" value "`" : value == "" ? "" : "`" value "`", trim(text)
    used = 1; next
}
/^#/ { if (used) text = ""; used = 0; sub(/^# ?/, ""); text = text " " $0; next }
{ text = "" }
' conf/agent.conf
