"""Reads the files of an ext2 image, as little as the tests need: no extents, no journal."""
import struct

DIRECTORY = 0o040000
TYPE = 0o170000


class Damaged(Exception):
    """The image holds what no file system does."""


class Inode:
    def __init__(self, raw):
        self.mode, = struct.unpack_from("<H", raw, 0)
        low, = struct.unpack_from("<I", raw, 4)
        high, = struct.unpack_from("<I", raw, 108)
        self.is_directory = self.mode & TYPE == DIRECTORY
        self.nbytes = low if self.is_directory else low | high << 32
        self.blocks = struct.unpack_from("<15I", raw, 40)


class FileSystem:
    """The file system in IMAGE, which is bytes."""

    def __init__(self, image):
        self.image = image
        block = image[1024:2048]
        if struct.unpack_from("<H", block, 56)[0] != 0xEF53:
            raise Damaged("no superblock")
        self.block = 1024 << struct.unpack_from("<I", block, 24)[0]
        self.inodes_per_group, = struct.unpack_from("<I", block, 40)
        self.inode_size, = struct.unpack_from("<H", block, 88)
        self.groups = 1024 // self.block + 1  # the block that describes them

    def read_block(self, number):
        if (number + 1) * self.block > len(self.image):
            raise Damaged(f"block {number} is beyond the end")
        return self.image[number * self.block:(number + 1) * self.block]

    def inode(self, number):
        group, index = divmod(number - 1, self.inodes_per_group)
        table, = struct.unpack_from("<I", self.image, self.groups * self.block + 32 * group + 8)
        at = table * self.block + index * self.inode_size
        return Inode(self.image[at:at + self.inode_size])

    def block_of(self, inode, index):
        """The block of the disk that holds block INDEX of a file; 0: a hole."""
        each = self.block // 4
        if index < 12:
            return inode.blocks[index]
        index -= 12
        for depth in (1, 2, 3):
            if index < each ** depth:
                number = inode.blocks[11 + depth]
                for level in range(depth - 1, -1, -1):
                    if number == 0:
                        return 0
                    at = index // each ** level % each
                    number, = struct.unpack_from("<I", self.read_block(number), 4 * at)
                return number
            index -= each ** depth
        raise Damaged(f"a file has no block {index}")

    def contents(self, inode):
        data = bytearray(inode.nbytes)
        for index in range((inode.nbytes + self.block - 1) // self.block):
            number = self.block_of(inode, index)
            if number:
                at = index * self.block
                data[at:at + self.block] = self.read_block(number)[:inode.nbytes - at]
        return bytes(data)

    def entries(self, inode):
        """The names in a directory, and their inodes' numbers."""
        data, at, found = self.contents(inode), 0, {}
        while at < len(data):
            number, length, size = struct.unpack_from("<IHB", data, at)
            if length < 8:
                raise Damaged("a directory entry of no length")
            if number:
                found[data[at + 8:at + 8 + size].decode("utf-8", "replace")] = number
            at += length
        return found

    def files(self, path=""):
        """Every file below the directory PATH, by its path: its inode."""
        number = 2
        for part in filter(None, path.split("/")):
            number = self.entries(self.inode(number))[part]
        return self.files_below(number)

    def files_below(self, number, depth=0):
        found = {}
        for name, child in self.entries(self.inode(number)).items():
            inode = self.inode(child)
            if name in (".", "..") or depth > 16:
                continue
            if inode.is_directory:
                found.update({f"{name}/{below}": file for below, file in
                              self.files_below(child, depth + 1).items()})
            else:
                found[name] = inode
        return found
