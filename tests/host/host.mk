# tests/host/host.mk: the host tests: kernel/lib, kernel/core, mm, fs and the part of sys that has to do
# with names, handles, sections and processes, on the simulated machine,
# as a 64-bit program under AddressSanitizer and UBSan, and as a static 32-bit one.
#
# Included by the top Makefile; `make -f tests/host/host.mk host-tests` works too.

BUILD ?= build
Q ?= @
HOST_OUT := $(BUILD)/host

# The C library's string functions serve on the host; the kernel's are tested under other names.
HOST_SOURCES := $(filter-out kernel/lib/string.c,$(wildcard kernel/lib/*.c)) \
	$(wildcard kernel/core/*.c boot/command_line.c mm/*.c fs/*.c tests/host/*.c) \
	$(patsubst %,sys/%.c,object name handle handlecalls pagefile section answer process)
HOST_OBJECTS64 := $(patsubst %.c,$(HOST_OUT)/64/%.o,$(HOST_SOURCES) kernel/lib/string.c)
HOST_OBJECTS32 := $(patsubst %.c,$(HOST_OUT)/32/%.o,$(HOST_SOURCES) kernel/lib/string.c)

# clang may be there (make check-style installs it) without the sanitizers' libraries.
HOST_CC64 := $(if $(wildcard /usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.asan-x86_64.a),clang-14,gcc)
HOST_CC32 := i686-linux-gnu-gcc
HOST_WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wwrite-strings -Wno-format -Wno-unknown-warning-option \
	-Wno-clobbered -Werror
HOST_CFLAGS := -std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv \
	-fno-delete-null-pointer-checks -D_FILE_OFFSET_BITS=64 -DDEBUG_CHECKS=1 -Iinclude -I. \
	$(HOST_WARNINGS)
HOST_CFLAGS64 := $(HOST_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS32 := $(HOST_CFLAGS) -m32 -march=i686 -fno-pie -no-pie
# Who asks whether it is to fail on purpose asks tests/host/inject.c first.
HOST_LDFLAGS := -Wl,--wrap=failpoint_count
HOST_RENAME := -fno-builtin -Dmemcpy=quire_memcpy -Dmemmove=quire_memmove -Dmemset=quire_memset \
	-Dmemcmp=quire_memcmp -Dstrlen=quire_strlen -Dstrnlen=quire_strnlen -Dstrcmp=quire_strcmp \
	-Dstrncmp=quire_strncmp

$(HOST_OUT)/64/kernel/lib/string.o: HOST_EXTRA := $(HOST_RENAME)
$(HOST_OUT)/32/kernel/lib/string.o: HOST_EXTRA := $(HOST_RENAME)

$(HOST_OUT)/64/%.o: %.c tests/host/host.mk
	@mkdir -p $(@D)
	$(Q)$(HOST_CC64) $(HOST_CFLAGS64) $(HOST_EXTRA) -MMD -MP -c $< -o $@

$(HOST_OUT)/32/%.o: %.c tests/host/host.mk
	@mkdir -p $(@D)
	$(Q)$(HOST_CC32) $(HOST_CFLAGS32) $(HOST_EXTRA) -MMD -MP -c $< -o $@

$(HOST_OUT)/tests64: $(HOST_OBJECTS64)
	@echo "  LINK     $@"
	$(Q)$(HOST_CC64) $(HOST_CFLAGS64) $(HOST_LDFLAGS) $^ -o $@

$(HOST_OUT)/tests32: $(HOST_OBJECTS32)
	@echo "  LINK     $@"
	$(Q)$(HOST_CC32) $(HOST_CFLAGS32) $(HOST_LDFLAGS) -static $^ -o $@

.PHONY: host-tests
host-tests: $(HOST_OUT)/tests64 $(HOST_OUT)/tests32

-include $(HOST_OBJECTS64:.o=.d) $(HOST_OBJECTS32:.o=.d)
