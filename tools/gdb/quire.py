"""GDB commands that know the kernel's structures: `help quire` lists them.

They read memory only, so they can be used at any breakpoint. Page tables are read through the
direct map: every table lies in it (include/kernel/paging.h).
"""
import gdb

DIRECT_MAP = 0x80000000
DIRECT_MAP_MAX = 0x40000000
PAGE_ADDRESS = 0x000FFFFFFFFFF000
BITS = ((1 << 1, "write"), (1 << 2, "user"), (1 << 4, "uncached"), (1 << 5, "accessed"),
        (1 << 6, "dirty"), (1 << 7, "large"), (1 << 8, "global"), (1 << 63, "nx"))
PROTECTIONS = ("NOACCESS", "READONLY", "READWRITE", "WRITECOPY", "EXECUTE", "EXECUTE_READ",
               "EXECUTE_READWRITE", "EXECUTE_WRITECOPY")


# ---- reading -------------------------------------------------------------------------------------

def value(expression):
    return gdb.parse_and_eval(expression)


def static(name, file):
    """The static variable NAME of a source file."""
    return value(f"'{file}'::{name}")


def number_of(text, usage):
    """An argument that must be there, as a number."""
    if not text.strip():
        raise gdb.GdbError(usage)
    try:
        return int(value(text)) & 0xFFFFFFFF
    except gdb.error as error:
        raise gdb.GdbError(str(error)) from None


def structure(address, name):
    """The structure NAME at an address."""
    kind = gdb.lookup_type(f"struct {name}").pointer()
    return gdb.Value(int(address)).cast(kind).dereference()


def offset_of(kind, member):
    for field in gdb.lookup_type(f"struct {kind}").fields():
        if field.name == member:
            return field.bitpos // 8
    raise gdb.GdbError(f"struct {kind} has no member {member}")


def listed(head, kind, member):
    """The structures on a list, by the links inside them."""
    begin = int(head.address)
    link = int(head["next"])
    offset = offset_of(kind, member)
    while link not in (begin, 0):
        yield structure(link - offset, kind)
        link = int(structure(link, "list")["next"])


def tree_nodes(tree, kind, member):
    """The structures in a tree, in order."""
    offset = offset_of(kind, member)
    stack, node = [], int(tree["root"])
    while node or stack:
        while node:
            stack.append(node)
            node = int(structure(node, "tree_node")["left"])
        node = stack.pop()
        yield structure(node - offset, kind)
        node = int(structure(node, "tree_node")["right"])


def read_u64(address):
    data = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(bytes(data), "little")


def read_physical_u64(physical):
    if physical >= DIRECT_MAP_MAX:
        raise gdb.GdbError(f"a table at {physical:#x}, outside the direct map")
    return read_u64(DIRECT_MAP + physical)


def named(number, kind):
    """The enumerator of `enum KIND` with this number."""
    for field in gdb.lookup_type(f"enum {kind}").fields():
        if field.enumval == int(number):
            return field.name
    return str(int(number))


# ---- what arguments name -------------------------------------------------------------------------

def processes():
    return listed(static("processes", "sys/process.c"), "process", "link")


def process_of(text):
    """A process by its identifier or name; without either that of the running thread."""
    if not text:
        owner = current_owner()
        if not owner:
            raise gdb.GdbError("the running thread belongs to the kernel; name a process")
        return structure(owner, "user_thread")["process"].dereference()
    for process in processes():
        if text in (str(int(process["id"])), process["name"].string()):
            return process
    raise gdb.GdbError(f"no process {text}; 'quire processes' lists them")


def current_owner():
    """The user thread that runs on the first CPU, or 0."""
    thread = value("cpus[0].thread")
    return int(thread["owner"]) if int(thread) else 0


# ---- page tables ---------------------------------------------------------------------------------

def describe_pte(pte, leaf=True):
    if pte & 1:
        bits = [name for bit, name in BITS if pte & bit]
        protection = [PROTECTIONS[(pte >> 9) & 7]] if leaf else []
        return ", ".join([f"valid, frame {(pte & PAGE_ADDRESS) >> 12:#x}"]
                         + bits + protection)
    if pte == 0:
        return "empty: the region or the segment says"
    form = named((pte >> 1) & 7, "pte_form")
    protection = PROTECTIONS[(pte >> 4) & 7]
    guard = " guard" if pte & (1 << 7) else ""
    frame = f", frame {(pte >> 12) & 0xFFFFFFF:#x}" if form == "PTE_TRANSITION" else ""
    return f"{form}, {protection}{guard}{frame}"


def walk(root, address):
    """Yields (level, entry) from the root of a page-directory-pointer table down."""
    entry = read_physical_u64(root + 8 * (address >> 30))
    yield "pointer", entry
    if not entry & 1:
        return
    entry = read_physical_u64((entry & PAGE_ADDRESS) + 8 * ((address >> 21) & 511))
    yield "directory", entry
    if not entry & 1 or entry & 0x80:
        return
    yield "table", read_physical_u64((entry & PAGE_ADDRESS) + 8 * ((address >> 12) & 511))


def frame_record(number):
    limit = int(value("mi_database_limit"))
    if not 0 <= number < limit:
        raise gdb.GdbError(f"frame {number:#x} is none of this machine's, which has {limit:#x}")
    return value("mi_database")[number]


