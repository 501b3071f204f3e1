/*
 * it_manual_chat.c - the examples of plaza-chat(7) give what it shows.
 */
/* links: tests/it/manual.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c */
#include "harness.h"
#include "manual.h"

START_TEST(examples_give_what_is_shown)
{
	struct daemon *d = daemon_start_default();
	unsigned n_commands, n_frames;

	manual_run(d, "plaza-chat.7", &n_commands, &n_frames);
	/* the page has examples of both kinds */
	ck_assert_uint_ge(n_commands, 5);
	ck_assert_uint_ge(n_frames, 20);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	tcase_add_test(it_case(s, "manual"), examples_give_what_is_shown);
}

int
main(void)
{
	return it_main("manual_chat", fill, 0);
}
