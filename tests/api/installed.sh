#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the installed library: installed.sh DIRECTORY. Nothing else was built for it. All public headers are there, and the
# manual, and by pkg-config alone programs in C and C++ are built with the shared library, and one with the static library
# that needs no other. The examples that are installed are built, too.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$1"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
prefix=$directory/prefix

meson setup "$directory/build" "$root" --prefix="$prefix" --libdir=lib
meson install -C "$directory/build" --quiet
if find "$directory/build" -name '*.o' | grep -v "^$directory/build/lib/"; then
        echo 'installed: more was built than is installed' >&2
        exit 1
fi
diff -r "$root/include/weir" "$prefix/include/weir"
diff "$root/include/man/weir.7" "$prefix/share/man/man7/weir.7"

PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
warnings='-Wall -Wextra -pedantic -Werror'
shared=$(pkg-config --cflags --libs weir)
static=$(pkg-config --static --cflags --libs weir)

# The lists of flags are to be split.
# shellcheck disable=SC2086
{
        gcc -std=c11 $warnings "$root/tests/api/parent/main.c" $shared -o "$directory/c"
        g++ -std=c++11 $warnings "$root/tests/api/consumer.cc" $shared -pthread -o "$directory/cxx"
        gcc -std=c11 $warnings -static "$root/tests/api/parent/main.c" $static -o "$directory/static"
}
for program in c cxx; do
        LD_LIBRARY_PATH=$prefix/lib "$directory/$program"
        LD_LIBRARY_PATH=$prefix/lib ldd "$directory/$program" | grep -F "$prefix/lib/libweir.so."
done
"$directory/static"
case $static in
*-pthread*) ;;
*) echo 'installed: weir.pc does not say what the static library needs' >&2; exit 1 ;;
esac

# By their own makefile, in a copy.
examples=$directory/examples
cp -R "$prefix/share/doc/weir/examples" "$examples"
CFLAGS="-O1 $warnings" make -s -C "$examples"
for program in lines nest sockets sources take walk broker chat echo httpd; do
        test -x "$examples/$program"
        case $program in
        lines) LD_LIBRARY_PATH=$prefix/lib "$examples/$program" </dev/null || test $? = 2 ;; # it wants an address
        nest | sockets | sources | take | walk) LD_LIBRARY_PATH=$prefix/lib "$examples/$program" ;;
        *) LD_LIBRARY_PATH=$prefix/lib "$examples/$program" --help ;;
        esac >"$examples/$program.txt"
done
if pkg-config --exists openssl; then
        LD_LIBRARY_PATH=$prefix/lib "$examples/tls" --help >/dev/null
fi
