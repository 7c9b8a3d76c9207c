/*
 * include/sys/image.h: the DLL that the kernel itself knows: ntdll, where threads start and
 * exceptions are delivered.
 */
#ifndef SYS_IMAGE_H
#define SYS_IMAGE_H

#include "quire/annotate.h"
#include "quire/status.h"

struct space;

#define SYSTEM_PATH "C:\\quire\\system\\"
#define NTDLL_PATH  SYSTEM_PATH "ntdll.dll"

/*
 * Opens ntdll and finds its entry points, when a volume is mounted. Without it only programs that
 * import nothing can run.
 */
void image_start(void);

/* STATUS_DLL_NOT_FOUND when there is no ntdll. */
MUST_CHECK status_t image_map_ntdll(struct space *space);

uint32_t image_ntdll_start(void);      /* LdrInitializeThunk */
uint32_t image_ntdll_dispatcher(void); /* KiUserExceptionDispatcher */

/*
 * The name of the module that ADDRESS lies in and its base, from its export directory or, for the
 * program itself, from the process; false when no image is there. NAME: NBYTES long.
 */
struct process;
bool image_name_at(struct process *process, struct space *space, uint32_t address, char *name,
                   uint32_t nbytes, uint32_t *base);

#endif
