/* links: src/proc/address_count.c src/proc/segment.c src/base/siphash.c src/base/log.c
 * src/base/clock.c */
/*
 * test_address_count.c - connections by address over several slots. One process plays them all.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/address_count.h"
#include "proc/segment.h"

#define LIMIT 64

static struct segment *segment;

static void
setup(void)
{
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
}

static void
teardown(void)
{
	segment_free(&segment);
}

/* A worker that serves in `slot`. */
static struct address_count
worker(unsigned slot)
{
	segment->slots[slot].pid = 1000 + (int32_t)slot;
	return (struct address_count){segment, slot};
}

/* "192.0.2.1" mapped, or an IPv6 address. */
static const uint8_t *
address(const char *text)
{
	static uint8_t bytes[16];
	char mapped[INET6_ADDRSTRLEN];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	ck_assert_int_eq(inet_pton(AF_INET6, mapped, bytes), 1);
	return bytes;
}

/* How many more connections of it fit; they are let go again. */
static unsigned
room_for(struct address_count *count, const char *text, unsigned limit)
{
	struct address_hold hold[2 * LIMIT] = {{0}};
	unsigned n = 0;

	while (n < 2 * LIMIT && address_hold_take(&hold[n], count, address(text), limit))
		n++;
	if (n < 2 * LIMIT)
		ck_assert_ptr_null(hold[n].count);
	for (unsigned i = 0; i < n; i++)
		address_hold_release(&hold[i]);
	return n;
}

static void
take(struct address_hold *hold, size_t n, struct address_count *count, const char *text)
{
	memset(hold, 0, n * sizeof(*hold));
	for (size_t i = 0; i < n; i++)
		ck_assert(address_hold_take(&hold[i], count, address(text), 0));
}

START_TEST(as_many_as_the_limit_and_not_one_more)
{
	struct address_count w = worker(0);
	struct address_hold hold[LIMIT] = {{0}}, more = {0};

	for (int i = 0; i < LIMIT; i++)
		ck_assert(address_hold_take(&hold[i], &w, address("192.0.2.1"), LIMIT));
	for (int i = 0; i < 3; i++)
		ck_assert(!address_hold_take(&more, &w, address("192.0.2.1"), LIMIT));
	/* another one has its own bound */
	ck_assert_uint_eq(room_for(&w, "192.0.2.2", LIMIT), LIMIT);
	/* one goes, one comes; and a hold is released once, however often that is said */
	address_hold_release(&hold[0]);
	address_hold_release(&hold[0]);
	ck_assert(address_hold_take(&more, &w, address("192.0.2.1"), LIMIT));
	ck_assert(!address_hold_take(&hold[0], &w, address("192.0.2.1"), LIMIT));
	for (int i = 0; i < LIMIT; i++)
		address_hold_release(&hold[i]);
	address_hold_release(&more);
	ck_assert_uint_eq(room_for(&w, "192.0.2.1", LIMIT), LIMIT);
}
END_TEST

START_TEST(all_workers_of_both_generations_count_together)
{
	const unsigned slots[] = {0, 1, SEGMENT_MAX_WORKERS - 1, SEGMENT_MAX_WORKERS,
				  SEGMENT_SLOTS - 1};
	enum { N = sizeof(slots) / sizeof(slots[0]) };
	struct address_count w[N];
	struct address_hold hold[N][10];

	for (unsigned i = 0; i < N; i++) {
		w[i] = worker(slots[i]);
		take(hold[i], 10, &w[i], "192.0.2.1");
	}
	for (unsigned i = 0; i < N; i++)
		ck_assert_uint_eq(room_for(&w[i], "192.0.2.1", LIMIT), LIMIT - 10 * N);
	/* a connection leaves where it came in, and all others see it */
	address_hold_release(&hold[2][0]);
	for (unsigned i = 0; i < N; i++)
		ck_assert_uint_eq(room_for(&w[i], "192.0.2.1", LIMIT), LIMIT - 10 * N + 1);
}
END_TEST

