# SPDX-License-Identifier: MIT
"""
Man pages in mdoc(7) from Doxygen's XML: one for each function, and one for each header with its types and macros. Read
write_pages() first. What is not in the XML, and so not in the header, is not in a page.
"""

import re
import xml.etree.ElementTree as tree

WIDTH = 14  # of a tag


def escape(text):
    """Text as roff takes it, a sentence a line, calls and pages in bold."""
    text = ' '.join(text.split()).replace('\\', '\\e').replace("'", '\\(aq').replace('-', '\\-')
    text = re.sub(r'\b(weir_\w+)\(\)', r'\\fB\1\\fP()', text)
    text = re.sub(r'\b([a-z]\w+(?:\.h)?)\((\d)\)', r'\\fB\1\\fP(\2)', text)
    text = re.sub(r'([\w)*][.?!]) +(?=[A-Z\\])', r'\1\n', text)
    return re.sub(r'^(?=\.)', r'\\&', text, flags=re.M)


def flat(element):
    return ' '.join(''.join(element.itertext()).split()) if element is not None else ''


def running(para):
    """The text of a paragraph outside the parts that stand in it."""
    return ' '.join(((para.text or '') + ''.join(
        ('' if inner.tag in ('parameterlist', 'simplesect', 'verbatim') else flat(inner)) + (inner.tail or '')
        for inner in para)).split())


class Description:
    """What a comment says: a brief, paragraphs, parameters by name, and parts by title, 'return' among them."""

    def __init__(self, definition):
        self.brief = flat(definition.find('briefdescription'))
        self.paragraphs, self.parameters, self.parts, self.literal = [], {}, {}, ''
        for para in definition.iterfind('detaileddescription/para'):
            self.literal += ''.join(verbatim.text for verbatim in para.iterfind('verbatim'))
            for item in para.iterfind('.//parameteritem'):
                self.parameters[flat(item.find('parameternamelist'))] = flat(item.find('parameterdescription'))
            for section in para.iterfind('.//simplesect'):
                title = flat(section.find('title')) or section.get('kind')
                self.parts[title] = ' '.join(flat(text) for text in section.iterfind('para'))
            if running(para):
                self.paragraphs.append(running(para))


def prose(about):
    first, *rest = about.paragraphs or ['']
    return '\n.Pp\n'.join(escape(text) for text in [f'{about.brief} {first}'] + rest).split('\n')


def tagged(entries):
    """A list of what has a name."""
    out = [f'.Bl -tag -width {"n" * WIDTH}']
    for name, text in entries:
        out += [f'.It {name}', escape(text) or '\\&']
    return out + ['.El'] if entries else []


def prologue(name, brief, date):
    return ['.\\" Made from the header; change it there.', f'.Dd {date}', f'.Dt {name.upper()} 3', '.Os',
            '.Sh NAME', f'.Nm {name}', f'.Nd {escape(brief.rstrip("."))}']


def see_also(pages):
    """Cross-references, in the order that mdoc wants."""
    pages = sorted(pages, key=lambda page: (page[1], page[0]))
    return ['.Sh SEE ALSO'] + [f'.Xr {name} {section}' + (' ,' if (name, section) != pages[-1] else '')
                               for name, section in pages]


def function_page(function, header, date):
    name = function.findtext('name')
    about = Description(function)
    out = prologue(name, about.brief.split('. ')[0], date)
    out += ['.Sh SYNOPSIS', f'.In {header}', f'.Ft {flat(function.find("type"))}', f'.Fo {name}']
    for parameter in function.iterfind('param'):
        kind, called = flat(parameter.find('type')), parameter.findtext('declname', '')
        text = kind.replace('(*', f' (*{called}') if '(*' in kind else f'{kind} {called}'.replace('* ', '*')
        out.append(f'.Fa "{text.strip()}{parameter.findtext("array", "")}"')
    out += ['.Fc', '.Sh DESCRIPTION'] + prose(about)
    order = [parameter.findtext('declname') for parameter in function.iterfind('param')]
    described = [(f'Fa {key}', about.parameters[key]) for key in order if key in about.parameters]
    if described:
        out += ['.Pp', 'The parameters:'] + tagged(described)
    for title in ('Ownership', 'Threads', 'Ordering', 'Blocking'):
        if title in about.parts:
            out += ['.Pp', f'.Em {title} :', escape(about.parts[title])]
    if 'return' in about.parts:
        out += ['.Sh RETURN VALUES', escape(about.parts['return'])]
    errors = [about.parts[title] for title in ('Errors', 'Errors of every call') if title in about.parts]
    if errors:
        out += ['.Sh ERRORS'] + '\n.Pp\n'.join(escape(text) for text in errors).split('\n')
    named = set(re.findall(r'\b(\w+)\((\d)\)', flat(function)))
    named |= {(call, '3') for call in re.findall(r'\b(weir_\w+)\(\)', flat(function)) if call != name}
    return name, out + see_also(named | {(page_name(header), '3'), ('weir', '7')})


