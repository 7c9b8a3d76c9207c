/*
 * user/ntdll/status.c: from NTSTATUS to Win32 errors, generated from include/abi/status.def; and
 * the thread's last error and last status.
 */
#include "user/ntdll/loader.h"

#define WIN32_CODE_UNKNOWN 317u /* ERROR_MR_MID_NOT_FOUND: what NT says of a status it lacks */

static const struct {
    NTSTATUS status;
    ULONG error;
} errors[] = {
#define STATUS(name, value, win32) {(NTSTATUS)(value), (win32)},
#include "abi/status.def"
#undef STATUS
};

ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS status)
{
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].status == status) {
            return errors[i].error;
        }
    }
    if (status >= STATUS_WAIT_0 && status <= STATUS_WAIT_63) {
        return ERROR_SUCCESS;
    }
    if (((ULONG)status & 0xFFFF0000u) == 0xC0070000u ||
        ((ULONG)status & 0xFFFF0000u) == 0x80070000u) {
        return (ULONG)status & 0xFFFFu; /* a Win32 error in NTSTATUS's clothes */
    }
    if ((ULONG)status & 0x20000000u) {
        return (ULONG)status; /* the program's own code */
    }
    return WIN32_CODE_UNKNOWN;
}

ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status)
{
    this_teb()->last_status = status;
    return RtlNtStatusToDosErrorNoTeb(status);
}

ULONG NTAPI RtlGetLastWin32Error(void)
{
    return this_teb()->last_error;
}

void NTAPI RtlSetLastWin32Error(ULONG error)
{
    this_teb()->last_error = error;
}

void NTAPI RtlRestoreLastWin32Error(ULONG error)
{
    this_teb()->last_error = error;
}

NTSTATUS NTAPI RtlGetLastNtStatus(void)
{
    return this_teb()->last_status;
}

void NTAPI RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS status)
{
    this_teb()->last_error = RtlNtStatusToDosError(status);
}

struct peb *NTAPI RtlGetCurrentPeb(void)
{
    return this_peb();
}

ULONG NTAPI RtlGetNtGlobalFlags(void)
{
    return this_peb()->global_flag;
}

NTSTATUS NTAPI RtlGetVersion(RTL_OSVERSIONINFOW *version)
{
    const struct peb *peb = this_peb();

    version->dwMajorVersion = peb->major_version;
    version->dwMinorVersion = peb->minor_version;
    version->dwBuildNumber = peb->build_number;
    version->dwPlatformId = peb->platform;
    version->szCSDVersion[0] = 0;
    if (version->dwOSVersionInfoSize >= sizeof(RTL_OSVERSIONINFOEXW)) {
        RTL_OSVERSIONINFOEXW *extended = (RTL_OSVERSIONINFOEXW *)version;
        extended->wServicePackMajor = 0;
        extended->wServicePackMinor = 0;
        extended->wSuiteMask = 0;
        extended->wProductType = VER_NT_WORKSTATION;
        extended->wReserved = 0;
    }
    return STATUS_SUCCESS;
}

void NTAPI RtlGetNtVersionNumbers(ULONG *major, ULONG *minor, ULONG *build)
{
    const struct peb *peb = this_peb();

    if (major) {
        *major = peb->major_version;
    }
    if (minor) {
        *minor = peb->minor_version;
    }
    if (build) {
        *build = peb->build_number | 0xF0000000u;
    }
}
