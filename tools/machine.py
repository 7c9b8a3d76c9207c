"""The machine that Quire runs in: QEMU's command line, the system disk, the kernel's log.

Shared by the launcher (./quire), the test runner and the tools beside this file. Nothing but
Python's standard library.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QEMU = "qemu-system-i386"
SYSTEM_DIRECTORY = "quire/system"
PAGEFILE = "pagefile.sys"

# What machine_stop(code) makes of the isa-debug-exit device: QEMU's exit status.
def qemu_status(code):
    return (code << 1) | 1


class Failure(Exception):
    """Something that keeps Quire from running; the text is for the user."""


# ---- QEMU's options ------------------------------------------------------------------------------

def escape(path):
    """PATH inside a comma-separated option of QEMU."""
    return path.replace(",", ",,")


def base_options(memory="64M", cpu="max", icount=False):
    options = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
               "-m", memory, "-cpu", cpu, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if icount:
        options += ["-icount", "shift=0,sleep=off"]
    return options


def kernel_options(kernel, words):
    return ["-kernel", kernel, "-append", words]


def iso_options(iso):
    return ["-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,file={escape(iso)}",
            "-device", "ide-cd,drive=cd,bootindex=0", "-vga", "std"]


def disk_options(image, snapshot=False):
    keep = "snapshot=on" if snapshot else "cache=unsafe"
    return ["-drive", f"if=none,id=disk,format=raw,{keep},file={escape(image)}",
            "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]


def log_options(path):
    return ["-chardev", f"file,id=log,path={escape(path)}", "-serial", "chardev:log"]


def channel_options(descriptor):
    """The launcher's channel: one virtio-console port on a socket that QEMU inherits."""
    return ["-device", "virtio-serial-pci,disable-legacy=on,max_ports=1",
            "-chardev", f"socket,id=channel,fd={descriptor}",
            "-device", "virtconsole,chardev=channel"]


def monitor_options(path):
    return ["-qmp", f"unix:{escape(path)},server=on,wait=off"]


def interrupt(path, seconds=3):
    """Sends the machine an NMI through its monitor at PATH: the kernel stops and says who waits for
    what. Returns when it has, or after some seconds."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
            monitor.settimeout(seconds)
            monitor.connect(path)
            for command in (b"qmp_capabilities", b"inject-nmi"):
                monitor.recv(4096)  # the greeting, or the answer
                monitor.sendall(b'{"execute":"' + command + b'"}\n')
            while monitor.recv(4096):  # until QEMU has ended
                pass
    except OSError:
        pass


def start(options, pass_fds=(), **streams):
    """Starts QEMU; it dies with this process, however that ends."""
    libc = ctypes.CDLL(None)
    death_signal = 1  # PR_SET_PDEATHSIG

    def child():
        libc.prctl(death_signal, signal.SIGKILL)
        os.setpgid(0, 0)  # a Ctrl-C in the terminal is for the starter alone

    if shutil.which(QEMU) is None:
        raise Failure(f"{QEMU} is not installed; 'make' installs what is missing")
    return subprocess.Popen([QEMU] + options, pass_fds=pass_fds, preexec_fn=child, **streams)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()


# ---- the log -------------------------------------------------------------------------------------

PANIC = "quire: panic:"
PANIC_REPEATS = "quire: the last lines of the log were:"  # what stands above, once more


def log_tail(path, lines=12):
    """The last lines of the kernel's log that say anything; of a panic all but what it repeats."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - 65536))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    return last_lines(text, lines)


