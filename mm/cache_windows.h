/*
 * mm/cache_windows.h: the kernel's 2 MiB windows onto segments, as the rest of mm/ sees them.
 */
#ifndef MM_CACHE_WINDOWS_H
#define MM_CACHE_WINDOWS_H

#include "quire/types.h"

struct segment;

/* The segment and page that a window address shows, or NULL. The window is pinned by its user. */
struct segment *mi_cache_window_page(const void *address, uint32_t *page);

/* Unlinks every window that nobody uses now. */
void mi_cache_unlink_idle(void);

/* Unlinks the windows of a segment that is about to end. */
void mi_cache_forget(const struct segment *segment);

void mi_cache_init(void);

#endif
