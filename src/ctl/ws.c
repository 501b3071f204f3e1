/*
 * ws.c - plazactl ws: lines to messages and messages to lines, over one WebSocket.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/span.h"
#include "ctl/ctl.h"
#include "ctl/input.h"
#include "ctl/lines.h"
#include "ctl/link.h"
#include "ctl/queue.h"
#include "ctl/url.h"

/* stdin is not read on while this much is not sent, or sent and not answered */
#define WINDOW_BYTES (4u << 20)

struct ws {
	struct link link;
	int exit;
	bool is_interrupted;
	struct input input;
	/* a line on its way: first unsent, then unanswered */
	struct queue unsent;
	struct queue unanswered;
	uint64_t n_received;

	uint64_t wanted; /* -n: close after so many messages; 0: after the answers */
	uint64_t wait_ms;
	uint64_t progress_ms; /* when a message last went or came */
};

static void
progress(struct ws *ws)
{
	ws->progress_ms = clock_monotonic_ms();
}

/* --- what the connection tells --- */

/*
 * A chat repeats a message, an echo puts something before it: either way the answer to the oldest
 * unanswered message ends with its text.
 */
static void
take_answer(struct ws *ws, struct span message)
{
	const struct queued *m = ws->unanswered.first;

	if (!m || m->len > message.len)
		return;
	if (m->len == 0 || memcmp(message.ptr + message.len - m->len, m->text, m->len) == 0)
		free(queue_pop(&ws->unanswered));
}

static void
on_open(void *ctx)
{
	progress(ctx);
}

static void
on_message(void *ctx, struct span message, bool is_binary)
{
	struct ws *ws = ctx;

	progress(ws);
	ws->n_received++;
	line_show(stdout, message, is_binary);
	if (!is_binary)
		take_answer(ws, message);
	if (ws->wanted && ws->n_received >= ws->wanted)
		link_close(&ws->link);
}

static bool
on_writable(void *ctx)
{
	struct ws *ws = ctx;

	if (!ws->unsent.first || !link_send(&ws->link, queued_span(ws->unsent.first)))
		return false;
	progress(ws);
	struct queued *m = queue_pop(&ws->unsent);
	/* with -n it is a number that is waited for, not answers */
	if (ws->wanted)
		free(m);
	else
		queue_push(&ws->unanswered, m);
	return ws->unsent.first;
}

static const struct link_calls calls = {on_open, on_message, on_writable};

static void
fail_unanswered(struct ws *ws, const char *why)
{
	uint64_t n_open = ws->unsent.n + ws->unanswered.n;

	if (ws->wanted)
		ctl_fail(&ws->exit, "%s; %" PRIu64 " of %" PRIu64 " messages came", why,
			 ws->n_received, ws->wanted);
	else if (n_open)
		ctl_fail(&ws->exit, "%s; messages not answered: %" PRIu64, why, n_open);
	else
		ctl_fail(&ws->exit, "%s", why);
}

static void
tell_end(struct ws *ws)
{
	const struct link *link = &ws->link;

	/* after our own Close all is as wanted, or was told */
	if (link->end == LINK_OURS)
		return;
	if (link->end == LINK_UNREACHABLE || link->end == LINK_REFUSED)
		ctl_fail(&ws->exit, "%s", link->why);
	else if (link->end != LINK_PEER || link->code != 1000 || ws->wanted || ws->unsent.first ||
		 ws->unanswered.first)
		fail_unanswered(ws, link->why);
}

/* --- the input --- */

static bool
wants_input(const struct ws *ws)
{
	return ws->link.state == LINK_OPEN && !ws->link.want_close && !ws->input.is_over &&
	       ws->unsent.bytes + ws->unanswered.bytes < WINDOW_BYTES;
}

static void
read_input(struct ws *ws)
{
	struct span line;
	bool ok = input_read(&ws->input);

	while (ok && input_line(&ws->input, &line)) {
		if (!queue_add(&ws->unsent, line)) {
			ctl_fail(&ws->exit, "out of memory");
			link_close(&ws->link);
			return;
		}
	}
	if (ws->unsent.first)
		link_want_write(&ws->link);
	if (ws->input.is_over)
		progress(ws);
	if (ws->input.why[0])
		ctl_fail(&ws->exit, "%s", ws->input.why);
	if (!ok)
		link_close(&ws->link);
}

/* --- the loop --- */

/* Whether nothing but the server can bring us on. */
static bool
is_waiting(const struct ws *ws)
{
	return ws->link.state == LINK_OPEN && !ws->link.want_close && !wants_input(ws);
}

