/* links: src/proc/owner.c */
/*
 * test_owner.c - which worker polls which listening socket.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proc/owner.h"

#define NOW_MS 100000

static struct slot slots[SEGMENT_SLOTS];
static struct segment segment = {.slots = slots};

/*
 * One letter per worker: R ready; e empty for less than a second; E for longer; S starting since
 * just now, s starting again after a second without anybody; D draining.
 */
static void
set_slots(const char *letters, uint32_t generation)
{
	memset(slots, 0, sizeof(slots));
	for (unsigned i = 0; letters[i]; i++) {
		struct slot *slot = &slots[slot_index(i, generation)];
		bool starting = letters[i] == 'S' || letters[i] == 's';
		bool recent = letters[i] == 'e' || letters[i] == 'S';

		slot->generation = generation;
		slot->state = letters[i] == 'R'   ? SLOT_READY
			      : letters[i] == 'D' ? SLOT_DRAINING
			      : starting          ? SLOT_STARTING
						  : SLOT_EMPTY;
		if (letters[i] != 'R' && letters[i] != 'D')
			slot->empty_since_ms =
			    recent ? NOW_MS - OWNER_VACANT_MS + 1 : NOW_MS - OWNER_VACANT_MS;
	}
}

/* Letters of the workers, and for each socket its owner: a digit, or - for nobody. */
static const struct {
	const char *workers;
	const char *owners;
} cases[] = {
    {"R", "0"},
    {"RRRR", "0123"},
    /* briefly empty: the next one of the same index takes it over, and nobody steps in */
    {"Re", "01"},
    {"eeee", "0123"},
    {"SSSS", "0123"},
    /* for a second: the next ready one */
    {"RE", "00"},
    {"ER", "11"},
    {"RERR", "0223"},
    {"REER", "0333"},
    {"RRRE", "0120"},
    {"EEER", "3333"},
    /* one that dies whenever it starts has been empty all the time */
    {"RsR", "022"},
    /* nobody at all */
    {"EEEE", "----"},
    /* more sockets than workers: dealt to those who are there */
    {"R", "0000"},
    {"RR", "01010101"},
    {"RRR", "0120120"},
    {"RER", "0220220"},
    {"ES", "-1-"},
};

START_TEST(owner_is_as_the_table_says)
{
	const char *owners = cases[_i].owners;
	unsigned workers = (unsigned)strlen(cases[_i].workers);

	for (uint32_t generation = 1; generation <= 2; generation++) {
		set_slots(cases[_i].workers, generation);
		for (unsigned socket = 0; owners[socket]; socket++) {
			unsigned want =
			    owners[socket] == '-' ? workers : (unsigned)(owners[socket] - '0');

			ck_assert_msg(socket_owner(&segment, generation, workers, socket, NOW_MS) ==
					  want,
				      "%s: socket %u of generation %u", cases[_i].workers, socket,
				      generation);
		}
	}
}
END_TEST

START_TEST(workers_of_another_generation_do_not_count)
{
	set_slots("RR", 4);
	/* the same slots, two generations later */
	ck_assert_uint_eq(socket_owner(&segment, 6, 2, 2, NOW_MS), 2);
	ck_assert_uint_eq(socket_owner(&segment, 4, 2, 2, NOW_MS), 0);
	ck_assert_uint_eq(socket_owner(&segment, 5, 2, 2, NOW_MS), 2);
}
END_TEST

START_TEST(every_socket_has_one_owner_whoever_asks)
{
	/* all states of five workers and eight sockets: an owner that is ready, or its own index */
	for (unsigned states = 0; states < 1 << 5; states++) {
		char letters[6] = "";

		for (unsigned i = 0; i < 5; i++)
			letters[i] = states & 1u << i ? 'R' : 'E';
		set_slots(letters, 1);
		for (unsigned socket = 0; socket < 8; socket++) {
			unsigned owner = socket_owner(&segment, 1, 5, socket, NOW_MS);

			if (states == 0)
				ck_assert_uint_eq(owner, 5);
			else
				ck_assert_msg(owner < 5 && letters[owner] == 'R', "%s: %u", letters,
					      socket);
			if (socket < 5 && letters[socket] == 'R')
				ck_assert_uint_eq(owner, socket);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("owner");
	TCase *tc = tcase_create("core");

	tcase_add_loop_test(tc, owner_is_as_the_table_says, 0,
			    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, workers_of_another_generation_do_not_count);
	tcase_add_test(tc, every_socket_has_one_owner_whoever_asks);
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
