#!/usr/bin/env python3
"""Makes the files that the Win32 tests read: tests/user/data.py DIRECTORY.

They lie beside the test program when it runs, and are only read. The content is tap.h's
data_byte(); broken images are made from a program of the tests, if one is there.
"""
import glob
import os
import struct
import sys


def data(length):
    """The bytes that data_byte() of tap.h gives."""
    return bytes((i * 7 + (i >> 8) * 13 + (i >> 16) * 31 + 5) & 0xFF for i in range(length))


def main(directory):
    """Writes every file into DIRECTORY."""
    files = {
        "empty.bin": b"",
        "small.bin": data(5000),
        "page.bin": data(4096),
        "odd.bin": data(0x3456),
        "large.bin": data(6 * 1024 * 1024 + 100),
        "text.txt": b"first line\r\nsecond line\r\n\r\n42 2.5 word\r\nlast line without an end",
    }
    images = sorted(glob.glob(os.path.join(directory, "*.exe")))
    if images:
        with open(images[0], "rb") as image:
            good = image.read()
        header = struct.unpack_from("<I", good, 0x3C)[0]
        files["cut.bin"] = good[:header + 10]
        files["wide.bin"] = good[:header + 4] + b"\x64\x86" + good[header + 6:]
        files["no-pe.bin"] = good[:header] + b"NE" + good[header + 2:]
        files["import.bin"] = good.replace(b"GetLastError\0", b"GetLostError\0")
        files["library.bin"] = good.replace(b"msvcrt.dll\0", b"nsvcrt.dll\0")
    for name, content in files.items():
        with open(os.path.join(directory, name), "wb") as out:
            out.write(content)


if __name__ == "__main__":
    main(sys.argv[1])
