#!/usr/bin/env bash
# Shows that each memory order and each check of the protocol is needed: tests/mutants.txt lists them with the test that fails
# without them. Each is weakened alone, by the macros of order.h, and its test must fail, though it passes otherwise.
#
#   model:NAME     the scenario tests/model/NAME.c, explored by genmc under RC11; skipped where that is not installed
#   imm:NAME       the same under IMM, where a load may be made after a later store
#   unit:NAME      tests/unit/*/NAME.c
#   contract:NAME  tests/contract/NAME.c
#
# tests/mutants.sh [NAME...] checks those, or all. Prints the table of mutants and what killed them; fails if one survives.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work
cc=${CC:-gcc}
model_flags=(-Itests/model/include -Ilib/reactor -Iinclude)
flags=(-std=gnu11 -D_GNU_SOURCE -O1 -g -Iinclude -iquote lib/reactor -Itests)

exec 3>&2 # passes() writes elsewhere

fail() {
        cat "$work/log" >&3 2>/dev/null || true
        echo "mutants: $*" >&3
        exit 1
}

# The names that the library has: an order of both kinds has two halves.
names_in_lib() {
        grep -rhoE 'WEIR_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST|CHECK)\([a-z_]+' lib/reactor/*.c lib/reactor/{core,slot}.h | sort -u | while IFS='(' read -r macro name; do
                if [[ $macro == WEIR_ACQ_REL ]]; then
                        printf '%s\n' "${name}_acquire" "${name}_release"
                else
                        echo "$name"
                fi
        done | sort -u
}

names_in_list() {
        awk '!/^#/ && NF { print $1 }' tests/mutants.txt | sort -u
}

# Whether the test passes, with these flags for the compiler.
passes() {
        local kind=${1%%:*} name=${1#*:}

        shift
        case $kind in
        model) timeout 300 sh tests/model/check.sh genmc rc11 "tests/model/$name.c" "${model_flags[@]}" "$@" ;;
        imm) timeout 300 sh tests/model/check.sh genmc imm "tests/model/$name.c" "${model_flags[@]}" "$@" ;;
        unit)
                "$cc" "${flags[@]}" -DWEIR_YIELD_POINTS "$@" tests/unit/*/"$name.c" tests/support.c tests/fault.c \
                        $(ls lib/*/*.c | grep -v /sys.c) -lcmocka -pthread -o "$work/test" || fail "$name does not compile"
                timeout 60 "$work/test"
                ;;
        contract)
                "$cc" "${flags[@]}" "$@" "tests/contract/$name.c" tests/support.c lib/*/*.c -lcmocka -pthread -o "$work/test" ||
                        fail "$name does not compile"
                timeout 60 "$work/test"
                ;;
        *) fail "no such kind of test: $kind" ;;
        esac >"$work/log" 2>&1
}

diff <(names_in_lib) <(names_in_list) || fail 'tests/mutants.txt and the library do not name the same'

# What a test says that has found something. One that only hangs or crashes has not.
verdict='^Error: |\[  (FAILED|ERROR) '

declare -A sound
killed=0 survived=0 skipped=0
while read -r name killer; do
        [[ $# == 0 || " $* " == *" $name "* ]] || continue
        if [[ $killer =~ ^(model|imm): ]] && ! command -v genmc >/dev/null; then
                skipped=$((skipped + 1))
                printf '%-22s skipped   %s: genmc is not installed\n' "$name" "$killer"
                continue
        fi
        if [[ -z ${sound[$killer]-} ]]; then
                passes "$killer" -DWEIR_MUTANTS || fail "$killer fails without any mutant"
                sound[$killer]=1
        fi
        if passes "$killer" -DWEIR_MUTANTS "-DWEIR_MUTANT_$name=1"; then
                survived=$((survived + 1))
                printf '%-22s SURVIVED  %s\n' "$name" "$killer"
        elif grep -qE "$verdict" "$work/log"; then
                killed=$((killed + 1))
                printf '%-22s killed by %s\n' "$name" "$killer"
        else
                fail "$name: $killer ends without a verdict"
        fi
done < <(grep -vE '^(#|$)' tests/mutants.txt)
echo "$killed killed, $skipped skipped, $survived survived"
((survived == 0))
