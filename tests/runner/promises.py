"""What tests/crash/promises.c was promised of its files, and whether a disk after a cut keeps it.

Of every file there are three kinds of things that change: its name, its size, and each unit of 512
bytes. Each is a history of values; a promise says that by then the disk had the value of a place
in it. At a cut, the disk may show that value or any later one that had begun to be made by then,
and nothing else: neither an older one nor what belongs to another file.

A place in the disk's log stands beside everything. The program waits while the host reads how many
requests there are, so an order of events is known, without any help of the system under test:

    a promise at N: all that it needs is among the first N requests; it binds every cut from N on
    a change begun at N: nothing of it is among the first N requests; no cut before N may show it

A promise is weak when no FLUSH is part of it: then it binds the cuts of which nothing is missing,
and all those behind the next FLUSH.
"""
import struct

UNIT = 512
GONE = None  # as a name


class History:
    """The values of one thing, and the promises that were made of it."""

    def __init__(self):
        self.values = []  # (value, begun at)
        self.promises = []  # (made at, whether it is weak, how many values there were then)

    def add(self, value, begun):
        self.values.append((value, begun))

    def promise(self, made, is_weak):
        self.promises.append((made, is_weak, len(self.values)))

    def allowed(self, cut):
        """The values that CUT may show, and whether one of them must be there."""
        if cut.is_final:
            return [self.values[-1][0]], True
        for made, is_weak, count in reversed(self.promises):
            if made < cut.window if is_weak and cut.is_partial else made <= cut.number:
                return [value for value, begun in self.values[count - 1:]
                        if begun <= cut.number or value == self.values[count - 1][0]], True
        return [value for value, begun in self.values if begun <= cut.number], False


class Cut:
    """A point of the log, WINDOW just behind the last FLUSH. IS_PARTIAL: writes since then are
    missing. IS_FINAL: the machine has been powered off in order."""

    def __init__(self, number, window=0, is_partial=False, is_final=False):
        self.number = number
        self.window = window
        self.is_partial = is_partial
        self.is_final = is_final


class File:
    def __init__(self, number):
        self.number = number
        self.names = History()
        self.sizes = History()
        self.units = {}  # by number

    def unit(self, number):
        return self.units.setdefault(number, History())


class Ledger:
    """Everything that the program has told."""

    def __init__(self):
        self.files = {}
        self.at = 0  # requests at the last question
        self.npromises = 0
        self.has_ended = False

    def note(self, line, count):
        """Takes a LINE of the program; of a question, COUNT is how many requests there are."""
        word, *rest = line.split(" ")
        if word == "file":
            file = self.files[int(rest[0])] = File(int(rest[0]))
            file.names.add(rest[1], self.at)
            file.sizes.add(0, self.at)
        elif word == "set":
            number, first, units, version = map(int, rest)
            for unit in range(first, first + units):
                self.files[number].unit(unit).add(version, self.at)
        elif word == "size":
            self.files[int(rest[0])].sizes.add(int(rest[1]), self.at)
        elif word == "end":
            self.has_ended = True
        else:
            self.at = count
            self.note_question(word, self.files[int(rest[0])], rest[1:])

    def note_question(self, word, file, rest):
        if word == "?cut":
            file.sizes.add(int(rest[0]), self.at)
            for unit in [unit for unit in file.units if (unit + 1) * UNIT > int(rest[0])]:
                file.unit(unit).add(0, self.at)
        elif word == "?move":
            file.names.add(rest[0].replace("\\", "/"), self.at)
        elif word == "?gone":
            file.names.add(GONE, self.at)
        elif word in ("?weak", "?firm", "?all"):
            whole = word == "?all"
            first, units = (0, 1 << 30) if whole else map(int, rest)
            self.npromises += 1
            for thing in [file.names, file.sizes] + [
                    history for unit, history in file.units.items()
                    if first <= unit < first + units]:
                thing.promise(self.at, word == "?weak")
        else:
            raise ValueError(f"the program says '{word}'")


def contents_of_unit(file, number, version):
    """What tests/crash/promises.c puts there."""
    if version == 0:
        return bytes(UNIT)
    base = (file * 31 + number) * 2654435761 + version * 40503
    words = [(base + i) & 0xFFFFFFFF for i in range(UNIT // 4 - 3)]
    return struct.pack(f"<{UNIT // 4}I", file, number, version, *words)


class Checker:
    """Compares the files of a disk with the ledger."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.made = {}

    def unit(self, *which):
        if which not in self.made:
            self.made[which] = contents_of_unit(*which)
        return self.made[which]

    def check(self, found, cut):
        """FOUND: contents by name. What is wrong, or None."""
        owners = {}
        for name, data in found.items():
            owner, wrong = self.owner(data)
            if wrong:
                return f"{name}: {wrong}"
            owners[name] = owner
        for file in self.ledger.files.values():
            wrong = self.check_file(file, found, owners, cut)
            if wrong:
                return f"file {file.number}: {wrong}"
        return None

    def owner(self, data):
        """Whose contents these are (None: all zeroes), and what is wrong with them."""
        owner = None
        for at in range(0, len(data) - UNIT + 1, UNIT):
            if data[at] == 0 and not any(data[at:at + UNIT]):
                continue
            file, number, version = struct.unpack_from("<3I", data, at)
            if self.unit(file, number, version) != data[at:at + UNIT] or number != at // UNIT:
                return owner, f"what is at {at} was never written there"
            if owner not in (None, file):
                return owner, f"contents of files {owner} and {file}"
            owner = file
        return owner, None

    def check_file(self, file, found, owners, cut):
        names, must_be = file.names.allowed(cut)
        wrong = None
        for name in names:
            if name is not GONE and owners.get(name, -1) in (None, file.number):
                wrong = self.check_contents(file, found[name], cut)
                if wrong is None:
                    return None
        if GONE in names or not must_be:
            return None
        return wrong or f"not there under any of its names: {', '.join(names)}"

    def check_contents(self, file, data, cut):
        sizes, is_promised = file.sizes.allowed(cut)
        if cut.is_final and len(data) != sizes[0]:
            return f"{len(data)} bytes in the end, not {sizes[0]}"
        if is_promised and len(data) < min(sizes):
            return f"{len(data)} bytes, promised were {min(sizes)}"
        for number, history in file.units.items():
            if (number + 1) * UNIT > len(data):
                continue
            versions, is_promised = history.allowed(cut)
            seen = data[number * UNIT:(number + 1) * UNIT]
            if not any(self.unit(file.number, number, version) == seen for version in
                       versions + ([] if is_promised else [0])):
                shown, = struct.unpack_from("<I", seen, 8)
                return (f"unit {number} holds version {shown}, " +
                        ("promised" if is_promised else "possible") + f" are {versions}")
        return None
