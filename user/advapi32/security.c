/*
 * user/advapi32/security.c: security descriptors, as far as programs make them to hand them on.
 *
 * Quire has no accounts and checks no access lists; a descriptor is filled in as Win32 lays it out,
 * so that a program finds in it what it put there. What a SECURITY_ATTRIBUTES carries besides its
 * inherit flag has no effect.
 */
#include <windows.h>

BOOL WINAPI InitializeSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, DWORD revision)
{
    SECURITY_DESCRIPTOR *d = descriptor;
    if (revision != SECURITY_DESCRIPTOR_REVISION) {
        SetLastError(ERROR_UNKNOWN_REVISION);
        return FALSE;
    }
    *d = (SECURITY_DESCRIPTOR){.Revision = SECURITY_DESCRIPTOR_REVISION};
    return TRUE;
}

/* The flags say whether there is a list and whether it came by default; NULL lets everyone in. */
BOOL WINAPI SetSecurityDescriptorDacl(PSECURITY_DESCRIPTOR descriptor, BOOL present, PACL list,
                                      BOOL defaulted)
{
    SECURITY_DESCRIPTOR *d = descriptor;
    if (d->Revision != SECURITY_DESCRIPTOR_REVISION || (d->Control & SE_SELF_RELATIVE)) {
        SetLastError(d->Revision != SECURITY_DESCRIPTOR_REVISION ? ERROR_UNKNOWN_REVISION
                                                                 : ERROR_INVALID_SECURITY_DESCR);
        return FALSE;
    }
    d->Control &= (WORD) ~(SE_DACL_PRESENT | SE_DACL_DEFAULTED);
    d->Dacl = NULL;
    if (present) {
        d->Control |= SE_DACL_PRESENT | (defaulted ? SE_DACL_DEFAULTED : 0);
        d->Dacl = list;
    }
    return TRUE;
}

BOOL WINAPI IsValidSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor)
{
    const SECURITY_DESCRIPTOR *d = descriptor;
    return d && d->Revision == SECURITY_DESCRIPTOR_REVISION;
}

/* There is one user. */
BOOL WINAPI GetUserNameA(char *buffer, DWORD *size)
{
    static const char name[] = "user";
    DWORD room = *size;
    *size = sizeof(name);
    if (room < sizeof(name)) {
        SetLastError(ERROR_INSUFFICIENT_BUFFER);
        return FALSE;
    }
    lstrcpyA(buffer, name);
    return TRUE;
}

BOOL WINAPI GetUserNameW(WCHAR *buffer, DWORD *size)
{
    static const WCHAR name[] = L"user";
    DWORD room = *size;
    *size = sizeof(name) / sizeof(name[0]);
    if (room < *size) {
        SetLastError(ERROR_INSUFFICIENT_BUFFER);
        return FALSE;
    }
    lstrcpyW(buffer, name);
    return TRUE;
}
