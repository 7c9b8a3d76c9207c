#!/usr/bin/env python3
"""tools/bind.py: binds a set of PE32 DLLs to each other.

    bind.py --output DIRECTORY DLL...

Every DLL has a fixed base of its own. For each import that one of the set satisfies, its final
address goes into the import address table, so that the loader has nothing to do and the tables'
pages stay shared. What the loader needs to trust them:

- import descriptor: TimeDateStamp 0xFFFFFFFF, ForwarderChain = the base of the imported DLL;
- bound-import directory (behind the section table): the imported DLL's time stamp, and for each
  DLL that a forwarder led to its time stamp and, in Reserved, its base / 65536.

Each DLL also gets a section ".names": a hash table of its exports' names, which the loader finds at
the RVA in the export directory's Characteristics (unused elsewhere, 0): 32-bit words "QNAM", count
of slots (a power of two), slots. A slot is 0 or the upper half of the name's hash and, below, the
index of the name + 1; a name lies at the first free slot from its hash modulo the count on.

A DLL's time stamp is a digest of its contents, stamps of its imports included; so the same
sources give the same bytes, and anything that changes is noticed. Hints become exact.
"""
import argparse
import hashlib
import os
import struct
import sys

EXPORT, IMPORT, BOUND_IMPORT = 0, 1, 11


class Refused(Exception):
    pass


class Image:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).lower()
        with open(path, 'rb') as file:
            self.data = bytearray(file.read())
        self.headers = self.u32(0x3C)
        if self.data[:2] != b'MZ' or self.data[self.headers:self.headers + 4] != b'PE\0\0':
            raise Refused(f'{path}: not a PE image')
        self.optional = self.headers + 24
        if self.u16(self.headers + 4) != 0x14C or self.u16(self.optional) != 0x10B:
            raise Refused(f'{path}: not a 32-bit x86 image')
        self.base = self.u32(self.optional + 28)
        self.size = self.u32(self.optional + 56)
        table = self.optional + self.u16(self.headers + 20)
        self.sections = [struct.unpack_from('<8sIIII', self.data, table + 40 * i)
                         for i in range(self.u16(self.headers + 6))]
        self.after_sections = table + 40 * len(self.sections)
        self.read_exports()

    def u16(self, at):
        return struct.unpack_from('<H', self.data, at)[0]

    def u32(self, at):
        return struct.unpack_from('<I', self.data, at)[0]

    def put32(self, at, value):
        struct.pack_into('<I', self.data, at, value)

    def offset(self, rva):
        """The place in the file of RVA."""
        for _, _, start, raw_size, raw in self.sections:
            if start <= rva < start + raw_size:
                return raw + rva - start
        raise Refused(f'{self.path}: RVA 0x{rva:x} is not in the file')

    def text(self, rva):
        start = self.offset(rva)
        return self.data[start:self.data.index(0, start)].decode('ascii')

    def directory(self, index):
        return struct.unpack_from('<II', self.data, self.optional + 96 + 8 * index)

    def read_exports(self):
        """names: name -> (index of the name, RVA or forwarder text); ordinals: the same."""
        self.names, self.ordinals = {}, {}
        rva, size = self.directory(EXPORT)
        if not size:
            return
        at = self.offset(rva)
        first, nfunctions, nnames, functions, names, indices = struct.unpack_from(
            '<6I', self.data, at + 16)
        values = {}
        for i in range(nfunctions):
            target = self.u32(self.offset(functions) + 4 * i)
            if target:
                values[i] = self.text(target) if rva <= target < rva + size else target
                self.ordinals[first + i] = values[i]
        previous = None
        for i in range(nnames):
            name = self.text(self.u32(self.offset(names) + 4 * i))
            if previous is not None and name.encode() <= previous.encode():
                raise Refused(f'{self.path}: export names are not sorted at {name}')
            previous = name
            self.names[name] = (i, values[self.u16(self.offset(indices) + 2 * i)])

    def imports(self):
        """Yields (offset of the descriptor, name of the DLL)."""
        rva, size = self.directory(IMPORT)
        at = self.offset(rva) if size else None
        while at is not None and self.u32(at + 12):
            yield at, self.text(self.u32(at + 12)).lower()
            at += 20

    def thunks(self, descriptor):
        """Yields (offset of the slot, name or ordinal, offset of the hint or None)."""
        lookup = self.offset(self.u32(descriptor) or self.u32(descriptor + 16))
        slot = self.offset(self.u32(descriptor + 16))
        while self.u32(lookup):
            value = self.u32(lookup)
            if value >> 31:
                yield slot, value & 0xFFFF, None
            else:
                yield slot, self.text(value + 2), self.offset(value)
            lookup += 4
            slot += 4


def check_bases(images):
    placed = sorted(images, key=lambda image: image.base)
    for image in placed:
        if image.base % 0x10000:
            raise Refused(f'{image.path}: base 0x{image.base:08x} is not a multiple of 64 KiB')
    for low, high in zip(placed, placed[1:]):
        if low.base + low.size > high.base:
            raise Refused(f'{low.name} (0x{low.base:08x}, 0x{low.size:x} bytes) reaches into '
                          f'{high.name} (0x{high.base:08x})')


def in_order(images):
    """What is imported before who imports it."""
    by_name = {image.name: image for image in images}
    done, under_way = [], set()

    def visit(image):
        if image in done:
            return
        if image in under_way:
            raise Refused(f'{image.name} imports itself, by way of others')
        under_way.add(image)
        for _, name in image.imports():
            if name not in by_name:
                raise Refused(f'{image.name} imports {name}, which is not part of the set')
            visit(by_name[name])
        done.append(image)

    for image in images:
        visit(image)
    return done, by_name