def last_lines(text, lines):
    said = [line for line in map(clean, text.partition(PANIC_REPEATS)[0].splitlines()) if line]
    panics = [number for number, line in enumerate(said) if line.startswith(PANIC)]
    return said[max(0, panics[0] - lines // 2):] if panics else said[-lines:]


def clean(line):
    """LINE without what the BIOS and GRUB send to move a terminal's cursor."""
    line = re.sub(r"\x1b[\[(][0-9;?=]*[A-Za-z]?|\x1bc", "", line)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", line).rstrip()


# ---- the disk ------------------------------------------------------------------------------------

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


def inside_name(name):
    """A name on C: as a path inside the image: C:\\a\\b, \\a\\b and a/b are all a/b."""
    name = re.sub(r"^[A-Za-z]:", "", name).replace("\\", "/").strip("/")
    parts = [part for part in name.split("/") if part]
    if not parts or "." in parts or ".." in parts or any(c in name for c in '"*?<>|:\n'):
        raise Failure(f"'{name}' is no name for a file on C:")
    return "/".join(parts)


def superblock(image):
    """Block size and free blocks of an ext2 image."""
    with open(image, "rb") as file:
        file.seek(1024)
        block = file.read(1024)
    if len(block) < 1024 or struct.unpack_from("<H", block, 56)[0] != 0xEF53:
        raise Failure(f"{image} is no ext2 file system")
    return 1024 << struct.unpack_from("<I", block, 24)[0], struct.unpack_from("<I", block, 12)[0]


def make_room(image, sizes):
    """Enlarges IMAGE when files of these sizes would fill it."""
    block, free = superblock(image)
    needed = sum(size * 1026 // 1024 // block + 8 for size in sizes)
    if needed + 64 <= free:
        return
    size = os.path.getsize(image) + (needed + 1024) * block * 33 // 32
    os.truncate(image, size + 8 * 1048576)
    done = host_tool(["resize2fs", "-f", image])
    if done.returncode:
        raise Failure(f"cannot make {image} larger: {done.stderr.strip()}")


def host_tool(command, text=None):
    environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    try:
        return subprocess.run(command, input=text, capture_output=True, env=environment,
                              encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed; 'make' installs what is missing") from None


def missing_in(image, names):
    """Those of NAMES that are not in IMAGE."""
    asked = host_tool(["debugfs", "-f", "-", image], "".join(f'stat "/{name}"\n' for name in names))
    absent = {line.split(": File not found")[0] for line in asked.stderr.splitlines()
              if ": File not found" in line}
    return [name for name in names if f"/{name}" in absent]


def put_files(image, files, replace=False):
    """Copies FILES, pairs of a path on the host and a name inside, into IMAGE."""
    make_room(image, [os.path.getsize(path) for path, _ in files])
    with tempfile.TemporaryDirectory(prefix="quire-put-") as work:
        commands, removals, directories = [], [], set()
        for number, (path, name) in enumerate(files):
            # A name of our own: debugfs splits its commands at blanks and quotes.
            os.symlink(os.path.abspath(path), os.path.join(work, str(number)))
            parents = name.split("/")[:-1]
            for depth in range(1, len(parents) + 1):
                directories.add("/".join(parents[:depth]))
            removals.append(f'rm "/{name}"\n')
            commands.append(f'write "{os.path.join(work, str(number))}" "/{name}"\n')
        # debugfs would make a directory that is there a second time, and lose it.
        prepare = [f'mkdir "/{name}"\n' for name in missing_in(image, sorted(directories))]
        prepare += removals if replace else []
        if prepare:  # it complains of a file that is not there to be removed, which is well
            host_tool(["debugfs", "-w", "-f", "-", image], "".join(prepare))
        done = host_tool(["debugfs", "-w", "-f", "-", image], "".join(commands))
        errors = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
        if done.returncode or errors:
            raise Failure(f"cannot put files into {image}: {'; '.join(errors)}")


def parse_size(text):
    """Bytes of 64K, 100M, 2G or a plain number; None when TEXT is no size."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)", text.upper())
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None


def file_extents(image, name):
    """Where the contents of a file in IMAGE lie: pairs of byte offset and length, in file order."""
    block, _ = superblock(image)
    said = host_tool(["debugfs", "-R", f'stat "/{name}"', image]).stdout
    runs = re.findall(r"\([0-9]+(?:-[0-9]+)?\):([0-9]+)(?:-([0-9]+))?", said)
    return [(int(first) * block, (int(last or first) - int(first) + 1) * block)
            for first, last in runs]


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
    host_tool(["debugfs", "-w", "-R", f"rm /{PAGEFILE}", image])
    if nbytes == 0:
        return
    make_room(image, [nbytes])
    block, _ = superblock(image)
    with tempfile.NamedTemporaryFile(prefix="quire-") as empty:
        host_tool(["debugfs", "-w", "-f", "-", image],
                  f"write {empty.name} /{PAGEFILE}\n"
                  f"fallocate /{PAGEFILE} 0 {nbytes // block - 1}\n"
                  f"set_inode_field /{PAGEFILE} size {nbytes}\n")
    extents = file_extents(image, PAGEFILE)
    if sum(length for _, length in extents) != nbytes:
        raise Failure(f"cannot make a paging file of {nbytes} bytes in {image}")
    punch_holes(image, extents)


# ---- the channel ---------------------------------------------------------------------------------

# Frames of the virtio-console channel: u8 kind, u8 zero, u16 length, then the bytes.
FRAME = struct.Struct("<BBH")
(FRAME_INPUT, FRAME_OUTPUT, FRAME_ERROR, FRAME_EXIT, FRAME_FAILED, FRAME_WANT_INPUT,
 FRAME_TAKEN, FRAME_TRACE) = range(8)
INPUT_BYTES = 4096  # of one frame at most


def socket_pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class FrameReader:
    """Cuts what arrives on the channel into frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        offset = 0
        while len(self.buffer) - offset >= FRAME.size:
            kind, zero, length = FRAME.unpack_from(self.buffer, offset)
            if zero or not FRAME_OUTPUT <= kind <= FRAME_TRACE:
                raise Failure(f"the kernel sent garbage on the channel (kind {kind})")
            if len(self.buffer) - offset < FRAME.size + length:
                break
            offset += FRAME.size
            yield kind, bytes(self.buffer[offset:offset + length])
            offset += length
        del self.buffer[:offset]


def frame(kind, data):
    return FRAME.pack(kind, 0, len(data)) + data
