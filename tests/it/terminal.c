/*
 * terminal.c - see terminal.h.
 */
#include "terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

char *
terminal_run(const char *command, int status)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	char *text = calloc(1, 65536);
	size_t len = 0;
	ssize_t n;
	struct run run;

	ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	/* without a slave that is open, what was written is lost at its end */
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(slave, 0);
	char *whole = it_printf("exec 2>%s; %s", ptsname(master), command);
	run_args(&run, NULL, "sh", "-c", whole, NULL);
	while ((n = read(master, text + len, 65535 - len)) > 0)
		len += (size_t)n;
	ck_assert_msg(run.status == status, "%d: %s%s", run.status, run.out, text);
	run_fini(&run);
	close(slave);
	close(master);
	free(whole);
	return text;
}
