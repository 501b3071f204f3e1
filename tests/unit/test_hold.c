/* links: src/hub/hold.c */
/*
 * test_hold.c - who is read from again, when, and what that costs meanwhile: the timer that looks
 * is to run only for those whose time it is to look at. All around hold.c is a fake.
 */
#include <check.h>
#include <stdlib.h>

#include "hub/hub_private.h"

static struct hub hub;
static struct client client[3];
static uint64_t now_us;
static bool is_started, is_busy;

uint64_t
loop_now_us(const struct loop *loop)
{
	(void)loop;
	return now_us;
}

bool
watch_started(const struct watch *w)
{
	ck_assert_ptr_eq(w, &hub.release);
	return is_started;
}

bool
watch_start_ms(struct watch *w, uint64_t ms)
{
	ck_assert_ptr_eq(w, &hub.release);
	ck_assert_uint_gt(ms, 0);
	is_started = true;
	return true;
}

bool
pace_must_hold(struct pace *pace, uint64_t now_ms)
{
	(void)pace;
	(void)now_ms;
	return is_busy;
}

bool
pace_still_holds(struct pace *pace, uint64_t now_ms)
{
	(void)pace;
	(void)now_ms;
	return is_busy;
}

void
ws_pause(struct ws_conn *c)
{
	c->paused = true;
}

void
ws_resume(struct ws_conn *c)
{
	c->paused = false;
}

static void
setup(void)
{
	now_us = 1000 * 1000;
}

/* Its time has come. */
static void
fire(void)
{
	ck_assert(is_started);
	is_started = false;
	now_us += 5000;
	hub_release_cb(&hub, 0);
}

static void
keep_answers(struct client *c, bool keep)
{
	c->replies.len = keep ? 1 : 0;
}

START_TEST(who_owes_time_waits_for_it)
{
	client_hold(&hub, &client[0], 1012);
	client_hold(&hub, &client[1], 1000);
	fire();
	ck_assert(client[0].conn.paused);
	ck_assert(!client[1].conn.paused);
	fire();
	ck_assert(client[0].conn.paused);
	fire();
	ck_assert(!client[0].conn.paused);
	ck_assert(!is_started);
	ck_assert_ptr_null(hub.held);
}
END_TEST

/* Nobody looks after one that never takes its answers: its socket says when it does. */
START_TEST(who_takes_no_answers_costs_nothing)
{
	keep_answers(&client[0], true);
	client_hold(&hub, &client[0], 0);
	client_hold(&hub, &client[1], 0);
	fire();
	ck_assert(client[0].conn.paused);
	ck_assert(!client[1].conn.paused);
	ck_assert(!is_started);
	keep_answers(&client[0], false);
	client_answered(&hub, &client[0]);
	ck_assert(!client[0].conn.paused);
	ck_assert(!is_started);
}
END_TEST

START_TEST(who_took_its_answers_may_owe_time_still)
{
	keep_answers(&client[0], true);
	client_hold(&hub, &client[0], 1007);
	fire();
	ck_assert(!is_started);
	keep_answers(&client[0], false);
	client_answered(&hub, &client[0]);
	ck_assert(client[0].conn.paused);
	fire();
	ck_assert(!client[0].conn.paused);
	ck_assert(!is_started);
	/* one that was not held is none of this */
	client_answered(&hub, &client[1]);
	ck_assert(!is_started);
}
END_TEST

START_TEST(publishers_wait_for_a_worker_that_is_behind)
{
	is_busy = true;
	hub_pace(&hub);
	ck_assert(hub.holding);
	keep_answers(&client[0], true);
	client_hold(&hub, &client[0], 0);
	client_hold(&hub, &client[1], 0);
	fire();
	ck_assert(client[1].conn.paused);
	/* answers taken, worker still behind */
	keep_answers(&client[0], false);
	client_answered(&hub, &client[0]);
	ck_assert(client[0].conn.paused);
	keep_answers(&client[1], true);
	is_busy = false;
	fire();
	ck_assert(!hub.holding);
	ck_assert(!client[0].conn.paused);
	ck_assert(client[1].conn.paused);
	ck_assert(!is_started);
	client_release(&hub, &client[1]);
	ck_assert_ptr_null(hub.held);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hold");
	TCase *tc = tcase_create("hold");
	SRunner *runner = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, who_owes_time_waits_for_it);
	tcase_add_test(tc, who_takes_no_answers_costs_nothing);
	tcase_add_test(tc, who_took_its_answers_may_owe_time_still);
	tcase_add_test(tc, publishers_wait_for_a_worker_that_is_behind);
	suite_add_tcase(s, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
