#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Checks that the manual speaks of what there is: names.py HEADERS PAGE... Each weir_ or WEIR_ name in a page, or in a comment
of a header, is declared in a header, and each errno exists.
"""

import errno
import pathlib
import re
import sys

NAME = r'\b(?:weir|WEIR)_\w+'


def main():
    headers = list(pathlib.Path(sys.argv[1]).glob('*.h'))
    declared = ''.join(re.sub(r'/\*.*?\*/', '', path.read_text(), flags=re.S) for path in headers)
    known = set(re.findall(NAME, declared))
    count, unknown = 0, []
    for page in headers + [pathlib.Path(name) for name in sys.argv[2:]]:
        text = page.read_text()
        for name in re.findall(NAME + r'\b(?!\*|\.h\b)', text):
            count += 1
            if name not in known:
                unknown.append(f'{page.name}: {name} is in no header')
        for number in re.findall(r'(?:-|\.Er -?)(E[A-Z0-9]{3,})\b', text):
            if not hasattr(errno, number):
                unknown.append(f'{page.name}: {number} is no errno')
    print('\n'.join(unknown + [f'{count} names']))
    return 1 if unknown or not count else 0


if __name__ == '__main__':
    sys.exit(main())