/* Killed with connections: nobody releases them. */
START_TEST(what_the_dead_have_counted_is_void)
{
	struct address_count a = worker(0), b = worker(1);
	struct address_hold of_a[30], of_b[4];

	take(of_a, 30, &a, "192.0.2.1");
	take(of_b, 4, &b, "192.0.2.1");
	ck_assert_uint_eq(room_for(&b, "192.0.2.1", LIMIT), LIMIT - 34);
	segment->slots[0].pid = 0;
	ck_assert_uint_eq(room_for(&b, "192.0.2.1", LIMIT), LIMIT - 4);
	/* and does not come back with the next one in its slot */
	address_count_clear(segment, 0);
	a = worker(0);
	ck_assert_uint_eq(room_for(&a, "192.0.2.1", LIMIT), LIMIT - 4);
	ck_assert_uint_eq(room_for(&b, "192.0.2.1", LIMIT), LIMIT - 4);
}
END_TEST

START_TEST(a_cleared_slot_leaves_its_neighbours_alone)
{
	struct address_count w[3] = {worker(4), worker(5), worker(6)};
	struct address_hold hold[3][7];
	unsigned char mapped[sizeof(struct address_table) / 4096];

	for (unsigned i = 0; i < 3; i++)
		take(hold[i], 7, &w[i], "2001:db8::1");
	address_count_clear(segment, 5);
	/* its memory has gone, too, where the system can do that */
	const struct address_table *table = &segment->addresses[5];
	if (sysconf(_SC_PAGESIZE) == 4096 &&
	    mincore((void *)(uintptr_t)table, sizeof(*table), mapped) == 0) {
		for (size_t i = 0; i < sizeof(mapped); i++)
			ck_assert_int_eq(mapped[i] & 1, 0);
	}
	for (size_t row = 0; row < ADDRESS_ROWS; row++) {
		for (size_t i = 0; i < ADDRESS_CELLS; i++)
			ck_assert_uint_eq(table->cell[row][i], 0);
	}
	ck_assert_uint_eq(room_for(&w[0], "2001:db8::1", LIMIT), LIMIT - 14);
}
END_TEST

/* IPv4 whole, IPv6 by /64. */
START_TEST(who_counts_together)
{
	static const struct {
		const char *one, *other;
		bool together;
		const char *name; /* of `other` */
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", true, "192.0.2.1"},
	    {"192.0.2.1", "::ffff:192.0.2.1", true, "192.0.2.1"},
	    {"192.0.2.1", "192.0.2.2", false, "192.0.2.2"},
	    {"0.0.0.0", "255.255.255.255", false, "255.255.255.255"},
	    {"2001:db8:1:2::1", "2001:db8:1:2::2", true, "2001:db8:1:2::/64"},
	    {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true, "2001:db8:1:2::/64"},
	    {"2001:db8:1:2::1", "2001:db8:1:3::1", false, "2001:db8:1:3::/64"},
	    {"2001:db8:1:2::1", "2001:db9:1:2::1", false, "2001:db9:1:2::/64"},
	    {"fe80::1", "fe80::2", true, "fe80::/64"},
	    /* the first 64 bits of a mapped address are those of ::/64 */
	    {"192.0.2.1", "::2", false, "::/64"},
	    {"192.0.2.1", "::192.0.2.1", false, "::/64"},
	};
	struct address_count w = worker(0);
	char name[ADDRESS_NAME_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address_hold hold[LIMIT];

		take(hold, LIMIT, &w, rows[i].one);
		ck_assert_msg(room_for(&w, rows[i].other, LIMIT) == (rows[i].together ? 0 : LIMIT),
			      "%s and %s", rows[i].one, rows[i].other);
		ck_assert_str_eq(address_count_name(address(rows[i].other), name), rows[i].name);
		for (int k = 0; k < LIMIT; k++)
			address_hold_release(&hold[k]);
	}
}
END_TEST

/* Those of a configuration without a limit are there when the next one has one. */
START_TEST(without_a_limit_it_counts_all_the_same)
{
	struct address_count old = worker(0), next = worker(SEGMENT_MAX_WORKERS);
	static struct address_hold hold[70000];

	take(hold, 70000, &old, "192.0.2.1");
	ck_assert_uint_eq(room_for(&next, "192.0.2.1", LIMIT), 0);
	ck_assert_uint_eq(room_for(&next, "192.0.2.1", 70010), 10);
	/* more than 16 bits can count, and none of them is lost on the way back */
	for (int i = 0; i < 70000 - 3; i++)
		address_hold_release(&hold[i]);
	ck_assert_uint_eq(room_for(&next, "192.0.2.1", LIMIT), LIMIT - 3);
}
END_TEST

