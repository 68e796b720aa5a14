#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Makes the reference from the comments of the headers: reference.py DOXYGEN VERSION OUTPUT [DEPFILE].

OUTPUT is the directory of the man pages, one for each function and each header; html, the same to browse, comes beside
it. Every header in ../weir is taken. What Doxygen complains of goes to standard error.
"""

import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the sources stay as they are

import pages

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = HERE.parent / 'weir'


def run_doxygen(doxygen, version, output):
    settings = (HERE / 'Doxyfile').read_text() + f'''
PROJECT_NUMBER   = {version}
INPUT            = "{HEADERS}" "{HERE / 'main.dox'}"
FILE_PATTERNS    = *.h
STRIP_FROM_PATH  = "{HEADERS.parent}"
FILTER_PATTERNS  = "*.h='{sys.executable}' '{HERE / 'filter.py'}'"
OUTPUT_DIRECTORY = "{output}"
'''
    subprocess.run([doxygen, '-'], input=settings, text=True, check=True)


def write_depfile(path, target):
    used = sorted(HEADERS.glob('*.h')) + sorted(HERE.glob('*.py')) + [HERE / 'Doxyfile', HERE / 'main.dox', HERE / 'weir.7']
    path.write_text(f'{target}: ' + ' '.join(str(name).replace(' ', '\\ ') for name in used) + '\n')


def main():
    doxygen, version, manual = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    output = manual.resolve().parent
    for directory in (manual, output / 'html', output / 'xml'):
        shutil.rmtree(directory, ignore_errors=True)
    manual.mkdir(parents=True)
    run_doxygen(doxygen, version, output)
    # The day of a page is not the day it was made: builds of one source are the same.
    date = re.search(r'^\.Dd (.*)$', (HERE / 'weir.7').read_text(), re.M)[1]
    pages.write_pages(output / 'xml', manual, date)
    if len(sys.argv) > 4:
        write_depfile(pathlib.Path(sys.argv[4]), manual)


if __name__ == '__main__':
    main()
