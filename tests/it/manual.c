/*
 * manual.c - examples cut out of a page of the manual, and run.
 */
#include "manual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

/* every epoch on the page, and the id of each job that is asked for again */
#define EPOCH  "9f2c61d0"
#define JOB_ID "01a2075a-7c54-7b1e-9a3d-5b7c0e1d2f30"

struct example {
	struct daemon *d; /* not ours */
	char epoch[17];   /* what EPOCH stands for */
	char job_id[37];  /* and JOB_ID */
	struct ws ws;
	bool is_open;
	unsigned n_commands, n_frames;
};

/* The caller frees */
static char *
replace(const char *text, const char *from, const char *to)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	ck_assert_ptr_nonnull(f);
	for (const char *at; (at = strstr(text, from)); text = at + strlen(from))
		fprintf(f, "%.*s%s", (int)(at - text), text, to);
	fputs(text, f);
	fclose(f);
	return out;
}

/* --- what may differ --- */

/* Values that are other ones each time: what stands before them, and what they are made of. */
static const struct {
	const char *before, *made_of;
} differing[] = {
    {"\"epoch\":\"", "0123456789abcdef"},  {"\"conn\":\"", "0123456789abcdef"},
    {"\"from\":\"", "0123456789abcdef"},   {"\"ts\":", "0123456789"},
    {"\"since\":", "0123456789"},          {"\"pseq\":", "0123456789"},
    {"\nid: ", "0123456789abcdef"},        {"\nretry: ", "0123456789"},
    {"queue;dur=", "0123456789."},         {"db;dur=", "0123456789."},
    {"\"next\":\"3.", "0123456789abcdef"}, {"\"id\":\"", "0123456789abcdef-"},
    {"_at\":\"", "0123456789-:.TZ"},       {"\"deadline\":\"", "0123456789-:.TZ"},
};

/* With a star in place of what may differ; the caller frees. */
static char *
without_differing(const char *text)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	ck_assert_ptr_nonnull(f);
	while (*text) {
		/* lines of CSV and of heads end in CRLF, those of a page do not */
		if (*text != '\r')
			putc(*text, f);
		text++;
		for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
			size_t n = strlen(differing[i].before);

			/* `text` is behind what stands before it */
			fflush(f);
			if (len >= n && memcmp(out + len - n, differing[i].before, n) == 0 &&
			    strspn(text, differing[i].made_of) > 0) {
				putc('*', f);
				text += strspn(text, differing[i].made_of);
			}
		}
	}
	fclose(f);
	return out;
}

/* What stands behind `before` in what was shown, which later commands name. */
static void
learn(const char *text, const char *before, char *out, size_t size)
{
	const char *at = strstr(text, before);

	if (!at)
		return;
	at += strlen(before);
	if (strcspn(at, "\"") < size)
		snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

static bool
is_same(const char *got, const char *shown)
{
	char *a = it_printf("\n%s", got), *b = it_printf("\n%s", shown);
	char *c = without_differing(a), *d = without_differing(b);
	bool is_so = strcmp(c, d) == 0;

	free(a);
	free(b);
	free(c);
	free(d);
	return is_so;
}

static void
compare(struct example *e, const char *what, const char *got, const char *shown)
{
	ck_assert_msg(is_same(got, shown), "%s\ngives:\n%s\nnot, as the page has it:\n%s", what,
		      got, shown);
	learn(got, "\"epoch\":\"", e->epoch, sizeof(e->epoch));
	learn(got, "\"id\":\"", e->job_id, sizeof(e->job_id));
}

/* --- the page --- */

/* Whether it begins a thing of its own within an example. */
static bool
is_marked(const char *line)
{
	return strncmp(line, "$ ", 2) == 0 || strncmp(line, "C: ", 3) == 0 ||
	       strncmp(line, "S: ", 3) == 0 || strncmp(line, "ws://", 5) == 0;
}

/* The next line of a display with those that continue it; NULL at its end. The caller frees. */
static char *
take_line(const char **at)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f;

	if (strncmp(*at, ".Ed", 3) == 0)
		return NULL;
	f = open_memstream(&out, &len);
	ck_assert_ptr_nonnull(f);
	for (bool is_first = true;; is_first = false) {
		const char *p = *at + strspn(*at, " ");

		if (!is_first && p == *at)
			break;
		for (; *p && *p != '\n'; p++) {
			/* roff: \e is a backslash, \& nothing */
			if (strncmp(p, "\\e\n", 3) == 0) {
				p++; /* a shell's line goes on */
			} else if (p[0] == '\\' && p[1] == 'e') {
				putc('\\', f);
				p++;
			} else if (p[0] == '\\' && p[1] == '&') {
				p++;
			} else {
				putc(*p, f);
			}
		}
		*at = p + (*p == '\n');
	}
	fclose(f);
	return out;
}

/* For this daemon and this moment; the caller frees. */
static char *
adapt(struct example *e, const char *text)
{
	char *address = it_printf("127.0.0.1:%u", daemon_port(e->d));
	char *a = replace(text, "127.0.0.1:8080", address);
	char *b = replace(a, EPOCH, e->epoch);
	char *c = replace(b, JOB_ID, e->job_id);

	free(a);
	free(b);
	free(address);
	return c;
}

