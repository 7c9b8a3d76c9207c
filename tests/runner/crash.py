"""Power cuts: the disk at every point of a run, repaired and compared with what was promised.

A Win32 program changes files on a small disk whose requests QEMU logs. From the log the disk is
rebuilt after each request, as it would be had the power failed there; and, at the end of each
window between two FLUSHes, also without subsets of that window's writes: every subset of a small
window, a sample of a larger one. `e2fsck -p` must repair it (exit 0 or 1), `e2fsck -fn` then find
nothing, and every promise hold (promises.py). Other runs end by a SIGKILL of QEMU at any moment.

The log holds requests in the order in which QEMU took them up. A write that was under way when a
FLUSH came therefore counts as flushed; the simulated disk of the host tests is stricter there.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from . import blocklog
from .blocklog import Disk, Log
from .ext2 import Damaged, FileSystem
from .job import Job
from .process import ROOT, frames, images, machine
from .promises import Checker, Cut, Ledger, contents_of_unit

LIMIT = 150  # seconds for one run of the program
MEMORY = "32M"
DISK_SIZE = "8M"
EXHAUSTIVE = 4  # writes of a window of which every subset is tried
SAMPLES = 8  # of a larger one
SYSTEM = ("quire/", "lost+found/", "promises.exe")  # what is none of the program's files
PROGRAM = "C:\\promises.exe"

# How contents are changed, FILE_FLAG_WRITE_THROUGH, renames and the like, operations.
SHARE = (("tails", 0, 0, 4), ("views", 0, 0, 40), ("writes", 0, 0, 60), ("both", 1, 0, 30),
         ("both", 0, 1, 40))
KILLS = 6  # runs that end by a SIGKILL


def jobs(build, work):
    yield Job("crash: the reader of the log", lambda report: check_reader(report, work))
    yield Job("crash: planted violations are found", lambda report: check_checker(report, work))
    for number, way in enumerate(SHARE):
        yield Job(f"crash: every cut of {title(*way)}", lambda report, way=way, number=number:
                  replay_job(report, build, *way, seed=number + 1))
    yield Job(f"crash: {KILLS} kills of QEMU", lambda report: kill_job(report, build, KILLS, 1))


def title(way, through, names, operations):
    return (f"{operations} changes by {way}" + (", write-through" if through else "") +
            (", names too" if names else ""))


# ---- a run ---------------------------------------------------------------------------------------

class Place:
    """A directory in memory, if the host has one: what e2fsck does there is fast."""

    def __enter__(self):
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = tempfile.mkdtemp(prefix="quire-crash-", dir=where)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def make_disk(build, image):
    """A small system disk without a paging file, and the program on it."""
    user = os.path.join(build, "user")
    libraries = [os.path.join(user, name) for name in sorted(os.listdir(user))
                 if name.endswith(".dll")]
    subprocess.run([sys.executable, os.path.join(ROOT, "tools/mkdisk"), "--size", DISK_SIZE, image,
                    images.SYSTEM_DIRECTORY, *libraries], check=True)
    images.put_files(image, [(os.path.join(build, "crash/promises.exe"), "promises.exe")])


class Conversation:
    """The program on its machine: its lines, and the answers to its questions."""

    def __init__(self, build, place, disk, arguments, count, ask=None):
        self.count = count  # how many requests there are now
        self.ask = ask or (lambda number: None)  # called before each answer
        self.ledger = Ledger()
        self.questions = 0
        self.text = b""
        self.wanted = False
        self.answers = 0
        self.code = None
        self.log = os.path.join(place, "log")
        self.monitor = os.path.join(place, "hang")
        self.errors = b""
        ours, theirs = machine.socket_pair()
        self.channel = ours
        words = f"console=channel audit -- {PROGRAM} {' '.join(map(str, arguments))}"
        with theirs:
            self.qemu = machine.start(
                machine.base_options(MEMORY) + disk + machine.log_options(self.log) +
                machine.monitor_options(self.monitor) +
                machine.channel_options(theirs.fileno()) +
                machine.kernel_options(os.path.join(build, "debug/quire.elf"), words),
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)

    def run(self):
        """Until the machine ends."""
        try:
            for kind, body in frames(self.channel, LIMIT):
                self.take(kind, body)
            self.qemu.wait(10)
        except subprocess.TimeoutExpired:
            machine.interrupt(self.monitor)  # the log's end says who waits for what
        except ConnectionError:  # it was killed
            pass
        finally:
            machine.stop(self.qemu)
            self.channel.close()

    def take(self, kind, body):
        if kind == machine.FRAME_OUTPUT:
            self.text += body
            *lines, self.text = self.text.split(b"\n")
            for line in lines:
                self.take_line(line.decode().strip())
        elif kind == machine.FRAME_ERROR:
            self.errors += body
        elif kind == machine.FRAME_EXIT:
            self.code = int.from_bytes(body, "little")
        elif kind == machine.FRAME_WANT_INPUT:
            self.wanted = True
        self.answer()

    def take_line(self, line):
        is_question = line.startswith("?")
        self.ledger.note(line, self.count() if is_question else 0)
        if is_question:
            self.questions += 1
            self.answers += 1
            self.ask(self.questions)

    def answer(self):
        if self.wanted and self.answers:
            self.channel.sendall(machine.frame(machine.FRAME_INPUT, b"\n" * self.answers))
            self.wanted, self.answers = False, 0

    def judge(self, report):
        """Whether the program and the machine ended well."""
        report.tail = machine.log_tail(self.log) + self.errors.decode().splitlines()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            sound = "audit: 0 violations" in file.read()
        return report.add(self.code == 0 and self.ledger.has_ended, "the program ends with 0",
                          f"{self.code}") and \
            report.add(sound, "the audit finds no violation")


# ---- a cut ---------------------------------------------------------------------------------------

class Inspector:
    """Repairs and checks disks."""

    def __init__(self, place, ledger):
        self.image = os.path.join(place, "cut.img")
        self.checker = Checker(ledger)
        self.count = 0
        self.repaired = 0

    def inspect(self, contents, cut):
        """What is wrong with a disk, or None."""
        self.count += 1
        with open(self.image, "wb") as file:
            file.write(contents)
        done = images.host_tool(["e2fsck", "-p", self.image])
        if done.returncode not in (0, 1):
            return f"e2fsck -p ends with {done.returncode}: {' '.join(done.stdout.split())[-300:]}"
        self.repaired += done.returncode
        done = images.host_tool(["e2fsck", "-fn", self.image])
        if done.returncode:
            return f"e2fsck -fn, after -p, finds: {' '.join(done.stdout.split())[-300:]}"
        with open(self.image, "rb") as file:
            return self.check_files(file.read(), cut)

    def check_files(self, image, cut):
        try:
            system = FileSystem(image)
            found = {name: system.contents(inode) for name, inode in system.files().items()
                     if not name.startswith(SYSTEM)}
        except (Damaged, IndexError) as damage:
            return f"the files cannot be read: {damage}"
        return self.checker.check(found, cut)


def subsets(count, generator):
    """Which writes of a window of COUNT are missing, in turn."""
    if count <= EXHAUSTIVE:
        for bits in range(1, 1 << count):
            yield {i for i in range(count) if bits >> i & 1}
        return
    yield set(range(count))
    for _ in range(SAMPLES):
        share = generator.random()
        yield {i for i in range(count) if generator.random() < share}


def replay(disk, inspector, seed, is_final=True):
    """Inspects the disk at every cut: what is wrong with the first that is, or None."""
    generator = random.Random(seed)
    while True:
        end = disk.cut == len(disk.requests)
        wrong = inspector.inspect(disk.contents(), Cut(disk.cut, is_final=end and is_final))
        if wrong:
            return f"cut {disk.cut} of {len(disk.requests)}: {wrong}"
        if disk.is_end_of_window() and not (end and is_final):
            wrong = replay_subsets(disk, inspector, generator)
            if wrong:
                return wrong
        if not disk.advance():
            return None


def replay_subsets(disk, inspector, generator):
    for missing in subsets(len(disk.window()), generator):
        for torn in (None, generator):
            wrong = inspector.inspect(disk.contents(missing, torn),
                                      Cut(disk.cut, disk.start, is_partial=True))
            if wrong:
                return (f"cut {disk.cut} of {len(disk.requests)}, without the writes "
                        f"{sorted(missing)} since {disk.start}: {wrong}")
    return None


def replay_job(report, build, *way, seed):
    """How many disks were checked."""
    with Place() as place:
        base, image, path = (os.path.join(place, name) for name in ("base", "image", "requests"))
        make_disk(build, base)
        shutil.copyfile(base, image)
        options = blocklog.disk_options(image, path)
        log = Log(path)
        talk = Conversation(build, place, options, (*way, seed), log.read)
        talk.run()
        log.read()
        log.close()
        if not talk.judge(report):
            return 0
        with open(base, "rb") as file:
            disk = Disk(file.read(), log.requests)
        inspector = Inspector(place, talk.ledger)
        wrong = replay(disk, inspector, seed)
        flushes = sum(request.is_flush for request in log.requests)
        report.note = (f"{inspector.count} disks after cuts, {inspector.repaired} repaired; "
                       f"{len(log.requests) - flushes} writes, {flushes} flushes, "
                       f"{talk.ledger.npromises} promises; seed {seed}")
        report.add(talk.ledger.npromises >= 5 and flushes >= 5, "there are promises and flushes")
        report.add(wrong is None, "every cut leaves what was promised", wrong or "")
        deaf = Disk(disk.beginning, log.requests, heeds_flushes=False)
        report.add(replay(deaf, Inspector(place, talk.ledger), seed) is not None,
                   "a disk that does not heed flushes is found out")
        return inspector.count


# ---- kills ---------------------------------------------------------------------------------------

def kill_job(report, build, runs, seed):
    generator = random.Random(seed)
    for number in range(runs):
        with Place() as place:
            wrong = kill_once(report, build, place, generator)
        report.add(wrong is None, f"run {number + 1}: the disk has what was promised", wrong or "")


def kill_once(report, build, place, generator):
    """Ends QEMU at some moment after some question; what is wrong with its disk, or None."""
    image = os.path.join(place, "image")
    make_disk(build, image)
    last, delay = generator.randrange(8, 60), generator.random() * 0.01
    moment = iter(range(1 << 30))

    def ask(number):
        if number == last:
            threading.Timer(delay, talk.qemu.kill).start()

    talk = Conversation(build, place, machine.disk_options(image, kept=True),
                        ("both", generator.randrange(2), 1, 1000, generator.randrange(1 << 30)),
                        lambda: next(moment), ask)
    talk.run()
    if talk.questions < last:
        report.tail = machine.log_tail(talk.log)
        return f"the program ended before question {last}: {talk.errors.decode()}"
    with open(image, "rb") as file:
        return Inspector(place, talk.ledger).inspect(file.read(), Cut(1 << 30))


# ---- the tests of these tests --------------------------------------------------------------------

WRITES = ((0, 1, 0xAA), (24, 16, 0x55), (8, 1, 0x01), (2000, 48, 0x80))  # sector, sectors, byte


def check_reader(report, work):
    """QEMU writes what we tell it to: the log says so."""
    image, path, socket = (os.path.join(work, f"blocklog.{name}")
                           for name in ("img", "log", "socket"))
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    qemu = machine.start(["-nodefaults", "-machine", "none", "-display", "none",
                          *blocklog.node_options(image, path), *machine.monitor_options(socket)],
                         stdout=subprocess.DEVNULL)
    log = Log(path)
    try:
        with machine.Monitor(socket) as monitor:
            for sector, count, byte in WRITES:  # -f: with a FLUSH behind it
                monitor.ask("human-monitor-command", {"command-line":
                            f'qemu-io disk "write -f -P {byte} {sector * 512} {count * 512}"'})
            count = log.read()
    finally:
        machine.stop(qemu)
    log.close()
    report.add(count == len(log.requests) == 2 * len(WRITES), "every request is there",
               f"{count}, {len(log.requests)}")
    report.add([request.is_flush for request in log.requests] == [False, True] * len(WRITES),
               "a FLUSH behind every write")
    report.add([(request.offset, request.data) for request in log.requests if request.data] ==
               [(sector * 512, bytes([byte]) * (512 * count)) for sector, count, byte in WRITES],
               "each write has its place and its data")
    disk = Disk(bytes(1 << 20), log.requests)
    while disk.advance():
        pass
    with open(image, "rb") as file:
        report.add(file.read() == disk.contents(), "the disk that is rebuilt is QEMU's")
    check_windows(report)


def check_windows(report):
    """Which writes may be missing, and what is there then."""
    requests = [blocklog.Request(0, b"a" * 512), blocklog.Request(0, None),
                blocklog.Request(0, b"b" * 512), blocklog.Request(512, b"c" * 512)]
    disk = Disk(bytes(1024), requests)
    seen = []
    while True:
        seen += [bytes(disk.contents(missing)[::512]) for missing in
                 [set(), *subsets(len(disk.window()), None)]]
        if not disk.advance():
            break
    report.add(seen == [b"\0\0", b"a\0", b"\0\0", b"a\0", b"b\0", b"a\0", b"bc", b"ac", b"b\0",
                        b"a\0"], "a write is missing only when no FLUSH followed it", str(seen))


class Play:
    """A run that never was: a disk with two files, a log of writes to them, what was promised."""

    PAGES = 8
    PER_PAGE = blocklog.BLOCK // 512

    def __init__(self, place, promise_early=False):
        image, source = os.path.join(place, "base"), os.path.join(place, "source")
        images.make_file_system(image, 1 << 20)
        self.ledger, self.requests, self.versions = Ledger(), [], {}
        for file in (1, 2):
            with open(source, "wb") as data:
                data.write(b"".join(self.page(file, page, 1) for page in range(self.PAGES)))
            images.put_files(image, [(source, f"file{file}.dat")])
            for line in (f"file {file} file{file}.dat", f"set {file} 0 {8 * self.PAGES} 1",
                         f"size {file} {4096 * self.PAGES}", f"?all {file}"):
                self.ledger.note(line, 0)
        self.places = {file: [offset + at for offset, nbytes in
                              images.file_extents(image, f"file{file}.dat")
                              for at in range(0, nbytes, 4096)] for file in (1, 2)}
        with open(image, "rb") as file:
            self.base = file.read()
        for version in (2, 3, 4):
            self.round(version, promise_early and version == 3)

    def page(self, file, page, version):
        return b"".join(contents_of_unit(file, unit, version) for unit in
                        range(page * self.PER_PAGE, (page + 1) * self.PER_PAGE))

    def round(self, version, early):
        for file in (1, 2):
            for page in (version % 2, version):
                self.ledger.note(f"set {file} {page * 8} 8 {version}", 0)
                self.requests.append(blocklog.Request(self.places[file][page],
                                                      self.page(file, page, version)))
            self.ledger.note(f"?weak {file} {version % 2 * 8} 8", len(self.requests))
        for file in (1, 2) if early else ():
            self.ledger.note(f"?all {file}", len(self.requests))
        self.requests.append(blocklog.Request(0, None))
        for file in (1, 2):
            self.ledger.note(f"?all {file}", len(self.requests))

    def verdict(self, place):
        return replay(Disk(self.base, self.requests), Inspector(place, self.ledger), 1,
                      is_final=False)


def no_flush(play):
    """The second FLUSH is a write that changes nothing."""
    play.requests[9] = blocklog.Request(0, play.base[:512])


def turned_bit(play):
    data = bytearray(play.requests[6].data)
    data[700] ^= 4
    play.requests[6].data = bytes(data)


def old_contents(play):
    play.requests[5].data = play.page(1, 1, 1)


def no_write(play):
    play.requests[7] = blocklog.Request(0, play.base[:512])


def other_place(play):
    play.requests[2].offset = play.places[1][5]


def no_inodes(play):
    """The table of inodes is overwritten: its place stands in the block behind the superblock's."""
    play.requests[11].offset = 4096 * int.from_bytes(play.base[4096 + 8:4096 + 12], "little")


PLANTS = (("a FLUSH that is not sent", no_flush), ("a bit that is turned", turned_bit),
          ("a write that is not made", no_write), ("contents that are old", old_contents),
          ("a write into another file", other_place), ("an inode table overwritten", no_inodes))


def check_checker(report, _work):
    with Place() as place:
        wrong = Play(place).verdict(place)
        report.add(wrong is None, "without one, all is well", wrong or "")
        for name, plant in PLANTS:
            play = Play(place)
            plant(play)
            wrong = play.verdict(place)
            report.add(wrong is not None, f"{name} is found")
        wrong = Play(place, promise_early=True).verdict(place)
        report.add(wrong is not None, "a promise before its FLUSH is found")
