/* SPDX-License-Identifier: MIT
 * trust: a path is as trustworthy as the weakest folder on its way. */
#include "base/trust.h"
#include "unit.h"

#include <errno.h>

enum { STRANGER = 65000 };

static char folder[64];

static const char *below(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make(const char *name, mode_t mode)
{
    assert_int_equal(mkdir(below(name), mode), 0);
    assert_int_equal(chmod(below(name), mode), 0);
}

/* What trust_walk says of a path below the folder, for this user. */
static int walk(const char *name, bool leaf, struct trust_weak *weak)
{
    char path[PATH_MAX];
    struct trust me = trust_in(geteuid(), geteuid());
    snprintf(path, sizeof path, "%s", below(name));
    return trust_walk(path, &me, leaf, weak);
}

static int set_up(void **state)
{
    (void)state;
    unit_folder(folder);
    make("closed", 0755);
    make("shared", 02770);
    make("sticky", 03777);
    assert_int_equal(chown(below("shared"), (uid_t)-1, geteuid() == 0 ? STRANGER : getegid()), 0);
    make("shared/inner", 0700);
    make("sticky/mine", 0700);
    unit_write(below("closed/secrets"), "x");
    unit_write(below("shared/inner/secrets"), "x");
    unit_write(below("sticky/secrets"), "x");
    assert_int_equal(symlink("../shared/inner", below("closed/around")), 0);
    assert_int_equal(symlink("around", below("closed/twice")), 0);
    assert_int_equal(symlink("secrets", below("closed/link")), 0);
    assert_int_equal(symlink("loop", below("closed/loop")), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unit_remove(folder);
    return 0;
}

static void a_path_that_only_its_owner_may_change_passes(void **state)
{
    (void)state;
    struct trust_weak weak;
    assert_int_equal(walk("closed/secrets", false, &weak), 0);
    assert_int_equal(walk("closed/link", false, &weak), 0);
    assert_int_equal(walk("closed/./../closed//secrets", false, &weak), 0);
}

static void what_is_missing_passes_if_nobody_else_could_make_it(void **state)
{
    (void)state;
    struct trust_weak weak;
    assert_int_equal(walk("closed/none/of/it", true, &weak), 0);
    assert_int_equal(walk("shared/none", false, &weak), 1);
}

static void a_folder_that_a_group_may_write_is_found_however_deep_the_file_is(void **state)
{
    (void)state;
    struct trust_weak weak;
    if (getegid() == 0 && geteuid() != 0)
        return; /* its group is root's, whom everybody trusts */
    assert_int_equal(walk("shared/inner/secrets", false, &weak), 1);
    assert_int_equal(weak.why, TRUST_GROUP);
    assert_string_equal(weak.path, below("shared"));
}

static void a_link_counts_with_the_folders_that_it_leads_through(void **state)
{
    (void)state;
    struct trust_weak weak;
    assert_int_equal(walk("closed/around/secrets", false, &weak), 1);
    assert_string_equal(weak.path, below("shared"));
    assert_int_equal(walk("closed/twice/secrets", false, &weak), 1);
    assert_int_equal(walk("closed/loop", false, &weak), -1);
    assert_int_equal(errno, ELOOP);
}

static void in_a_sticky_folder_what_is_ones_own_passes(void **state)
{
    (void)state;
    struct trust_weak weak;
    assert_int_equal(walk("sticky/secrets", false, &weak), 0);
    assert_int_equal(walk("sticky/mine", true, &weak), 0);
}

static void what_belongs_to_another_user_is_found(void **state)
{
    (void)state;
    struct trust_weak weak;
    struct trust nobody = trust_in(STRANGER, STRANGER);
    char path[PATH_MAX];
    if (geteuid() == 0)
        assert_int_equal(chown(below("sticky/mine"), STRANGER - 1, (gid_t)-1), 0);
    else
        assert_int_equal(chmod(below("sticky"), 0755), 0);
    snprintf(path, sizeof path, "%s", below("sticky/mine/x"));
    assert_int_equal(trust_walk(path, &nobody, false, &weak), 1);
    assert_int_equal(weak.why, TRUST_OWNER);
}

static void the_last_part_is_looked_at_where_it_is_asked_for(void **state)
{
    (void)state;
    struct trust_weak weak;
    assert_int_equal(walk("shared", false, &weak), 0);
    assert_int_equal(walk("shared", true, &weak), 1);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(a_path_that_only_its_owner_may_change_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_passes_if_nobody_else_could_make_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_a_group_may_write_is_found_however_deep_the_file_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_link_counts_with_the_folders_that_it_leads_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_a_sticky_folder_what_is_ones_own_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_belongs_to_another_user_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_part_is_looked_at_where_it_is_asked_for, set_up, tear_down),
    };
    return UNIT_RUN(all);
}
