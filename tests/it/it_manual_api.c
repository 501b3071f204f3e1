/*
 * it_manual_api.c - the examples of plaza-api(7) give what it shows, from an empty store on.
 */
/* links: tests/it/manual.c tests/it/harness.c tests/it/daemon.c tests/it/procfs.c
 * tests/it/http_client.c tests/it/ws_client.c tests/it/pg.c */
#include <stdbool.h>
#include <stdlib.h>

#include "harness.h"
#include "http_client.h"
#include "manual.h"
#include "pg.h"

static bool
is_ready(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
	bool is_so = a.status == 200;
	http_answer_fini(&a);
	return is_so;
}

START_TEST(examples_give_what_is_shown)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	/* one worker: when it is ready, all are */
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	unsigned n_commands, n_frames;

	WAIT_UNTIL(is_ready(d));
	manual_run(d, "plaza-api.7", &n_commands, &n_frames);
	ck_assert_uint_ge(n_commands, 25);
	daemon_stop(d);
	free(option);
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
	return it_main("manual_api", fill, IT_WITH_PG);
}
