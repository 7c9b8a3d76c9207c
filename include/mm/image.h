/*
 * include/mm/image.h: PE32 images as segments (Microsoft PE and COFF Specification).
 */
#ifndef MM_IMAGE_H
#define MM_IMAGE_H

#include "mm/section.h"

#define IMAGE_PROBLEM_BYTES 64u

/* What NtQuerySection's SectionImageInformation and process creation need. */
struct image_information {
    uint32_t base; /* the base that the image's pages are relocated to */
    uint32_t preferred_base;
    uint32_t nbytes; /* SizeOfImage, whole pages */
    uint32_t entry;  /* virtual address, at base; 0: none */
    uint32_t stack_reserve;
    uint32_t stack_commit;
    uint16_t machine;
    uint16_t characteristics;
    uint16_t subsystem;
    uint16_t subsystem_major, subsystem_minor;
    uint16_t dll_characteristics;
    uint32_t checksum;
    bool has_imports; /* false: runs without any DLL */
    bool is_dll;
};

/*
 * Makes SECTION an image section of the file whose data segment is FILE. The image segment of a
 * file is made once and shared: *CACHE is the file's place for it (NULL at first), guarded by the
 * caller. It holds a reference of its own, which the file drops when it goes out of use; the image
 * segment references the data segment.
 * => STATUS_INVALID_IMAGE_NOT_MZ, STATUS_INVALID_IMAGE_FORMAT, STATUS_INVALID_IMAGE_WIN_64,
 *    STATUS_INVALID_FILE_FOR_SECTION (empty); PROBLEM (IMAGE_PROBLEM_BYTES, may be NULL) then says
 * in words what is wrong with the file, else it is empty.
 */
MUST_CHECK status_t mm_section_create_image(struct section *section, struct segment *file,
                                            uint64_t file_bytes, uint64_t nbytes,
                                            uint32_t protection, uint32_t attributes,
                                            struct segment **cache, char *problem);

#endif
