# Makefile: builds, runs and tests Quire. `make help` lists what it can do.
#
# Everything made lies below build/ (BUILD=directory chooses another place). The kernel is built
# twice: release, and debug with assertions, undefined-behaviour traps and the self-tests. Missing
# Debian packages are installed first, by tools/deps. V=1 shows the commands.

BUILD ?= build
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-8s %s\n' "$(1)" "$(2)")

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

GOALS := $(or $(MAKECMDGOALS),all)

# ---- the packages, before anything else ----------------------------------------------------------

# An included file that is out of date is made before any other target: so the tools are there.
ifneq ($(filter-out help clean print-%,$(GOALS)),)
include $(BUILD)/deps/build.mk
endif
$(BUILD)/deps/%.mk: tools/deps
	@sh tools/deps $*
	@mkdir -p $(@D) && echo '# $* packages are installed' > $@

# ---- the kernel ----------------------------------------------------------------------------------

KERNEL_CC := i686-linux-gnu-gcc
NASM := nasm
PYTHON := python3

KERNEL_WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Walloca -Wconversion -Wsign-conversion \
	-Wcast-qual -Wcast-align=strict -Wwrite-strings -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wmissing-declarations -Wredundant-decls -Wold-style-definition \
	-Wnested-externs -Wswitch-enum -Wenum-conversion -Wimplicit-fallthrough=5 -Wduplicated-cond \
	-Wduplicated-branches -Wlogical-op -Wjump-misses-init -Wformat=2 -Wformat-signedness \
	-Wnull-dereference -Wframe-larger-than=1024
KERNEL_CFLAGS := -m32 -march=i686 -mtune=intel -std=gnu11 -ffreestanding -fno-pic -fno-pie \
	-fcf-protection=none -mgeneral-regs-only -freg-struct-return -mregparm=3 \
	-mpreferred-stack-boundary=2 -fno-common -fno-strict-aliasing -fwrapv \
	-fno-delete-null-pointer-checks -fno-asynchronous-unwind-tables -fno-stack-protector -O2 -g \
	-Iinclude -I. $(KERNEL_WARNINGS) -Werror
# What the kernel uses of the compiler's library, by way of kernel/x86/libgcc.asm.
LIBGCC := __udivdi3 __divdi3 __umoddi3 __moddi3 __udivmoddi4 __divmoddi4 __popcountsi2
KERNEL_LDFLAGS := -m32 -nostdlib -static -no-pie -Wl,-T,boot/linker.ld -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,--fatal-warnings \
	$(LIBGCC:%=-Wl,--wrap=%)
CFLAGS_release := -DDEBUG_CHECKS=0 -fomit-frame-pointer
# GCC 12 reads a volatile bool only once when it also checks its value.
CFLAGS_debug := -DDEBUG_CHECKS=1 -fsanitize=undefined -fno-sanitize=bool \
	-fsanitize-undefined-trap-on-error -fno-omit-frame-pointer -fno-optimize-sibling-calls

