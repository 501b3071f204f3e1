/*
 * it_ctl_answers.c - plazactl jobs and fetch against a server that is no plazad: answers that would
 * command a terminal, lead in circles, come late, are too long or never come.
 */
/* links: tests/it/harness.c tests/it/terminal.c -ljansson */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "terminal.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define ID       "01a20815-ecc2-7613-ab9a-9adae6595904"
#define ID2      "01a20815-ecc2-7613-ab9a-9adae6595905"
#define LIES     16

/* The n-th request has the n-th of these, and those behind the last the last. */
struct lie {
	int status; /* 0: it has none, ever */
	const char *fields, *body;
	size_t more; /* so many blanks behind the body */
};

static struct {
	_Atomic unsigned requests;
	char lines[LIES][200]; /* of the requests */
} * seen;

static uint16_t port;
static pid_t server;

/* --- the server --- */

/* A request with its body; false when it is none. */
static bool
take_request(int fd, char *line, size_t size)
{
	static char in[1 << 20];
	size_t len = 0, want = 0;

	for (;;) {
		const ssize_t n = read(fd, in + len, sizeof(in) - 1 - len);
		char *end;

		if (n <= 0)
			return false;
		len += (size_t)n;
		in[len] = '\0';
		end = strstr(in, "\r\n\r\n");
		if (!end)
			continue;
		const char *length = strcasestr(in, "\r\nContent-Length:");
		want = length && length < end ? (size_t)atol(length + 17) : 0;
		if (len >= (size_t)(end + 4 - in) + want)
			break;
	}
	snprintf(line, size, "%.*s", (int)strcspn(in, "\r"), in);
	return true;
}

static void
put_all(int fd, const char *text, size_t len)
{
	while (len) {
		const ssize_t n = write(fd, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void
serve(int fd, const struct lie *lies, size_t n_lies)
{
	static char blanks[65536];

	memset(blanks, ' ', sizeof(blanks));
	for (;;) {
		const int client = accept(fd, NULL, NULL);
		char line[200];

		if (client < 0)
			_exit(1);
		if (take_request(client, line, sizeof(line))) {
			const unsigned i = seen->requests;
			const struct lie *lie = &lies[i < n_lies ? i : n_lies - 1];

			if (i < LIES)
				memcpy(seen->lines[i], line, sizeof(line));
			seen->requests = i + 1;
			/* nobody closes it: whoever waits for its answer waits */
			if (!lie->status)
				continue;
			char *head = it_printf("HTTP/1.1 %d X\r\nConnection: close\r\n"
					       "Content-Length: %zu\r\n%s\r\n%s",
					       lie->status, strlen(lie->body) + lie->more,
					       lie->fields ? lie->fields : "", lie->body);
			put_all(client, head, strlen(head));
			for (size_t left = lie->more, piece; left; left -= piece) {
				piece = left < sizeof(blanks) ? left : sizeof(blanks);
				put_all(client, blanks, piece);
			}
			free(head);
		}
		close(client);
	}
}

static void
start(const struct lie *lies, size_t n_lies)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(seen, MAP_FAILED);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 100), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		it_die_with_test();
		signal(SIGPIPE, SIG_IGN);
		serve(fd, lies, n_lies);
	}
	close(fd);
}

static void
stop(void)
{
	kill(server, SIGKILL);
	ck_assert_int_eq(it_wait_pid(server), 128 + SIGKILL);
	munmap(seen, sizeof(*seen));
}

/* plazactl COMMAND -u .. ARGUMENT... */
static void
run_ctl(struct run *run, const char *const *args)
{
	char *url = it_printf("http://127.0.0.1:%u", port);
	const char *argv[20] = {it_plazactl(), args[0], "-u", url};

	for (size_t i = 1; args[i]; i++)
		argv[3 + i] = args[i];
	run_program(run, NULL, argv);
	free(url);
}

/* --- what would command a terminal --- */