def page_name(header_name):
    """weir.h for weir/weir.h, weir_net.h for weir/net.h."""
    return re.sub(r'^(\w+)/\1\.h$', r'\1.h', header_name).replace('/', '_')


def enum_lines(enum):
    values = [(f'Dv {value.findtext("name")}', Description(value).brief) for value in enum.iterfind('enumvalue')]
    return [f'.Ss enum {enum.findtext("name")}'] + prose(Description(enum)) + tagged(values)


def struct_lines(struct):
    out = [f'.Ss {struct.get("kind")} {struct.findtext("compoundname")}'] + prose(Description(struct))
    members = []
    for member in struct.iterfind('.//memberdef'):
        called = member.findtext('name')
        kind = flat(member.find('type')) + ' ' + called + flat(member.find('argsstring'))
        about = Description(member)
        members.append((f'Fa "{kind.replace("* ", "*").replace("(*", " (*")}"', ' '.join([about.brief] + about.paragraphs)))
    return out + tagged(members)


def block_lines(lines):
    """A part of a head comment: a grid, or text with a list of what has a name in it."""
    if lines[0].startswith(' ' * 8):
        return ['.Bd -literal'] + [line.replace('-', '\\-') for line in lines] + ['.Ed']
    before, entries, after = [], [], []
    for line in lines:
        entry = re.fullmatch(r' {2}(\w[\w*]*) +(.*)', line)
        if entry:
            entries.append([f'Sy {entry[1]}', entry[2]])
        elif entries and line.startswith('   '):
            entries[-1][1] += ' ' + line
        else:
            (after if entries else before).append(line)
    out = ['.Pp', escape(' '.join(before))] + tagged(entries)
    return out + (['.Pp', escape(' '.join(after))] if after else [])


def header_page(header_name, header, structs, date):
    """The head comment, then what no function page has: macros, types, structs, and the list of functions."""
    name = page_name(header_name)
    about = Description(header)
    out = prologue(name, about.brief, date)
    out += ['.Sh SYNOPSIS', f'.In {header_name}', '.Sh DESCRIPTION'] + prose(about)
    for block in filter(None, about.literal.strip('\n').split('\n\n')):
        out += block_lines(block.split('\n'))
    macros = [(f'Dv {macro.findtext("name")}', Description(macro).brief)
              for macro in header.iterfind('.//memberdef[@kind="define"]') if Description(macro).brief]
    if macros:
        out += ['.Sh MACROS'] + tagged(macros)
    types = [(f'Vt {kind.findtext("name")}', ' '.join([Description(kind).brief] + Description(kind).paragraphs))
             for kind in header.iterfind('.//memberdef[@kind="typedef"]')]
    described = [enum_lines(enum) for enum in header.iterfind('.//memberdef[@kind="enum"]')]
    described += [struct_lines(struct) for struct in structs]
    if types or described:
        out += ['.Sh TYPES'] + tagged(types) + sum(described, [])
    functions = [(f'Xr {function.findtext("name")} 3', Description(function).brief)
                 for function in header.iterfind('.//memberdef[@kind="function"]')]
    if functions:
        out += ['.Sh FUNCTIONS'] + tagged(functions)
    return name, out + see_also({('weir', '7')})


def write_pages(xml, directory, date):
    """Writes the pages of all that Doxygen's XML in a directory has."""
    for path in sorted(xml.glob('*_8h.xml')):
        header = tree.parse(path).getroot().find('compounddef')
        header_name = header.find('location').get('file')
        structs = [tree.parse(xml / f'{inner.get("refid")}.xml').getroot().find('compounddef')
                   for inner in header.iterfind('innerclass')]
        pages = [header_page(header_name, header, structs, date)]
        pages += [function_page(function, header_name, date)
                  for function in header.iterfind('.//memberdef[@kind="function"]')]
        for name, lines in pages:
            (directory / f'{name}.3').write_text('\n'.join(lines) + '\n')