KERNEL_C := $(wildcard boot/*.c kernel/lib/*.c kernel/core/*.c kernel/x86/*.c kernel/dev/*.c \
	mm/*.c fs/*.c sys/*.c)
KERNEL_ASM := $(wildcard boot/*.asm kernel/lib/*.asm kernel/core/*.asm kernel/x86/*.asm \
	kernel/dev/*.asm sys/*.asm)
# The release kernel has no self-tests: none.c stands in for all the others.
TESTS_release := tests/kernel/none.c
TESTS_debug := $(filter-out tests/kernel/none.c,$(wildcard tests/kernel/*.c))
TESTS_ASM_debug := $(wildcard tests/kernel/*.asm)

# One kernel: $(1) is release or debug. It is linked twice: the table of symbols, which a panic
# reads, is made from the first result; it lies behind the text, which therefore does not move.
define kernel_rules
SOURCES_$(1) := $$(KERNEL_C) $$(KERNEL_ASM) $$(TESTS_$(1)) $$(TESTS_ASM_$(1))
OBJECTS_$(1) := $$(patsubst %,$$(BUILD)/$(1)/obj/%.o,$$(basename $$(KERNEL_C) $$(TESTS_$(1))) \
	$$(addsuffix _asm,$$(basename $$(KERNEL_ASM) $$(TESTS_ASM_$(1)))))

$$(BUILD)/$(1)/obj/%.o: %.c Makefile
	$$(call say,CC,$(1) $$<)
	@mkdir -p $$(@D)
	$$(Q)$$(KERNEL_CC) $$(KERNEL_CFLAGS) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@

$$(BUILD)/$(1)/obj/%_asm.o: %.asm Makefile
	$$(call say,NASM,$(1) $$<)
	@mkdir -p $$(@D)
	$$(Q)$$(NASM) -f elf32 -g -F dwarf -Iinclude/ -I./ $$(filter -D%,$$(CFLAGS_$(1))) \
		-MD $$(@:.o=.d) -MP -MT $$@ $$< -o $$@

$$(BUILD)/$(1)/first.elf: $$(OBJECTS_$(1)) boot/linker.ld
	$$(call say,LINK,$$@)
	$$(Q)$$(KERNEL_CC) $$(KERNEL_LDFLAGS) $$(OBJECTS_$(1)) -lgcc -o $$@

$$(BUILD)/$(1)/symbols.asm: $$(BUILD)/$(1)/first.elf tools/symbols.py
	$$(call say,SYMBOLS,$$@)
	$$(Q)$$(PYTHON) tools/symbols.py $$< $$@

$$(BUILD)/$(1)/symbols.o: $$(BUILD)/$(1)/symbols.asm
	$$(Q)$$(NASM) -f elf32 $$< -o $$@

$$(BUILD)/$(1)/quire.elf: $$(OBJECTS_$(1)) $$(if $$(wildcard tools/symbols.py),$$(BUILD)/$(1)/symbols.o)
	$$(call say,LINK,$$@)
	$$(Q)$$(KERNEL_CC) $$(KERNEL_LDFLAGS) $$^ -lgcc -o $$@

-include $$(OBJECTS_$(1):.o=.d)
endef
$(eval $(call kernel_rules,release))
$(eval $(call kernel_rules,debug))

KERNELS := $(BUILD)/release/quire.elf $(BUILD)/debug/quire.elf

# ---- the user side: DLLs, programs, examples, Win32 tests ----------------------------------------

# user/user.mk sets these to what it builds; each group goes to a directory of the disk.
USER_DLLS :=
USER_PROGRAMS :=
USER_EXAMPLES :=
USER_TESTS :=
USER_TEST_DLLS :=
-include user/user.mk
DISK_FILES := $(USER_DLLS) $(USER_PROGRAMS) $(USER_EXAMPLES)
USER_FILES := $(DISK_FILES) $(USER_TESTS) $(USER_TEST_DLLS)

# What `make bench` runs.
$(eval $(call exe,tests/bench,bench))
BENCH_PROGRAMS := $(addprefix $(BUILD)/user/bench/,$(addsuffix .exe,$(basename \
	$(notdir $(wildcard tests/bench/*.c tests/bench/*.asm)))))

# What the tests of ./quire run and those of power cuts run.
LAUNCHER_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/%.exe,$(wildcard tests/launcher/*.c tests/crash/*.c))
$(LAUNCHER_PROGRAMS): $(BUILD)/%.exe: tests/%.c
	$(call say,MINGW,$<)
	@mkdir -p $(@D)
	$(Q)i686-w64-mingw32-gcc -O2 -Wall -Wextra $< -o $@

# ---- disk and boot images ------------------------------------------------------------------------

# A file whose contents the kernel's self-tests know (tests/kernel/test_files.c).
SELFTEST_FILE := $(BUILD)/pattern.bin
$(SELFTEST_FILE): tools/pattern
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/pattern $@

$(BUILD)/disk.img: tools/mkdisk tools/machine.py $(DISK_FILES) $(SELFTEST_FILE)
	$(call say,DISK,$@)
	$(Q)$(PYTHON) tools/mkdisk --pagefile 64M $@ quire/system $(USER_DLLS) \
		-- quire/programs $(USER_PROGRAMS) -- examples $(USER_EXAMPLES) -- quire/test $(SELFTEST_FILE)

$(BUILD)/quire.iso: $(BUILD)/release/quire.elf boot/grub.cfg Makefile
	$(call say,ISO,$@)
	@rm -rf $(BUILD)/iso && mkdir -p $(BUILD)/iso/boot/grub
	@cp boot/grub.cfg $(BUILD)/iso/boot/grub/grub.cfg
	@# GRUB takes memory for all of the file: the debugger has its symbols from build/release.
	$(Q)objcopy --strip-all $(BUILD)/release/quire.elf $(BUILD)/iso/boot/quire.elf
	$(Q)grub-mkrescue -d /usr/lib/grub/i386-pc -o $@ $(BUILD)/iso > $(BUILD)/iso.log 2>&1 || \
		{ cat $(BUILD)/iso.log >&2; exit 1; }

# ---- host tests ----------------------------------------------------------------------------------

-include tests/host/host.mk
HOST_TESTS := $(if $(wildcard tests/host/host.mk),$(BUILD)/host/tests64 $(BUILD)/host/tests32)

# ---- what people type ----------------------------------------------------------------------------

.PHONY: all kernels user disk iso run test test-host test-kernel test-user clients soak simulate \
	simulate-mutations worlds worlds-mutations policy debug check-style format pictures bench docs \
	help clean

all: kernels user disk iso ## build everything (the default)
	@echo "Built. Next: 'make run' for a look, './quire run PROGRAM.exe' for a program of your own, 'make help'."
kernels: $(KERNELS)
user: $(USER_FILES)
disk: $(BUILD)/disk.img
iso: $(BUILD)/quire.iso

run: disk iso ## boot under GRUB in QEMU: the demo, then a small shell, in this terminal
	@$(PYTHON) tools/run --build $(BUILD)

TEST_NEEDS := kernels user disk iso $(HOST_TESTS) $(LAUNCHER_PROGRAMS) $(BENCH_PROGRAMS)
test: $(TEST_NEEDS) ## all tests; the last line is "N passed, N failed"
	@$(PYTHON) tests/run --build $(BUILD)
test-host: $(HOST_TESTS) ## only the memory manager's unit tests, on this machine
	@$(PYTHON) tests/run --build $(BUILD) host
test-kernel: kernels disk iso ## only the self-tests inside the kernel, and the boot tests
	@$(PYTHON) tests/run --build $(BUILD) kernel boot debugger
test-user: kernels user disk $(LAUNCHER_PROGRAMS) ## only the Win32 tests (Wine and Quire) and those of the launcher
	@$(PYTHON) tests/run --build $(BUILD) user launcher

clients: kernels user disk | $(BUILD)/deps/clients.mk ## real programs (SQLite, LMDB, Lua, ...), fetched by package name, on Quire; ONLY=text chooses
	@$(PYTHON) tests/run --build $(BUILD) --only '$(ONLY)' clients

soak: $(TEST_NEEDS) | $(BUILD)/deps/clients.mk ## the proofs in full size, with a table at the end: MINUTES=60 bounds it, ONLY=text chooses
	@$(PYTHON) tests/run --build $(BUILD) --soak $(or $(MINUTES),60) --only '$(ONLY)'

SEEDS ?= 1000
SEED ?= 1
simulate: $(BUILD)/host/tests32 ## the memory manager's simulation: SEEDS=n, SEED=first, CPUS=1|2|4, SAY=1 tells every call
	@$< simulate -s $(SEED) -n $(SEEDS) -c $(or $(CPUS),0) -j $(shell nproc) $(if $(SAY),-v)
simulate-mutations: ## takes flushes, locks and steps out of mm/ and finds the seeds that show it
	@$(PYTHON) -B tests/host/mutate
worlds-mutations: ## takes steps out of sys/ and mm/ and finds the sequences of calls that show it
	@$(PYTHON) -B tests/host/mutate --worlds 4
worlds: $(BUILD)/host/tests32 ## every sequence of DEPTH=n calls in small worlds; CALLS='p0 create A; ...' makes one, SAY=1 tells its states
	@$< worlds $(if $(FLAW),-x $(FLAW)) $(if $(FROM),-b '$(FROM)') \
		$(if $(CALLS),$(if $(SAY),-v) -r '$(CALLS)',-d $(or $(DEPTH),6) -j $(shell nproc))
	@$(if $(CALLS)$(FROM)$(FLAW),,$< worlds -b full -d 2 -j $(shell nproc))
policy: $(BUILD)/host/tests32 ## how often we fault beside LRU, CLOCK and the optimum: FRAMES=n, SEED=first, SEEDS=n, PATTERN=name or FILE=path
	@$< policy -n $(or $(FRAMES),1024) -s $(SEED) -k $(if $(filter command line,$(origin SEEDS)),$(SEEDS),1) $(if $(PATTERN),-p $(PATTERN)) $(if $(FILE),-f $(FILE))

debug: kernels disk | $(BUILD)/deps/debug.mk ## boot the debug kernel and wait for GDB in it
	@$(PYTHON) tools/run --build $(BUILD) --debug

check-style: | $(BUILD)/deps/style.mk ## format, floors, headers, warnings, clang-tidy, cppcheck
	@$(PYTHON) tools/check-style --build $(BUILD)

format: | $(BUILD)/deps/style.mk ## make every C file look as check-style wants it
	@find boot examples fs include kernel mm sys tests user -name '*.[ch]' | xargs clang-format-14 -i

pictures: disk iso ## screenshots of the running system for the README, into docs/pictures/
	@$(PYTHON) tools/pictures --build $(BUILD)

bench: kernels user disk $(BENCH_PROGRAMS) ## what operations cost; PEER=linux measures Linux too, UPDATE=1 writes docs/performance.md (WORSE=1: also when figures got worse)
	@$(PYTHON) tests/bench/run --build $(BUILD) $(if $(PEER),--peer $(PEER)) $(if $(UPDATE),--update) $(if $(WORSE),--worse)

docs: ## docs/abi.md, from include/abi
	@$(PYTHON) tools/abi-doc > docs/abi.md

help: ## this list
	@echo "Quire. Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | \
		awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo "Variables: V=1 shows the commands; BUILD=directory builds elsewhere (now: $(BUILD))."
	@echo "One program: ./quire run PROGRAM.exe [ARGUMENTS...]; more with ./quire run --help."

clean: ## remove everything that was built
	rm -rf $(BUILD)

print-%:
	@echo '$($*)'