/* ESC, CSI of C1, a line break, a tab and DEL: escaped and, where JSON has it so, as it is */
#define ODD                            \
	"\\u001b[31m\\u009b1m\xc2\x9b" \
	"2m\\n\\t\x7f"

#define JOB                                                                                    \
	"{\"id\":\"" ID "\",\"kind\":\"k" ODD "\",\"queue\":\"q" ODD "\",\"state\":\"done" ODD \
	"\",\r\n\t\"created_at\":\"" ODD "\",\"args\":{\"" ODD "\": \"" ODD "\"}}"
#define QUEUE                                                                                      \
	"{\"queue\":\"q" ODD "\",\"depth\":0,\"running\":0,\"paused\":false,\"limits\":{\"depth\"" \
	":{\"value\":1}}}"
#define RESULT                                                                                  \
	"{\"id\":\"" ID "\",\"state\":\"done\",\"result\":{\"urls\":[{\"url\":\"u\",\"status\"" \
	":200,\n\"values\":{\"a\":\"" ODD "\",\"b\":{\"" ODD "\":\n[]}},\"error\":\"" ODD "\"}]}}"
#define PROBLEM                                                                  \
	"{\"title\":\"t\",\"hint\":\"" ODD "\",\"errors\":[{\"pointer\":\"/" ODD \
	"\",\"detail\":\"" ODD "\"},{\"detail\":\"" ODD "\"}]}"

static const struct {
	const char *args[8];
	struct lie lies[2];
	int status;
	size_t out_lines, err_lines;
} odd[] = {
    {{"jobs", "list"}, {{200, NULL, "{\"jobs\":[" JOB "]}", 0}}, 0, 1, 0},
    {{"jobs", "show", ID}, {{200, NULL, JOB, 0}}, 0, 1, 0},
    {{"jobs", "queues"}, {{200, NULL, "{\"queues\":[" QUEUE "]}", 0}}, 0, 1, 0},
    {{"jobs", "wait", "q"}, {{200, NULL, QUEUE, 0}}, 0, 1, 0},
    {{"jobs", "pause", "q"}, {{200, NULL, QUEUE, 0}}, 0, 1, 0},
    {{"jobs", "cancel", ID}, {{200, NULL, JOB, 0}}, 0, 1, 0},
    {{"jobs", "cancel", ID}, {{409, NULL, PROBLEM, 0}}, 1, 0, 2},
    {{"jobs", "put", "mail"}, {{422, NULL, PROBLEM, 0}}, 1, 0, 2},
    {{"jobs", "put", "mail"}, {{202, NULL, "{\"id\":\"" ODD "\"}", 0}}, 1, 0, 1},
    {{"jobs", "-w", "1", "put", "mail"}, {{429, "Retry-After: 100\r\n", PROBLEM, 0}}, 1, 0, 1},
    {{"fetch", "-e", "a=/a", "-e", "b=/b", "u"},
     {{202, NULL, JOB, 0}, {200, NULL, RESULT, 0}},
     0,
     1,
     0},
    {{"fetch", "-j", "u"}, {{202, NULL, JOB, 0}, {200, NULL, RESULT, 0}}, 0, 3, 0},
    {{"fetch", "u"}, {{422, NULL, PROBLEM, 0}}, 1, 1, 2},
    {{"fetch", "u"},
     {{422, NULL,
       "{\"type\":\"/a/" ODD "\",\"errors\":[{\"pointer\":\"/args/urls/0\",\"detail\":\"" ODD
       "\"}]}",
       0}},
     1,
     1,
     0},
};

/* So many lines, and nothing in them but what is shown. */
static void
expect_plain(const char *text, size_t len, size_t n_lines)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		n += c == '\n';
		ck_assert_msg((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t', "%s", text);
		ck_assert_msg(c != 0xc2 || (unsigned char)text[i + 1] >= 0xa0, "%s", text);
	}
	ck_assert_msg(n == n_lines, "%zu: %s", n, text);
}

