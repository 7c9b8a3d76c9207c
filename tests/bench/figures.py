"""What the programs of tests/bench print, read; and the files of figures that are kept."""
import os
import statistics

HERE = os.path.dirname(os.path.abspath(__file__))


class Cost:
    """What one operation costs: in instructions or, in plain TCG, nanoseconds."""

    def __init__(self, spent, flushes=0.0, root_loads=0.0):
        self.spent = spent
        self.flushes = flushes
        self.root_loads = root_loads


class Disk:
    """What the disk was asked for while so many pages were touched."""

    def __init__(self, pages, reads, read_bytes, writes, written_bytes, major):
        self.pages = pages
        self.reads = reads
        self.read_bytes = read_bytes
        self.writes = writes
        self.written_bytes = written_bytes
        self.major = major or reads

    def request(self, kind):
        """KiB of a request of that KIND, on average."""
        count, nbytes = ((self.reads, self.read_bytes) if kind == "reads" else
                         (self.writes, self.written_bytes))
        return nbytes / count / 1024 if count else 0


class Figures:
    """What a run, or several, have printed. WALL: time in plain TCG, else instructions."""

    def __init__(self, wall=False):
        self.wall = wall
        self.scale = 1.0   # of a tick to the unit
        self.speed = None  # nanoseconds for a thousand instructions of a loop
        self.costs = {}
        self.disks = {}
        self.points = {}   # series: [(x, cost)]
        self.boots = []
        self.database = None  # bytes of the PFN database
        self.system = None

    def read(self, text):
        calibration = None
        for line in text.splitlines():
            kind, *words = line.split("\t")
            if kind == "calibration":
                calibration = int(words[0]) / int(words[1])  # ticks for one instruction
                self.scale = 1 / calibration
            elif kind == "frequency" and self.wall:
                self.scale = int(words[1]) / int(words[0])
                self.speed = calibration * self.scale * 1000
            elif kind == "row":
                self.read_row(words)
            elif kind == "point":
                cost = int(words[2]) * self.scale
                self.points.setdefault(words[0], []).append((int(words[1]), cost))
            elif kind == "disk":
                self.disks[words[0]] = Disk(*map(int, words[1:]))
            elif kind == "boot":
                self.read_boot(words)
            elif kind == "system":
                self.system = words[0]
        self.add_major_faults()

    def take_less(self, other):
        """What cost less in OTHER, or is not here; its disk too."""
        self.speed = min(filter(None, (self.speed, other.speed)), default=None)
        for name, cost in other.costs.items():
            known = self.costs.get(name)
            if known is None or cost.spent < known.spent:
                self.costs[name] = cost
                if name in other.disks:
                    self.disks[name] = other.disks[name]

    def read_row(self, words):
        name, count, spent, elapsed, flushes, loads = words[0], *map(int, words[1:])
        ticks = elapsed if self.wall else spent
        self.costs[name] = Cost(ticks / count * self.scale, flushes / count, loads / count)

    def read_boot(self, words):
        self.boots.append((int(words[0], 16) - int(words[1], 16)) * self.scale)
        self.costs["boot"] = Cost(statistics.median(self.boots))
        if len(words) > 2:
            self.database = int(words[2], 16)

    def add_major_faults(self):
        """The random reads of private memory once more: for each major fault, not each touch."""
        name = "paging-private-random"
        disk = self.disks.get(name)
        if disk and disk.major and name in self.costs:
            factor = disk.pages / disk.major
            cost = self.costs[name]
            self.costs["paging-private-major"] = Cost(
                cost.spent * factor, cost.flushes * factor, cost.root_loads * factor)


# ---- files -------------------------------------------------------------------------------------

class Row:
    """One line of rows.tsv."""

    def __init__(self, words):
        self.name = words[0]
        self.target = None if words[1] == "-" else float(words[1])
        self.tolerance = float(words[2])
        kind, _, kib = words[3].partition(" ")
        self.requests = None if kind == "-" else kind  # "reads" or "writes", which on average are
        self.request = float(kib) if self.requests else None  # at least so many KiB
        self.title = words[4]


