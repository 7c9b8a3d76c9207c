"""The peer: Debian's Linux 6.1 for i686 with PAE, fetched, booted in the same machine, measured.

The kernel comes by its package's name from the archives that this machine's own apt already uses,
through lists of its own: an amd64 machine does not know i386 packages. Everything is kept below the
build directory.
"""
import datetime
import os
import re
import stat
import struct
import subprocess

import machines
from figures import Figures
from machines import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
COMMON = "console=ttyS0 quiet loglevel=3 nokaslr norandmaps panic=-1 mitigations=off"
TUNED = "init_on_alloc=0 cgroup_disable=memory apparmor=0 lsm=capability audit=0"
MODULES = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
           "virtio_blk")
FILE_MODULES = ("crc32c_generic", "libcrc32c", "crc16", "mbcache", "jbd2", "ext4")  # ext2 too
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SWAP = 1 << 30  # bytes of the disk that is swapped to


def call(command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, **more)
    return done.returncode, done.stdout, done.stderr


# ---- the kernel ----------------------------------------------------------------------------------

class Apt:
    """apt for i386, with folders of its own below DIRECTORY."""

    def __init__(self, directory):
        self.directory = directory
        lists, cache = (os.path.join(directory, name) for name in ("lists", "cache"))
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        os.makedirs(os.path.join(cache, "archives/partial"), exist_ok=True)
        self.sources = os.path.join(directory, "sources.list")
        self.options = [f"-o{name}={value}" for name, value in (
            ("APT::Architecture", "i386"), ("APT::Architectures", "i386"),
            ("APT::Sandbox::User", "root"), ("Dir::State::Lists", lists), ("Dir::Cache", cache),
            ("Dir::State::status", "/dev/null"), ("Dir::Etc::SourceList", self.sources),
            ("Dir::Etc::SourceParts", "/dev/null"))]

    def write_sources(self):
        """Debian's own archives among those that this machine's apt is set up with."""
        form = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
        key = f"[signed-by={KEYRING}] " if os.path.isfile(KEYRING) else ""
        _, said, errors = call(["apt-get", "indextargets", "--format", form,
                                "Created-By: Packages"])
        lines = set()
        for line in said.splitlines():
            origin, uri, release, component = line.split("|")
            if origin == "Debian":
                lines.add(f"deb {key}{uri} {release} {component}\n")
        if not lines:
            raise Failed(f"apt knows no Debian archive; run 'apt-get update' once\n{errors}")
        with open(self.sources, "w", encoding="utf-8") as file:
            file.writelines(sorted(lines))

    def newest_kernel(self):
        self.write_sources()
        _, _, errors = call(["apt-get", *self.options, "update"])  # one list may be out of step
        _, said, _ = call(["apt-cache", *self.options, "search", "-n",
                           "^linux-image-6.1.*-686-pae$"])
        names = re.findall(r"^(linux-image-6\.1\.0-(\d+)-686-pae) ", said, re.MULTILINE)
        if not names:
            raise Failed(f"apt finds no linux-image-6.1…-686-pae\n{errors}")
        return max(names, key=lambda name: int(name[1]))[0]

    def download(self, package):
        status, _, errors = call(["apt-get", *self.options, "download", package],
                                 cwd=self.directory)
        found = [name for name in os.listdir(self.directory)
                 if name.startswith(package + "_") and name.endswith(".deb")]
        if status or not found:
            raise Failed(f"cannot fetch {package}\n{errors}")
        return os.path.join(self.directory, found[0])


def fetch(directory):
    """Fetches and unpacks the kernel, once."""
    tree = os.path.join(directory, "tree")
    if not os.path.isfile(os.path.join(directory, "package")):
        apt = Apt(directory)
        archive = apt.download(apt.newest_kernel())
        status, _, errors = call(["dpkg", "-x", archive, tree])
        if status:
            raise Failed(errors)
        with open(os.path.join(directory, "package"), "w", encoding="utf-8") as file:
            file.write(os.path.basename(archive).removesuffix(".deb"))
    with open(os.path.join(directory, "package"), encoding="utf-8") as file:
        return tree, file.read()


# ---- what it boots -------------------------------------------------------------------------------

