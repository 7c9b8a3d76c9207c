"""The log that QEMU's blklogwrites driver keeps of a disk, and the disk at any point of it.

The format is that of the kernel's dm-log-writes: a superblock in the first sector, then for each
request a sector that describes it, followed by the data that was written. A log is a list of
requests; a *cut* N is the disk's state after the first N of them, and its *window* are the writes
since the last FLUSH, of which a disk that loses its power may lose any.
"""
import json
import struct

from .process import machine

MAGIC = 0x6A736677736872
SUPERBLOCK = struct.Struct("<QQQI")  # magic, version, requests, sector size
REQUEST = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of data that follow (marks only)
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
BLOCK = 4096  # what a disk writes whole: a write that is lost may be lost in part


def node_options(image, log):
    """QEMU's options for a node "disk", whose requests are logged in the file LOG."""
    open(log, "wb").close()
    disk = {"driver": "raw", "node-name": "disk",
            "file": {"driver": "blklogwrites", "log-super-update-interval": 1,
                     "file": {"driver": "file", "filename": image},
                     "log": {"driver": "file", "filename": log}}}
    return ["-blockdev", json.dumps(disk)]


def disk_options(image, log):
    """The same, as the machine's disk."""
    return node_options(image, log) + ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]


class Request:
    """A write (DATA at OFFSET) or, without data, a FLUSH."""

    def __init__(self, offset, data):
        self.offset = offset
        self.data = data

    @property
    def is_flush(self):
        return self.data is None


class Log:
    """Reads a log, also one that still grows."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")
        self.sector = 512
        self.at = None  # of the next request, in bytes
        self.requests = []

    def close(self):
        self.file.close()

    def read_superblock(self):
        """How many requests it counts."""
        self.file.seek(0)
        block = self.file.read(SUPERBLOCK.size)
        if len(block) < SUPERBLOCK.size:
            return 0
        magic, version, count, self.sector = SUPERBLOCK.unpack(block)
        if magic != MAGIC or version != 1 or self.sector % 512:
            raise machine.Failure(f"{self.path} is no log of a disk")
        self.at = self.at or self.sector
        return count

    def read(self):
        """Takes what has been added: the number of requests that there are now."""
        count = self.read_superblock()
        while self.at is not None:
            request = self.read_request()
            if request is None:
                break
            self.requests.append(request)
        return max(count, len(self.requests))

    def read_request(self):
        """The next request; None when it is not there yet."""
        self.file.seek(self.at)
        head = self.file.read(REQUEST.size)
        if len(head) < REQUEST.size:
            return None
        sector, count, flags, _ = REQUEST.unpack(head)
        if count == 0 and flags == 0:
            return None
        if flags not in (0, FLUSH):
            raise machine.Failure(f"{self.path}: a request with flags {flags}")
        nbytes = count * self.sector
        self.file.seek(self.at + self.sector)
        data = self.file.read(nbytes)
        if len(data) < nbytes:
            return None
        self.at += self.sector + nbytes
        return Request(sector * self.sector, None if flags == FLUSH else data)


class Disk:
    """A disk's contents after some of its requests, rebuilt in memory. One that does not heed
    FLUSHes may lose any write."""

    def __init__(self, beginning, requests, heeds_flushes=True):
        self.beginning = beginning
        self.requests = requests
        self.heeds_flushes = heeds_flushes
        self.durable = bytearray(beginning)  # all up to the last FLUSH before the cut
        self.start = 0  # of the window
        self.cut = 0

    def advance(self):
        """To the next cut; False at the end."""
        if self.cut == len(self.requests):
            return False
        request = self.requests[self.cut]
        self.cut += 1
        if request.is_flush and self.heeds_flushes:
            for write in self.window():
                self.durable[write.offset:write.offset + len(write.data)] = write.data
            self.start = self.cut
        return True

    def window(self):
        return [request for request in self.requests[self.start:self.cut] if not request.is_flush]

    def is_end_of_window(self):
        return self.cut == len(self.requests) or self.requests[self.cut].is_flush

    def contents(self, missing=(), torn=None):
        """The disk without the writes of the window that MISSING names; of these TORN (a generator
        of random numbers, or None) lets some blocks arrive."""
        image = bytearray(self.durable)
        for number, write in enumerate(self.window()):
            if number not in missing:
                image[write.offset:write.offset + len(write.data)] = write.data
            elif torn:
                for at in range(0, len(write.data), BLOCK):
                    if torn.random() < 0.5:
                        part = write.data[at:at + BLOCK]
                        image[write.offset + at:write.offset + at + len(part)] = part
        return image
