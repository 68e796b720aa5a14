#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Writes a header with its comments in Doxygen's form: filter.py HEADER. Read document() first.

Line stays line, so that Doxygen's warnings name the right ones. What a comment of the house means:

  - The first one after the include guard is about the file; its tables stay as they are.
  - One directly above declarations is about all of them, up to a blank line, a macro or another comment.
  - One behind a declaration, a macro or a member is about that alone.
  - Inside, "name  text", indented, explains a parameter; Errors:, Ownership:, Threads:, Blocking: and Ordering: open a
    part of their own, and so does a sentence that begins with Returns.

What the head comment of weir.h says once for all calls is added to each: Result to one that does not say what it returns,
Errors to one that takes a poll, a registry or a waker, and what common parameters are to one that does not explain its own.
"""

import pathlib
import re
import sys

BREAK = '@nl '  # an alias: a new line for Doxygen that is none in the file
PUBLIC = 'WEIR_PUBLIC '
ENTRY = re.compile(r' {2}([a-z][\w*]*|[A-Z]\w*) +(\S.*)')


def read_table(path, title):
    """An indented table of a head comment, from the line that begins with its title to an empty one: {word: text}."""
    table, name = {}, None
    for line in re.search(rf'^ \* {title}.*?^ \*$', path.read_text(), re.M | re.S)[0].splitlines():
        entry = ENTRY.fullmatch(line[3:])
        if entry:
            name = entry[1]
            table[name] = entry[2]
        elif name:
            table[name] += ' ' + line[3:].strip()
    return table


def parameters(declaration):
    """The names of a function's parameters. One that points to a function has its name in brackets."""
    inside = re.sub(r'\(\*(\w+)\)\(.*?\)', r'\1', declaration[declaration.index('(') + 1:declaration.rindex(')')])
    return re.findall(r'(\w+)(?:\[\w*\])?(?:,|$)', inside) if inside != 'void' else []


def add_common(text, declaration, conventions, known):
    """What the conventions say of this call and its own comment does not."""
    said = ' '.join(text)
    for name in parameters(declaration):
        meaning = known.get(name) or name.startswith('ret_') and known['ret_*']
        if meaning and f'@param {name} ' not in said:
            text[-1] += f'{BREAK}@param {name} {meaning}'
    if declaration.startswith((PUBLIC + 'int ', PUBLIC + 'ssize_t ')):
        if '@return' not in said:
            text[-1] += f'{BREAK}@return {conventions["Result"]}'
        if re.search(r'struct weir_(poll|registry|waker) \*\w', declaration):
            text[-1] += f'{BREAK}@par Errors of every call{BREAK}{conventions["Errors"]}'


def document(lines):
    """The lines of a comment, with Doxygen's commands."""
    out, in_entry = [], False
    for line in lines:
        entry = ENTRY.fullmatch(line)
        was_in_entry, in_entry = in_entry, bool(entry) or in_entry and line.startswith('   ')
        if entry:
            line = f'@param {entry[1]} {entry[2]}'
        line = re.sub(r'(?:^|(?<=[.:] ))(Errors|Ownership|Threads|Blocking|Ordering): ', rf'{BREAK}@par \1{BREAK}', line)
        line = re.sub(r'(?:^|(?<=[.:] ))(?=Returns )', rf'{BREAK}@return ', line)
        out.append(BREAK + BREAK + line if was_in_entry and not in_entry else line)
    return out


def declarations(lines, at):
    """The declarations from line `at` on that share a comment, as (first line, last line). A block ends at its brace."""
    found = []
    while at < len(lines) and lines[at] and not lines[at].startswith(('/*', '#')):
        first = at
        block = lines[at].endswith('{')
        while not (lines[at].startswith('}') if block else re.search(r';( +/\*.*\*/)?$', lines[at])):
            at += 1
        found.append((first, at))
        at += 1
    return found


def comment(lines, at):
    """The comment that begins at a line: its last line, and its text."""
    end = at
    while not lines[end].endswith('*/'):
        end += 1
    return end, [line[3:] for line in lines[at + 1:end]] if end > at else [lines[at][3:-3]]


def put(lines, at, end, text):
    """Writes a comment over the one that stood there."""
    if at == end:
        lines[at] = f'/** {text[0]} */'
    else:
        lines[at:end + 1] = ['/**'] + text + [' */']


def convert_head(lines):
    """The comment about the file: its first paragraph, and the rest as it stands. Returns where it ends."""
    guard = next(at for at, line in enumerate(lines) if line.startswith('#'))
    at = next(at for at, line in enumerate(lines) if line.startswith('/*') and at > guard)
    end, text = comment(lines, at)
    if '' in text:
        text[text.index('')] = '@verbatim'
        text[-1] += ' @endverbatim'
    text[0] = f'@file{BREAK}{text[0]}'
    put(lines, at, end, text)
    return end


def convert(lines, conventions, known):
    for at in range(convert_head(lines) + 1, len(lines)):
        behind = re.fullmatch(r'( +[^ /].*|#define .*)/\*( .*)', lines[at])
        if behind:
            lines[at] = f'{behind[1]}/**<{behind[2]}'
        lines[at] = re.sub(r'^( +)/\*(?= |$)', r'\1/**', lines[at])
        if not lines[at].startswith('/* ') and lines[at] != '/*':
            continue
        end, text = comment(lines, at)
        for first, last in declarations(lines, end + 1):
            own = document(text)
            behind = re.fullmatch(PUBLIC + r'(.*;) +/\* (.*) \*/', lines[last])
            if behind:
                lines[last] = PUBLIC + behind[1]
                own[0] = f'{behind[2]}{BREAK}{BREAK}{own[0]}'
            declaration = ' '.join(lines[first:last + 1])
            if declaration.startswith(PUBLIC):
                add_common(own, declaration, conventions, known)
            if first == end + 1:
                put(lines, at, end, own)
            else:
                lines[first] = f'/** {BREAK.join(own)} */ {lines[first]}'
    return lines


def main():
    path = pathlib.Path(sys.argv[1])
    core = path.with_name('weir.h')
    lines = path.read_text().splitlines()
    print('\n'.join(convert(lines, read_table(core, 'Conventions'), read_table(core, 'Parameters'))))


if __name__ == '__main__':
    main()
