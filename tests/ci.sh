#!/usr/bin/env bash
# Checks the project in one way, a row: tests/ci.sh ROW. Without a row it lists them. `all` runs every row, goes on after a
# failure, and closes with a count. Packages are the caller's business, but for the row readme, which runs the README's own
# commands. Each row builds in build-ci/ROW.
set -euo pipefail
cd "$(dirname "$0")/.."

# name, and why it is there
rows=(
  'readme     the test command of the README, word for word'
  'gcc        the default compiler, every warning an error'
  'clang      another compiler, every warning an error'
  'asan       addresses and undefined behaviour, by sanitizer, without suppressions'
  'tsan       data races, by sanitizer, without suppressions'
  'O0         no optimisation: what an optimiser hides'
  'lto        -O3 and link-time optimisation: what an optimiser breaks'
  'model      the concurrent protocol, exhaustively, by the model checker GenMC where it is installed'
  'format     the sources are as .clang-format says'
  'pairs      each PAIR(label) has two sides'
  'symbols    the shared library exports the header, no more and no less'
  'subproject a parent project that knows weir only as a subproject'
  'pkgconfig  a program against the installed library, in C and C++, static and shared'
)

fail() {
        echo "ci: $*" >&2
        exit 1
}

# Every suite has a test, and every cmocka program ran at least one case.
check_not_empty() {
        local build=$1 suite list

        list=$(meson test -C "$build" --no-rebuild --list 2>/dev/null)
        for suite in unit contract stress fault fuzz model e2e api; do
                grep -q "weir:.*\b$suite\b.* / " <<<"$list" || fail "suite $suite is empty"
        done
        if grep -E '\[  PASSED  \] 0 test' "$build/meson-logs/testlog.txt"; then
                fail 'a test program without a case'
        fi
        grep -qE '\[  PASSED  \] [1-9][0-9]* test' "$build/meson-logs/testlog.txt" || fail 'no case was run'
}

build_and_test() {
        local build=build-ci/$1

        shift
        rm -rf "$build"
        meson setup "$build" "$@"
        meson compile -C "$build"
        meson test -C "$build" --no-suite exhaustive --print-errorlogs
        check_not_empty "$build"
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
        CC=gcc build_and_test gcc --werror
}

row_clang() {
        CC=clang CXX=clang++ build_and_test clang --werror
}

row_asan() {
        ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                build_and_test asan --werror -Db_sanitize=address,undefined -Db_lundef=false
}

# By clang: gcc 12's runtime reports its own book of descriptors when threads open and close many.
row_tsan() {
        CC=clang CXX=clang++ TSAN_OPTIONS=halt_on_error=1 build_and_test tsan --werror -Db_sanitize=thread -Db_lundef=false
}

row_O0() {
        build_and_test O0 --werror -Doptimization=0
}

row_lto() {
        build_and_test lto --werror -Doptimization=3 -Db_lto=true
}

row_model() {
        local build=build-ci/model

        if ! command -v genmc >/dev/null; then
                echo 'skipped: genmc is not installed; the scenarios run as stress programs in the other rows'
                return
        fi
        rm -rf "$build"
        meson setup "$build"
        meson test -C "$build" --suite exhaustive --print-errorlogs
}

row_format() {
        git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
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
        diff <(tr -d '\n' <include/weir/weir.h | grep -oE 'WEIR_PUBLIC [^;(]*\(' | grep -oE 'weir_[a-z_]+\(' |
                tr -d '(' | sort) \
                <(nm -D --defined-only "$build/lib/libweir.so" | awk '$2 == "T" { print $3 }' | sed 's/@.*//' | sort)
        ! nm -D --defined-only "$build/lib/libweir.so" | awk '$2 != "T" && $2 != "A"' | grep . ||
                fail 'data is exported'
}

row_subproject() {
        local parent=build-ci/parent

        rm -rf "$parent"
        mkdir -p "$parent/subprojects"
        cp tests/api/parent/* "$parent"
        git clone -q . "$parent/subprojects/weir"
        cp -r include lib meson.build "$parent/subprojects/weir/" # with what is not committed yet
        meson setup --werror "$parent/build" "$parent"
        meson test -C "$parent/build"
        DESTDIR=$PWD/$parent/installed meson install -C "$parent/build" --quiet
        [[ $(find "$parent/installed" -type f | wc -l) == 1 ]] || fail 'the subproject installs something'
}

row_pkgconfig() {
        local prefix=$PWD/build-ci/installed build=build-ci/pkgconfig

        rm -rf "$prefix" "$build"
        meson setup "$build" --prefix="$prefix" --libdir=lib
        meson install -C "$build" --quiet
        export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
        gcc -std=c11 -Wall -Wextra -pedantic -Werror tests/api/parent/main.c $(pkg-config --cflags --libs weir) \
                -o "$build/shared"
        "$build/shared"
        ldd "$build/shared" | grep -q "$prefix/lib/libweir.so.0" || fail 'not linked to the installed library'
        g++ -std=c++11 -Wall -Wextra -pedantic -Werror tests/api/header.cc $(pkg-config --cflags --libs weir) \
                -o "$build/cxx"
        "$build/cxx"
        gcc -std=c11 tests/api/parent/main.c $(pkg-config --cflags weir) "$prefix/lib/libweir.a" -pthread \
                -o "$build/static"
        LD_LIBRARY_PATH='' "$build/static"
}

names() {
        printf '%s\n' "${rows[@]}" | awk '{ print $1 }'
}

row_all() {
        local row passed=0 failed=0 start

        for row in $(names); do
                echo "=== $row"
                start=$SECONDS
                if bash "$0" "$row" </dev/null; then
                        passed=$((passed + 1))
                        echo "=== $row passed in $((SECONDS - start)) s"
                else
                        failed=$((failed + 1))
                        echo "=== $row FAILED after $((SECONDS - start)) s"
                fi
        done
        echo "$passed passed, $failed failed"
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
