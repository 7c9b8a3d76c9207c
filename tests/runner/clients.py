"""Real programs, fetched by package name, built unmodified for Win32, and run on Quire.

What comes out must be what the same program says that was built for this machine's own system, or
what its authors promise. After every run e2fsck must find nothing on the disk. Without npm, apt-get
or a network these tests fail, and say so.

The sources lie in sources.py's cache; what is built lies in clients/ of the build directory.
"""
import glob
import os
import re
import shutil
import tempfile
import threading

from . import sources, user
from .job import Job, collect
from .process import ROOT, run

BUILD_LIMIT = 600  # seconds for one program
LIMIT = 120  # seconds for a run, unless it says otherwise
OURS = os.path.join(ROOT, "tests/clients")
WINDOWS_CC = ("i686-w64-mingw32-gcc", "-O2", "-w")
NATIVE_CC = ("i686-linux-gnu-gcc", "-static", "-O2", "-w", "-pthread")

TESTS = []
test = collect(TESTS)


def jobs(build, work):
    builder = Builder(os.path.join(build, "clients"))
    for name, function in TESTS:
        yield Job(f"clients: {name}", lambda report, function=function:
                  perform(report, function, Client(report, builder, build, work)))


def perform(report, function, client):
    try:
        function(client)
    except (sources.Missing, Refused) as problem:
        report.add(False, str(problem))
    finally:
        shutil.rmtree(client.work)


# ---- building ------------------------------------------------------------------------------------

class Refused(Exception):
    """A compiler that does not take a program."""


class Builder:
    """Programs that are built once, for Win32 and for this machine."""

    def __init__(self, directory):
        self.directory = directory
        self.guard = threading.Lock()
        self.locks = {}

    def make(self, compiler, name, files, words):
        """Program NAME from FILES and more WORDS; its path."""
        target = os.path.join(self.directory, name)
        with self.guard:
            lock = self.locks.setdefault(target, threading.Lock())
        with lock:
            if not is_newer(target, files):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                done = run([*compiler, "-o", target + ".new", *files, *words], BUILD_LIMIT)
                if done.status or done.timed_out:
                    said = done.error_text().strip().splitlines() or ["it took too long"]
                    raise Refused(f"{name} does not build: {said[0]}")
                os.rename(target + ".new", target)
        return target

    def windows(self, name, files, *words):
        return self.make(WINDOWS_CC, name + ".exe", files, words)

    def native(self, name, files, *words):
        return self.make(NATIVE_CC, name, files, words)


def is_newer(target, files):
    return os.path.exists(target) and all(
        os.path.getmtime(file) < os.path.getmtime(target) for file in files)


# ---- running -------------------------------------------------------------------------------------

class Client:
    """One test: its report, a directory of its own, and its runs on Quire and on this machine."""

    def __init__(self, report, builder, build, work):
        self.report = report
        self.builder = builder
        self.build = build
        self.work = tempfile.mkdtemp(prefix="client-", dir=work)

    def path(self, name):
        return os.path.join(self.work, name)

    def file(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, name):
        if not os.path.exists(self.path(name)):
            return None
        with open(self.path(name), "rb") as file:
            return file.read()

    def quire(self, what, program, *arguments, put=(), get=(), data=b"", disk=None, limit=LIMIT):
        """Runs PROGRAM there; GET names files of C:\\ that are fetched into our directory. DISK is
        an image that is kept. What it printed; None when something went wrong."""
        image, log = self.path(disk or "disk.img"), self.path("log")
        words = ["--append", "audit", "--timeout", str(limit), "--disk", image, "--log", log]
        for name in put:
            words += ["--put", name]
        for name in get:
            words += ["--get", f"{name}={self.path(os.path.basename(name))}"]
        environment = dict(os.environ, QUIRE_BUILD=self.build, TMPDIR=self.work,
                           QUIRE_KERNEL=os.path.join(self.build, "debug/quire.elf"))
        done = run([os.path.join(ROOT, "quire"), "run", *words, program, *arguments], limit + 15,
                   env=environment, input=data)
        good = self.report.add(done.status == 0 and not done.timed_out, f"{what}: ends with 0",
                               f"exit code {done.status}", *done.text().splitlines()[-6:],
                               *done.error_text().splitlines()[-12:])
        if os.path.exists(image):
            if good:
                user.check_disk(self.report, image)
            if disk is None:
                os.unlink(image)
        return done.text().replace("\r", "") if good else None

    def native(self, program, *arguments, data=b""):
        """What the same program says on this machine, in our directory."""
        done = run([program, *arguments], LIMIT, cwd=self.work, input=data)
        if done.status or done.timed_out:
            raise Refused(f"{os.path.basename(program)} fails on this machine: "
                          f"{done.error_text().strip()[-200:]}")
        return done.text()

    def same(self, what, ours, theirs):
        """Adds a check: two texts have the same lines."""
        if ours is None:
            return
        ours, theirs = ours.splitlines(), theirs.splitlines()
        wrong = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b),
                     min(len(ours), len(theirs)))
        self.report.add(ours == theirs and bool(ours), f"{what}: {len(theirs)} lines are the same",
                        f"of {len(ours)} lines number {wrong + 1} is another",
                        f"on Quire: {(ours + ['(end)'])[wrong]}"[:300],
                        f"natively: {(theirs + ['(end)'])[wrong]}"[:300])


