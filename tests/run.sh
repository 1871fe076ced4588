# Read by build.sh: the test command. Every test counts once: each program and guard of `make check`,
# each input set of a fuzz target, each test function of the suites below. A skipped test counts as failed.

test_usage() {
    cat <<'TEXT'
usage: ./build.sh test [NAME]
Builds, then runs every test; the last line is "N passed, N failed". With NAME only that one: a program
of tests/unit, tests/fuzz, tests/stress or tests/guards (test_sse, layers.sh), a suite (e2e, clients, examples,
packages, page), else what pytest -k finds in the suites (cancel, test_queue). clients-table runs the clients and
writes what they showed into tests/clients/README.md. Logs are in build/, pictures of the page in build/page.
TEXT
}

passed=0 failed=0
suites="clients examples packages e2e page" # directories of pytest's

# count_trs DIR...: adds up the result files that automake's test harness wrote.
count_trs() {
    local result
    while read -r result; do
        case $result in
        PASS | XFAIL) passed=$((passed + 1)) ;;
        *) failed=$((failed + 1)) ;;
        esac
    done < <(find "$@" -name '*.trs' -exec sed -n 's/^:test-result: //p' {} +)
}

# make_check TEXT DIR [ARGUMENT...]: make check in DIR; what fails is shown with its log.
make_check() {
    local text=$1 dir=$2 log=$2/check.log begin=$EPOCHREALTIME before=$((passed + failed)) ok=1
    shift 2
    printf '%-58s' "$text ..."
    find "$dir" -name '*.trs' -delete
    make -k -C "$dir" -j"$jobs" check "$@" >"$log" 2>&1 </dev/null &
    wait $! || ok=0
    count_trs "$dir"
    printf ' %s s\n' "$(seconds "$begin")"
    [ "$ok" = 1 ] && [ $((passed + failed)) -gt "$before" ] && return
    # A program that does not compile leaves no result: it must not look like a pass.
    find "$dir" -name '*.trs' -exec grep -LE '^:test-result: (PASS|XFAIL)' {} + | while read -r trs; do
        echo "--- ${trs%.trs}"
        tail -n 30 "${trs%.trs}.log"
    done
    grep -E 'error:|Error [0-9]' "$log" | head -n 20 || true
    grep -q ':test-result:' -r "$dir" --include='*.trs' || failed=$((failed + 1))
    if grep -qE 'error:|undefined reference|No rule to make' "$log"; then failed=$((failed + 1)); fi
}

# A python of our own with the pinned packages, also where the distribution's lacks ensurepip.
venv() {
    local python
    python=$(command -v python3) || die "python3 not found"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then packages python3-venv; fi
    if ! cmp -s "$top/tests/requirements.txt" "$top/build/venv/requirements.txt"; then
        rm -rf "$top/build/venv"
        step "python environment" "$top/build/venv.log" make_venv "$python"
    fi
}
make_venv() {
    "$1" -m venv "$top/build/venv" &&
        "$top/build/venv/bin/python" -m pip install --disable-pip-version-check -r "$top/tests/requirements.txt" &&
        cp "$top/tests/requirements.txt" "$top/build/venv/requirements.txt"
}

# end_to_end [ARGUMENT...]: pytest; it leaves "PASSED FAILED" in build/e2e/count-$part, and how long each test took in durations-$part.
end_to_end() {
    local p=0 f=0 suite folders=() count=$top/build/e2e/count${part:+-$part}
    for suite in $suites; do folders+=("$top/tests/$suite"); done
    venv
    mkdir -p "$top/build/e2e"
    rm -f "$count"
    DGON_OBJ=${e2e_obj:-$obj} DGON_PART=${part:-} DGON_CACHE=$cache "$top/build/venv/bin/python" -m pytest -c "$top/tests/e2e/pytest.ini" \
        --rootdir "$top/tests/e2e" "$@" "${folders[@]}" </dev/null &
    wait $! || true
    read -r p f 2>/dev/null <"$count" || f=1
    passed=$((passed + p)) failed=$((failed + f))
}

# What the suites run and do not build, into the cache: it would else be fetched within some test's time.
fetch() {
    venv
    step "fetching model servers and clients (once)" "$top/build/fetch.log" \
        env DGON_OBJ="$obj" DGON_CACHE="$cache" "$top/build/venv/bin/python" "$top/tests/clients/fetch.py"
}

