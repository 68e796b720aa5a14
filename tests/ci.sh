#!/usr/bin/env bash
# Checks the project in one way, a row: tests/ci.sh ROW. Without a row it lists them. `all` runs every row, goes on after a
# failure, and closes with a count. Packages are the caller's business, but for the row readme, which runs the README's own
# commands. Each row builds in build-ci/ROW.
set -euo pipefail
cd "$(dirname "$0")/.."

# name, and why it is there
rows=(
  'readme     the test command of the README, word for word: the default compiler, without optimisation'
  'gcc        the same at -O2, as packages are built, every warning an error; with the libraries that weir is measured beside'
  'clang      another compiler, without optimisation, every warning an error'
  'asan       addresses and undefined behaviour, by sanitizer, without suppressions'
  'tsan       data races, by sanitizer, without suppressions'
  'valgrind   memory that a compiler cannot watch: what the kernel is given, and leaks'
  'lto        -O3 and link-time optimisation: what an optimiser breaks'
  'i686       32 bits: pointers, time_t and alignment of another size'
  'musl       another libc: nothing leans on glibc'
  'aarch64    a processor with weaker memory, under emulation: logic alone'
  's390x      big-endian, under emulation: logic alone'
  'coverage   the lines of lib/ that tests run: 98 %, the rest listed with a reason; 90 % of the branches'
  'model      the concurrent protocol, exhaustively, by the model checkers that are installed, GenMC and Relacy'
  'explore    every small program in every order, a share of them: nothing wrong, and the counts of the table'
  'mutants    each memory order and check is needed: without it, a named test fails'
  'tidy       what clang-tidy knows of bugs, in lib/'
  'cppcheck   what cppcheck knows of them, in lib/ and the worked servers'
  'manual     every call has its page, every example of the manual runs, those of other libraries too'
  'format     the sources are as .clang-format says'
  'pairs      each PAIR(label) has two sides'
  'symbols    the shared library exports the headers, no more and no less'
  'abi        no break of the binary interface since the last release'
  'subproject parent projects, static and shared, that know weir only as a subproject'
  'installed  programs against the installed library, in C and C++, static and shared'
  'wrapped    tests without an installed cmocka, with that of subprojects/cmocka.wrap'
  'dist       the release archive builds and passes elsewhere'
)

# The scenarios of the model are run with threads in row after row: a fifth of a second each does, where nothing else is said.
export WEIR_MODEL_SECONDS=${WEIR_MODEL_SECONDS:-0.2}

# What a checker must do without, and why: a pattern of test names for each.
# A filter forbids calls that valgrind itself makes; pages are counted, of which valgrind takes some; a debugger is run, or a
# program runs step by step, by the processor's trap flag;
# valgrind 3.19 does not know pidfd_open(2).
valgrind_cannot='no_system_call|pwait2|plug-ins|probes|sources / (child|refused)$|retoken_beside_an_older_batch'
# qemu-user says it can wipe memory at fork (MADV_WIPEONFORK), and does not; and it has a thread of its own, where threads are
# counted.
qemu_cannot='unit / sys$|fork|g02_role|g04_deregister_if|g06_guard|g08_afresh|g13_errors|g14_'

fail() {
        echo "ci: $*" >&2
        exit 1
}

# For a row that cannot be run here.
skip() {
        echo "skipped: $*"
        exit 77
}

# Every suite has a test, and every cmocka program ran at least one case.
check_not_empty() {
        local build=$1 suite list

        list=$(meson test -C "$build" --no-rebuild --list 2>/dev/null)
        for suite in unit contract regress stress fault fuzz explore model net sources server e2e api manual bench; do
                grep -q "weir:.*\b$suite\b.* / " <<<"$list" || fail "suite $suite is empty"
        done
        # One whose cases are all skipped here has some.
        if grep -E '^\[=+\] Running 0 test' "$build/meson-logs/testlog.txt"; then
                fail 'a test program without a case'
        fi
        grep -qE '\[  PASSED  \] [1-9][0-9]* test' "$build/meson-logs/testlog.txt" || fail 'no case was run'
}

# Without the manual and other libraries, which have rows of their own.
plain=(-Dmanual=disabled -Dpeers=disabled)

set_up() {
        local build=build-ci/$1

        shift
        rm -rf "$build"
        meson setup "$build" --werror "$@"
}

# All there is, also what is not run.
build() {
        set_up "$@"
        ninja -C "build-ci/$1" all meson-test-prereq
}

build_and_test() {
        build "$@"
        meson test -C "build-ci/$1" --print-errorlogs
        check_not_empty "build-ci/$1"
}

