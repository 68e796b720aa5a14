#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Shows that each memory order and each check of the protocol is needed: tests/mutants.txt lists edits that take one away, each with
the test that must then fail. The edit is made in a copy of lib/; with lib/ as it is, the test must pass.

    model:NAME     the scenario tests/model/NAME.c, explored by genmc under RC11; skipped where that is not installed
    imm:NAME       the same under IMM, where a load may be made after a later store
    unit:NAME      tests/unit/reactor/NAME.c
    contract:NAME  tests/contract/NAME.c
    server:NAME    tests/server/NAME.c
    fault:NAME     tests/fault/NAME.c

    tests/mutants.py [NAME...]  tries those, or all, and prints what killed them. Fails if one survives, if a program does not
                                compile, or if a test ends without a verdict.
    tests/mutants.py --check    builds nothing: every edit finds its lines, and every order stronger than relaxed is in one.
    tests/mutants.py --make NAME FILE...  writes those files as they are in lib/, but for the edit.
"""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIB = ROOT / 'lib'
LIST = ROOT / 'tests/mutants.txt'
COMPILER = [*os.environ.get('CC', 'gcc').split(), '-std=gnu11', '-O1']
FLAGS = ['-D_GNU_SOURCE', '-Iinclude', '-Itests']
MODELS = {'model': 'rc11', 'imm': 'imm'}
FOLDERS = {'unit': 'unit/reactor', 'crew': 'unit/crew'}
HANDS = ('now', 'sleep', 'wake', 'post_sleep', 'post_ring', 'post_set_alarm', 'worked', 'lost')  # as in tests/unit/crew/meson.build

# What a test says that has found something. One that only hangs or crashes has not.
VERDICT = re.compile(r'^Error: |\[  (FAILED|ERROR) ', re.MULTILINE)

# An order is weakened to each of these in turn; a sequentially consistent one to what the operation can have.
WEAKER = {'acquire': ['relaxed'], 'release': ['relaxed'], 'acq_rel': ['acquire', 'release']}


class Broken(Exception):
    """Neither killed nor survived: the list, a program or a test is not as it should be."""


class Mutant:
    def __init__(self, name, file, killer):
        self.name, self.file, self.killer = name, file, killer
        self.places = [([], [])]  # the lines as they are, and as they become

    def path(self, lib):
        found = list(lib.rglob(self.file))
        if len(found) != 1:
            raise Broken(f'{self.name}: lib/ has {len(found)} files {self.file}')
        return found[0]

    def apply(self, lib):
        """The lines of its file, before and after."""
        before = self.path(lib).read_text().splitlines()
        after = before.copy()
        for old, new in self.places:
            plain = [line.strip() for line in after]
            found = [i for i in range(len(plain)) if plain[i : i + len(old)] == old]
            if len(found) != 1 or old == new:
                raise Broken(f'{self.name}: {self.file} has it {len(found)} times, instead of once: {" / ".join(old)}')
            after[found[0] : found[0] + len(old)] = new
        return before, after


def read_list():
    mutants = []
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        if not line or line.startswith('#'):
            continue
        if line == '...':
            mutants[-1].places.append(([], []))
        elif line[0] in '-+ ':
            old, new = mutants[-1].places[-1]
            if line[0] != '+':
                old.append(line[1:].strip())
            if line[0] != '-':
                new.append(line[1:].strip())
        elif len(line.split()) == 3 and line.split()[0] not in (mutant.name for mutant in mutants):
            mutants.append(Mutant(*line.split()))
        else:
            raise Broken(f'{LIST.name}:{number}: not a new name, a file and a killer: {line}')
    return mutants


def make(mutant, outputs):
    """Writes copies of files of lib/, one of them as it becomes."""
    for output in map(pathlib.Path, outputs):
        if output.name == mutant.file:
            output.write_text('\n'.join(mutant.apply(LIB)[1]) + '\n')
        else:
            shutil.copy(next(LIB.rglob(output.name)), output)


def check(mutants):
    """Returns what is wrong with the list."""
    wrong, weakened = [], set()
    for mutant in mutants:
        try:
            lines = enumerate(zip(*mutant.apply(LIB)))
            weakened |= {(mutant.path(LIB), number, after.strip()) for number, (before, after) in lines if before != after}
        except Broken as broken:
            wrong.append(str(broken))
    for path in sorted(LIB.rglob('*.[ch]')):
        for number, line in enumerate(path.read_text().splitlines()):
            for order in re.findall(r'\bmemory_order_(acquire|release|acq_rel|seq_cst)\b', line):
                found = [
                    (path, number, line.strip().replace(order, weaker)) in weakened
                    for weaker in WEAKER.get(order, ['acquire', 'release', 'acq_rel'])
                ]
                if not (any(found) if order == 'seq_cst' else all(found)):
                    wrong.append(f'{path.relative_to(ROOT)}:{number + 1}: a mutant is missing for {line.strip()}')
    return wrong


# ---------------------------------------------------------------- programs


def run(*command, text=''):
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, encoding='utf-8', errors='replace', check=False)


def build(what, *command, text=''):
    """What the compiler writes."""
    done = run(*COMPILER, *command, text=text)
    if done.returncode:
        raise Broken(f'{what} does not build\n{done.stderr}')
    return done.stdout


def try_program(*command):
    """Whether it succeeds, and what it says."""
    done = run(*command)
    return done.returncode == 0, done.stdout + done.stderr


def compiled(work, source, flags):
    """The object of a source, made once for all that the preprocessor makes the same of."""
    text = build(source, *flags, '-E', '-P', source)
    name = work / hashlib.sha256(text.encode()).hexdigest()
    if not name.exists():
        with tempfile.TemporaryDirectory(dir=work) as place:
            build(source, '-x', 'cpp-output', '-c', '-', '-o', f'{place}/object', text=text)
            os.rename(f'{place}/object', name)
    return name


def passes(work, killer, lib):
    """Whether the test passes over this copy of lib/, and what it says."""
    kind, test = killer.split(':')
    folders = sorted({lib} | {header.parent for header in lib.rglob('*.h')})
    if kind in MODELS:
        flags = ['-Itests/model/include', *(f'-I{folder}' for folder in folders), '-Iinclude']
        check_sh = ['sh', 'tests/model/check.sh', 'genmc', MODELS[kind], f'tests/model/{test}.c']
        return try_program('timeout', '300', *check_sh, *flags)

    flags = FLAGS + [word for folder in folders for word in ('-iquote', folder)]
    sources = sorted(lib.rglob('*.c'))
    wraps = [f'-Wl,--wrap=weir_seam_{call}' for call in HANDS] if kind == 'crew' else []
    if kind in FOLDERS:
        # With yield points, and over the seam that can fail.
        flags += ['-DWEIR_YIELD_POINTS']
        sources = [source for source in sources if source.name != 'sys.c'] + [ROOT / 'tests/fault.c']
    if kind == 'server':
        sources += [ROOT / 'tests/server/scene.c']
        wrapped = re.search(rf"'{test}': \[(.*?)\]", (ROOT / 'tests/server/meson.build').read_text())[1]
        wraps = [f'-Wl,--wrap={call}' for call in re.findall(r'\w+', wrapped)]
    sources += [ROOT / 'tests/support.c', ROOT / 'tests' / FOLDERS.get(kind, kind) / f'{test}.c']
    program = lib.parent / 'test'
    build(killer, *(compiled(work, source, flags) for source in sources), *wraps, '-lcmocka', '-pthread', '-o', program)
    return try_program('timeout', '240', program)


def try_sound(work, killer):
    with tempfile.TemporaryDirectory(dir=work) as place:
        lib = pathlib.Path(shutil.copytree(LIB, f'{place}/lib'))
        passed, said = passes(work, killer, lib)
        return '' if passed else f'{killer} fails without any mutant\n{said}'


def try_mutant(work, mutant):
    with tempfile.TemporaryDirectory(dir=work) as place:
        lib = pathlib.Path(shutil.copytree(LIB, f'{place}/lib'))
        make(mutant, [mutant.path(lib)])
        passed, said = passes(work, mutant.killer, lib)
        if passed:
            return 'SURVIVED'
        return 'killed by' if VERDICT.search(said) else f'BROKEN: it ends without a verdict\n{said}'


def outcome(function, work, subject):
    try:
        return function(work, subject)
    except Broken as broken:
        return f'BROKEN: {broken}'


def try_all(mutants):
    """Returns whether all were killed that can be tried here."""
    count = dict.fromkeys(['killed', 'skipped', 'survived', 'broken'], 0)
    here = [mutant for mutant in mutants if mutant.killer.split(':')[0] not in MODELS or shutil.which('genmc')]
    for mutant in mutants:
        if mutant not in here:
            print(f'{mutant.name:22} skipped   {mutant.killer}: genmc is not installed')
            count['skipped'] += 1
    with tempfile.TemporaryDirectory() as place, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = pathlib.Path(place)
        killers = sorted({mutant.killer for mutant in here})
        broken = [said for said in pool.map(functools.partial(outcome, try_sound, work), killers) if said]
        if broken:
            raise Broken('\n'.join(broken))
        for mutant, said in zip(here, pool.map(functools.partial(outcome, try_mutant, work), here)):
            first, _, log = said.partition('\n')
            print(f'{mutant.name:22} {first:9} {mutant.killer}', log, sep='\n' if log else '', flush=True)
            count[first.split()[0].strip(':').lower()] += 1
    print(', '.join(f'{number} {what}' for what, number in count.items()))
    return not count['survived'] and not count['broken']


def main():
    mutants = read_list()
    known = {mutant.name: mutant for mutant in mutants}
    option = sys.argv[1] if sys.argv[1:] and sys.argv[1].startswith('--') else ''
    if option == '--make':
        make(known[sys.argv[2]], sys.argv[3:])
        return 0
    names = sys.argv[1:] if not option else []
    wrong = check(mutants) + [f'there is no {name}' for name in names if name not in known]
    if wrong:
        raise Broken('\n'.join(wrong))
    if option == '--check':
        print(f'{len(mutants)} edits find their lines, and every order stronger than relaxed is in one')
        return 0
    return not try_all([known[name] for name in names] or mutants)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Broken as problem:
        sys.exit(f'mutants: {problem}')
