#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Shows that the explorer can fail: faults.txt puts back faults that use once brought to light, and tests/mutants.txt takes orders
and checks away. Each is tried in a copy of lib/, and the first program that finds it is printed; small ones come first. What one
processor alone does not show is tried by Relacy, where it is installed, with the programs of two threads and a call each. A check
that costs only time when it is missing is not found here: tests/mutants.txt says what finds it.

    faults.py               tries all of faults.txt. Fails if one is not found.
    faults.py NAME...       tries those of both lists
    faults.py --draw COUNT  tries so many of tests/mutants.txt, drawn by seed
"""

import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
import mutants

HERE = ROOT / 'tests/explore'
COMPILER = [*os.environ.get('CC', 'gcc').split(), '-std=gnu11', '-O2', '-w', '-D_GNU_SOURCE', '-U_FORTIFY_SOURCE']
INCLUDES = ['-Iinclude', '-Itests/sequential', '-Itests/explore']
LIBRARY = [
    '-Itests/explore/include',
    '-DWEIR_FIRST_SEGMENT_SHIFT=1',
    '-D_Thread_local=__attribute__((section("explore_locals")))',
    '-Dtls_model(model)=unused',
]
# What is tried, one after another: a family, and one in how many of its programs; of a mutant a fifth of that.
FAMILIES = [('2x1', 1), ('2x2', 40), ('1+3', 100), ('3x1', 4)]
SEED = 1

# By Relacy: the beginnings that its kernel knows, and how the library is compiled for it.
RELACY = ROOT / 'tests/model/relacy'
BEGINNINGS = [0, 1, 2, 3, 4, 5, 7, 8, 9, *range(13, 25)]
RELACY_FLAGS = [
    '-DWEIR_MODEL_CHECK',
    '-D_Thread_local=__attribute__((section("relacy_locals")))',
    '-Dtls_model(model)=unused',
    '-Itests/model/relacy/include',
    '-Itests/model/include',
    '-Itests/model',
]


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding='utf-8', errors='replace', check=False)
    return done.returncode, done.stdout + done.stderr


def build(*command):
    status, said = run(*COMPILER, *command)
    if status:
        raise mutants.Broken(said)


def explorer_objects(work):
    objects = []
    for source in [*sorted(HERE.glob('*.c')), *sorted((ROOT / 'tests/sequential').glob('*.c'))]:
        objects.append(work / f'{source.stem}.o')
        reactor = ['-I', str(ROOT / 'lib/reactor')]
        build('-DMODEL_SIZES="sizes.h"', *INCLUDES, *reactor, '-c', source, '-o', objects[-1])
    return objects


def build_explorer(objects, lib, program):
    sources = [source for source in sorted(lib.glob('reactor/*.c')) if source.name != 'sys.c']
    build(*LIBRARY, *INCLUDES, '-I', lib / 'reactor', *sources, *objects, '-o', program)


def build_bridge(work):
    """Relacy, compiled once, and the lists of programs; None if it is not installed."""
    bridge = work / 'bridge.o'
    cxx = os.environ.get('CXX', 'g++').split()
    if run(*cxx, '-std=c++17', '-O2', '-w', '-c', RELACY / 'main.cc', '-o', bridge)[0]:
        return None
    explorer = work / 'explore'
    build_explorer(explorer_objects(work), ROOT / 'lib', explorer)
    for beginning in BEGINNINGS:
        (work / f'{beginning}.h').write_text(run(explorer, '-f', '2x1', '-b', str(beginning), '-g', '0-100000')[1])
    return bridge


def find_relaxed(bridge, lib, place):
    """The first program that Relacy calls wrong, or None."""
    for beginning in BEGINNINGS:
        listed = bridge.parent / f'{beginning}.h'
        name = re.match(r'/\* (.*?): ', listed.read_text())[1]
        sets = ['-DMODEL_SETS=2'] if 'nested' in name else []
        compiled, program = f'{place}/program.o', f'{place}/program'
        build(*RELACY_FLAGS, *sets, '-Iinclude', '-I', lib / 'reactor', '-include', listed, '-c', RELACY / 'program.c', '-o', compiled)
        build(compiled, bridge, '-lstdc++', '-o', program)
        status, said = run(program)
        if status:
            return f'relacy 2x1: {name}, {said.splitlines()[0]}'
    return None


def find(program, fault, less):
    """The first program that is wrong, or None."""
    tries = [(family, '-f', family, '-s', str(share * less if share > 1 else 1)) for family, share in FAMILIES]
    if '|' in fault.killer:
        tries.insert(1, ('named', '-b', *fault.killer.split(':')))
    for name, *what in tries:
        status, said = run(program, '-x', *what)
        if status:
            found = re.search(r'^(.+, [A-Za-z|]+: .+)$', said, re.MULTILINE)
            return f'{name}: {found[1] if found else said.strip().splitlines()[-1]}'
    return None


def attempt(fault, objects, bridge, less, work):
    with tempfile.TemporaryDirectory(dir=work) as place:
        lib = pathlib.Path(shutil.copytree(mutants.LIB, f'{place}/lib'))
        mutants.make(fault, [fault.path(lib)])
        build_explorer(objects, lib, f'{place}/explore')
        return find(f'{place}/explore', fault, less) or (bridge and find_relaxed(bridge, lib, place))


def main():
    known = {fault.name: fault for fault in mutants.read_list()}
    mutants.LIST = HERE / 'faults.txt'
    faults = mutants.read_list()
    known |= {fault.name: fault for fault in faults}
    names = sys.argv[1:]
    if names[:1] == ['--draw']:
        mutants.LIST = ROOT / 'tests/mutants.txt'
        chosen = random.Random(SEED).sample(mutants.read_list(), int(names[1]))
    else:
        chosen = [known[name] for name in names] or faults
    less = 5 if names[:1] == ['--draw'] else 1
    survived = 0
    with tempfile.TemporaryDirectory() as place, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = pathlib.Path(place)
        objects, bridge = explorer_objects(work), build_bridge(work)
        for fault, found in zip(chosen, pool.map(lambda fault: attempt(fault, objects, bridge, less, work), chosen)):
            print(f'{fault.name:22} {found or "not found"}', flush=True)
            survived += not found
    print(f'{len(chosen) - survived} found, {survived} not found')
    return survived and names[:1] != ['--draw']


if __name__ == '__main__':
    try:
        sys.exit(main())
    except mutants.Broken as problem:
        sys.exit(f'faults: {problem}')