# ---- LMDB ----------------------------------------------------------------------------------------

# version: where it comes from, as a function and its arguments; where the files are in it
LMDB = {"0.9.24": (sources.debian, ("lmdb",), "libraries/liblmdb"),
        "0.9.70": (sources.npm, ("node-lmdb@0.10.1",),
                   "package/dependencies/lmdb/libraries/liblmdb")}
TRANSACTIONS = 400


class Lmdb:
    """One version of it and its programs."""

    def __init__(self, client, version):
        fetch, arguments, inner = LMDB[version]
        self.client = client
        self.directory = os.path.join(fetch(*arguments), inner)
        self.name = f"lmdb-{version}"

    def files(self, *mains):
        return [*mains, *(os.path.join(self.directory, name) for name in ("mdb.c", "midl.c"))]

    def program(self, name):
        """One of LMDB's own, whose choices are the same everywhere."""
        return self.files(os.path.join(self.directory, name + ".c"), os.path.join(OURS, "fixed.c"))

    def windows(self, name, files):
        return self.client.builder.windows(f"{self.name}/{name}", files, "-I", self.directory,
                                           "-ladvapi32")

    def native(self, name, files):
        return self.client.builder.native(f"{self.name}/{name}", files, "-I", self.directory)

    def directories(self, *names):
        """Words that make empty directories, but for a file."""
        empty = self.client.file("empty", b"\n")
        return [f"{empty}={name}\\empty" for name in names]


def without_addresses(text):
    return None if text is None else re.sub(r"\b(key|data): (0x)?[0-9A-Fa-f]+", r"\1:", text)


def lmdb_tests(client, version):
    lmdb = Lmdb(client, version)
    for name in ("mtest", "mtest2", "mtest3", "mtest4", "mtest5"):
        said = client.quire(name, lmdb.windows(name, lmdb.program(name)),
                            put=lmdb.directories("testdb"))
        os.mkdir(client.path("testdb"))
        expected = client.native(lmdb.native(name, lmdb.program(name)))
        shutil.rmtree(client.path("testdb"))
        client.same(name, without_addresses(said), without_addresses(expected))


def lmdb_tools(client, version):
    """The dump of a database is that of its copies, and of what is loaded from it."""
    lmdb = Lmdb(client, version)
    tool = {name: lmdb.windows(name, lmdb.program(name))
            for name in ("mtest3", "mdb_stat", "mdb_dump", "mdb_copy", "mdb_load")}

    def step(what, name, *arguments, **more):
        return client.quire(what, tool[name], *arguments, disk="lmdb.img", **more)

    def dump(directory):
        said = step(f"dump of {directory}", "mdb_dump", "-a", directory)
        return said and re.sub(r"(?m)^mapaddr=.*\n", "", said)  # where FIXEDMAP has put it

    step("a database", "mtest3", put=lmdb.directories("testdb", "copy", "compact", "loaded"))
    original = dump("testdb")
    if original is None:
        return
    stat = step("statistics", "mdb_stat", "-ef", "testdb") or ""
    client.report.add("Map size: 10485760" in stat, "mdb_stat tells the map's size",
                      *stat.splitlines())
    step("a copy", "mdb_copy", "testdb", "copy")
    client.same("a copy", dump("copy"), original)
    step("a compacting copy", "mdb_copy", "-c", "testdb", "compact")
    client.same("a compacting copy", dump("compact"), original)
    step("a load", "mdb_load", "-f", "dump", "loaded",
         put=[f"{client.file('dump', original.encode())}=dump"])
    client.same("what is loaded", dump("loaded"), original)