START_TEST(no_answer_commands_a_terminal)
{
	const size_t n_lies = odd[_i].lies[1].status ? 2 : 1;
	struct run run;

	start(odd[_i].lies, n_lies);
	run_ctl(&run, odd[_i].args);
	ck_assert_msg(run.status == odd[_i].status, "%d: %s%s", run.status, run.out, run.err);
	expect_plain(run.out, run.out_len, odd[_i].out_lines);
	expect_plain(run.err, run.err_len, odd[_i].err_lines);
	/* it was not dropped either */
	if (strcmp(odd[_i].args[0], "fetch") != 0 && !strstr(run.err, "understands"))
		ck_assert_msg(strstr(run.out, "[31m") || strstr(run.err, "[31m"), "%s%s", run.out,
			      run.err);
	run_fini(&run);
	stop();
}
END_TEST

START_TEST(json_that_was_escaped_is_the_same)
{
	const struct lie lies[] = {{200, NULL, JOB, 0}};
	const char *args[] = {"jobs", "show", ID, NULL};
	json_t *want = json_loads(JOB, 0, NULL), *have;
	struct run run;

	start(lies, 1);
	run_ctl(&run, args);
	have = json_loads(run.out, 0, NULL);
	ck_assert_ptr_nonnull(want);
	ck_assert(json_equal(have, want));
	json_decref(have);
	json_decref(want);
	run_fini(&run);
	stop();
}
END_TEST

/* What is waited for is shown on the line of the progress. */
START_TEST(no_note_of_the_progress_does)
{
	const struct lie lies[] = {{503, "Retry-After: 1\r\n", PROBLEM, 0}, {200, NULL, QUEUE, 0}};
	char *command, *text;

	start(lies, N(lies));
	command =
	    it_printf("'%s' jobs -u http://127.0.0.1:%u wait q >/dev/null", it_plazactl(), port);
	text = terminal_run(command, 0);
	ck_assert_msg(strstr(text, "waiting 0 jobs ended; /\\x1b[31m") != NULL, "%s", text);
	ck_assert_ptr_null(strstr(text, "\x1b[31m"));
	ck_assert_ptr_null(strstr(text, "\xc2\x9b"));
	free(command);
	free(text);
	stop();
}
END_TEST

/* --- answers that lead in circles --- */

#define PAGE(id, next) "{\"jobs\":[{\"id\":\"" id "\",\"state\":\"queued\"}],\"next\":\"" next "\"}"

START_TEST(a_page_that_is_its_own_next_is_the_last)
{
	const struct lie lies[] = {{200, NULL, PAGE(ID, ID), 0}};
	const char *args[] = {"jobs", "list", NULL};
	struct run run;

	start(lies, 1);
	run_ctl(&run, args);
	ck_assert_int_eq(run.status, 0);
	expect_plain(run.out, run.out_len, 2);
	ck_assert_uint_eq(seen->requests, 2);
	run_fini(&run);
	stop();
}
END_TEST

static const char *const circles[] = {
    "{\"type\":\"/x\",\"errors\":[{\"pointer\":\"/args/urls/7\",\"detail\":\"d\"}]}",
    "{\"type\":\"/x\",\"errors\":[{\"pointer\":\"/args/urls/\",\"detail\":\"d\"}]}",
    "{\"type\":\"/x\",\"errors\":[{\"pointer\":\"/args/urls/-1\",\"detail\":\"d\"}]}",
    "{\"type\":\"/x\",\"errors\":[{}]}",
    "{\"type\":\"/x\",\"errors\":[]}",
    "{\"type\":1,\"errors\":1}",
    "[]",
    "",
};