def resolve(by_name, image, wanted, reached, who):
    """The address of an export, and the DLLs that forwarders led to (added to REACHED)."""
    for _ in range(16):
        entry = (image.names.get(wanted, (0, None))[1] if isinstance(wanted, str)
                 else image.ordinals.get(wanted))
        if entry is None:
            raise Refused(f'{who}: {wanted} is not exported by {image.name}')
        if isinstance(entry, int):
            return image.base + entry
        module, _, wanted = entry.rpartition('.')
        name = module.lower() + '.dll'
        if name not in by_name:
            raise Refused(f'{who}: forwarder {entry} of {image.name} leads to an unknown DLL')
        image = by_name[name]
        wanted = int(wanted[1:]) if wanted.startswith('#') else wanted
        if image not in reached:
            reached.append(image)
    raise Refused(f'{who}: forwarders go in circles at {wanted}')


def bind_imports(image, by_name):
    """Fills the tables; => [(imported image, [images reached through forwarders])]."""
    bound = []
    for descriptor, name in image.imports():
        target, reached = by_name[name], []
        for slot, wanted, hint in image.thunks(descriptor):
            image.put32(slot, resolve(by_name, target, wanted, reached, image.name))
            if hint is not None:
                struct.pack_into('<H', image.data, hint, target.names[wanted][0])
        image.put32(descriptor + 4, 0xFFFFFFFF)
        image.put32(descriptor + 8, target.base)
        bound.append((target, [other for other in reached if other is not target]))
    return bound


def add_bound_directory(image, bound):
    """Puts the bound-import directory between the section table and the first section."""
    if not bound:
        return
    count = sum(1 + len(reached) for _, reached in bound) + 1
    names, text = {}, b''
    for target, reached in bound:
        for other in [target] + reached:
            if other.name not in names:
                names[other.name] = 8 * count + len(text)
                text += other.name.encode() + b'\0'
    entries = b''
    for target, reached in bound:
        entries += struct.pack('<IHH', target.stamp, names[target.name], len(reached))
        for other in reached:
            entries += struct.pack('<IHH', other.stamp, names[other.name], other.base >> 16)
    content = entries + bytes(8) + text
    at = (image.after_sections + 7) & ~7
    if at + len(content) > min(raw for *_, raw in image.sections if raw):
        raise Refused(f'{image.path}: no room for the bound-import directory')
    image.data[at:at + len(content)] = content
    struct.pack_into('<II', image.data, image.optional + 96 + 8 * BOUND_IMPORT, at, len(content))


def name_hash(name):
    """FNV-1a."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def name_table(names):
    count = 8
    while count < len(names) * 3 // 2:
        count *= 2
    slots = [0] * count
    for name, (index, _) in names.items():
        value = name_hash(name)
        at = value % count
        while slots[at]:
            at = (at + 1) % count
        slots[at] = value & 0xFFFF0000 | index + 1
    return struct.pack(f'<4sI{count}I', b'QNAM', count, *slots)


def align(value, unit):
    return (value + unit - 1) // unit * unit


def add_name_table(image):
    """Appends the section ".names"."""
    rva, size = image.directory(EXPORT)
    if not size or not image.names:
        return
    section_unit, file_unit = struct.unpack_from('<II', image.data, image.optional + 32)
    table = name_table(image.names)
    del image.data[max(raw + raw_size for _, _, _, raw_size, raw in image.sections):]
    raw = align(len(image.data), file_unit)
    raw_size = align(len(table), file_unit)
    image.data += bytes(raw - len(image.data)) + table + bytes(raw_size - len(table))
    image.put32(image.offset(rva), image.size)
    header = (b'.names\0\0', len(table), image.size, raw_size, raw)
    struct.pack_into('<8sIIIIIIHHI', image.data, image.after_sections, *header, 0, 0, 0, 0,
                     0x40000040)  # initialized data, readable
    struct.pack_into('<H', image.data, image.headers + 6, len(image.sections) + 1)
    image.sections.append(header)
    image.after_sections += 40
    image.size += align(len(table), section_unit)
    image.put32(image.optional + 56, image.size)
    image.put32(image.optional + 8, image.u32(image.optional + 8) + raw_size)


def checksum(data):
    words = struct.unpack(f'<{(len(data) + 1) // 2}H', bytes(data) + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(data)


def stamp(image):
    """Sets the time stamps to a digest of the image, and its checksum."""
    rva, size = image.directory(EXPORT)
    places = [image.headers + 8] + ([image.offset(rva) + 4] if size else [])
    for at in places + [image.optional + 64]:
        image.put32(at, 0)
    digest = struct.unpack('<I', hashlib.sha256(image.data).digest()[:4])[0]
    image.stamp = digest if digest not in (0, 0xFFFFFFFF) else 1
    for at in places:
        image.put32(at, image.stamp)
    image.put32(image.optional + 64, checksum(image.data))


def main():
    parser = argparse.ArgumentParser(description='Binds PE32 DLLs to each other.')
    parser.add_argument('--output', required=True, help='directory for the bound DLLs')
    parser.add_argument('dll', nargs='+')
    arguments = parser.parse_args()
    try:
        images = [Image(path) for path in arguments.dll]
        for image in images:
            add_name_table(image)
        check_bases(images)
        ordered, by_name = in_order(images)
        for image in ordered:
            add_bound_directory(image, bind_imports(image, by_name))
            stamp(image)
    except (Refused, OSError, struct.error, ValueError) as error:
        sys.exit(f'bind.py: {error}')
    for image in images:
        with open(os.path.join(arguments.output, image.name), 'wb') as file:
            file.write(image.data)


if __name__ == '__main__':
    main()