def lmdb_snapshots(client, version):
    lmdb = Lmdb(client, version)
    program = lmdb.windows("snapshots", lmdb.files(os.path.join(OURS, "snapshots.c")))
    words, count = ["empty", "read.out", f"snapshots read {TRANSACTIONS}",
                    "empty", "write.out", f"snapshots write {TRANSACTIONS}"], str(TRANSACTIONS)
    both = client.builder.windows("together", [os.path.join(OURS, "together.c")])
    client.quire("both", both, *words, put=[*lmdb.directories("testdb"), client.path("empty"),
                                            program], get=["read.out", "write.out"])
    said = (client.read("read.out") or b"").decode().strip()
    client.report.add((client.read("write.out") or b"").decode().strip() == f"{count} transactions",
                      f"{count} transactions are committed", str(client.read("write.out")))
    match = re.fullmatch(r"(\d+) snapshots, the last of transaction (\d+)", said)
    client.report.add(match is not None and match[2] == count and int(match[1]) > 2,
                      "the other sees consistent snapshots all the while, and the last", said)


for _version in LMDB:
    for _name, _function in (("mtest", lmdb_tests), ("copies, dump and load", lmdb_tools),
                             ("a writer and a reader", lmdb_snapshots)):
        test(f"LMDB {_version}, {_name}")(lambda client, function=_function, version=_version:
                                          function(client, version))


# ---- SQLite --------------------------------------------------------------------------------------

WAL = """
.bail on
pragma journal_mode=WAL;
pragma mmap_size=67108864;
create table t(id integer primary key, k integer, v text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
  insert into t select i, i * 7919 % 100003, 'row ' || i || ' ' || hex(i * i) from n;
create index tk on t(k);
delete from t where id % 10 = 0;
select count(*), sum(k), min(k), max(k), sum(length(v)) from t;
select id, v from t where k between 500 and 540 order by k;
pragma integrity_check;
pragma wal_checkpoint(truncate);
select count(*), sum(id) from t where v like '%77%';
"""
JOURNAL = """
.bail on
pragma journal_mode=delete;
pragma cache_size=50;
pragma temp_store=file;
create table t(id integer primary key, k integer, v text);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
  insert into t select i, i * 7919 % 30011, 'row ' || i || ' ' || hex(zeroblob(40)) from n;
commit;
begin;
update t set v = v || k;
delete from t where id % 3 = 0;
rollback;
select count(*), sum(length(v)) from t;
create index tv on t(v, k);
select id, k from (select * from t order by v desc, k limit 29990 offset 100) order by k limit 10;
delete from t where id % 7 <> 0;
vacuum;
select count(*), sum(k) from t;
pragma integrity_check;
pragma page_count;
"""
WRITER = """
.timeout 30000
.bail on
{transactions}
select 'done';
"""
WRITER_TRANSACTION = ("begin immediate; insert into t values({k}, {n}); "
                      "insert into t values(-{k}, -{n}); commit;")
WRITES = 150


class Sqlite:
    def __init__(self, client):
        name = "sqlite-autoconf-3520000"
        directory = os.path.join(sources.npm("sqlite3@6.0.1", f"package/deps/{name}.tar.gz"), name)
        self.client = client
        self.files = [os.path.join(directory, file) for file in ("sqlite3.c", "shell.c")]
        self.windows = client.builder.windows("sqlite3", self.files, "-municode")

    def quire(self, what, script, **more):
        return self.client.quire(what, self.windows, "C:\\test.db", data=script.encode(),
                                 disk="sqlite.img", **more)

    def native(self, script):
        program = self.client.builder.native("sqlite3", self.files, "-lm")
        return self.client.native(program, "test.db", data=script.encode())


