/*
 * tests/user/links.c: files with several names: making them, deleting some, moving names onto each
 * other, share modes and views across names; and attributes, which belong to the file.
 */
#include "work.h"

static BY_HANDLE_FILE_INFORMATION information_of(const char *name)
{
    BY_HANDLE_FILE_INFORMATION information = {0};
    HANDLE file = reopen(name, 0);

    GetFileInformationByHandle(file, &information);
    CloseHandle(file);
    return information;
}

static DWORD links_of(const char *name)
{
    return information_of(name).nNumberOfLinks;
}

static BOOL is_same(const char *one, const char *two)
{
    BY_HANDLE_FILE_INFORMATION a = information_of(one), b = information_of(two);

    return a.nNumberOfLinks != 0 && a.nFileIndexLow == b.nFileIndexLow &&
           a.nFileIndexHigh == b.nFileIndexHigh;
}

static void test_making(void)
{
    HANDLE file, other;

    make("a", 5000);
    ok(links_of("a") == 1, "a file has one name");
    ok(CreateHardLinkA("b", "a", NULL) && links_of("a") == 2 && links_of("b") == 2,
       "CreateHardLink gives it another");
    ok(is_same("a", "b") && size_of_name("b") == 5000, "of the same file");
    CreateDirectoryA("deep", NULL);
    ok(CreateHardLinkW(L"deep\\c", L"b", NULL) && links_of("a") == 3 && is_same("deep\\c", "a"),
       "in another directory, from the second name");
    file = reopen("a", BOTH);
    other = reopen("deep\\c", READ);
    ok(put(file, 4998, "hard", 4) == 4 && byte_at(other, 5001) == 'd' &&
           size_of_file(other) == 5002,
       "what is written through one name is read through the other");
    CloseHandle(other);
    CloseHandle(file);
    ok(FAILS(CreateHardLinkA("b", "deep\\c", NULL), ERROR_ALREADY_EXISTS) &&
           FAILS(CreateHardLinkA("a", "a", NULL), ERROR_ALREADY_EXISTS),
       "onto a name that is there, even the file's own: ERROR_ALREADY_EXISTS");
    ok(FAILS(CreateHardLinkA("d", "none", NULL), ERROR_FILE_NOT_FOUND), "of nothing");
    ok(FAILS(CreateHardLinkA("none\\d", "a", NULL), ERROR_PATH_NOT_FOUND), "in no directory");
    ok(FAILS(CreateHardLinkA("d", "deep", NULL), ERROR_ACCESS_DENIED), "of a directory: refused");
    ok(links_of("a") == 3 && !exists("d"), "nothing has come of these");
    SetFileAttributesA("b", FILE_ATTRIBUTE_READONLY);
    ok(CreateHardLinkA("d", "b", NULL) && (GetFileAttributesA("d") & FILE_ATTRIBUTE_READONLY),
       "of a read-only file, which the new name shows it is");
    SetFileAttributesA("d", FILE_ATTRIBUTE_NORMAL);
}

static void test_deleting(void)
{
    HANDLE file;
    BOOL done;

    ok(DeleteFileA("a") && !exists("a") && links_of("b") == 3 && size_of_name("deep\\c") == 5002,
       "DeleteFile takes one name away");
    file = reopen("b", BOTH);
    ok(DeleteFileA("deep\\c") && byte_at(file, 5001) == 'd',
       "while the file is open by another name");
    unlike_wine(!exists("deep\\c") && links_of("d") == 2, "at once");
    ok(DeleteFileA("b") && byte_at(file, 5001) == 'd', "and the name by which it is open");
    unlike_wine(FILE_FAILS(reopen("b", READ), ERROR_ACCESS_DENIED) && links_of("d") == 2,
                "that cannot be opened any more, another one can");
    CloseHandle(file);
    ok(!exists("b") && !exists("deep\\c") && links_of("d") == 1 && size_of_name("d") == 5002,
       "it is gone with its last handle, and the file is there");
    file = reopen("d", READ);
    done = CreateHardLinkA("e", "d", NULL) && DeleteFileA("e");
    unlike_wine(done && !exists("e") && exists("d"), "a name that comes and goes");
    CloseHandle(file);
    file = create("d", READ | DELETE, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE);
    ok(CreateHardLinkA("f", "d", NULL) && CloseHandle(file) && !exists("d") && links_of("f") == 1,
       "FILE_FLAG_DELETE_ON_CLOSE takes the name that was opened");
    ok(DeleteFileA("f") && !exists("f"), "the last name");
}

