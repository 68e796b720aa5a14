#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Checks that the reference is whole: reference.py GENERATOR DOXYGEN [MANDOC].

Doxygen has nothing to complain of; every public function has a page, by its own count of the headers; a page explains each
parameter, and for a call that returns an int or a count its errors and what it returns; every errno that it names exists, and each
that a test sees the call return is on it. MANDOC, if given, finds no fault with the pages.
"""

import errno
import pathlib
import re
import subprocess
import sys
import tempfile

# Calls that return also what a source does, a function of the program, or the call that made a descriptor.
PASSED_ON = ('weir_source_', 'weir_server_add', 'weir_server_listen')


def public_functions(headers):
    """{name: whether it returns an int, or a count}, found without Doxygen."""
    found = {}
    for path in headers.glob('*.h'):
        for kind, name in re.findall(r'^WEIR_PUBLIC ([^(;]*?)\b(weir_\w+)\(', path.read_text(), re.M):
            found[name] = kind.strip() in ('int', 'ssize_t')
    return found


def complaints(name, page, returns_int):
    synopsis, rest = page.split('.Sh DESCRIPTION')
    for parameter in re.findall(r'^\.Fa ".*?(\w+)(?:\)\(.*\))?(?:\[\w*\])?"$', synopsis, re.M):
        if parameter != 'void' and not re.search(rf'^\.It Fa {parameter}\n\S', rest, re.M):
            yield f'{name}: nothing is said of {parameter}'
    if not re.match(r'\n\w', rest):
        yield f'{name}: no description'
    for section in ('RETURN VALUES', 'ERRORS') if returns_int else ():
        if not re.search(rf'^\.Sh {section}\n\S', rest, re.M):
            yield f'{name}: no section {section}'
    for number in re.findall(r'\\-(E[A-Z0-9]+)\b', page):
        if not hasattr(errno, number):
            yield f'{name}: {number} is no errno'


def errors_seen(tests):
    """{name: errnos}, by the assertions of the tests about a call's result."""
    seen = {}
    for path in tests.rglob('*.c'):
        for assertion in re.findall(r'assert_int_equal\((.*?)\);', path.read_text(), re.S):
            match = re.fullmatch(r'\s*(weir_\w+)\(.*\),\s*-(E[A-Z0-9]+)', assertion, re.S)
            if match:
                seen.setdefault(match[1], set()).add(match[2])
    return seen


def errors_told(name, pages):
    """What the page names, and what the calls name whose errors it speaks of."""
    section = (pages / f'{name}.3').read_text().partition('.Sh ERRORS\n')[2]
    told = set(re.findall(r'\\-(E[A-Z0-9]+)', section))
    for other in re.findall(r'those of \\fB(weir_\w+)', section):
        told |= errors_told(other, pages)
    return told


def main():
    generator, doxygen, *mandoc = sys.argv[1:]
    functions = public_functions(pathlib.Path(generator).resolve().parent.parent / 'weir')
    with tempfile.TemporaryDirectory() as directory:
        pages = pathlib.Path(directory) / 'man3'
        said = subprocess.run([sys.executable, generator, doxygen, '0', str(pages)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        found = said.stdout.splitlines() + (['the generator fails'] if said.returncode else [])
        for name, returns_int in sorted(functions.items()):
            path = pages / f'{name}.3'
            found += complaints(name, path.read_text(), returns_int) if path.exists() else [f'{name}: no page']
        for name, numbers in errors_seen(pathlib.Path(__file__).resolve().parent.parent).items():
            if name in functions and not name.startswith(PASSED_ON):
                found += [f'{name}: a test sees -{number}' for number in sorted(numbers - errors_told(name, pages))]
        for program in mandoc:
            lint = subprocess.run([program, '-T', 'lint', '-W', 'warning', *pages.iterdir()], stdout=subprocess.PIPE,
                                  text=True, check=False)
            found += lint.stdout.splitlines()
    print('\n'.join(found + [f'{len(functions)} functions']))
    return 1 if found or not functions else 0


if __name__ == '__main__':
    sys.exit(main())