# Everything that takes processors and asks nothing of time: other builds, the packages, their tests.
aside() {
    configure_in "$top/build/sanitize" --enable-sanitize=address,undefined --enable-werror
    step "make with ASan and UBSan" "$top/build/sanitize/make.log" make -C "$top/build/sanitize" -j"$jobs" all
    step "its programs of make check" "$top/build/sanitize/check-make.log" make -k -C "$top/build/sanitize" -j"$jobs" check TESTS=
    configure_in "$top/build/clang" CC=clang --enable-werror
    step "make with clang, warnings are errors" "$top/build/clang/make.log" make -C "$top/build/clang" -j"$jobs"
    configure_in "$top/build/thread" --disable-module --disable-agent --enable-sanitize=thread
    step "make with TSan" "$top/build/thread/make.log" make -C "$top/build/thread" -j"$jobs"
    step "its programs of make check" "$top/build/thread/check-make.log" make -k -C "$top/build/thread/tests/stress" -j"$jobs" check TESTS=
    step "Debian packages" "$top/build/deb.log" "$top/build.sh" deb
    step "RPM packages" "$top/build/rpm.log" "$top/build.sh" rpm
    step "Debians to install them into (once)" "$top/build/debians.log" env DGON_PACKAGES=made DGON_OBJ="$obj" DGON_CACHE="$cache" \
        "$top/build/venv/bin/python" "$top/tests/packages/fetch.py"
    make_check "make check with ASan and UBSan" "$top/build/sanitize"
    make_check "ring and registry with TSan" "$top/build/thread/tests/stress"
    echo "packages:"
    DGON_PACKAGES=made part=packages suites=packages end_to_end
}

declare -A begun=() # function -> pid
# begin FUNCTION [idle]: beside what follows; idle: on processor time that nobody else wants.
begin() {
    {
        passed=0 failed=0
        if [ "${2:-}" = idle ]; then chrt --idle -p 0 "$BASHPID" 2>/dev/null || renice -n 19 "$BASHPID" >/dev/null; fi
        "$1"
        echo "$passed $failed" >"$top/build/$1.count"
    } >"$top/build/$1.out" 2>&1 </dev/null &
    begun[$1]=$!
}
# join FUNCTION: waits for it, shows what it said, and adds what it counted.
join() {
    local pid status=0 p f
    # the whole machine is its own from now on
    for pid in ${begun[$1]} $(descendants "${begun[$1]}"); do chrt --other -p 0 "$pid" 2>/dev/null || true; done
    wait "${begun[$1]}" || status=$?
    cat "$top/build/$1.out"
    [ "$status" = 0 ] || die "$1 failed"
    read -r p f <"$top/build/$1.count"
    passed=$((passed + p)) failed=$((failed + f))
}

# Whatever is C of ours and carries streams. Not what only asks the same of real servers, nor the pass-through under a second MPM with
# threads, where the same thread waits.
sanitized="test_chat_basic or test_cancel or test_faults or test_queue or test_agent_echo or test_agent_backends or test_alias or test_choices"
sanitized+=" or ((test_kept or test_pass) and not llama and not worker) or (test_batch and not real_servers)"

# The same tests on other builds: undefined behaviour, memory and data races do not show in the first.
other_builds() {
    echo "module and agent with ASan and UBSan, end to end:"
    e2e_obj=$top/build/sanitize part=sanitize end_to_end -k "$sanitized"
    echo "agent under valgrind:"
    DGON_AGENT_WRAPPER="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" part=valgrind end_to_end -k test_agent_echo
}

# Of the suites what judges no time, beside the clients.
untimed() {
    echo "examples:"
    part=examples suites=examples end_to_end
    echo "the page's units:"
    part=units suites=page end_to_end -k test_page_units
}

run_tests() {
    case ${1:-} in -h | --help) test_usage && return ;; esac
    local name=${1:-} kind
    page_tools=needed
    [ -n "$name" ] || beside_build="begin fetch"
    # shellcheck disable=SC2086
    build $test_packages
    if [ "$name" = clients-table ]; then
        end_to_end -k test_matrix
        "$top/build/venv/bin/python" "$top/tests/clients/table.py"
    elif [[ $name && " $suites " = *" $name "* ]]; then
        suites=$name end_to_end
    elif [ -n "$name" ]; then
        for kind in unit fuzz stress guards; do
            for name in "$1" "test_$1" "fuzz_$1" "stress_$1" "$1.sh"; do
                [ -e "$top/tests/$kind/$name" ] || [ -e "$top/tests/$kind/$name.c" ] || continue
                make_check "$name" "$obj/tests/$kind" TESTS="$name"
                break 2
            done
        done
        [ $((passed + failed)) -gt 0 ] || end_to_end -k "$1"
    else
        make_check "make check" "$obj"
        join fetch
        begin aside idle
        begin untimed
        echo "clients:"
        part=clients suites=clients end_to_end
        join untimed
        echo "end to end:"
        part=e2e suites=e2e end_to_end
        join aside
        echo "page:"
        part=page suites=page end_to_end -k "not test_page_units"
        other_builds
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
