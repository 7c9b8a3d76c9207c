/*
 * tests/clients/snapshots.c: a writer that commits transactions to an LMDB database, and a reader
 * that looks at snapshots of it all the while.
 *
 * usage: snapshots write COUNT     commits COUNT transactions; each stores its number in every key
 *        snapshots read COUNT      reads snapshots until one shows transaction COUNT; in each all
 *                                  keys must have the same number, none below the last snapshot's
 *
 * The reader prints how many different snapshots it has seen. Either may begin first.
 */
#include "lmdb.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#define pause_a_little() Sleep(1)
#else
#include <unistd.h>
#define pause_a_little() usleep(1000)
#endif

enum { KEYS = 64, VALUE_BYTES = 200, MAP_BYTES = 16 << 20 };

static void expect(int code, const char *what)
{
    if (code != MDB_SUCCESS) {
        fprintf(stderr, "snapshots: %s: %s\n", what, mdb_strerror(code));
        exit(1);
    }
}

static MDB_env *open_environment(void)
{
    MDB_env *env;

    expect(mdb_env_create(&env), "mdb_env_create");
    expect(mdb_env_set_mapsize(env, MAP_BYTES), "mdb_env_set_mapsize");
    expect(mdb_env_open(env, "testdb", 0, 0664), "mdb_env_open");
    return env;
}

static void write_one(MDB_env *env, int number)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    char value[VALUE_BYTES];

    memset(value, 'a' + number % 26, sizeof value);
    memcpy(value, &number, sizeof number);
    expect(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    expect(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
    for (int key = 0; key < KEYS; key++) {
        MDB_val name = {.mv_size = sizeof key, .mv_data = &key};
        MDB_val data = {.mv_size = sizeof value, .mv_data = value};

        expect(mdb_put(txn, dbi, &name, &data, 0), "mdb_put");
    }
    expect(mdb_txn_commit(txn), "mdb_txn_commit");
}

/* The number that all keys of the snapshot have; 0 when there are no keys yet. */
static int read_one(MDB_env *env)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    int number = 0;

    expect(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    expect(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
    for (int key = 0; key < KEYS; key++) {
        MDB_val name = {.mv_size = sizeof key, .mv_data = &key}, data;
        int code = mdb_get(txn, dbi, &name, &data), found;

        if (code == MDB_NOTFOUND && key == 0) {
            break;
        }
        expect(code, "mdb_get");
        memcpy(&found, data.mv_data, sizeof found);
        number = key == 0 ? found : number;
        if (found != number || data.mv_size != VALUE_BYTES ||
            ((char *)data.mv_data)[VALUE_BYTES - 1] != 'a' + number % 26) {
            fprintf(stderr, "snapshots: key %d has %d, key 0 has %d\n", key, found, number);
            exit(1);
        }
        if (key % 16 == 0) {
            pause_a_little(); /* so that the writer goes on while the snapshot is open */
        }
    }
    mdb_txn_abort(txn);
    return number;
}

static void read_until(MDB_env *env, int count)
{
    int last = 0, seen = 0;

    while (last < count) {
        int number = read_one(env);

        if (number < last) {
            fprintf(stderr, "snapshots: %d came after %d\n", number, last);
            exit(1);
        }
        seen += number > last;
        last = number;
    }
    printf("%d snapshots, the last of transaction %d\n", seen, last);
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count <= 0 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "read") != 0)) {
        fprintf(stderr, "usage: snapshots write|read COUNT\n");
        return 2;
    }
    MDB_env *env = open_environment();

    if (strcmp(argv[1], "read") == 0) {
        read_until(env, count);
    } else {
        for (int number = 1; number <= count; number++) {
            write_one(env, number);
        }
        printf("%d transactions\n", count);
    }
    mdb_env_close(env);
    return 0;
}
