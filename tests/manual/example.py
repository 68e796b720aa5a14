#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Takes an example out of a page: example.py PAGE NAME OUTPUT.

In Markdown, NAME is the title of a section, and the example is the first block in it. In mdoc(7), NAME is code, the first
display of EXAMPLES, or output, the second. In C, it is code, all, or output, what the comment at the end says that it prints.
"""

import pathlib
import re
import sys


def from_markdown(text, name):
    section = re.search(rf'^#+ {re.escape(name)}$(.*?)(?=^#+ |\Z)', text, re.M | re.S)
    block = section and re.search(r'^```\w*\n(.*?)^```$', section[1], re.M | re.S)
    return block and block[1]


def from_mdoc(text, name):
    displays = re.findall(r'^\.Bd.*?\n(.*?)^\.Ed$', text[text.index('.Sh EXAMPLES'):], re.M | re.S)
    place = ('code', 'output').index(name)
    return displays[place].replace('\\e', '\\').replace('\\&', '') if place < len(displays) else None


def from_c(text, name):
    found = re.search(r'^/\*\n \* It prints:\n(.*?)^ \*/$', text, re.M | re.S)
    return found and (text if name == 'code' else re.sub(r'^ \* ', '', found[1], flags=re.M))


def main():
    page, name, output = sys.argv[1:]
    text = pathlib.Path(page).read_text()
    find = {'.md': from_markdown, '.c': from_c}.get(pathlib.Path(page).suffix, from_mdoc)
    found = find(text, name)
    if not found:
        sys.exit(f'{page} has no example {name}')
    pathlib.Path(output).write_text(found)


if __name__ == '__main__':
    main()
