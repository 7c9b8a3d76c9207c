#!/usr/bin/env python3
"""tools/symbols.py: the table of function names that the kernel's backtrace uses.

usage: symbols.py KERNEL.elf OUTPUT.asm

Reads the functions of a linked kernel (i686-linux-gnu-nm) and writes nasm source for a second link:
section .symbols, which boot/linker.ld places behind all code, so that no function moves. The table
is what kernel/x86/state.c reads: kernel_symbols, pairs of address and name in ascending order, and
kernel_symbol_count.

Fails when the kernel calls a function of libgcc that kernel/x86/libgcc.asm does not adapt.
"""
import re
import subprocess
import sys


def functions(elf):
    """(address, name) of every function in ELF, ascending, one name an address."""
    lines = subprocess.run(["i686-linux-gnu-nm", "-n", elf], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    found = {}
    for line in lines:
        fields = line.split()
        # nasm's local labels (name.label) and stubs inside functions are noise.
        if len(fields) == 3 and fields[1] in "tTwW" and not fields[2].startswith("..@"):
            if "." not in fields[2] or ".isra" in fields[2] or ".part" in fields[2] \
                    or ".cold" in fields[2] or ".constprop" in fields[2]:
                found.setdefault(int(fields[0], 16), fields[2])
    return sorted(found.items())


def unadapted(names):
    """Functions of libgcc (__udivdi3 and the like) in the kernel that nothing wraps."""
    return [name for name in names
            if re.fullmatch(r"__[a-z]+[sdt]i[234]?", name) and "__wrap_" + name not in names]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    table = functions(sys.argv[1])
    wrong = unadapted({name for _, name in table})
    if wrong:
        sys.exit(f"symbols.py: {', '.join(wrong)}: list it in the Makefile (LIBGCC) and in "
                 "kernel/x86/libgcc.asm")
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write("; Made by tools/symbols.py.\n"
                  "global kernel_symbols\nglobal kernel_symbol_count\n"
                  "section .symbols progbits alloc noexec nowrite align=4\n"
                  f"kernel_symbol_count: dd {len(table)}\nkernel_symbols:\n")
        for i, (address, _) in enumerate(table):
            out.write(f"dd {address:#x}, name{i}\n")
        for i, (_, name) in enumerate(table):
            out.write(f'name{i}: db "{name}", 0\n')


if __name__ == "__main__":
    main()
