/*
 * chat.c - plazactl chat: one room, for people and for scripts; connects again by itself. What is
 * said is in talk.c, the connection in link.c.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/input.h"
#include "ctl/link.h"
#include "ctl/talk.h"
#include "ctl/url.h"

#define SERVER     "ws://127.0.0.1:8080/chat/"
#define LAST_MAX   1000
#define NAME_BYTES 64
/* stdin is not read on while this much is not published */
#define WINDOW_BYTES (4u << 20)

struct chat {
	struct link link;
	struct talk talk;
	struct input input;
	int exit;
	bool is_following; /* -f: the end of the input is not the end */
	bool is_leaving;   /* closed by us: that is the end */
	bool is_interrupted;
	uint64_t wait_ms;
	uint64_t again_ms; /* when to connect again; 0: not waiting for that */
	struct buffer out;
};

/* Whatever happens now, it does not go on. */
static void
leave(struct chat *chat)
{
	chat->is_leaving = true;
	link_close(&chat->link);
}

/* --- what the connection tells --- */

static void
on_open(void *ctx)
{
	struct chat *chat = ctx;

	talk_begin(&chat->talk, clock_monotonic_ms());
}

static void
on_message(void *ctx, struct span message, bool is_binary)
{
	struct chat *chat = ctx;

	talk_receive(&chat->talk, clock_monotonic_ms(), message, is_binary);
}

static bool
on_writable(void *ctx)
{
	struct chat *chat = ctx;
	uint64_t now = clock_monotonic_ms();

	if (!talk_next(&chat->talk, now, &chat->out) ||
	    !link_send(&chat->link, buffer_span(&chat->out)))
		return false;
	return talk_has_next(&chat->talk, now);
}

static const struct link_calls calls = {on_open, on_message, on_writable};

/* --- the input --- */

static bool
wants_input(const struct chat *chat)
{
	return !chat->is_leaving && !chat->input.is_over && !chat->talk.is_quitting &&
	       chat->talk.lines.bytes < WINDOW_BYTES;
}

static void
read_input(struct chat *chat)
{
	struct span line;
	bool ok = input_read(&chat->input);

	while (ok && !chat->talk.is_quitting && input_line(&chat->input, &line)) {
		if (!talk_line(&chat->talk, line)) {
			ctl_fail(&chat->exit, "out of memory");
			leave(chat);
			return;
		}
	}
	if (chat->input.is_over || chat->talk.is_quitting)
		chat->talk.progress_ms = clock_monotonic_ms();
	if (chat->input.why[0])
		ctl_fail(&chat->exit, "%s", chat->input.why);
}

/* --- the loop --- */

static uint32_t
random_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		n = (uint32_t)clock_monotonic_us();
	return n;
}

static void
connect_again(struct chat *chat, uint64_t now)
{
	chat->again_ms = 0;
	link_open(&chat->link);
	if (chat->link.state != LINK_CLOSED)
		return;
	chat->again_ms = now + talk_lost(&chat->talk, now, random_number());
}

/* The connection has ended, and not by us. */
static void
on_lost(struct chat *chat, uint64_t now)
{
	if (!link_may_retry(&chat->link)) {
		if (chat->talk.lines.n)
			ctl_fail(&chat->exit, "%s; lines not published: %" PRIu64, chat->link.why,
				 chat->talk.lines.n);
		else
			ctl_fail(&chat->exit, "%s", chat->link.why);
		chat->is_leaving = true;
		return;
	}
	/* once for each loss, not for each attempt */
	if (chat->talk.state != TALK_AWAY)
		talk_show_note(&chat->talk.view, "%s; connecting again", chat->link.why);
	chat->again_ms = now + talk_lost(&chat->talk, now, random_number());
}

static bool
is_ending(const struct chat *chat)
{
	return chat->talk.is_quitting || (chat->input.is_over && !chat->is_following) ||
	       chat->input.why[0];
}

static void
check_end(struct chat *chat, uint64_t now)
{
	if (chat->talk.failed[0]) {
		ctl_fail(&chat->exit, "%s", chat->talk.failed);
		leave(chat);
	}
	if (chat->talk.refused && !chat->talk.view.is_terminal) {
		ctl_fail(&chat->exit, "lines not published: %" PRIu64,
			 chat->talk.lines.n + chat->talk.refused);
		leave(chat);
	}
	if (!is_ending(chat) || chat->is_leaving)
		return;
	if (talk_is_idle(&chat->talk)) {
		leave(chat);
	} else if (chat->wait_ms && now - chat->talk.progress_ms >= chat->wait_ms) {
		ctl_fail(&chat->exit,
			 "nothing came for %" PRIu64 " s; lines not published: %" PRIu64,
			 chat->wait_ms / 1000, chat->talk.lines.n);
		leave(chat);
	}
}

static void
check_link(struct chat *chat, uint64_t now)
{
	if (chat->link.state == LINK_OPEN) {
		if (!talk_tick(&chat->talk, now))
			link_abandon(&chat->link, "the server says nothing any more");
		else if (talk_has_next(&chat->talk, now))
			link_want_write(&chat->link);
	}
	if (chat->link.state != LINK_CLOSED || chat->is_leaving)
		return;
	if (chat->again_ms == 0)
		on_lost(chat, now);
	else if (now >= chat->again_ms)
		connect_again(chat, now);
}

