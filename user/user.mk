# user/user.mk: how everything that runs in user mode is built. Included by the top Makefile.
#
#   user/<dll>/*.c *.asm + <dll>.def  -> build/user/<dll>.dll      our DLLs, bound to each other
#   user/programs/<name>.c | <name>/  -> build/user/programs/<name>.exe
#                                        (<name>_LIBS: what it links besides, as -lpsapi)
#   tests/user/<name>.c | <name>.asm  -> build/user/tests/<name>.exe  (<name>.dll.c -> <name>.dll)
#   examples/<name>.c | <name>.asm    -> build/user/examples/<name>.exe
#
# Programs are built as anyone would build them: i686-w64-mingw32-gcc x.c -o x.exe, against the
# SDK's own import libraries. Programs in nasm have no imports and start at `_start`.
#
# A DLL's .def file is the one list of its exports: stdcall names with their @N, which the linker
# cuts off (--kill-at). The linker and dlltool (import library) both read it. Per DLL, below: BASE,
# ENTRY (DllMain, where it has one), USES (our DLLs that it imports), LIBS (static libraries),
# CFLAGS. Zeroed variables are moved to .data: most DLLs then have one page of variables, not two,
# which is one fault less in every process. An unbound copy with symbols, for GDB, stays in
# build/user/symbols/.

U := $(BUILD)/user

MINGW_CC      := i686-w64-mingw32-gcc
MINGW_LD      := i686-w64-mingw32-ld
MINGW_STRIP   := i686-w64-mingw32-strip
MINGW_OBJCOPY := i686-w64-mingw32-objcopy
MINGW_DLLTOOL := i686-w64-mingw32-dlltool

USER_DLL_NAMES := ntdll kernel32 msvcrt advapi32 psapi

ntdll_BASE     := 0x77F00000
ntdll_CFLAGS   := -D_NTSYSTEM_ -D_CRTIMP= -fno-tree-loop-distribute-patterns
kernel32_BASE  := 0x77E00000
kernel32_ENTRY := _DllMain@12
kernel32_USES  := ntdll
kernel32_CFLAGS := -D_KERNEL32_ -D_NORMALIZE_
advapi32_BASE  := 0x77D00000
advapi32_USES  := ntdll kernel32
advapi32_CFLAGS := -D_ADVAPI32_
psapi_BASE     := 0x77B00000
psapi_USES     := kernel32
msvcrt_BASE    := 0x77C00000
msvcrt_ENTRY   := _DllMain@12
msvcrt_USES    := kernel32 ntdll
msvcrt_LIBS    := -lmingwex

USER_WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings -Wpointer-arith \
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wimplicit-fallthrough=5 \
    -Wno-cast-function-type -Werror
USER_DLL_CFLAGS := -std=gnu11 -march=i686 -O2 -g -ffreestanding -fno-common -fno-strict-aliasing \
    -fwrapv -fno-delete-null-pointer-checks -fno-optimize-sibling-calls \
    -fno-asynchronous-unwind-tables -fno-exceptions -fno-stack-protector -mno-stack-arg-probe \
    -fno-ident -Iinclude -I. $(USER_WARNINGS)
USER_DLL_LDFLAGS := -shared -nostdlib -Wl,--kill-at -Wl,--enable-stdcall-fixup \
    -Wl,--disable-auto-import -Wl,--disable-dynamicbase -Wl,--no-insert-timestamp \
    -Wl,--section-alignment,4096 -Wl,--file-alignment,4096 -Wl,--subsystem,console
USER_BSS_TO_DATA := --set-section-flags .bss=alloc,load,contents,data \
    --rename-section '.bss=.data$$$$zero'
USER_EXE_CFLAGS := -Wall -Wextra -Iinclude -MMD -MP -Wl,--no-insert-timestamp

USER_DLLS := $(USER_DLL_NAMES:%=$U/%.dll)
USER_PROGRAMS := $(sort $(patsubst user/programs/%.c,$U/programs/%.exe,$(wildcard user/programs/*.c)) \
    $(patsubst user/programs/%.asm,$U/programs/%.exe,$(wildcard user/programs/*.asm)) \
    $(patsubst user/programs/%/,$U/programs/%.exe,$(wildcard user/programs/*/)))
