/*
 * mm/pe.h: a PE file being read, and what an image keeps of it.
 */
#ifndef MM_PE_H
#define MM_PE_H

#include "kernel/lock.h"
#include "mm/image.h"
#include "mm/pte.h"

#define SECTIONS_MAX 96u

/* Kinds of fixups, in their upper four bits; others are refused. */
#define FIXUP_ABSOLUTE 0u /* padding */
#define FIXUP_HIGHLOW  3u

struct pe_headers { /* from "PE\0\0" on */
    uint32_t signature;
    uint16_t machine;
    uint16_t nsections;
    uint32_t time_stamp;
    uint32_t symbols;
    uint32_t nsymbols;
    uint16_t optional_nbytes;
    uint16_t characteristics;
    uint16_t magic;
    uint16_t linker_version;
    uint32_t code_nbytes, data_nbytes, bss_nbytes;
    uint32_t entry;
    uint32_t code_base, data_base;
    uint32_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint16_t os_major, os_minor, image_major, image_minor;
    uint16_t subsystem_major, subsystem_minor;
    uint32_t win32_version;
    uint32_t image_nbytes;
    uint32_t headers_nbytes;
    uint32_t checksum;
    uint16_t subsystem;
    uint16_t dll_characteristics;
    uint32_t stack_reserve, stack_commit, heap_reserve, heap_commit;
    uint32_t loader_flags;
    uint32_t ndirectories;
    struct {
        uint32_t rva;
        uint32_t nbytes;
    } directories[16];
};
STATIC_ASSERT(offsetof(struct pe_headers, image_base) == 0x34);
STATIC_ASSERT(sizeof(struct pe_headers) == 0xF8);

/* A run of pages with one protection and one place in the file. */
struct image_part {
    uint32_t first_page;
    uint32_t npages;
    uint32_t raw_offset;
    uint32_t raw_nbytes; /* what the file holds of it; the rest is zero */
    prot_t prot;
};

struct image {
    struct image_information information;
    struct list link;         /* [images lock] */
    struct segment *file;     /* [c] the data segment, referenced */
    uint64_t file_bytes;      /* [c] */
    uint32_t header_offset;   /* [c] of "PE\0\0" */
    uint32_t nparts;          /* [c] headers, then sections */
    struct image_part *parts; /* [c] ascending */
    uint32_t copy_pages;      /* [c] */
    uint32_t delta;           /* [c] base minus preferred base */
    uint8_t *relocations;     /* [c] the relocation directory, when delta is not 0 */
    uint32_t relocation_nbytes;
    struct mutex lock; /* RANK_IMAGE: the bounce page */
    void *bounce;      /* [image lock] for frames outside the direct map */
};

/* What is being parsed. */
struct parse {
    struct segment *file;
    uint64_t file_bytes;
    const char *problem;
    uint32_t header_offset;
    struct pe_headers headers;
    struct image *image;
};

/*
 * Reads and checks the headers. => STATUS_INVALID_IMAGE_..., STATUS_INVALID_FILE_FOR_SECTION:
 * parse->problem says why; or what reading the file gave.
 */
MUST_CHECK status_t mi_pe_read_headers(struct parse *parse);

/* The section table: fills the image's parts and information. => the same. */
MUST_CHECK status_t mi_pe_read_sections(struct parse *parse);

/*
 * Copies the relocations, so that the image can have another base. => also STATUS_SUCCESS when it
 * has none that can be used: then it keeps its base.
 */
MUST_CHECK status_t mi_pe_load_relocations(struct parse *parse);

#endif
