/*
 * input.c - what comes from whoever started us: lines of the standard input, and interrupts.
 */
#include "ctl/input.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool
input_read(struct input *in)
{
	switch (line_reader_read(&in->reader, STDIN_FILENO)) {
	case LINE_READ_MORE: return true;
	case LINE_READ_END: in->is_over = true; return true;
	case LINE_READ_FAILED: break;
	}
	in->is_over = true;
	snprintf(in->why, sizeof(in->why), "cannot read the input: %s", strerror(errno));
	return false;
}

bool
input_line(struct input *in, struct span *line)
{
	if (in->why[0])
		return false;
	switch (line_reader_next(&in->reader, line)) {
	case LINE_NEXT_LINE: return true;
	case LINE_NEXT_NONE: return false;
	case LINE_NEXT_LONG:
		snprintf(in->why, sizeof(in->why), "line %lu is too long; accepted: %u bytes",
			 in->reader.number, LINE_MAX_BYTES);
		break;
	case LINE_NEXT_NOT_UTF8:
		snprintf(in->why, sizeof(in->why),
			 "line %lu is not UTF-8, which a text message must be", in->reader.number);
		break;
	}
	/* what came before the bad line is sent and waited for, as if the input ended there */
	in->is_over = true;
	return false;
}

void
input_fini(struct input *in)
{
	line_reader_fini(&in->reader);
}

static void
interrupts(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
}

int
interrupt_open(void)
{
	sigset_t signals;

	interrupts(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void
interrupt_take(int fd)
{
	struct signalfd_siginfo info;
	sigset_t signals;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	interrupts(&signals);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
