#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Checks that what the manual shows of a program stands there: excerpts.py PAGE PROGRAM... A display of the page that begins with a
comment which names a program, /* broker: ... */, is made of blocks of lines. Each is in that program word for word, but for how
far it is indented and where lines are broken. Of /* lines: the whole program */ all is there, from the first #include on. A program
is named as its file is, or, where that is main.c, as its directory.
"""

import pathlib
import re
import sys


def plain(text):
    return ' '.join(text.split())


def main():
    page, *paths = sys.argv[1:]
    programs = {}
    for path in map(pathlib.Path, paths):
        programs[path.parent.name if path.name == 'main.c' else path.stem] = plain(path.read_text())
    count, wrong = 0, []
    for display in re.findall(r'^\.Bd.*?\n(.*?)^\.Ed$', pathlib.Path(page).read_text(), re.M | re.S):
        named = re.match(r'/\* (\w+): (.*?) \*/\n', display)
        if not named:
            continue
        count += 1
        if named[1] not in programs:
            wrong.append(f'no program is called {named[1]}')
            continue
        shown = display[named.end():].replace('\\e', '\\').replace('\\&', '')
        program = programs[named[1]]
        if named[2] == 'the whole program' and plain(shown) != program[program.index('#include'):]:
            wrong.append(f'{named[1]} is not shown as a whole')
        for block in shown.split('\n\n'):
            if plain(block) not in program:
                wrong.append(f'{named[1]} has no such lines:\n{block}')
    print('\n'.join(wrong + [f'{count} excerpts']))
    return 1 if wrong or not count else 0


if __name__ == '__main__':
    sys.exit(main())