START_TEST(a_refusal_of_nothing_is_one_of_all)
{
	const struct lie lies[] = {{422, NULL, circles[_i], 0}};
	const char *args[] = {"fetch", "http://a/", "http://b/", NULL};
	struct run run;

	start(lies, 1);
	run_ctl(&run, args);
	ck_assert_int_eq(run.status, 1);
	expect_plain(run.out, run.out_len, 2);
	ck_assert_msg(strncmp(run.out, "-\t-\t-\thttp://a/\tnot put: ", 25) == 0, "%s", run.out);
	ck_assert_uint_eq(seen->requests, 1);
	run_fini(&run);
	stop();
}
END_TEST

/* --- all that are in a state, of which some have left it --- */

START_TEST(who_has_left_the_state_is_no_failure)
{
	const struct lie lies[] = {
	    {200, NULL,
	     "{\"jobs\":[{\"id\":\"" ID2 "\"},{\"id\":\"../x\"},{\"id\":\"" ID
	     "\"}],\"next\":null}",
	     0},
	    {409, NULL, "{\"detail\":\"it is done\"}", 0},
	    {200, NULL, "{\"id\":\"" ID2 "\",\"state\":\"done\"}", 0},
	    {410, NULL, "{\"detail\":\"gone\"}", 0},
	};
	const char *listed[] = {"jobs", "cancel", "-s", "running", NULL};
	const char *named[] = {"jobs", "cancel", ID, NULL};
	struct run run;

	start(lies, N(lies));
	run_ctl(&run, listed);
	ck_assert_msg(run.status == 0, "%s", run.err);
	ck_assert_str_eq(run.out, ID2 " done\n");
	ck_assert_str_eq(run.err, "");
	ck_assert_uint_eq(seen->requests, 4);
	ck_assert_str_eq(seen->lines[1], "DELETE /api/jobs/" ID2 " HTTP/1.1");
	ck_assert_str_eq(seen->lines[3], "DELETE /api/jobs/" ID " HTTP/1.1");
	run_fini(&run);
	/* of one that was named it is */
	run_ctl(&run, named);
	ck_assert_int_eq(run.status, 1);
	run_fini(&run);
	stop();
}
END_TEST

/* --- late, too long, and never --- */

START_TEST(retry_after_is_honoured_and_told_once)
{
	const struct lie lies[] = {
	    {503, "Retry-After: 1\r\n", "{\"detail\":\"no database\"}", 0},
	    {503, "Retry-After: 1\r\n", "{\"detail\":\"no database\"}", 0},
	    {200, NULL, "{\"queues\":[]}", 0},
	};
	const char *args[] = {"jobs", "-w", "30", "queues", NULL};
	struct run run;

	start(lies, N(lies));
	const uint64_t began = it_now_ms();
	run_ctl(&run, args);
	ck_assert_uint_ge(it_now_ms() - began, 2000);
	ck_assert_msg(run.status == 0, "%s", run.err);
	ck_assert_str_eq(run.err, "plazactl: no database; trying again for up to 30 s\n");
	ck_assert_uint_eq(seen->requests, 3);
	run_fini(&run);
	stop();
}
END_TEST

/* Asked for more than is allowed, it is not even begun; without any patience there is one try. */
START_TEST(a_moment_that_is_too_long_is_not_waited)
{
	const struct lie lies[] = {{503, "Retry-After: 90\r\n", "{\"detail\":\"no database\"}", 0},
				   {503, "Retry-After: 1\r\n", "{\"detail\":\"no database\"}", 0}};
	const char *some[] = {"jobs", "-w", "60", "queues", NULL};
	const char *none[] = {"jobs", "-w", "0", "queues", NULL};
	struct run run;

	start(lies, N(lies));
	run_ctl(&run, some);
	ck_assert_int_eq(run.status, 1);
	ck_assert_msg(strstr(run.err, "no database (given up: the next try would be in 90 s, and "
				      "60 s are allowed") != NULL,
		      "%s", run.err);
	run_fini(&run);
	run_ctl(&run, none);
	ck_assert_int_eq(run.status, 1);
	ck_assert_uint_eq(seen->requests, 2);
	run_fini(&run);
	stop();
}
END_TEST