USER_TEST_DLLS := $(patsubst tests/user/%.dll.c,$U/tests/%.dll,$(wildcard tests/user/*.dll.c))
USER_TESTS := $(sort $(patsubst tests/user/%.c,$U/tests/%.exe, \
        $(filter-out %.dll.c,$(wildcard tests/user/*.c))) \
    $(patsubst tests/user/%.asm,$U/tests/%.exe,$(wildcard tests/user/*.asm)))
USER_EXAMPLES := $(sort $(patsubst examples/%.c,$U/examples/%.exe,$(wildcard examples/*.c)) \
    $(patsubst examples/%.asm,$U/examples/%.exe,$(wildcard examples/*.asm)))

# What include/abi/syscalls.def gives user mode: ntdll's stubs and exports, nasm's constants.
$U/ntdll/stubs.asm $U/ntdll/stubs.def $U/syscalls.inc &: include/abi/syscalls.def user/ntdll/stubs.awk
	$(call say,AWK,$@)
	@mkdir -p $U/ntdll
	$(Q)awk -v mode=asm -f user/ntdll/stubs.awk $< >$U/ntdll/stubs.asm
	$(Q)awk -v mode=def -f user/ntdll/stubs.awk $< >$U/ntdll/stubs.def
	$(Q)awk -v mode=inc -f user/ntdll/stubs.awk $< >$U/syscalls.inc

$U/ntdll/ntdll.def: user/ntdll/ntdll.def $U/ntdll/stubs.def
	$(Q)cat $^ >$@

$U/ntdll/stubs.o: $U/ntdll/stubs.asm
	$(call say,NASM,$<)
	$(Q)nasm -f win32 -o $@ $<

$U/%.def: user/%.def
	@mkdir -p $(@D)
	$(Q)cp $< $@

# dll NAME: objects, import library, linked DLL with symbols, stripped DLL that waits for binding.
define dll
$1_OBJECTS := $(patsubst user/$1/%.c,$U/$1/%.o,$(wildcard user/$1/*.c)) \
    $(patsubst user/$1/%.asm,$U/$1/%.asm.o,$(wildcard user/$1/*.asm)) \
    $(patsubst user/$1/%.S,$U/$1/%.S.o,$(wildcard user/$1/*.S)) \
    $(if $(filter ntdll,$1),$U/ntdll/stubs.o)

$U/$1/%.o: user/$1/%.c user/user.mk
	$(call say,MINGW,$$<)
	@mkdir -p $$(@D)
	$(Q)$(MINGW_CC) $(USER_DLL_CFLAGS) $($1_CFLAGS) -MMD -MP -c -o $$@ $$<
	$(Q)$(MINGW_OBJCOPY) $(USER_BSS_TO_DATA) $$@

$U/$1/%.S.o: user/$1/%.S user/user.mk
	$(call say,MINGW,$$<)
	@mkdir -p $$(@D)
	$(Q)$(MINGW_CC) -Iinclude -I. -MMD -MP -c -o $$@ $$<

$U/$1/%.asm.o: user/$1/%.asm $U/syscalls.inc
	$(call say,NASM,$$<)
	@mkdir -p $$(@D)
	$(Q)nasm -f win32 -I$U/ -o $$@ $$<

$U/$1/lib$1.a: $U/$1/$1.def
	$(Q)$(MINGW_DLLTOOL) -k -d $$< -D $1.dll -l $$@

$U/symbols/$1.dll: $$($1_OBJECTS) $U/$1/$1.def $(foreach d,$($1_USES),$U/$d/lib$d.a)
	$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$(Q)$(MINGW_CC) $(USER_DLL_LDFLAGS) -Wl,--image-base,$($1_BASE) -Wl,-e,$(or $($1_ENTRY),0) -o $$@ \
	    $$($1_OBJECTS) $U/$1/$1.def $($1_LIBS) $(foreach d,$($1_USES),$U/$d/lib$d.a) -lgcc

$U/unbound/$1.dll: $U/symbols/$1.dll
	@mkdir -p $$(@D)
	$(Q)$(MINGW_STRIP) -o $$@ $$<
endef
$(foreach d,$(USER_DLL_NAMES),$(eval $(call dll,$d)))

# All DLLs are bound together: a change to one moves what the others point at.
$(USER_DLLS) &: $(USER_DLL_NAMES:%=$U/unbound/%.dll) tools/bind.py
	$(call say,BIND,$(USER_DLLS))
	$(Q)python3 tools/bind.py --output $U $(USER_DLL_NAMES:%=$U/unbound/%.dll)

# exe DIRECTORY-OF-SOURCES DIRECTORY-UNDER-BUILD: stock programs, and nasm ones without imports.
define exe
$U/$2/%.exe: $1/%.c
	$(call say,MINGW,$$<)
	@mkdir -p $$(@D)
	$(Q)$(MINGW_CC) $(USER_EXE_CFLAGS) -MF $$(@:.exe=.d) -o $$@ $$< $$($$*_LIBS)

$U/$2/%.exe: $1/%.asm $U/syscalls.inc
	$(call say,NASM,$$<)
	@mkdir -p $$(@D)
	$(Q)nasm -f win32 -I$U/ -I$1/ -o $$(@:.exe=.obj) $$<
	$(Q)$(MINGW_LD) -e _start --subsystem console --disable-dynamicbase --disable-reloc-section \
	    --no-insert-timestamp -s -o $$@ $$(@:.exe=.obj)
endef
statistics_LIBS := -lpsapi
pagedout_LIBS   := -lpsapi
$(eval $(call exe,user/programs,programs))
$(eval $(call exe,tests/user,tests))
$(eval $(call exe,examples,examples))

$U/tests/%.dll: tests/user/%.dll.c
	$(call say,MINGW,$<)
	@mkdir -p $(@D)
	$(Q)$(MINGW_CC) $(USER_EXE_CFLAGS) -MF $(@:.dll=.dll.d) -shared -o $@ $<

# A program of several files lives in a directory of its own.
define directory_exe
$U/programs/$1.exe: $(wildcard user/programs/$1/*.c user/programs/$1/*.h)
	@mkdir -p $$(@D)
	$$(call say,MINGW,$$@)
	$$(Q)$(MINGW_CC) $(filter-out -MMD -MP,$(USER_EXE_CFLAGS)) -o $$@ $$(filter %.c,$$^)
endef
$(foreach d,$(patsubst user/programs/%/,%,$(wildcard user/programs/*/)),$(eval $(call directory_exe,$d)))

# What a program of one file left, which now is a directory, names a source that is gone.
-include $(filter-out $(patsubst user/programs/%/,$U/programs/%.d,$(wildcard user/programs/*/)), \
    $(wildcard $U/*/*.d))