static void
check_end(struct ws *ws)
{
	if (ws->input.is_over && !ws->wanted && !ws->unsent.first && !ws->unanswered.first)
		link_close(&ws->link);
	if (ws->wait_ms && is_waiting(ws) &&
	    clock_monotonic_ms() - ws->progress_ms >= ws->wait_ms) {
		char why[64];

		snprintf(why, sizeof(why), "no message came for %" PRIu64 " s", ws->wait_ms / 1000);
		fail_unanswered(ws, why);
		link_close(&ws->link);
	}
}

static int
wait_ms(const struct ws *ws)
{
	uint64_t ms = 1000;

	if (ws->wait_ms && is_waiting(ws)) {
		uint64_t spent = clock_monotonic_ms() - ws->progress_ms;
		uint64_t left = spent < ws->wait_ms ? ws->wait_ms - spent : 0;

		if (left < ms)
			ms = left;
	}
	return (int)ms;
}

static void
run_pass(struct ws *ws, int interrupts)
{
	struct pollfd fds[] = {
	    {wants_input(ws) ? STDIN_FILENO : -1, POLLIN, 0},
	    {ws->is_interrupted ? -1 : interrupts, POLLIN, 0},
	};

	if (!link_pass(&ws->link, fds, 2, wait_ms(ws))) {
		ctl_fail(&ws->exit, "poll: %s", strerror(errno));
		link_abandon(&ws->link, "");
		return;
	}
	if (fds[1].revents) {
		/* the first interrupt closes; the next one finds the default action again */
		interrupt_take(interrupts);
		ws->is_interrupted = true;
		link_close(&ws->link);
	}
	if (fds[0].revents && wants_input(ws))
		read_input(ws);
	if (!ctl_flush(&ws->exit))
		link_close(&ws->link);
	check_end(ws);
}

static void
run(struct ws *ws)
{
	int interrupts = -1;

	link_open(&ws->link);
	/* until then a signal ends us at once: there is nothing to close */
	while (ws->link.state == LINK_CONNECTING)
		link_pass(&ws->link, NULL, 0, 1000);
	if (ws->link.state == LINK_OPEN)
		interrupts = interrupt_open();
	while (ws->link.state != LINK_CLOSED)
		run_pass(ws, interrupts);
	tell_end(ws);
	if (interrupts >= 0)
		close(interrupts);
}

/* --- arguments --- */

static const char usage[] =
    "usage: plazactl ws [-n COUNT] [-w SECONDS] [-v] URL\n"
    "  -n COUNT    close when so many messages have come\n"
    "  -w SECONDS  how long to wait for the next message after the end of input;\n"
    "              0: for ever (default 10)\n"
    "  -v          also show what libwebsockets has to say\n"
    "A line of the input is a message out, a message in is a line of the output;\n"
    "see plazactl(1).\n";

static int
usage_error(void)
{
	fputs("plazactl ws -h tells more\n", stderr);
	return CTL_USAGE;
}

/* The exit code when it ends here, else -1. */
static int
arguments_parse(int argc, char **argv, struct ws *ws, struct url *url)
{
	uint64_t seconds;
	bool verbose = false;
	const char *wrong;
	int c;

	while ((c = getopt(argc, argv, "+hn:vw:")) != -1) {
		switch (c) {
		case 'n':
			if (number_parse(optarg, UINT64_MAX, &ws->wanted) && ws->wanted > 0)
				break;
			fprintf(stderr, "plazactl: -n %s: accepted: a number from 1\n", optarg);
			return usage_error();
		case 'w':
			if (number_parse(optarg, 86400, &seconds)) {
				ws->wait_ms = seconds * 1000;
				break;
			}
			fprintf(stderr, "plazactl: -w %s: accepted: seconds, 0 to 86400\n", optarg);
			return usage_error();
		case 'v': verbose = true; break;
		case 'h': fputs(usage, stdout); return CTL_OK;
		default: return usage_error();
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr,
			"plazactl: ws takes one URL, as in ws://127.0.0.1:8080/chat, behind "
			"the options\n");
		return usage_error();
	}
	wrong = url_parse(argv[optind], url);
	if (wrong) {
		fprintf(stderr, "plazactl: %s: %s\n", argv[optind], wrong);
		return usage_error();
	}
	link_set_verbose(verbose);
	return -1;
}

int
ws_command(int argc, char **argv)
{
	struct url url;
	struct ws ws = {.link = {.url = &url, .calls = &calls, .ctx = &ws}, .wait_ms = 10000};
	int code = arguments_parse(argc, argv, &ws, &url);

	if (code >= 0)
		return code;
	queue_init(&ws.unsent);
	queue_init(&ws.unanswered);
	run(&ws);
	link_fini(&ws.link);
	queue_fini(&ws.unsent);
	queue_fini(&ws.unanswered);
	input_fini(&ws.input);
	return ws.exit;
}