/* --- running it --- */

/* What it gives, which the caller frees. */
static char *
run_script(const char *line, const char *script)
{
	struct run run;

	run_args(&run, NULL, "bash", "-c", script, NULL);
	/* 28: curl -m, for what does not end by itself */
	ck_assert_msg(run.status == 0 || (run.status == 28 && strstr(line, " -m ")), "%s: %d: %s",
		      line, run.status, run.err);
	/* bodies have no newline at their end, the page's lines have */
	char *got = it_printf("%s%s", run.out,
			      run.out_len == 0 || run.out[run.out_len - 1] == '\n' ? "" : "\n");
	run_fini(&run);
	return got;
}

static void
run_command(struct example *e, const char *line, const char **at)
{
	char *command = adapt(e, line + 2);
	char *quiet = replace(command, "curl ", "curl -sS --noproxy '*' ");
	char *plazactl = it_printf("'%s' ", it_plazactl());
	char *whole = replace(quiet, "plazactl ", plazactl);
	char *script = it_printf("export CURL_HOME=/nonexistent; %s", whole);
	char *shown = NULL, *got, *last;
	size_t len = 0;
	FILE *f = open_memstream(&shown, &len);

	while (**at && strncmp(*at, ".Ed", 3) != 0 && !is_marked(*at)) {
		char *output = take_line(at);

		fprintf(f, "%s\n", output);
		free(output);
	}
	fclose(f);
	got = run_script(line, script);
	/* what was changed is told soon, not at once, and so is found what an index is for */
	for (struct it_wait wait = it_wait_begin();
	     (strstr(line, "/changes?") || strstr(line, "?q=")) && !is_same(got, shown);
	     free(last)) {
		it_wait_again(&wait, __FILE__, __LINE__, line);
		last = got;
		got = run_script(line, script);
	}
	compare(e, line, got, shown);
	e->n_commands++;
	free(got);
	free(shown);
	free(script);
	free(whole);
	free(plazactl);
	free(quiet);
	free(command);
}

static void
expect_message(struct example *e, const char *shown)
{
	unsigned code;

	ck_assert_msg(e->is_open, "%s: before a ws:// line", shown);
	e->n_frames++;
	if (sscanf(shown, "close %u", &code) == 1) {
		ws_expect_close(&e->ws, code);
		e->is_open = false;
		return;
	}
	struct ws_frame frame;
	ws_read(&e->ws, &frame);
	ck_assert_msg(frame.opcode == WS_TEXT, "opcode %d, not %s", (int)frame.opcode, shown);
	compare(e, "the server", frame.data, shown);
	ws_frame_fini(&frame);
}

/* Whoever was in the room in the example before has left. */
static bool
is_empty(const struct example *e)
{
	struct http_answer a;

	http_request(daemon_port(e->d), "GET", "/chat/ops/members", NULL, NULL, &a);
	bool is_so = a.status == 200 && strstr(a.body, "\"count\":0,");
	http_answer_fini(&a);
	return is_so;
}

static void
open_socket(struct example *e, const char *url)
{
	char *adapted = adapt(e, url);
	const char *path = strchr(adapted + strlen("ws://"), '/');

	ck_assert_msg(path && !e->is_open, "%s", url);
	WAIT_UNTIL(is_empty(e));
	ws_open(&e->ws, daemon_port(e->d), path, NULL);
	e->is_open = true;
	free(adapted);
}

/* `*at` is the first line of a display. */
static void
run_display(struct example *e, const char **at)
{
	char *line;

	while ((line = take_line(at))) {
		if (strncmp(line, "$ ", 2) == 0) {
			run_command(e, line, at);
		} else if (strncmp(line, "ws://", 5) == 0) {
			open_socket(e, line);
		} else if (strncmp(line, "C: ", 3) == 0) {
			char *text = adapt(e, line + 3);

			ck_assert_msg(e->is_open, "%s: before a ws:// line", line);
			ws_send(&e->ws, text);
			free(text);
			e->n_frames++;
		} else if (strncmp(line, "S: ", 3) == 0) {
			expect_message(e, line + 3);
		} else {
			ck_abort_msg("%s: neither $, C:, S: nor ws://", line);
		}
		free(line);
	}
	if (e->is_open)
		ws_close(&e->ws);
	e->is_open = false;
}

void
manual_run(struct daemon *d, const char *name, unsigned *n_commands, unsigned *n_frames)
{
	struct example e = {.d = d, .epoch = EPOCH};
	char *path = it_printf("%s/man/%s", it_srcdir(), name);
	char *page = it_read_file(path);

	ck_assert_msg(page != NULL, "%s cannot be read", path);
	for (const char *at = page; (at = strstr(at, "\n.Bd -literal")) != NULL;) {
		at = strchr(at + 1, '\n') + 1;
		if (is_marked(at))
			run_display(&e, &at);
	}
	*n_commands = e.n_commands;
	*n_frames = e.n_frames;
	free(page);
	free(path);
}