static void test_moving(void)
{
    HANDLE file;
    BOOL done;

    make("a", 700);
    make("x", 9);
    CreateHardLinkA("b", "a", NULL);
    ok(MoveFileA("a", "c") && is_same("b", "c") && links_of("c") == 2, "one name moves");
    file = reopen("c", READ);
    ok(MoveFileA("c", "deep\\c") && is_same("b", "deep\\c") && has_data(file, 0, 700) &&
           !exists("c"),
       "to another directory, while it is open");
    CloseHandle(file);
    done = FAILS(MoveFileA("b", "deep\\c"), ERROR_ALREADY_EXISTS);
    unlike_wine(done && links_of("b") == 2, "onto the other name: ERROR_ALREADY_EXISTS");
    done = MoveFileExA("b", "deep\\c", MOVEFILE_REPLACE_EXISTING);
    unlike_wine(done && !exists("b") && links_of("deep\\c") == 1,
                "MOVEFILE_REPLACE_EXISTING leaves that alone");
    DeleteFileA("b");
    CreateHardLinkA("b", "deep\\c", NULL);
    ok(MoveFileExA("x", "b", MOVEFILE_REPLACE_EXISTING) && size_of_name("b") == 9 &&
           links_of("deep\\c") == 1 && size_of_name("deep\\c") == 700,
       "another file takes one of its names: it keeps the other");
    ok(CopyFileA("deep\\c", "b", FALSE) && !is_same("b", "deep\\c"), "a copy is another file");
    DeleteFileA("b");
    DeleteFileA("deep\\c");
    RemoveDirectoryA("deep");
}

static void test_sharing(void)
{
    struct mapped it = map_new("a", PAGE);
    HANDLE file;

    CreateHardLinkA("b", "a", NULL);
    file = reopen("b", BOTH);
    it.view[7] = 'v';
    ok(byte_at(file, 7) == 'v' && put(file, 8, "w", 1) == 1 && it.view[8] == 'w',
       "a view of one name and the other show each other's bytes");
    CloseHandle(file);
    unmap(&it);
    file = create("a", READ, 0, OPEN_EXISTING, 0);
    ok(FILE_FAILS(reopen("b", READ), ERROR_SHARING_VIOLATION) &&
           FAILS(DeleteFileA("b"), ERROR_SHARING_VIOLATION),
       "share modes are the file's, whatever its name");
    CloseHandle(file);
    DeleteFileA("a");
    DeleteFileA("b");
}

static void test_many(void)
{
    char name[20];
    int good = 0, gone = 0;

    make("many", 1);
    for (int i = 0; i < 300; i++) {
        sprintf(name, "name %d", i);
        good += CreateHardLinkA(name, "many", NULL) != 0;
    }
    ok(good == 300 && links_of("many") == 301, "300 names");
    DeleteFileA("many");
    for (int i = 0; i < 300; i++) {
        sprintf(name, "name %d", i);
        gone += links_of(name) == (DWORD)(300 - i) && DeleteFileA(name);
    }
    ok(gone == 300 && !exists("name 299"), "and none, one after the other");
}

#define SPECIAL (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM)

/* What Wine keeps depends on the host's file system. */
static void test_attributes(void)
{
    WIN32_FIND_DATAA found;
    HANDLE file, search;

    make("a", 3);
    CreateHardLinkA("b", "a", NULL);
    ok(SetFileAttributesA("a", SPECIAL), "a file is hidden and the system's");
    unlike_wine(GetFileAttributesA("a") == SPECIAL && GetFileAttributesA("b") == SPECIAL,
                "by each of its names, and no more");
    unlike_wine(FILE_FAILS(create("b", WRITE, SHARE_ALL, CREATE_ALWAYS, FILE_ATTRIBUTE_HIDDEN),
                           ERROR_ACCESS_DENIED) &&
                    size_of_name("a") == 3,
                "CREATE_ALWAYS without saying so: refused");
    file = create("b", WRITE, SHARE_ALL, CREATE_ALWAYS, SPECIAL);
    unlike_wine(file != NONE && GetFileAttributesA("a") == (SPECIAL | FILE_ATTRIBUTE_ARCHIVE),
                "with it: made anew");
    SetFileAttributesA("a", FILE_ATTRIBUTE_NORMAL);
    unlike_wine(GetFileAttributesA("b") == FILE_ATTRIBUTE_NORMAL, "FILE_ATTRIBUTE_NORMAL is none");
    put(file, 0, "x", 1);
    CloseHandle(file);
    ok(GetFileAttributesA("b") == FILE_ATTRIBUTE_ARCHIVE, "WriteFile sets FILE_ATTRIBUTE_ARCHIVE");
    CloseHandle(create("c", WRITE, 0, CREATE_NEW, FILE_ATTRIBUTE_HIDDEN));
    search = FindFirstFileA("c", &found);
    unlike_wine(found.dwFileAttributes == (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_ARCHIVE),
                "a new file is what CreateFile says, and a listing tells");
    FindClose(search);
    unlike_wine(CopyFileA("c", "d", TRUE) &&
                    GetFileAttributesA("d") == (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_ARCHIVE),
                "a copy is so, too");
    CreateDirectoryA("deep", NULL);
    unlike_wine(SetFileAttributesA("deep", FILE_ATTRIBUTE_HIDDEN) &&
                    GetFileAttributesA("deep") ==
                        (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_DIRECTORY),
                "a directory may be hidden");
}

int main(void)
{
    tap_begin();
    work_begin();
    test_making();
    test_deleting();
    test_moving();
    test_sharing();
    test_many();
    test_attributes();
    return work_end();
}