@test("SQLite, write-ahead log and mapped database")
def sqlite_wal(client):
    sqlite = Sqlite(client)
    said = sqlite.quire("100 000 rows", WAL, limit=240, get=["test.db"])
    if said is None:
        return
    client.report.add("ok" in said.splitlines() and "0|0|0" in said.splitlines(),
                      "the database is whole, and its log is in it", *said.splitlines()[-6:])
    look = ("pragma mmap_size=67108864; pragma integrity_check; "
            "select count(*), sum(k), sum(length(v)), min(v), max(v) from t;")
    client.same("the database that it leaves", sqlite.quire("it is opened again", look),
                sqlite.native(look))
    os.unlink(client.path("test.db"))
    client.same("what it answers", said, sqlite.native(WAL))


@test("SQLite, two processes write at once")
def sqlite_writers(client):
    sqlite = Sqlite(client)
    sqlite.quire("a database", "pragma journal_mode=WAL; create table t(k, n);")
    together = client.builder.windows("together", [os.path.join(OURS, "together.c")])
    put, words = [sqlite.windows], []
    for k in (1, 2):
        lines = "\n".join(WRITER_TRANSACTION.format(k=k, n=n) for n in range(1, WRITES + 1))
        put.append(client.file(f"{k}.sql", WRITER.format(transactions=lines).encode()))
        words += [f"{k}.sql", f"{k}.out", "sqlite3 C:\\test.db"]
    client.quire("two writers", together, *words, disk="sqlite.img", put=put,
                 get=["1.out", "2.out"], limit=240)
    for k in (1, 2):
        said = (client.read(f"{k}.out") or b"").decode().split()
        client.report.add(said == ["done"], f"writer {k} succeeds", *said[:20])
    said = sqlite.quire("the database afterwards",
                        "select count(*), sum(n), sum(k) from t; "
                        "select k, count(*), sum(n) from t group by k; pragma integrity_check;")
    total = WRITES * (WRITES + 1) // 2
    client.same("what both have written", said, "\n".join(
        [f"{4 * WRITES}|0|0", *(f"{k}|{WRITES}|{total if k > 0 else -total}"
                                for k in (-2, -1, 1, 2)), "ok"]))


@test("SQLite, rollback journal, sort in a file, VACUUM")
def sqlite_journal(client):
    sqlite = Sqlite(client)
    said = sqlite.quire("a small cache", JOURNAL, limit=240)
    client.report.add(said is not None and "ok" in said.splitlines(), "the database is whole")
    client.same("what it answers", said, sqlite.native(JOURNAL))


# ---- zlib, Lua -----------------------------------------------------------------------------------

def some_data():
    """Bytes that compress, here more and there less."""
    parts = []
    for number in range(6000):
        parts.append(b"%d: %s\n" % (number * number, b"quire " * (number % 50)))
        parts.append(bytes((number * i * i >> 5) & 255 for i in range(number % 97)))
    return b"".join(parts)


@test("zlib's minigzip")
def minigzip(client):
    directory = sources.debian("zlib")
    files = [*sorted(glob.glob(os.path.join(directory, "*.c"))),
             os.path.join(directory, "test/minigzip.c")]
    program = client.builder.windows("minigzip", files, "-I", directory)
    data = some_data()
    client.quire("it compresses", program, "C:\\in", put=[f"{client.file('in', data)}=in"],
                 get=["in.gz"])
    ours = client.read("in.gz") or b""
    client.native(client.builder.native("minigzip", files, "-I", directory), "in")
    theirs = client.read("in.gz")
    here = 9  # of the header's bytes the one that says which system it was
    client.report.add(ours[:here] + ours[here + 1:] == theirs[:here] + theirs[here + 1:],
                      f"{len(data)} bytes become the same {len(theirs)}", f"{len(ours)} bytes")
    client.quire("it expands", program, "-d", "C:\\in.gz",
                 put=[f"{client.file('ours.gz', ours)}=in.gz"], get=["in"])
    client.report.add(client.read("in") == data, "they come back")


@test("Lua")
def lua(client):
    directory = os.path.join(sources.debian("lua5.4"), "src")
    files = [file for file in sorted(glob.glob(os.path.join(directory, "*.c")))
             if os.path.basename(file) != "luac.c"]
    script = os.path.join(OURS, "closures.lua")
    client.quire("a script", client.builder.windows("lua", files), "closures.lua", "C:\\out",
                 put=[script], get=["out"])
    ours = (client.read("out") or b"").decode()
    client.native(client.builder.native("lua", files, "-lm"), script, "out")
    client.same("closures, strings, files", ours, client.read("out").decode())


