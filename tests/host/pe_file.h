/*
 * tests/host/pe_file.h: small PE32 files made in memory, for tests of image sections.
 *
 * A file has headers, up to eight sections, and a relocation directory in the section that
 * pe_relocate is told. Raw data is a pattern of the offset in the file; pe_put32 overwrites it.
 */
#ifndef TESTS_HOST_PE_FILE_H
#define TESTS_HOST_PE_FILE_H

#include "quire/types.h"

#define PE_FILE_BYTES 0x8000u

/* Offsets in the file of what the tests damage or look at. */
#define PE_LFANEW        0x3Cu
#define PE_SIGNATURE     0x80u
#define PE_MACHINE       0x84u
#define PE_NSECTIONS     0x86u
#define PE_OPTIONAL_SIZE 0x94u
#define PE_FLAGS         0x96u
#define PE_MAGIC         0x98u
#define PE_ENTRY         0xA8u
#define PE_IMAGE_BASE    0xB4u
#define PE_SECTION_ALIGN 0xB8u
#define PE_FILE_ALIGN    0xBCu
#define PE_IMAGE_SIZE    0xD0u
#define PE_HEADERS_SIZE  0xD4u
#define PE_NDIRECTORIES  0xF4u
#define PE_RELOC_DIR     0x120u
#define PE_SECTIONS      0x178u /* of 40 bytes: size +8, RVA +12, raw size +16, raw offset +20 */

#define PE_DLL     0x2000u
#define PE_CODE    0x00000020u
#define PE_DATA    0x00000040u
#define PE_EXECUTE 0x20000000u
#define PE_READ    0x40000000u
#define PE_WRITE   0x80000000u

struct pe_part {
    uint32_t rva;
    uint32_t nbytes;     /* in memory */
    uint32_t raw_nbytes; /* in the file; a multiple of 512 */
    uint32_t flags;
};

struct pe_file {
    uint8_t bytes[PE_FILE_BYTES];
    uint32_t nbytes;
    uint32_t raw_offset[8]; /* of each part */
};

/* Makes a file of base BASE; FLAGS: PE_DLL or 0. The image ends with its last part. */
void pe_make(struct pe_file *pe, uint32_t base, uint32_t flags, const struct pe_part *parts,
             uint32_t nparts);

void pe_put16(struct pe_file *pe, uint32_t offset, uint32_t value);
void pe_put32(struct pe_file *pe, uint32_t offset, uint32_t value);
uint32_t pe_get32(const struct pe_file *pe, uint32_t offset);

/* The byte that raw data has at OFFSET of the file. */
uint8_t pe_pattern(uint32_t offset);

/*
 * Writes a relocation directory into part INDEX, whose raw data it fits: a HIGHLOW fixup for each
 * of the ascending RVAs.
 */
void pe_relocate(struct pe_file *pe, const struct pe_part *parts, uint32_t index,
                 const uint32_t *rvas, uint32_t nrvas);

#endif
