#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Judges what the tests have run of lib/: coverage.py GCOVR.json LIST. At least 98 % of the lines and 90 % of the branches; and
each line that was not run stands in LIST, with the reason. An entry whose line is gone is an error, too.

A line of LIST: the file, a colon, the text of the line; then, indented, the reason.
"""

import json
import pathlib
import sys


def read_list(path):
    return {line for line in pathlib.Path(path).read_text().splitlines() if line and not line.startswith(('#', ' '))}


def main():
    report, excused = json.loads(pathlib.Path(sys.argv[1]).read_text()), read_list(sys.argv[2])
    lines = branches = run = taken = 0
    missed, there = set(), set()
    for file in report['files']:
        text = pathlib.Path(file['file']).read_text().splitlines()
        for line in (line for line in file['lines'] if not line['gcovr/noncode']):
            lines += 1
            run += line['count'] > 0
            branches += len(line['branches'])
            taken += sum(branch['count'] > 0 for branch in line['branches'])
            name = f'{file["file"]}: {text[line["line_number"] - 1].strip()}'
            there.add(name)
            if not line['count']:
                missed.add(name)
    found = [f'not run, and not in the list: {line}' for line in sorted(missed - excused)]
    found += [f'in the list, but gone: {line}' for line in sorted(excused - there)]
    if not lines or run < 0.98 * lines or taken < 0.90 * branches:
        found.append('that is too little')
    print(f'{run} of {lines} lines, {taken} of {branches} branches')
    print('\n'.join(found))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
