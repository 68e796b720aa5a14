#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Explores a scenario with GenMC: check.sh GENMC MODEL SOURCE [FLAG...]. MODEL is rc11, or imm, which also has what processors
# do with a load before a later store; the flags are those of the compiler. Fails unless at least one execution was complete and
# none broke an assertion, raced, or touched memory that was freed.
#
# The transformations that are switched off guess at the program: they lose executions, hang, or report what is not
# there. Loops are not cut: every one of a scenario ends by itself. With the mark of the memory sanitizer, but not its pass, LLVM
# leaves alone what would become an instruction that the checker does not know.
set -u

genmc=$1
model=$2
source=$3
shift 3

output=$(mktemp)
trap 'rm -f "$output"' EXIT

"$genmc" "--$model" --disable-estimation --disable-instruction-caching --disable-ipr --disable-load-annotation \
        --disable-mm-detector --disable-spin-assume --disable-sr --disable-warn-on-unfreed-memory \
        -- -fsanitize=memory -Xclang -disable-llvm-passes -frecord-command-line -DWEIR_MODEL_RUN="$output" \
        -DWEIR_MODEL_CHECK "$@" "$source" >"$output" 2>&1
status=$?

# The checker leaves its copy of the program behind, which tells by the command line in it whose it is.
for copy in /tmp/__genmc.ll.*; do
        if grep -qsF "WEIR_MODEL_RUN=$output" "$copy"; then
                rm -f "$copy"
        fi
done

if [ "$status" -ne 0 ]; then
        cat "$output"
        echo "check: $(basename "$source"): the checker ended with $status" >&2
        exit 1
fi
executions=$(sed -n 's/^Number of complete executions explored: //p' "$output")
if [ "${executions:-0}" -eq 0 ]; then
        cat "$output"
        echo "check: $(basename "$source"): nothing was explored" >&2
        exit 1
fi
echo "$(basename "$source" .c), $model: $executions executions"
