"""The tests of tools/check-style: for each check a small tree in which something is wrong.

A checker that cannot fail is no checker. run() gives the checks that did not find what was planted,
or found something in the sound tree.
"""
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SOUND = {
    "include/mm/thing.h": '''/*
 * include/mm/thing.h: a thing.
 */
#ifndef MM_THING_H
#define MM_THING_H

#include "quire/types.h"

uint32_t thing_count(void);

#endif
''',
    "mm/thing.c": '''/*
 * mm/thing.c: counts things.
 */
#include "mm/thing.h"

#include "quire/assert.h"

uint32_t thing_count(void)
{
    MM_INVARIANT(M1, PAGE_BYTES == 4096u);
    return 1;
}
''',
    "docs/internals.md": "- **M1 Residence.** Things are there.\n",
    "tools/tool": "#!/bin/sh\necho well\n",
}

# check, what must stand in the finding, file, its contents
LOCK_HEAD = '''/*
 * kernel/core/planted.c: takes a lock.
 */
#include "quire/annotate.h"

struct CAPABILITY("lock") planted {
    int held;
};
void planted_lock(struct planted *lock) ACQUIRES(lock);
void planted_unlock(struct planted *lock) RELEASES(lock);
void planted_use(struct planted *lock);
'''
VIOLATIONS = (
    ("format", "mm/planted.c", "mm/planted.c", "/*\n * mm/planted.c: x.\n */\nint  planted ;\n"),
    ("notes", "mm/planted.c:4", "mm/planted.c",
     "/*\n * mm/planted.c: x.\n */\n/* TODO: the rest */\n"),
    ("heads", "mm/planted.c", "mm/planted.c", "/* something */\nint planted;\n"),
    ("floors", "floor above", "mm/planted.c",
     '/*\n * mm/planted.c: x.\n */\n#include "sys/object.h"\n'),
    ("floors", "private to mm", "fs/planted.c",
     '/*\n * fs/planted.c: x.\n */\n#include "mm/secret.h"\n'),
    ("headers", "does not compile alone", "mm/planted.h",
     "/*\n * mm/planted.h: x.\n */\nuint32_t planted(void);\n"),
    ("locks", "planted", "kernel/core/planted.c", LOCK_HEAD + '''
void planted_use(struct planted *lock)
{
    planted_lock(lock);
    lock->held = 1;
}
'''),
    ("tidy", "Division", "mm/planted.c", '''/*
 * mm/planted.c: divides by zero.
 */
int planted(int a);
int planted(int a)
{
    int zero = 0;

    return a == 5 ? a / zero : a;
}
'''),
    ("tidy", "function-size", "mm/planted.c",
     "/*\n * mm/planted.c: is too long.\n */\nint planted(int a);\nint planted(int a)\n{\n"
     + "    a++;\n" * 120 + "    return a;\n}\n"),
    ("cppcheck", "uninit", "mm/planted.c", '''/*
 * mm/planted.c: reads what was never written.
 */
int planted(void);
int planted(void)
{
    int never;

    return never + 1;
}
'''),
    ("scripts", "tools/planted", "tools/planted", "#!/bin/sh\nif true; then\n"),
    ("scripts", "tools/planted.py:1", "tools/planted.py", "def planted(:\n"),
    ("rules", "rule M7 has no check", "docs/internals.md",
     "- **M1 Residence.** x\n- **M7 Write-copy.** y\n"),
    ("rules", "no rule", "docs/internals.md", "nothing\n"),
    ("abi", "out of date", "docs/abi.md", "old\n"),
)


def write(root, files):
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(text)


def make_tree(style, root):
    """A small sound tree with the real one's basic headers and settings."""
    for path in ("include/quire", "include/abi"):
        shutil.copytree(os.path.join(ROOT, path), os.path.join(root, path))
    for path in (".clang-format", ".clang-tidy", "tools/abi-doc"):
        if os.path.exists(os.path.join(ROOT, path)):
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), os.path.join(root, path))
    write(root, SOUND)
    write(root, {"mm/secret.h": "/*\n * mm/secret.h: x.\n */\n"})
    tree = style.Tree(root, os.path.join(root, "build"))
    write(root, {"docs/abi.md": tree.run(["python3", "tools/abi-doc"]).stdout})
    return tree


def findings_of(style, name, tree):
    return getattr(style, f"check_{name}")(tree)


def plant(style, name, expected, path, text):
    """What is wrong with the check NAME: nothing when it finds what is planted."""
    with tempfile.TemporaryDirectory(prefix="quire-style-") as root:
        tree = make_tree(style, root)
        before = findings_of(style, name, tree)
        if before:
            return [f"{name}: finds something in a sound tree: {before[0]}"]
        write(root, {path: text})
        after = findings_of(style, name, tree)
        if not any(expected in finding for finding in after):
            return [f"{name}: does not find '{expected}' in {path}: {after[:2]}"]
    return []


def plant_symbol(style):
    """An object of the ground floor that calls one of the top floor."""
    with tempfile.TemporaryDirectory(prefix="quire-style-") as root:
        tree = style.Tree(root, os.path.join(root, "build"))
        for path, text in (("kernel/core/low", "void high(void); void low(void) { high(); }"),
                           ("sys/high", "void high(void) { }")):
            target = os.path.join(root, "build/debug/obj", path + ".o")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            subprocess.run(["i686-linux-gnu-gcc", "-c", "-x", "c", "-", "-o", target], input=text,
                           text=True, check=True)
        found = style.check_symbols(tree)
        return [] if any("calls high" in finding for finding in found) else \
            ["symbols: does not find a call up"]


def plant_libgcc():
    """A kernel with a function of libgcc that nothing adapts gets no table of symbols."""
    with tempfile.TemporaryDirectory(prefix="quire-style-") as root:
        elf = os.path.join(root, "kernel.o")
        subprocess.run(["i686-linux-gnu-gcc", "-c", "-x", "c", "-", "-o", elf], text=True,
                       input="int __popcountdi2(void) { return 0; }\n", check=True)
        done = subprocess.run([os.path.join(ROOT, "tools/symbols.py"), elf, elf + ".asm"],
                              capture_output=True, text=True, check=False)
        return [] if done.returncode and "__popcountdi2: list it" in done.stderr else \
            ["symbols.py: does not find a function of libgcc that is not adapted"]


def plant_warning(style):
    """The build's own flags refuse what is only a warning elsewhere."""
    tree = style.Tree(ROOT, os.path.join(ROOT, "build"))
    done = tree.run(["i686-linux-gnu-gcc", *tree.flags(), "-fsyntax-only", "-x", "c", "-"],
                    "int planted(long long a);\nint planted(long long a)\n{\n    return a;\n}\n")
    return [] if done.returncode else ["warnings: the build accepts a narrowing conversion"]


def run(style):
    findings = style.in_parallel(lambda violation: plant(style, *violation), VIOLATIONS)
    tested = {violation[0] for violation in VIOLATIONS} | {"symbols", "warnings"}
    for function in style.CHECKS:
        name = function.__name__[len("check_"):]
        if name not in tested:
            findings.append(f"{name}: has no test in tests/checkers")
    return findings + plant_symbol(style) + plant_libgcc() + plant_warning(style)
