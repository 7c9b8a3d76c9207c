/*
 * tests/host/pe_file.c: see pe_file.h.
 */
#include "tests/host/pe_file.h"

#include <string.h>

#include "quire/assert.h"

uint8_t pe_pattern(uint32_t offset)
{
    return (uint8_t)(offset * 167u + (offset >> 8) * 13u + 1u);
}

void pe_put16(struct pe_file *pe, uint32_t offset, uint32_t value)
{
    pe->bytes[offset] = (uint8_t)value;
    pe->bytes[offset + 1] = (uint8_t)(value >> 8);
}

void pe_put32(struct pe_file *pe, uint32_t offset, uint32_t value)
{
    pe_put16(pe, offset, value);
    pe_put16(pe, offset + 2, value >> 16);
}

uint32_t pe_get32(const struct pe_file *pe, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, pe->bytes + offset, 4);
    return value;
}

static void put_headers(struct pe_file *pe, uint32_t base, uint32_t flags, uint32_t nparts)
{
    pe->bytes[0] = 'M';
    pe->bytes[1] = 'Z';
    pe_put32(pe, PE_LFANEW, PE_SIGNATURE);
    pe_put32(pe, PE_SIGNATURE, 0x4550);
    pe_put16(pe, PE_MACHINE, 0x14C);
    pe_put16(pe, PE_NSECTIONS, nparts);
    pe_put16(pe, PE_OPTIONAL_SIZE, 0xE0);
    pe_put16(pe, PE_FLAGS, 0x102u | flags);
    pe_put16(pe, PE_MAGIC, 0x10B);
    pe_put32(pe, PE_ENTRY, 0x1000);
    pe_put32(pe, PE_IMAGE_BASE, base);
    pe_put32(pe, PE_SECTION_ALIGN, 0x1000);
    pe_put32(pe, PE_FILE_ALIGN, 0x200);
    pe_put32(pe, PE_HEADERS_SIZE, 0x400);
    pe_put32(pe, PE_NDIRECTORIES, 16);
}

void pe_make(struct pe_file *pe, uint32_t base, uint32_t flags, const struct pe_part *parts,
             uint32_t nparts)
{
    uint32_t end = 0x400;
    memset(pe, 0, sizeof(*pe));
    put_headers(pe, base, flags, nparts);
    for (uint32_t i = 0; i < nparts; i++) {
        uint32_t row = PE_SECTIONS + i * 40;
        memcpy(pe->bytes + row, ".part", 5);
        pe_put32(pe, row + 8, parts[i].nbytes);
        pe_put32(pe, row + 12, parts[i].rva);
        pe_put32(pe, row + 16, parts[i].raw_nbytes);
        pe_put32(pe, row + 20, parts[i].raw_nbytes == 0 ? 0 : end);
        pe_put32(pe, row + 36, parts[i].flags);
        pe->raw_offset[i] = end;
        VERIFY(end + parts[i].raw_nbytes <= PE_FILE_BYTES);
        for (uint32_t j = 0; j < parts[i].raw_nbytes; j++, end++) {
            pe->bytes[end] = pe_pattern(end);
        }
        pe_put32(pe, PE_IMAGE_SIZE, (parts[i].rva + parts[i].nbytes + PAGE_MASK) & ~PAGE_MASK);
    }
    pe->nbytes = end;
}

void pe_relocate(struct pe_file *pe, const struct pe_part *parts, uint32_t index,
                 const uint32_t *rvas, uint32_t nrvas)
{
    uint32_t start = pe->raw_offset[index];
    uint32_t place = start;
    for (uint32_t i = 0; i < nrvas;) {
        uint32_t block = place;
        uint32_t page = rvas[i] & ~PAGE_MASK;
        pe_put32(pe, block, page);
        for (place += 8; i < nrvas && (rvas[i] & ~PAGE_MASK) == page; i++, place += 2) {
            pe_put16(pe, place, 0x3000u | (rvas[i] & PAGE_MASK));
        }
        if (place % 4 != 0) {
            pe_put16(pe, place, 0); /* ABSOLUTE: padding */
            place += 2;
        }
        pe_put32(pe, block + 4, place - block);
    }
    VERIFY(place - start <= parts[index].raw_nbytes);
    pe_put32(pe, PE_RELOC_DIR, parts[index].rva);
    pe_put32(pe, PE_RELOC_DIR + 4, place - start);
}