/* The error of a sketch has one side, and is rare. */
START_TEST(many_others_make_nobody_count_less_and_hardly_anybody_more)
{
	enum { OTHERS = 8000, PROBES = 4000 };
	static struct address_hold others[OTHERS];
	struct address_count w = worker(0);
	unsigned too_high = 0;

	for (uint32_t i = 0; i < OTHERS; i++) {
		const uint32_t ip = htonl(0x0a000000 + i);
		uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};

		memcpy(bytes + 12, &ip, 4);
		others[i] = (struct address_hold){0};
		ck_assert(address_hold_take(&others[i], &w, bytes, LIMIT));
	}
	for (uint32_t i = 0; i < PROBES; i++) {
		char text[INET_ADDRSTRLEN];
		struct address_hold hold[3];

		snprintf(text, sizeof(text), "172.16.%u.%u", (unsigned)i >> 8, (unsigned)i & 255);
		take(hold, 3, &w, text);
		struct address_hold fourth = {0};
		/* three are there: a fourth is too much for 3, and hardly ever for 4 */
		ck_assert(!address_hold_take(&fourth, &w, address(text), 3));
		too_high += !address_hold_take(&fourth, &w, address(text), 4);
		address_hold_release(&fourth);
		for (int k = 0; k < 3; k++)
			address_hold_release(&hold[k]);
	}
	/* (1 - e^(-8000/16384))^4 is 2.2 % */
	ck_assert_uint_lt(too_high, PROBES / 20);
	for (int i = 0; i < OTHERS; i++)
		address_hold_release(&others[i]);
	for (size_t row = 0; row < ADDRESS_ROWS; row++) {
		for (size_t i = 0; i < ADDRESS_CELLS; i++)
			ck_assert_uint_eq(segment->addresses[0].cell[row][i], 0);
	}
}
END_TEST

/* Nobody can choose addresses that fall together: each segment has a key of its own. */
START_TEST(each_daemon_has_its_own_key)
{
	struct segment *other = segment_new(4096);

	ck_assert_ptr_nonnull(other);
	ck_assert_mem_ne(segment->address_key, other->address_key, sizeof(other->address_key));
	segment_free(&other);
}
END_TEST

/* Several processes at once: never more than the limit, and at the end nothing is left. */
START_TEST(processes_that_take_at_the_same_time_never_hold_more)
{
	enum { WORKERS = 4, ROUNDS = 20000, MANY = 3 };
	_Atomic unsigned *held = mmap(NULL, 2 * sizeof(*held), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[WORKERS];
	int status;

	ck_assert_ptr_ne((void *)held, MAP_FAILED);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct address_count w = worker(i);

		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i])
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			struct address_hold hold = {0};

			if (!address_hold_take(&hold, &w, address("192.0.2.1"), MANY))
				continue;
			if (atomic_fetch_add(&held[0], 1) >= MANY)
				_exit(1);
			atomic_fetch_add(&held[1], 1);
			atomic_fetch_sub(&held[0], 1);
			address_hold_release(&hold);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_gt(held[1], 0);
	struct address_count w = worker(0);
	ck_assert_uint_eq(room_for(&w, "192.0.2.1", MANY), MANY);
	munmap((void *)held, 2 * sizeof(*held));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("address_count");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, as_many_as_the_limit_and_not_one_more);
	tcase_add_test(tc, all_workers_of_both_generations_count_together);
	tcase_add_test(tc, what_the_dead_have_counted_is_void);
	tcase_add_test(tc, a_cleared_slot_leaves_its_neighbours_alone);
	tcase_add_test(tc, who_counts_together);
	tcase_add_test(tc, without_a_limit_it_counts_all_the_same);
	tcase_add_test(tc, many_others_make_nobody_count_less_and_hardly_anybody_more);
	tcase_add_test(tc, each_daemon_has_its_own_key);
	tcase_add_test(tc, processes_that_take_at_the_same_time_never_hold_more);
	suite_add_tcase(s, tc);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