static const struct {
	struct lie lie;
	const char *says;
} wrong[] = {
    {{200, NULL, "{}", 17 << 20}, ": the answer is longer than 16 MiB\n"},
    {{200, NULL, "{\"a\":", 0}, ": the answer is not what this program understands\n"},
    {{200, NULL, "", 0}, ": the answer is not what this program understands\n"},
    {{302, "Location: http://127.0.0.1:1/\r\n", "", 0}, ": 302: HTTP status 302\n"},
    {{500, NULL, "<html>", 0}, ": 500: HTTP status 500\n"},
};

START_TEST(an_answer_that_is_none_is_told)
{
	const char *args[] = {"jobs", "queues", NULL};
	struct run run;

	start(&wrong[_i].lie, 1);
	run_ctl(&run, args);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strstr(run.err, wrong[_i].says) != NULL, "%s", run.err);
	run_fini(&run);
	stop();
}
END_TEST

START_TEST(a_wait_ends_even_without_an_answer)
{
	const struct lie lies[] = {{0}};
	const char *args[] = {"jobs", "wait", "-t", "100ms", "q", NULL};
	struct run run;

	start(lies, 1);
	const uint64_t began = it_now_ms();
	run_ctl(&run, args);
	ck_assert_uint_lt(it_now_ms() - began, 15000);
	ck_assert_int_eq(run.status, 1);
	ck_assert_str_eq(run.out, "");
	expect_plain(run.err, run.err_len, 1);
	run_fini(&run);
	stop();
}
END_TEST

/* Who interrupts it need not do it twice, though the server does not answer any more. */
START_TEST(an_interrupt_ends_it_even_without_an_answer)
{
	const struct lie lies[] = {{202, NULL, "{\"id\":\"" ID "\",\"state\":\"queued\"}", 0}, {0}};
	char *url = it_printf("http://127.0.0.1:%u", port), *line;
	const char *argv[] = {it_plazactl(), "fetch", "-u", url, "http://a/", NULL};
	struct child child;

	start(lies, N(lies));
	free(url);
	url = it_printf("http://127.0.0.1:%u", port);
	argv[3] = url;
	child_start(&child, argv);
	WAIT_UNTIL(seen->requests == 2);
	ck_assert_int_eq(kill(child.pid, SIGINT), 0);
	line = child_read_line(&child);
	ck_assert_str_eq(line, "-\t-\t-\thttp://a/\tunknown: nobody has waited for it");
	ck_assert_int_eq(child_wait(&child), 1);
	ck_assert_uint_eq(seen->requests, 3);
	ck_assert_int_eq(strncmp(seen->lines[2], "DELETE /api/jobs/", 17), 0);
	free(line);
	free(url);
	stop();
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "answers");

	tcase_add_loop_test(tc, no_answer_commands_a_terminal, 0, N(odd));
	tcase_add_test(tc, json_that_was_escaped_is_the_same);
	tcase_add_test(tc, no_note_of_the_progress_does);
	tcase_add_test(tc, a_page_that_is_its_own_next_is_the_last);
	tcase_add_loop_test(tc, a_refusal_of_nothing_is_one_of_all, 0, N(circles));
	tcase_add_test(tc, who_has_left_the_state_is_no_failure);
	tcase_add_test(tc, retry_after_is_honoured_and_told_once);
	tcase_add_test(tc, a_moment_that_is_too_long_is_not_waited);
	tcase_add_loop_test(tc, an_answer_that_is_none_is_told, 0, N(wrong));
	tcase_add_test(tc, a_wait_ends_even_without_an_answer);
	tcase_add_test(tc, an_interrupt_ends_it_even_without_an_answer);
}

int
main(void)
{
	return it_main("ctl_answers", fill, 0);
}