def archive_entry(name, data, mode, number):
    """One file of a cpio archive (newc)."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    pad = b"\0" * (-len(head) % 4)
    return head + pad + data + b"\0" * (-len(data) % 4)


def archive(files):
    """An initramfs of FILES: {name: bytes}, all executable, with their directories."""
    directories = sorted({os.path.dirname(name) for name in files} - {""})
    parts = [archive_entry(name, b"", stat.S_IFDIR | 0o755, number)
             for number, name in enumerate(directories, 1)]
    parts += [archive_entry(name, data, stat.S_IFREG | 0o755, number)
              for number, (name, data) in enumerate(files.items(), 1 + len(directories))]
    return b"".join(parts) + archive_entry("TRAILER!!!", b"", 0, 0)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def find(tree, name):
    for directory, _, names in os.walk(tree):
        if name in names:
            return os.path.join(directory, name)
    raise Failed(f"the kernel's package has no {name}")


def swap_disk(directory):
    """An empty disk that swapon takes, with the header that mkswap writes: its path."""
    header = bytearray(4096)
    struct.pack_into("<III", header, 1024, 1, SWAP // 4096 - 1, 0)
    header[-10:] = b"SWAPSPACE2"
    path = os.path.join(directory, "swap")
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(SWAP)
    return path


class Peer:
    def __init__(self, build):
        self.build = build
        self.directory = os.path.join(build, "peer")
        os.makedirs(self.directory, exist_ok=True)
        self.tree, self.package = fetch(self.directory)
        self.prepare("operations", {"nothing": read(self.compile("nothing", ["-nostdlib"]))})
        self.prepare("paging", self.modules(MODULES))
        self.prepare("files", self.modules(MODULES + FILE_MODULES))

    def compile(self, name, options=()):
        program = os.path.join(self.directory, name)
        status, _, errors = call(["i686-linux-gnu-gcc", "-O2", "-static", "-D_GNU_SOURCE", "-Wall",
                                  "-Wextra", "-Werror", *options, "-o", program,
                                  os.path.join(HERE, "linux", name + ".c")])
        if status:
            raise Failed(errors)
        return program

    def modules(self, names):
        """What is loaded, in the order of its names."""
        return {f"modules/{number:02}-{name}.ko": read(find(self.tree, f"{name}.ko"))
                for number, name in enumerate(names)}

    def prepare(self, name, files):
        with open(os.path.join(self.directory, f"{name}.cpio"), "wb") as file:
            file.write(archive({"init": read(self.compile(name)), **files}))

    def run(self, name, arguments=(), memory="768M", tuned=True):
        """NAME on a machine whose disk is swapped to, or, for files, has them."""
        words = f"{COMMON} {TUNED}" if tuned else COMMON
        with machines.scratch() as work:
            socket = os.path.join(work, "qmp")
            disk = machines.file_disk(self.build, work) if name == "files" else swap_disk(work)
            command = [machines.machine.QEMU, "-machine", "pc", "-m", memory, "-smp", "1",
                       "-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio",
                       "-monitor", "none", "-accel", "tcg", "-icount", "shift=0,sleep=off",
                       "-rtc", "base=2024-01-01,clock=vm",
                       "-qmp", f"unix:{socket},server=on,wait=off",
                       "-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={disk}",
                       "-device", "virtio-blk-pci,drive=disk,disable-legacy=on",
                       "-kernel", find(self.tree, "vmlinuz-" + self.release()),
                       "-initrd", os.path.join(self.directory, f"{name}.cpio"),
                       "-append", " ".join([words, "--", *arguments])]
            said = machines.run(command, machines.Monitor(socket, "disk"))
        if "\ndone" not in said:
            raise Failed(f"Linux, {name} {' '.join(arguments)}:\n{said}")
        return said

    def release(self):
        return self.package.partition("_")[0].removeprefix("linux-image-")

    def about(self):
        version = call([machines.machine.QEMU, "--version"])[1].splitlines()[0]
        return {"kernel": self.package.split("_")[0] + " " + self.package.split("_")[1],
                "emulator": version, "date": datetime.date.today().isoformat()}

    def measure(self, tuned=True):
        figures = Figures()
        figures.read(self.run("operations", tuned=tuned))
        figures.read(self.run("files", machines.FILES, tuned=tuned))
        for kind in ("private", "shared"):
            figures.read(self.run("paging", [kind, "200"], "64M", tuned))
        return figures

    def paging(self, kind, percent):
        figures = Figures()
        figures.read(self.run("paging", [kind, str(percent)], "64M"))
        return figures