# ---- compressors, hashes, languages --------------------------------------------------------------

# name: package, its files, words for the compiler, how to compress `in`, how to expand it again
COMPRESSORS = {
    "bzip2": ("bzip2", [f"{name}.c" for name in ("blocksort", "huffman", "crctable", "randtable",
                                                 "compress", "decompress", "bzlib", "bzip2")],
              [], ["-kf", "in"], ["-dkf", "in.bz2"]),
    "lz4": ("lz4", ["programs/*.c", "lib/*.c"], ["-Ilib"], ["-9f", "in", "in.lz4"],
            ["-df", "in.lz4", "in"]),
    "zstd": ("libzstd", ["lib/common/*.c", "lib/compress/*.c", "lib/decompress/*.c",
                         "lib/dictBuilder/*.c", "programs/*.c"],
             ["-DZSTD_MULTITHREAD", "-DZSTD_DISABLE_ASM", "-DXXH_NAMESPACE=ZSTD_", "-Ilib",
              "-Ilib/common", "-Iprograms"], ["-qf", "-T3", "-7", "in"], ["-qdf", "in.zst"]),
    "brotli": ("brotli", ["c/tools/brotli.c", "c/common/*.c", "c/dec/*.c", "c/enc/*.c"],
               ["-Ic/include", "-lm"], ["-kf", "-q", "5", "in"], ["-dkf", "in.br"]),
    "clzip": ("clzip", ["*.c"], ['-DPROGVERSION="1"'], ["-kf", "-2", "in"], ["-dkf", "in.lz"]),
}
SCRIPT = """
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
print(fib(18), [3, 1, 2].sort(), JSON.stringify({a: [1, 2.5, "x"]}), /(\\w+)@(\\w+)/.exec("a@b"));
print(new Date(86400000).toISOString(), Math.sin(1), parseFloat("1e-7"), (255).toString(16));
try { null.x; } catch (e) { print(e.name); }
"""


def one_line(client, name, package, patterns, words):
    """Program NAME from what PATTERNS find in a Debian PACKAGE: for Win32, and native."""
    directory = sources.debian(package)
    files = [file for pattern in patterns
             for file in sorted(glob.glob(os.path.join(directory, pattern)))]
    words = [f"-I{directory}/{word[2:]}" if word.startswith("-I") else word for word in words]
    return (client.builder.windows(name, files, *words), client.builder.native(name, files, *words))


def compressor(client, name):
    """What Quire compresses this machine expands, and the other way round."""
    package, patterns, words, compress, expand = COMPRESSORS[name]
    windows, native = one_line(client, name, package, patterns, words)
    packed = next(word for word in expand if word.startswith("in."))
    data = some_data()
    client.quire("it compresses", windows, *compress, put=[client.file("in", data)], get=[packed])
    os.unlink(client.path("in"))
    client.native(native, *expand)
    client.report.add(client.read("in") == data, "the native program expands that")
    client.native(native, *compress)
    client.quire("it expands", windows, *expand, put=[client.path(packed)], get=["in"])
    client.report.add(client.read("in") == data, "what the native one has compressed")


for _name in COMPRESSORS:
    test(_name)(lambda client, name=_name: compressor(client, name))


@test("xxhsum")
def xxhsum(client):
    windows, native = one_line(client, "xxhsum", "xxhash", ["cli/*.c", "xxhash.c"], ["-I.", "-Icli"])
    path = client.file("in", some_data())
    for kind in ("-H0", "-H1", "-H2"):
        client.same(f"a sum, {kind}", client.quire(kind, windows, kind, "in", put=[path]),
                    client.native(native, kind, "in"))


@test("MuJS")
def mujs(client):
    windows, native = one_line(client, "mujs", "mujs", ["one.c", "main.c"], ["-lm"])
    path = client.file("script.js", SCRIPT.encode())
    client.same("a script", client.quire("it runs", windows, "script.js", put=[path]),
                client.native(native, "script.js"))
