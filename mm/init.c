/*
 * mm/init.c: starting the memory manager, in the order in which its parts need one another.
 */
#include "mm/init.h"

#include "mm/cache_windows.h"
#include "mm/commit_limits.h"
#include "mm/frame.h"
#include "mm/locked.h"
#include "mm/page_in.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/pool_init.h"
#include "mm/segment.h"
#include "mm/space_list.h"
#include "mm/stack_cache.h"
#include "mm/trim.h"
#include "mm/vad.h"
#include "mm/writer.h"
#include "mm/zero.h"

status_t mm_init(const struct boot_info *boot)
{
    status_t status = mm_pfn_init(boot);
    if (is_error(status)) {
        return status;
    }
    mi_commit_init(mi_frames_low(), mi_frames_high());
    mi_pool_init();
    mi_segment_init();
    mi_page_in_init();
    mi_trim_init();
    mi_zero_init();
    mi_writer_init();
    mi_vad_init();
    mi_lock_init();
    mi_space_init();
    mi_cache_init();
    return STATUS_SUCCESS;
}

void mm_drain(void)
{
    mi_cache_unlink_idle();
    mi_trim_unmapped();
    mi_purge_standby();
    mi_trim_unmapped(); /* tables that are empty now */
    mi_stack_drain();
    mm_pool_drain();
}