static void
run_pass(struct chat *chat, int interrupts)
{
	uint64_t now = clock_monotonic_ms(), ms = talk_wait_ms(&chat->talk, now);
	struct pollfd fds[] = {
	    {wants_input(chat) ? STDIN_FILENO : -1, POLLIN, 0},
	    {chat->is_interrupted ? -1 : interrupts, POLLIN, 0},
	};

	if (chat->again_ms && chat->again_ms < now + ms)
		ms = chat->again_ms > now ? chat->again_ms - now : 0;
	if (!link_pass(&chat->link, fds, 2, (int)ms)) {
		ctl_fail(&chat->exit, "poll: %s", strerror(errno));
		link_abandon(&chat->link, "");
		chat->is_leaving = true;
		return;
	}
	if (fds[1].revents) {
		/* the first interrupt closes; the next one finds the default action again */
		interrupt_take(interrupts);
		chat->is_interrupted = true;
		leave(chat);
	}
	if (fds[0].revents && wants_input(chat))
		read_input(chat);
	now = clock_monotonic_ms();
	check_link(chat, now);
	check_end(chat, now);
	if (!ctl_flush(&chat->exit))
		leave(chat);
}

static void
run(struct chat *chat)
{
	int interrupts;

	link_open(&chat->link);
	/* until then a signal ends us at once: there is nothing to close */
	while (chat->link.state == LINK_CONNECTING)
		link_pass(&chat->link, NULL, 0, 1000);
	if (chat->link.state != LINK_OPEN) {
		ctl_fail(&chat->exit, "%s", chat->link.why);
		return;
	}
	chat->talk.progress_ms = clock_monotonic_ms();
	interrupts = interrupt_open();
	while (!chat->is_leaving || chat->link.state != LINK_CLOSED)
		run_pass(chat, interrupts);
	/* the last line of the loop's own end */
	if (chat->link.end == LINK_BROKEN && chat->link.want_close)
		ctl_fail(&chat->exit, "%s", chat->link.why);
	if (interrupts >= 0)
		close(interrupts);
}

/* --- arguments --- */

static const char usage[] =
    "usage: plazactl chat [-fv] [-l COUNT] [-n NAME] [-w SECONDS] ROOM|URL\n"
    "  -f          go on after the end of input\n"
    "  -l COUNT    show so many messages of before first\n"
    "              (default 20 on a terminal, else 0)\n"
    "  -n NAME     how others see who wrote\n"
    "  -w SECONDS  how long to wait for the next answer after the end of input;\n"
    "              0: for ever (default 10)\n"
    "  -v          also show what libwebsockets has to say\n"
    "A ROOM is one of the plazad at 127.0.0.1:8080; another one has a URL, as in\n"
    "ws://chat.example.org/chat/ROOM. A line of the input is a message; on a terminal\n"
    "/help tells more. See plazactl(1).\n";

static int
usage_error(void)
{
	fputs("plazactl chat -h tells more\n", stderr);
	return CTL_USAGE;
}

/* NULL, or what is wrong; a room's name becomes a URL. */
static const char *
room_parse(const char *text, struct url *url)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	char whole[sizeof(SERVER) + 64];
	size_t len = strlen(text);
	const char *query;

	if (strstr(text, "://")) {
		const char *wrong = url_parse(text, url);

		if (wrong)
			return wrong;
		query = strchr(url->path, '?');
		if (query && (strstr(query, "since=") || strstr(query, "last=")))
			return "the URL has no position; accepted: -l COUNT";
		return NULL;
	}
	if (len < 1 || len > 64 || text[strspn(text, allowed)] != '\0' || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return "is no room; accepted: 1 to 64 of A-Z a-z 0-9 . _ - and not . or .., or a "
		       "URL";
	snprintf(whole, sizeof(whole), "%s%s", SERVER, text);
	return url_parse(whole, url);
}

/* As the server wants it. */
static bool
is_name(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return len >= 1 && len <= NAME_BYTES && text_is_utf8(span_str(text));
}

/* The exit code when it ends here, else -1. */
static int
arguments_parse(int argc, char **argv, struct chat *chat, struct url *url)
{
	uint64_t n;
	bool verbose = false;
	const char *wrong;
	int c;

	while ((c = getopt(argc, argv, "+fhl:n:vw:")) != -1) {
		switch (c) {
		case 'f': chat->is_following = true; break;
		case 'l':
			if (number_parse(optarg, LAST_MAX, &n)) {
				chat->talk.last = (unsigned)n;
				break;
			}
			fprintf(stderr, "plazactl: -l %s: accepted: a number, 0 to %d\n", optarg,
				LAST_MAX);
			return usage_error();
		case 'n':
			if (is_name(optarg)) {
				chat->talk.name = optarg;
				break;
			}
			fprintf(stderr,
				"plazactl: -n: accepted: 1 to %d bytes of UTF-8, without control "
				"characters\n",
				NAME_BYTES);
			return usage_error();
		case 'w':
			if (number_parse(optarg, 86400, &n)) {
				chat->wait_ms = n * 1000;
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
		fprintf(stderr, "plazactl: chat takes one room, as in lobby, behind the options\n");
		return usage_error();
	}
	wrong = room_parse(argv[optind], url);
	if (wrong) {
		fprintf(stderr, "plazactl: %s: %s\n", argv[optind], wrong);
		return usage_error();
	}
	link_set_verbose(verbose);
	return -1;
}

int
chat_command(int argc, char **argv)
{
	bool is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct url url;
	struct chat chat = {
	    .link = {.url = &url, .subprotocol = "chat.v1.json", .calls = &calls, .ctx = &chat},
	    .talk = {.view = {stdout, stderr, is_terminal},
		     .last = is_terminal ? 20 : 0,
		     .wants_presence = is_terminal},
	    .wait_ms = 10000,
	};
	int code = arguments_parse(argc, argv, &chat, &url);

	if (code >= 0)
		return code;
	talk_init(&chat.talk, (uint64_t)random_number() << 32 | random_number());
	run(&chat);
	link_fini(&chat.link);
	talk_fini(&chat.talk);
	input_fini(&chat.input);
	buffer_fini(&chat.out);
	return chat.exit;
}
