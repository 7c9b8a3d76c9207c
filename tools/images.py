"""Disk images: ext2 file systems in files of the host, handled by e2fsprogs.

debugfs ends with 0 whatever happened, so what it says on standard error decides here. Names inside
an image are paths without a drive, with '/' between their parts; they are found whatever their
case, as Quire finds them. Nothing but Python's standard library.
"""
import contextlib
import ctypes
import fcntl
import os
import re
import struct
import subprocess
import tempfile

from machine import Failure

SYSTEM_DIRECTORY = "quire/system"
PAGEFILE = "pagefile.sys"
DATA_BYTES = 64 << 20  # of a second disk that is made
FEATURES = "^resize_inode,^dir_index"
DIRECTORY, REGULAR = 0o040000, 0o100000  # types in an inode's mode


# ---- names ---------------------------------------------------------------------------------------

def place(name):
    """A full name as (drive, path inside): D:\\a\\b is ("D", "a/b"); C: where none is named."""
    match = re.match(r"([A-Za-z]):", name)
    drive = match[1].upper() if match else "C"
    inside = (name[2:] if match else name).replace("\\", "/").strip("/")
    parts = [part for part in inside.split("/") if part]
    if not parts or "." in parts or ".." in parts or any(c in inside for c in '"*?<>|:\n'):
        raise Failure(f"'{name}' is no name for a file on {drive}:")
    return drive, "/".join(parts)


def parse_size(text):
    """Bytes of 64K, 100M, 2G or a plain number; None when TEXT is no size."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)", text.upper())
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None


# ---- images as a whole ---------------------------------------------------------------------------

def copy_sparse(source, target):
    """Copies an image without touching its holes."""
    with open(source, "rb") as old, open(target, "wb") as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        end = 0
        while end < size:
            try:
                begin = os.lseek(old.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = os.lseek(old.fileno(), begin, os.SEEK_HOLE)
            os.lseek(new.fileno(), begin, os.SEEK_SET)
            left = end - begin
            offset = begin
            while left:
                sent = os.sendfile(new.fileno(), old.fileno(), offset, left)
                offset += sent
                left -= sent


def superblock(image):
    """The superblock's bytes."""
    with open(image, "rb") as file:
        file.seek(1024)
        block = file.read(1024)
    if len(block) < 1024 or struct.unpack_from("<H", block, 56)[0] != 0xEF53:
        raise Failure(f"{image} is no ext2 file system")
    return block


def geometry(image):
    """Block size and free blocks of an ext2 image."""
    block = superblock(image)
    return 1024 << struct.unpack_from("<I", block, 24)[0], struct.unpack_from("<I", block, 12)[0]


def repair(image):
    """Mends an image that was not unmounted. What was done; None when it was clean."""
    clean = 1
    if struct.unpack_from("<H", superblock(image), 58)[0] == clean:
        return None
    done = host_tool(["e2fsck", "-p", image])
    if done.returncode not in (0, 1):
        raise Failure(f"{image} is damaged; e2fsck {image} asks what to do")
    return done.stdout.strip()


@contextlib.contextmanager
def claim(image):
    """Keeps other launchers off IMAGE for as long as the context lasts."""
    with open(image, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"{image} is in use by another run") from None
        yield


def make_file_system(image, nbytes, words=(), environment=None):
    """mke2fs, with what Quire wants of it, and more WORDS."""
    done = host_tool(["mke2fs", "-q", "-F", "-t", "ext2", "-b", "4096", "-m", "0", "-O", FEATURES,
                      *words, image, f"{nbytes // 1024}K"], environment=environment)
    if done.returncode:
        raise Failure(f"cannot make {image}: {done.stderr.strip()}")


def make_data_disk(image, nbytes=DATA_BYTES):
    """An empty file system for a second disk."""
    make_file_system(image, nbytes, ["-L", "data", "-E", "root_owner=0:0"])


