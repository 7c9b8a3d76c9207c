# tools/gdb/quire.gdb: what `make debug` loads into GDB. The commands are in quire.py.
set pagination off
set confirm off
set print pretty on
set disassembly-flavor intel
set architecture i386
source tools/gdb/quire.py