# Makes and runs the tests of a build but those that match a pattern: run_but BUILD PATTERN [ARGUMENT OF MESON TEST...]
run_but() {
        local build=$1 pattern=$2 names

        shift 2
        mapfile -t names < <(meson test -C "$build" --no-rebuild --list "$@" 2>/dev/null | grep -E ' / ' | grep -vE "$pattern" |
                sed 's/.* \/ //' | sort -u)
        ((${#names[@]})) || fail 'nothing to run'
        echo "left out: $pattern"
        meson test -C "$build" --print-errorlogs "$@" "${names[@]}"
}

# Sets apt, for fetching beside the build what is not to be installed: own_apt DIRECTORY [OPTION...]
own_apt() {
        local dir=$1

        shift
        mkdir -p "$dir/lists/partial" "$dir/archives/partial"
        : >"$dir/status"
        apt=(apt-get -qq -o "Dir::State=$dir" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir"
                -o APT::Sandbox::User=root "$@")
        "${apt[@]}" update >"$dir/log" 2>&1 || true
}

# For another architecture: foreign NAME DEBIAN_NAME ENDIAN EXE_WRAPPER [LINK_ARGUMENT...] sets up build-ci/NAME.
# cmocka comes from Debian's archive of that architecture, unpacked beside the build: nothing is installed.
foreign() {
        local triplet=$1-linux-gnu debian=$2 endian=$3 wrapper=$4 dir=$PWD/build-ci/$1-cmocka arguments='' apt

        shift 4
        rm -rf "$dir"
        own_apt "$dir/apt" -o "APT::Architecture=$debian" -o "APT::Architectures=$debian"
        (cd "$dir" && "${apt[@]}" download libcmocka-dev libcmocka0 >>"$dir/apt/log" 2>&1) || {
                tail -3 "$dir/apt/log"
                skip "the package archive has no cmocka for $debian at the moment"
        }
        for package in "$dir"/*.deb; do
                dpkg -x "$package" "$dir/root"
        done
        for argument in "-Wl,-rpath,$dir/root/usr/lib/${triplet/i686/i386}" "$@"; do
                arguments+="'$argument', "
        done
        cat >"$dir/cross.ini" <<END
[binaries]
c = '$triplet-gcc'
ar = '$triplet-ar'
strip = '$triplet-strip'
pkgconfig = 'pkg-config'
$([[ -z $wrapper ]] || echo "exe_wrapper = ['$wrapper', '-L', '/usr/$triplet']")
[properties]
needs_exe_wrapper = $([[ -z $wrapper ]] && echo false || echo true)
pkg_config_libdir = '$dir/root/usr/lib/${triplet/i686/i386}/pkgconfig'
sys_root = '$dir/root'
[built-in options]
c_link_args = [$arguments]
[host_machine]
system = 'linux'
cpu_family = '${triplet%%-*}'
cpu = '${triplet%%-*}'
endian = '$endian'
END
        sed -i "s/cpu_family = 'i686'/cpu_family = 'x86'/" "$dir/cross.ini"
        set_up "${triplet%%-*}" --cross-file "$dir/cross.ini" "${plain[@]}"
}

row_readme() {
        local command

        command=$(awk '/^```sh$/ { ++block; next } /^```$/ { on = 0 } block == 2 && !seen { print; seen = 1 }' README.md)
        [[ $command == *'meson test'* ]] || fail 'the second sh block of the README is not the test command'
        rm -rf build
        echo "$command"
        bash -c "$command"
        check_not_empty build
}

row_gcc() {
        local list

        CC=gcc build_and_test gcc -Doptimization=2
        list=$(meson test -C build-ci/gcc --no-rebuild --list 2>/dev/null)
        grep -q 'e2e / tls$' <<<"$list" || fail 'the test of the server over TLS needs a package'
}

row_clang() {
        CC=clang CXX=clang++ build_and_test clang "${plain[@]}"
}

row_asan() {
        ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                build_and_test asan -Db_sanitize=address,undefined -Db_lundef=false "${plain[@]}"
}

# By clang: gcc 12's runtime reports its own book of descriptors when threads open and close many.
row_tsan() {
        CC=clang CXX=clang++ TSAN_OPTIONS=halt_on_error=1 \
                build_and_test tsan -Db_sanitize=thread -Db_lundef=false "${plain[@]}"
}

row_valgrind() {
        set_up valgrind "${plain[@]}"
        run_but build-ci/valgrind "$valgrind_cannot" -t 10 --suite unit --suite contract --suite regress --suite fault \
                --suite net --suite sources --suite server --suite api \
                --wrap 'valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect'
}

# Without the scenarios of the model: each would compile the whole library once more, as it is linked. The row gcc has them.
row_lto() {
        set_up lto -Doptimization=3 -Db_lto=true "${plain[@]}"
        meson test -C build-ci/lto --print-errorlogs --no-suite model
        check_not_empty build-ci/lto
}

# The kernel runs these itself, with the C library of the cross compiler.
row_i686() {
        foreign i686 i386 little '' -Wl,--dynamic-linker=/usr/i686-linux-gnu/lib/ld-linux.so.2 \
                -Wl,-rpath,/usr/i686-linux-gnu/lib
        ninja -C build-ci/i686 all meson-test-prereq
        meson test -C build-ci/i686 --print-errorlogs --no-suite manual
}

emulated() {
        foreign "$1" "$2" "$3" "qemu-$1"
        run_but "build-ci/$1" "$qemu_cannot" -t 5 --suite unit --suite contract --suite regress --suite fault --suite fuzz \
                --suite model
}

row_aarch64() {
        emulated aarch64 arm64 little
}

row_s390x() {
        emulated s390x s390x big
}

row_musl() {
        rm -rf build-ci/musl
        sh tests/api/musl.sh build-ci/musl
}

row_coverage() {
        set_up coverage -Db_coverage=true "${plain[@]}"
        meson test -C build-ci/coverage --print-errorlogs --no-suite model --no-suite stress --no-suite manual
        gcovr -r . --filter lib/ --exclude-throw-branches --json -o build-ci/coverage/gcovr.json build-ci/coverage
        python3 tests/coverage.py build-ci/coverage/gcovr.json tests/coverage.txt
}

# GenMC explores every scenario, and both explore generated programs, Relacy in a small part of the time.
row_model() {
        local list

        rm -rf build-ci/model
        meson setup build-ci/model -Dexhaustive=true "${plain[@]}"
        list=$(meson test -C build-ci/model --no-rebuild --list --suite exhaustive 2>/dev/null)
        grep -q ' / ' <<<"$list" ||
                skip 'neither GenMC nor Relacy is installed; the scenarios run as stress programs in the other rows'
        meson test -C build-ci/model --suite exhaustive --print-errorlogs
}

# Within five minutes on two processors.
row_explore() {
        rm -rf build-ci/explore
        meson setup build-ci/explore --werror "${plain[@]}"
        meson compile -C build-ci/explore explore
        sh tests/explore/all.sh build-ci/explore/tests/explore/explore >build-ci/explore/table.txt ||
                fail "a program is wrong: $(cat build-ci/explore/table.txt)"
        diff tests/explore/table.txt build-ci/explore/table.txt ||
                fail 'the library takes other steps than it did: see the head of tests/explore/all.sh'
}

row_mutants() {
        python3 tests/mutants.py --check
        python3 tests/mutants.py
}

# Left out: what needs Annex K, which no libc has; tagged pointers; and what version 14 says of every va_list.
row_tidy() {
        local checks='-*,bugprone-*,clang-analyzer-*,portability-*,performance-*,misc-*'

        checks+=',-bugprone-easily-swappable-parameters,-misc-unused-parameters,-misc-no-recursion'
        checks+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-performance-no-int-to-ptr'
        checks+=',-clang-analyzer-valist.Uninitialized'
        clang-tidy --quiet --warnings-as-errors='*' --checks="$checks" lib/*/*.c -- -std=c11 -D_GNU_SOURCE -Iinclude
}

# It does not read the headers of the system, which have CLOCK_MONOTONIC.
row_cppcheck() {
        cppcheck -q --std=c11 --enable=warning,performance,portability --error-exitcode=1 -Iinclude -D_GNU_SOURCE \
                -DCLOCK_MONOTONIC=1 lib bench/servers
}

row_manual() {
        local list

        build manual -Dmanual=enabled -Dpeers=disabled
        meson test -C build-ci/manual --suite manual --print-errorlogs
        list=$(meson test -C build-ci/manual --no-rebuild --list 2>/dev/null)
        for test in reference lint before-libevent before-libuv; do
                grep -q "manual / $test\$" <<<"$list" || fail "the manual's test $test needs a package"
        done
}

row_format() {
        git ls-files '*.c' '*.h' '*.cc' | xargs clang-format --dry-run -Werror
}

row_pairs() {
        local label alone=''

        for label in $(grep -rhoE 'PAIR\([a-z]+\)' lib | sort -u); do
                (($(grep -roF "$label" lib | wc -l) >= 2)) || alone+=" $label"
        done
        [[ -z $alone ]] || fail "labels with one side only:$alone"
        grep -rhoE 'PAIR\([a-z]+\)' lib | sort | uniq -c
}

row_symbols() {
        local build=build-ci/symbols

        rm -rf "$build"
        meson setup "$build"
        meson compile -C "$build" weir:shared_library
        diff <(cat include/weir/*.h | tr -d '\n' | grep -oE 'WEIR_PUBLIC [^;(]*\(' | grep -oE 'weir_[a-z_]+\(' |
                tr -d '(' | sort) \
                <(nm -D --defined-only "$build/lib/libweir.so" | awk '$2 == "T" { print $3 }' | sed 's/@.*//' | sort)
        ! nm -D --defined-only "$build/lib/libweir.so" | awk '$2 != "T" && $2 != "A"' | grep . ||
                fail 'data is exported'
}

row_abi() {
        local tag

        tag=$(git describe --tags --abbrev=0 2>/dev/null) || skip 'there is no release yet'
        rm -rf build-ci/abi
        git worktree prune
        git worktree add -f --detach build-ci/abi/before "$tag"
        for tree in build-ci/abi/before .; do
                meson setup "build-ci/abi/build-$(basename "$tree")" "$tree" --buildtype=debugoptimized "${plain[@]}"
                meson compile -C "build-ci/abi/build-$(basename "$tree")" weir:shared_library
        done
        abidiff --headers-dir1 build-ci/abi/before/include --headers-dir2 include \
                build-ci/abi/build-before/lib/libweir.so build-ci/abi/build-./lib/libweir.so
}

row_subproject() {
        rm -rf build-ci/subproject
        sh tests/api/subproject.sh build-ci/subproject
}

row_installed() {
        sh tests/api/installed.sh build-ci/installed
}

# In a copy of the tree: an installed cmocka is taken first, and without one the archive that the wrap names. That is
# the one of Debian's source package, byte for byte.
row_wrapped() {
        local dir=$PWD/build-ci/wrapped archive version list apt

        archive=$(sed -n 's/^source_filename = //p' subprojects/cmocka.wrap)
        version=$(sed 's/^cmocka-\(.*\)\.tar\.xz$/\1/' <<<"$archive")
        rm -rf "$dir"
        mkdir -p "$dir/sources" "$dir/weir/subprojects/packagecache"
        for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
                [[ ! -f $list ]] || sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$list" >"$dir/sources/${list##*/}"
        done
        own_apt "$dir/apt" -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/sources"
        (cd "$dir" && "${apt[@]}" source --download-only cmocka >>"$dir/apt/log" 2>&1) || {
                tail -3 "$dir/apt/log"
                skip 'the package archive has no source of cmocka at the moment'
        }
        [[ -f $dir/cmocka_$version.orig.tar.xz ]] || skip "the package archive has another cmocka than $version"

        git ls-files -z | tar --null -T - -c | tar -x -C "$dir/weir"
        if pkg-config --exists 'cmocka >= 1.1.5'; then
                meson setup "$dir/installed" "$dir/weir" "${plain[@]}"
                [[ ! -e $dir/weir/subprojects/cmocka-$version ]] || fail 'the installed cmocka is not taken'
        fi
        cp "$dir/cmocka_$version.orig.tar.xz" "$dir/weir/subprojects/packagecache/$archive"
        meson setup "$dir/build" "$dir/weir" --werror --wrap-mode=nodownload --force-fallback-for=cmocka "${plain[@]}"
        meson test -C "$dir/build" --suite unit --suite contract --print-errorlogs
        ! readelf -d "$dir/build/tests/unit/unit-core" | grep cmocka || fail 'the installed cmocka is taken'
}

row_dist() {
        sh tests/api/dist.sh build-ci/dist
}

names() {
        printf '%s\n' "${rows[@]}" | awk '{ print $1 }'
}

# What failed is said again at the end, where only the end of a long output is kept.
row_all() {
        local row passed=0 failed=0 skipped=0 start status summary='' ends='' log=build-ci/row.txt

        mkdir -p build-ci
        for row in $(names); do
                echo "=== $row"
                start=$SECONDS status=0
                bash "$0" "$row" </dev/null >"$log" 2>&1 || status=$?
                cat "$log"
                case $status in
                0) passed=$((passed + 1)) status=passed ;;
                77) skipped=$((skipped + 1)) status=skipped ;;
                *)
                        failed=$((failed + 1)) status=FAILED
                        ends+="=== the end of $row"$'\n'$(tail -n 80 "$log")$'\n'
                        ;;
                esac
                echo "=== $row $status in $((SECONDS - start)) s"
                summary+=$(printf '%-10s %-7s %4d s' "$row" "$status" $((SECONDS - start)))$'\n'
        done
        echo "$ends$summary"
        echo "$passed passed, $failed failed, $skipped skipped"
        ((failed == 0))
}

case ${1-} in
'') printf '%s\n' "${rows[@]}" ;;
all) row_all ;;
*)
        names | grep -qx -- "$1" || fail "no row $1"
        "row_$1"
        ;;
esac