def make_room(image, sizes):
    """Enlarges IMAGE when files of these sizes would fill it."""
    block, free = geometry(image)
    needed = sum(size * 1026 // 1024 // block + 8 for size in sizes)
    if needed + 64 <= free:
        return
    size = os.path.getsize(image) + (needed + 1024) * block * 33 // 32
    os.truncate(image, size + 8 * 1048576)
    done = host_tool(["resize2fs", "-f", image])
    if done.returncode:
        raise Failure(f"cannot make {image} larger: {done.stderr.strip()}")


def host_tool(command, text=None, environment=None):
    environment = dict(os.environ if environment is None else environment)
    environment["PATH"] = environment.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        return subprocess.run(command, input=text, capture_output=True, env=environment,
                              encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed; 'make' installs what is missing") from None


def debugfs(image, commands, writes=False):
    """Runs debugfs commands on IMAGE: what it said, and the lines that complain."""
    done = host_tool(["debugfs", *(["-w"] if writes else []), "-f", "-", image],
                     "".join(f"{command}\n" for command in commands))
    errors = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if done.returncode and not errors:
        errors = [f"debugfs ends with {done.returncode}"]
    return done.stdout, errors


# ---- directories ---------------------------------------------------------------------------------

class Entry:
    def __init__(self, name, mode, nbytes):
        self.name = name
        self.type = mode & 0o170000
        self.nbytes = nbytes


def list_directories(image, directories):
    """For each of DIRECTORIES, which exist: its entries by their names in lower case."""
    said, errors = debugfs(image, [f'ls -p "/{directory}"' for directory in directories])
    if errors:
        raise Failure(f"cannot read {image}: {'; '.join(errors)}")
    listings = []
    for line in said.splitlines():
        if line.startswith("debugfs: ls -p"):
            listings.append({})
        elif line.startswith("/"):
            _, _, mode, _, _, name, nbytes, _ = line.split("/")
            listings[-1][name.lower()] = Entry(name, int(mode, 8), int(nbytes or 0))
    return dict(zip(directories, listings))


def find(image, names):
    """For each of NAMES that IMAGE has: its name as it is spelled there, and its entry."""
    found = {}
    wanted = {name: "" for name in names}  # and the directory, as spelled, to look in next
    depth = 0
    while wanted:
        listings = list_directories(image, sorted(set(wanted.values())))
        for name, directory in list(wanted.items()):
            parts = name.split("/")
            entry = listings[directory].get(parts[depth].lower())
            path = f"{directory}/{entry.name}".strip("/") if entry else None
            if entry and depth + 1 == len(parts):
                found[name] = path, entry
            if entry and depth + 1 < len(parts) and entry.type == DIRECTORY:
                wanted[name] = path
            else:
                del wanted[name]
        depth += 1
    return found


def parents(name):
    parts = name.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def spell(name, found):
    """NAME as far as IMAGE has it already in another case."""
    for parent in reversed(parents(name)):
        if parent in found:
            return found[parent][0] + name[len(parent):]
    return name


# ---- files in and out ----------------------------------------------------------------------------

def put_files(image, files):
    """Copies FILES, pairs of a path on the host and a name inside, into IMAGE, over what is there."""
    make_room(image, [os.path.getsize(path) for path, _ in files])
    directories = sorted({parent for _, name in files for parent in parents(name)})
    found = find(image, directories + [name for _, name in files])
    for directory in directories:
        if directory in found and found[directory][1].type != DIRECTORY:
            raise Failure(f"cannot put files into {image}: {directory} is no directory there")
    commands, made = [], set()
    for directory in directories:  # debugfs would make one that is there a second time, and lose it
        if directory not in found and directory.lower() not in made:
            commands.append(f'mkdir "/{spell(directory, found)}"')
            made.add(directory.lower())
    with tempfile.TemporaryDirectory(prefix="quire-put-") as work:
        for number, (path, name) in enumerate(files):
            if name in found and found[name][1].type != REGULAR:
                raise Failure(f"cannot put files into {image}: {name} is no file there")
            # A name of our own: debugfs splits its commands at blanks and quotes.
            source = os.path.join(work, str(number))
            os.symlink(os.path.abspath(path), source)
            inside = found[name][0] if name in found else spell(name, found)
            commands += [f'rm "/{inside}"'] if name in found else []
            commands.append(f'write "{source}" "/{inside}"')
        _, errors = debugfs(image, commands, writes=True)
    if errors:
        raise Failure(f"cannot put files into {image}: {'; '.join(errors)}")


def get_file(image, name, target):
    """Copies the file NAME inside IMAGE to TARGET on the host."""
    found = find(image, [name])
    if name not in found:
        raise Failure(f"there is no file {name} on the disk")
    path, entry = found[name]
    if entry.type != REGULAR:
        raise Failure(f"{path} is no file")
    with tempfile.TemporaryDirectory(prefix="quire-get-") as work:
        copy = os.path.join(work, "file")
        _, errors = debugfs(image, [f'dump "/{path}" "{copy}"'])
        if errors or not os.path.exists(copy) or os.path.getsize(copy) != entry.nbytes:
            raise Failure(f"cannot read {path}: {'; '.join(errors) or 'debugfs lost some of it'}")
        copy_sparse(copy, target)


def file_extents(image, name):
    """Where the contents of a file in IMAGE lie: pairs of byte offset and length, in file order."""
    block, _ = geometry(image)
    said, _ = debugfs(image, [f'stat "/{name}"'])
    runs = re.findall(r"\([0-9]+(?:-[0-9]+)?\):([0-9]+)(?:-([0-9]+))?", said)
    return [(int(first) * block, (int(last or first) - int(first) + 1) * block)
            for first, last in runs]


# ---- the paging file -----------------------------------------------------------------------------

def punch_holes(path, extents):
    """Gives the host's blocks of these parts of a file back; they read as zeroes."""
    keep_size_punch = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
    libc = ctypes.CDLL(None)
    with open(path, "r+b") as file:
        for offset, nbytes in extents:
            # A host that cannot do it keeps the blocks, which does no harm.
            libc.fallocate64(file.fileno(), keep_size_punch, ctypes.c_int64(offset),
                             ctypes.c_int64(nbytes))


def put_pagefile(image, nbytes):
    """Makes C:\\pagefile.sys in IMAGE, with all its blocks; replaces one that is there. 0: none."""
    if PAGEFILE in find(image, [PAGEFILE]):
        debugfs(image, [f"rm /{PAGEFILE}"], writes=True)
    if nbytes == 0:
        return
    make_room(image, [nbytes])
    block, _ = geometry(image)
    with tempfile.NamedTemporaryFile(prefix="quire-") as empty:
        debugfs(image, [f"write {empty.name} /{PAGEFILE}",
                        f"fallocate /{PAGEFILE} 0 {nbytes // block - 1}",
                        f"set_inode_field /{PAGEFILE} size {nbytes}"], writes=True)
    extents = file_extents(image, PAGEFILE)
    if sum(length for _, length in extents) != nbytes:
        raise Failure(f"cannot make a paging file of {nbytes} bytes in {image}")
    punch_holes(image, extents)