def describe_frame(number):
    record = frame_record(number)
    state = named(record["state"], "frame_state")
    kind = named(record["kind"], "frame_kind")
    if state in ("FRAME_ACTIVE", "FRAME_TRANSITION"):
        return (f"frame {number:#x}: {state}, {kind}, shares {int(record['use']['shares'])}, "
                f"pins {int(record['use']['pins'])}, table {int(record['table']):#x}, "
                f"entry {int(record['entry'])}, original {int(record['original']):#x}")
    return (f"frame {number:#x}: {state}, next {int(record['list']['next']):#x}, "
            f"prev {int(record['list']['prev']):#x}")


# ---- the commands --------------------------------------------------------------------------------

class Group(gdb.Command):
    """Looks at the kernel's structures."""

    def __init__(self):
        super().__init__("quire", gdb.COMMAND_USER, gdb.COMPLETE_NONE, True)

    def invoke(self, argument, from_tty):
        gdb.execute("help quire")


class Processes(gdb.Command):
    """quire processes: identifier, name, threads, private and table pages of every process."""

    def __init__(self):
        super().__init__("quire processes", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for process in processes():
            line = (f"{int(process['id']):6} {process['name'].string():24} "
                    f"{int(process['nthreads'])} threads")
            if int(process["space_users"]):
                space = process["space"].dereference()
                line += (f", {int(space['private_pages'])} private pages, "
                         f"{int(space['table_pages'])} tables, space at {int(process['space']):#x}")
            print(line)


class Vads(gdb.Command):
    """quire vads [PROCESS]: the regions of a process (identifier or name; the running one)."""

    def __init__(self):
        super().__init__("quire vads", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        space = process_of(argument.strip())["space"].dereference()
        for vad in tree_nodes(space["vads"], "vad", "node"):
            first, last = int(vad["first"]), int(vad["last"])
            line = (f"{first << 12:08x}-{((last + 1) << 12) - 1:08x} {named(vad['kind'], 'vad_kind')}"
                    f" {PROTECTIONS[int(vad['prot']) & 7]}")
            if int(vad["section"]):
                line += (f" section {int(vad['section']):#x} from page {int(vad['segment_page'])}: "
                         + self.mappers(vad))
            else:
                line += " committed" if vad["committed"] else " reserved"
            print(f"{line}, {int(vad['commit'])} pages charged")

    @staticmethod
    def mappers(vad):
        kinds = [named(vad["mappers"][i]["kind"], "mapper_kind") for i in range(int(vad["nmappers"]))]
        return ", ".join(f"{kinds.count(kind)} chunks {kind[len('MAPPER_'):].lower()}"
                         for kind in sorted(set(kinds))) or "no chunks"


class Pte(gdb.Command):
    """quire pte ADDRESS [PROCESS]: the entries that translate an address, from the root down."""

    def __init__(self):
        super().__init__("quire pte", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not words:
            raise gdb.GdbError("quire pte ADDRESS [PROCESS]")
        address = number_of(words[0], "")
        if len(words) > 1:
            root = int(process_of(words[1])["space"]["root"]["top"]["n"]) << 12
        else:
            root = int(value("$cr3")) & 0xFFFFFFE0
        for level, entry in walk(root, address):
            print(f"{level:9} {entry:#018x}: {describe_pte(entry, level == 'table')}")
            if level == "table" and entry & 1:
                print(describe_frame((entry & PAGE_ADDRESS) >> 12))


class Frame(gdb.Command):
    """quire frame NUMBER: what the PFN database says of a frame (physical address / 4096)."""

    def __init__(self):
        super().__init__("quire frame", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print(describe_frame(number_of(argument, "quire frame NUMBER")))


class Section(gdb.Command):
    """quire section ADDRESS: a struct section (as quire vads shows it), its segment and mappers."""

    def __init__(self):
        super().__init__("quire section", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        section = structure(number_of(argument, "quire section ADDRESS"), "section")
        try:
            segment = section["segment"].dereference()
            segment.fetch_lazy()
        except gdb.error:
            raise gdb.GdbError(f"{argument}: no section; 'quire vads' shows where they are") from None
        print(f"section: {int(section['nbytes'])} bytes, PAGE_ {int(section['protection']):#x}, "
              f"SEC_ {int(section['attributes']):#x}, {int(section['views'])} views")
        print(f"segment {int(segment['id'])} at {int(section['segment']):#x}: "
              f"{named(segment['kind'], 'segment_kind')}, {int(segment['npages'])} pages, "
              f"{int(segment['refs'])} references, {int(segment['commit'])} pages charged, "
              f"{int(segment['tables'])} tables charged")
        for index, chunk in self.chunks(segment):
            self.show_chunk(index, chunk)

    @staticmethod
    def chunks(segment):
        per_group = 32  # GROUP_CHUNKS
        for group in range(int(segment["ngroups"])):
            chunks = segment["groups"][group]
            if not int(chunks):
                continue
            last = (int(segment["npages"]) + 511) // 512
            for i in range(min(per_group, last - group * per_group)):
                yield group * per_group + i, chunks[i]

    @staticmethod
    def show_chunk(index, chunk):
        print(f"  chunk {index}: {int(chunk['resident'])} resident, "
              f"table {describe_pte(int(chunk['table']['v']), False)}")
        for mapper in listed(chunk["mappers"], "mapper", "link"):
            space = mapper["vad"]["space"]
            owner = next((f"{int(p['id'])} {p['name'].string()}" for p in processes()
                          if int(p["space"]) == int(space)), f"space {int(space):#x}")
            print(f"    {named(mapper['kind'], 'mapper_kind')} at "
                  f"{int(mapper['first_page']) << 12:#010x} in {owner}")


for command in (Group, Processes, Vads, Pte, Frame, Section):
    command()
