#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Takes an example out of a page: example.py PAGE NAME OUTPUT.

In Markdown, NAME is the title of a section, and the example is the first block in it. In mdoc(7), NAME is code, the first
display of EXAMPLES, or output, the second.
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


def main():
    page, name, output = sys.argv[1:]
    text = pathlib.Path(page).read_text()
    found = from_markdown(text, name) if page.endswith('.md') else from_mdoc(text, name)
    if not found:
        sys.exit(f'{page} has no example {name}')
    pathlib.Path(output).write_text(found)


if __name__ == '__main__':
    main()
