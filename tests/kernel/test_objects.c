/*
 * tests/kernel/test_objects.c: objects: counts, names, name spaces; sections among them, whose
 * views count as uses.
 */
#include "abi/constants.h"
#include "kernel/failpoint.h"
#include "kernel/string.h"
#include "mm/space.h"
#include "mm/view.h"
#include "selftest.h"
#include "sys/object.h"
#include "sys/section.h"
#include "sys/sync.h"

/* A new object of TYPE that has NAME and one handle's usage; NULL when that failed. */
static struct object *make_named(struct object_type *type, const char *text)
{
    struct object *object;
    struct object *used = NULL;
    struct object_name *name = object_name_make(text);
    if (name == NULL || is_error(ob_create(type, &object))) {
        object_name_free(name);
        return NULL;
    }
    waitable_init_event(&container_of(object, struct sync_object, object)->waitable, true, false);
    status_t status = ob_add_named_handle(object, &name, 0, &used);
    object_name_free(name);
    if (status != STATUS_SUCCESS) {
        ob_unref(object);
        return NULL;
    }
    return object;
}

static void drop(struct object *object)
{
    ob_drop_handle(object);
    ob_unref(object);
}

/* What a lookup of TEXT among TYPE's names gives; a handle that it takes is dropped again. */
static status_t look_up(struct object_type *type, const char *text, uint32_t attributes,
                        const struct object *expected)
{
    struct object *found = NULL;
    struct object_name *name = object_name_make(text);
    if (name == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = ob_find(type, name, attributes, &found);
    object_name_free(name);
    if (found != NULL) {
        EXPECT(found == expected);
        drop(found);
    }
    return status;
}

static void names_of_each_type(void)
{
    struct object *event = make_named(&event_type, "x");
    struct object *mutant = make_named(&mutant_type, "x");
    struct object *semaphore = make_named(&semaphore_type, "x");
    REQUIRE(event != NULL && mutant != NULL && semaphore != NULL);
    EXPECT(make_named(&event_type, "x") == NULL);
    EXPECT_STATUS(look_up(&event_type, "x", 0, event), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&mutant_type, "x", 0, mutant), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&semaphore_type, "x", 0, semaphore), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&section_type, "x", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    drop(event);
    EXPECT_STATUS(look_up(&event_type, "x", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(look_up(&mutant_type, "x", 0, mutant), STATUS_SUCCESS);
    drop(mutant);
    drop(semaphore);
}
SELFTEST("objects: every type has a name space of its own", names_of_each_type);

static void case_matters(void)
{
    struct object *lower = make_named(&event_type, "name");
    struct object *upper = make_named(&event_type, "NAME");
    REQUIRE(lower != NULL && upper != NULL);
    EXPECT_STATUS(look_up(&event_type, "name", 0, lower), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&event_type, "NAME", 0, upper), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&event_type, "Name", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(look_up(&event_type, "Name", OBJ_CASE_INSENSITIVE, lower), STATUS_SUCCESS);
    drop(lower);
    drop(upper);
}
SELFTEST("objects: case matters in names, unless it is asked not to", case_matters);

static void open_if(void)
{
    struct object *first = make_named(&event_type, "shared");
    struct object *second;
    struct object *used = NULL;
    struct object_name *name = object_name_make("shared");
    struct object_counts counts;
    REQUIRE(first != NULL && name != NULL);
    REQUIRE(is_success(ob_create(&event_type, &second)));
    EXPECT_STATUS(ob_add_named_handle(second, &name, 0, &used), STATUS_OBJECT_NAME_COLLISION);
    EXPECT(used == NULL && name != NULL);
    EXPECT_STATUS(ob_add_named_handle(second, &name, OBJ_OPENIF, &used), STATUS_OBJECT_NAME_EXISTS);
    EXPECT(used == first);
    ob_read_counts(first, &counts);
    EXPECT_EQUAL(counts.handles, 2);
    drop(used);
    ob_unref(second);
    object_name_free(name);
    drop(first);
}
SELFTEST("objects: creating over a name collides or opens", open_if);

static void counter_is_checked(void)
{
    struct object *object;
    REQUIRE(is_success(ob_create(&event_type, &object)));
    EXPECT_STATUS(ob_add_handle(object), STATUS_SUCCESS);
    object->usage = UINT32_MAX; /* as if 2^32 - 1 handles were open */
    EXPECT_STATUS(ob_add_handle(object), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(ob_add_view(object), STATUS_INSUFFICIENT_RESOURCES);
    object->usage = 1;
    drop(object);
}
SELFTEST("objects: the usage counter refuses to wrap", counter_is_checked);

static void access_is_mapped(void)
{
    uint32_t access = 0;
    EXPECT_STATUS(ob_map_access(&section_type, GENERIC_READ, &access), STATUS_SUCCESS);
    EXPECT_EQUAL(access, READ_CONTROL | SECTION_QUERY | SECTION_MAP_READ);
    EXPECT_STATUS(ob_map_access(&section_type, MAXIMUM_ALLOWED, &access), STATUS_SUCCESS);
    EXPECT_EQUAL(access, section_type.valid_access);
    EXPECT_STATUS(ob_map_access(&section_type, 0, &access), STATUS_SUCCESS);
    EXPECT_EQUAL(access, 0);
    EXPECT_STATUS(ob_map_access(&section_type, UINT32_MAX, &access), STATUS_ACCESS_DENIED);
}
SELFTEST("objects: generic rights become the type's own", access_is_mapped);

/* ---- sections and their views -----------------------------------------------------------------
 */

static struct section_object *make_section(const char *text, uint64_t nbytes)
{
    struct section_object *section;
    struct object *used;
    struct object_name *name = object_name_make(text);
    if (name == NULL ||
        is_error(section_create_memory(nbytes, PAGE_READWRITE, SEC_COMMIT, &section))) {
        object_name_free(name);
        return NULL;
    }
    status_t status = ob_add_named_handle(&section->object, &name, 0, &used);
    object_name_free(name);
    if (is_error(status)) {
        ob_unref(&section->object);
        return NULL;
    }
    return section;
}

static void view_keeps_name(void)
{
    struct space *space;
    struct object_counts counts;
    struct section_object *section = make_section("kept", 0x10000);
    REQUIRE(section != NULL);
    REQUIRE(is_success(mm_space_create(&space)));
    struct view_request request = {.protection = PAGE_READWRITE};
    EXPECT_STATUS(mm_map_view(space, &section->section, &request), STATUS_SUCCESS);
    ob_read_counts(&section->object, &counts);
    EXPECT_EQUAL(counts.handles, 1);
    EXPECT_EQUAL(counts.usage, 2);
    drop(&section->object); /* the last handle; the view stays */
    EXPECT_STATUS(look_up(&section_type, "kept", 0, &section->object), STATUS_SUCCESS);
    EXPECT_STATUS(mm_unmap_view(space, request.base), STATUS_SUCCESS);
    EXPECT_STATUS(look_up(&section_type, "kept", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    mm_space_empty(space);
    mm_space_destroy(space);
}
SELFTEST("objects: a view keeps a section's name alive", view_keeps_name);

static void space_end_drops_name(void)
{
    struct space *space;
    struct section_object *section = make_section("dropped", 0x200000);
    REQUIRE(section != NULL);
    REQUIRE(is_success(mm_space_create(&space)));
    for (uint32_t i = 0; i < 3; i++) {
        struct view_request request = {.protection = PAGE_READWRITE};
        EXPECT_STATUS(mm_map_view(space, &section->section, &request), STATUS_SUCCESS);
    }
    drop(&section->object);
    EXPECT_STATUS(look_up(&section_type, "dropped", 0, &section->object), STATUS_SUCCESS);
    mm_space_empty(space);
    EXPECT_STATUS(look_up(&section_type, "dropped", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    mm_space_destroy(space);
}
SELFTEST("objects: the end of a space drops its views' uses", space_end_drops_name);

static void creation_fails_cleanly(void)
{
    for (uint32_t n = 1; n < 12; n++) {
        (void)failpoint_arm(FAILPOINT_ALLOCATION, n);
        struct section_object *section = make_section("failing", 0x400000);
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
        if (section != NULL) {
            drop(&section->object);
        }
        EXPECT_STATUS(look_up(&section_type, "failing", 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    }
    for (uint32_t n = 1; n < 6; n++) {
        (void)failpoint_arm(FAILPOINT_CHARGE, n);
        struct section_object *section = make_section("failing", 0x400000);
        (void)failpoint_arm(FAILPOINT_CHARGE, 0);
        if (section != NULL) {
            drop(&section->object);
        }
    }
}
SELFTEST("objects: a section that cannot be made leaves nothing", creation_fails_cleanly);