def lines_of(name):
    """The lines of a file beside this one, split at tabs, without comments and empty lines."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


def rows():
    return [Row(words) for words in lines_of("rows.tsv")]


def value(word):
    return None if word == "-" else float(word)


def word(number):
    """NUMBER for a file: four digits, and all that stand before the point."""
    if number is None:
        return "-"
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


class Kept:
    """Quire's figures as they were when `make bench UPDATE=1` was last run: quire.tsv."""

    FIELDS = ("instructions", "flushes", "root_loads", "wall")

    def __init__(self):
        self.speed = None
        self.rows = {}  # name: {field: value}
        for words in lines_of("quire.tsv"):
            if words[0] == "speed":
                self.speed = float(words[1])
            elif words[0] == "row":
                self.rows[words[1]] = dict(zip(self.FIELDS, map(value, words[2:])))

    def time_of(self, name, wall, busy):
        """The time to keep; on a BUSY host not one that is longer than what was kept."""
        cost, before = wall.costs.get(name), self.rows.get(name, {}).get("wall")
        if cost and before and busy and self.speed and wall.speed:
            return min(cost.spent, before * wall.speed / self.speed)
        return cost.spent if cost else None

    def write(self, rows_, counted, wall, busy):
        with open(os.path.join(HERE, "quire.tsv"), "w", encoding="utf-8") as file:
            file.write("# What Quire's operations cost when `make bench UPDATE=1` was last run, which\n"
                       "# writes this file; `make bench` fails when one costs more.\n"
                       "# speed  nanoseconds for 1000 instructions of a loop, in plain TCG\n"
                       "# row  name  instructions  TLB flushes  CR3 writes  nanoseconds\n")
            file.write(f"speed\t{word(wall.speed)}\n")
            for row in rows_:
                cost = counted.costs.get(row.name)
                if cost:
                    numbers = (cost.spent, cost.flushes, cost.root_loads,
                               self.time_of(row.name, wall, busy))
                    file.write("\t".join(["row", row.name, *map(word, numbers)]) + "\n")


class Peers:
    """The peer's figures, measured before: linux.tsv."""

    FIELDS = ("linux", "tuned")

    def __init__(self):
        self.about = {}
        self.rows = {}
        self.points = {}  # series: [(x, tuned)]
        self.disks = {}
        for words in lines_of("linux.tsv"):
            if words[0] == "row":
                self.rows[words[1]] = dict(zip(self.FIELDS, map(value, words[2:])))
            elif words[0] == "point":
                self.points.setdefault(words[1], []).append((int(words[2]), float(words[3])))
            elif words[0] == "disk":
                self.disks[words[1]] = Disk(*map(int, words[2:]))
            else:
                self.about[words[0]] = words[1]

    def get(self, name, field):
        return self.rows.get(name, {}).get(field)

    def take(self, linux, tuned, about):
        """New figures; a row that was not measured keeps what it had."""
        self.about = about
        for name, cost in tuned.costs.items():
            self.rows[name] = {"linux": linux.costs[name].spent, "tuned": cost.spent}
        self.points.update(tuned.points)
        self.disks.update(tuned.disks)

    def write(self, rows_):
        with open(os.path.join(HERE, "linux.tsv"), "w", encoding="utf-8") as file:
            file.write("# What the same operations cost on Linux, in the same machine; written by\n"
                       "# `make bench PEER=linux UPDATE=1`. docs/performance.md says what the two\n"
                       "# kernels are. Figures for one operation; \"-\": not measured.\n"
                       "# row  name  instructions  tuned: instructions\n"
                       "# point  series  x  tuned: instructions\n"
                       "# disk  row  pages touched  reads  bytes  writes  bytes  major faults\n")
            for name, text in self.about.items():
                file.write(f"{name}\t{text}\n")
            for row in rows_:
                if row.name in self.rows:
                    numbers = [self.get(row.name, field) for field in self.FIELDS]
                    file.write("\t".join(["row", row.name, *map(word, numbers)]) + "\n")
            for series, points in self.points.items():
                for x, cost in sorted(points):
                    file.write(f"point\t{series}\t{x}\t{word(cost)}\n")
            for name, disk in self.disks.items():
                numbers = (disk.pages, disk.reads, disk.read_bytes, disk.writes,
                           disk.written_bytes, disk.major)
                file.write("\t".join(["disk", name, *map(str, numbers)]) + "\n")
