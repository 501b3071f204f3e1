/*
 * connect.c - the life of one PGconn: WAITING -> RESOLVING -> CONNECTING -> SETTING_UP -> READY,
 * and from anywhere back to WAITING.
 */
#include "pg/connect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pg/resolve.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS  8000
/* a connection that lasted so long has earned a quick first retry */
#define BACKOFF_FORGET_MS 1000
/* another process may be taking a long schema step under the lock */
#define SETUP_TAKE_MS 60000
/* past statement_timeout or connect_timeout, for the way there and back */
#define SETUP_MARGIN_MS 1000
#define HELD_TEXT       "the server has no connection left for this"
#define HELD_FAILURES   3 /* up to 800 ms */

enum connection_state {
	PG_WAITING,    /* no PGconn; `timer` begins the next attempt */
	PG_RESOLVING,  /* no PGconn; `resolve` is asked; `timer` bounds it */
	PG_CONNECTING, /* PQconnectPoll; `timer` bounds each address */
	PG_SETTING_UP, /* `setup` runs; `timer` bounds each of its phases */
	PG_READY       /* the owner's; read watch on */
};

struct connection {
	struct loop *loop;
	const struct connection_settings *settings;
	const struct connection_events *events;
	void *ctx;
	enum connection_state state;
	PGconn *pg;
	struct watch timer, readable, writable;
	bool watching; /* readable and writable are initialised for the present socket */
	/* may outlive the attempt that asked: never more than one thread per connection */
	struct resolve *resolve;
	struct targets found; /* of this attempt, when it had to resolve */
	size_t first;         /* target where this PGconn began */
	size_t current;       /* target it is at */
	struct setup setup;
	unsigned failures; /* in a row: the exponent of the backoff */
	uint64_t ready_since_ms;
	uint64_t retry_at_ms;
	char fatal[512]; /* see connection_note_fatal */
	char fatal_state[6];
};

static void begin_attempt(struct connection *c);

/* The only writer of `state`. */
static void
connection_set_state(struct connection *c, enum connection_state state)
{
	c->state = state;
	watch_stop(&c->timer);
	if (state == PG_READY) {
		c->ready_since_ms = loop_now_ms(c->loop);
		c->fatal[0] = c->fatal_state[0] = '\0';
	}
}

static const struct targets *
targets_of(const struct connection *c)
{
	return c->found.n ? &c->found : conninfo_targets(c->settings->conninfo);
}

/*
 * libpq's texts have several lines; ours are one. With verbose errors, "FATAL:  53300: sorry" tells
 * the SQLSTATE of a refused connection, which libpq gives in no other way; LOCATION lines name
 * the server's source files and are left out, and so are libpq's guesses, which begin with a tab.
 */
static void
tidy(char *out, size_t out_size, const char *text, char sqlstate[6])
{
	size_t at = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		if (text[0] != '\t' && strncmp(text, "LOCATION:", 9) != 0) {
			for (size_t i = 0; i < len && at + 2 < out_size; i++) {
				bool space = isspace((unsigned char)text[i]);
				if (space && (at == 0 || out[at - 1] == ' '))
					continue;
				out[at++] = space ? ' ' : text[i];
			}
			if (at && out[at - 1] != ' ' && at + 2 < out_size)
				out[at++] = ' ';
		}
		text += len + (text[len] == '\n');
	}
	if (at && out[at - 1] == ' ')
		at--;
	out[at] = '\0';
	for (size_t i = 0; i + 8 < at; i++) {
		const char *p = out + i;
		/* a digit, or it may be the word ERROR or FATAL */
		if (p[0] == ':' && p[1] == ' ' && p[7] == ':' &&
		    strspn(p + 2, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
		    strcspn(p + 2, "0123456789") < 5)
			memcpy(sqlstate, p + 2, 5);
	}
}

static void
stop_watching(struct connection *c)
{
	if (!c->watching)
		return;
	/* before libpq closes the socket: its number may come back as another one's */
	watch_stop(&c->readable);
	watch_stop(&c->writable);
	c->watching = false;
}

static void
drop_pg(struct connection *c)
{
	stop_watching(c);
	PQfinish(c->pg);
	c->pg = NULL;
}

/* Half of the backoff is fixed and half is chance, so that processes do not come back together. */
static uint64_t
next_delay_ms(struct connection *c)
{
	uint64_t ms = BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < c->failures && ms < BACKOFF_LAST_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_LAST_MS)
		ms = BACKOFF_LAST_MS;
	c->failures++;
	return ms / 2 + arc4random_uniform((uint32_t)(ms / 2) + 1);
}

/* One way down for every kind of trouble. `text` may be libpq's own, and is copied first. */
static void
give_up(struct connection *c, const char *text)
{
	struct connection_trouble trouble = {
	    .was_ready = c->state == PG_READY,
	    .schema = c->state == PG_SETTING_UP && c->setup.phase == SETUP_FAILED &&
		      c->setup.schema_error,
	    .waits = c->state == PG_SETTING_UP && c->setup.phase == SETUP_FAILED &&
		     c->setup.steps.is_waiting,
	};
	char reason[1200];

	tidy(reason, sizeof(reason), c->fatal[0] ? c->fatal : text, trouble.sqlstate);
	if (c->fatal_state[0])
		memcpy(trouble.sqlstate, c->fatal_state, sizeof(c->fatal_state));
	trouble.reason = reason[0] ? reason : "no reason given";
	drop_pg(c);
	targets_fini(&c->found);
	c->fatal[0] = c->fatal_state[0] = '\0';
	if (trouble.was_ready && loop_now_ms(c->loop) - c->ready_since_ms >= BACKOFF_FORGET_MS)
		c->failures = 0;
	trouble.retry_ms = next_delay_ms(c);
	c->retry_at_ms = loop_now_ms(c->loop) + trouble.retry_ms;
	connection_set_state(c, PG_WAITING);
	watch_start_ms(&c->timer, trouble.retry_ms);
	c->events->on_trouble(c, &trouble, c->ctx);
}

void
connection_note_fatal(struct connection *c, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (!severity || !message ||
	    (strcmp(severity, "FATAL") != 0 && strcmp(severity, "PANIC") != 0))
		return;
	snprintf(c->fatal, sizeof(c->fatal), "%s", message);
	snprintf(c->fatal_state, sizeof(c->fatal_state), "%s", sqlstate ? sqlstate : "");
}

/* Without one, libpq writes to stderr itself. */
static void
notice_cb(void *arg, const PGresult *result)
{
	struct connection *c = arg;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	connection_note_fatal(c, result);
	if (message)
		log_debug("store: the server notes: %s", message);
}

/* How long the present phase of the setup may take. */
static uint64_t
setup_limit_ms(const struct connection *c)
{
	uint64_t ms = c->settings->plan->statement_timeout_ms;

	if (c->setup.phase == SETUP_TAKE)
		return SETUP_TAKE_MS;
	if (ms < c->settings->connect_timeout_ms)
		ms = c->settings->connect_timeout_ms;
	return ms + SETUP_MARGIN_MS;
}

static void
become_ready(struct connection *c)
{
	if (PQenterPipelineMode(c->pg) != 1) {
		give_up(c, PQerrorMessage(c->pg));
		return;
	}
	targets_fini(&c->found);
	connection_set_state(c, PG_READY);
	c->events->on_ready(c, c->ctx);
}

static void
advance_setup(struct connection *c)
{
	enum setup_phase before = c->setup.phase;

	switch (setup_advance(&c->setup)) {
	case SETUP_DONE: become_ready(c); return;
	case SETUP_FAILED: give_up(c, c->setup.error); return;
	case SETUP_CHECK:
	case SETUP_TAKE:
	case SETUP_SESSION:
	case SETUP_PREPARE: break;
	}
	if (c->setup.phase != before)
		watch_start_ms(&c->timer, setup_limit_ms(c));
	connection_flush(c);
}

bool
connection_flush(struct connection *c)
{
	int rc = PQflush(c->pg);

	if (rc < 0) {
		give_up(c, PQerrorMessage(c->pg));
		return false;
	}
	/* 1: not all has gone out; input is read all the while, or both ends might wait */
	if (rc == 0)
		watch_stop(&c->writable);
	else if (!watch_start(&c->writable)) {
		give_up(c, "the event loop refuses the socket");
		return false;
	}
	return true;
}

static void poll_connect(struct connection *c);

static void
socket_cb(void *arg, short what)
{
	struct connection *c = arg;

	if (c->state == PG_CONNECTING) {
		poll_connect(c);
		return;
	}
	if ((what & LOOP_READ) && PQconsumeInput(c->pg) != 1) {
		give_up(c, PQerrorMessage(c->pg));
		return;
	}
	if (!connection_flush(c) || !(what & LOOP_READ))
		return;
	/* even when nothing was asked for, the server may say why it is about to hang up */
	(void)PQisBusy(c->pg);
	if (c->state == PG_SETTING_UP)
		advance_setup(c);
	else
		c->events->on_input(c, c->ctx);
}

static bool
watch_socket(struct connection *c)
{
	int fd = PQsocket(c->pg);

	stop_watching(c);
	if (fd < 0)
		return false;
	watch_init(&c->readable, c->loop, fd, LOOP_READ, "store read", socket_cb, c);
	watch_init(&c->writable, c->loop, fd, LOOP_WRITE, "store write", socket_cb, c);
	c->watching = true;
	return true;
}

static void
begin_setup(struct connection *c)
{
	/* while connecting, verbose errors tell the SQLSTATE */
	PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
	if (PQsetnonblocking(c->pg, 1) != 0 || !watch_socket(c) || !watch_start(&c->readable)) {
		give_up(c, "the event loop refuses the socket");
		return;
	}
	connection_set_state(c, PG_SETTING_UP);
	setup_begin(&c->setup, c->pg, c->settings->plan);
	watch_start_ms(&c->timer, setup_limit_ms(c));
	advance_setup(c);
}

/* Each address gets connect_timeout of its own. */
static void
note_current(struct connection *c)
{
	const struct targets *targets = targets_of(c);
	size_t current = conninfo_current(c->pg, targets, c->first);

	if (current == c->current || current == targets->n)
		return;
	c->current = current;
	watch_start_ms(&c->timer, c->settings->connect_timeout_ms);
}

static void
wait_connect(struct connection *c, PostgresPollingStatusType want)
{
	/* the socket may be another one after each poll */
	if (!watch_socket(c) ||
	    !watch_start(want == PGRES_POLLING_READING ? &c->readable : &c->writable)) {
		give_up(c, "the event loop refuses the socket");
		return;
	}
	note_current(c);
}

static void
poll_connect(struct connection *c)
{
	stop_watching(c);
	PostgresPollingStatusType rc = PQconnectPoll(c->pg);
	switch (rc) {
	case PGRES_POLLING_OK: begin_setup(c); return;
	case PGRES_POLLING_FAILED: give_up(c, PQerrorMessage(c->pg)); return;
	default: wait_connect(c, rc); return;
	}
}

static void
connect_from(struct connection *c, size_t first)
{
	const struct targets *targets = targets_of(c);

	c->first = c->current = first;
	connection_set_state(c, PG_CONNECTING);
	c->pg = conninfo_connect(c->settings->conninfo, targets, first);
	if (!c->pg) {
		give_up(c, "out of memory");
		return;
	}
	PQsetNoticeReceiver(c->pg, notice_cb, c);
	PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		give_up(c, PQerrorMessage(c->pg));
		return;
	}
	watch_start_ms(&c->timer, c->settings->connect_timeout_ms);
	/* as PQconnectStart's manual has it: at first as if it had asked to write */
	wait_connect(c, PGRES_POLLING_WRITING);
}

static void
resolved_cb(struct targets *found, const char *error, void *ctx)
{
	struct connection *c = ctx;

	c->resolve = NULL;
	if (c->state != PG_RESOLVING) {
		/* the attempt that asked is over; the next one asks again */
		if (found)
			targets_fini(found);
		return;
	}
	if (!found) {
		give_up(c, error);
		return;
	}
	c->found = *found;
	connect_from(c, 0);
}

static bool
is_held(const struct connection *c)
{
	const _Atomic uint64_t *until_ms = c->settings->held_until_ms;

	return until_ms &&
	       loop_now_ms(c->loop) < atomic_load_explicit(until_ms, memory_order_relaxed);
}

static void
begin_attempt(struct connection *c)
{
	const struct targets *targets = conninfo_targets(c->settings->conninfo);

	if (is_held(c)) {
		/* it costs nothing to look, and the end may be near */
		c->failures = HELD_FAILURES;
		give_up(c, HELD_TEXT);
		return;
	}
	if (!resolve_needed(targets)) {
		connect_from(c, 0);
		return;
	}
	connection_set_state(c, PG_RESOLVING);
	watch_start_ms(&c->timer, c->settings->connect_timeout_ms);
	if (!c->resolve)
		c->resolve = resolve_submit(c->loop, targets, resolved_cb, c);
	if (!c->resolve)
		give_up(c, "host names cannot be resolved: no thread");
}

static void
timer_cb(void *arg, short what)
{
	struct connection *c = arg;

	(void)what;
	switch (c->state) {
	case PG_WAITING: begin_attempt(c); break;
	case PG_RESOLVING:
		give_up(c, "host names were not resolved within store.connect_timeout");
		break;
	case PG_CONNECTING:
		/* libpq itself would wait for this address until the kernel gives up */
		if (c->current + 1 < targets_of(c)->n) {
			drop_pg(c);
			connect_from(c, c->current + 1);
		} else {
			give_up(c, "no answer within store.connect_timeout");
		}
		break;
	case PG_SETTING_UP: give_up(c, "connected, but the server does not answer"); break;
	case PG_READY: break;
	}
}

struct connection *
connection_new(struct loop *loop, const struct connection_settings *settings,
	       const struct connection_events *events, void *ctx)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		log_error("store: out of memory for a connection");
		return NULL;
	}
	c->loop = loop;
	c->settings = settings;
	c->events = events;
	c->ctx = ctx;
	watch_init_timer(&c->timer, loop, "store connection timer", timer_cb, c);
	connection_set_state(c, PG_WAITING);
	c->retry_at_ms = loop_now_ms(loop);
	watch_start_ms(&c->timer, 0);
	return c;
}

void
connection_free(struct connection **c)
{
	if (!*c)
		return;
	watch_stop(&(*c)->timer);
	drop_pg(*c);
	resolve_abandon(&(*c)->resolve);
	targets_fini(&(*c)->found);
	free(*c);
	*c = NULL;
}

PGconn *
connection_pg(const struct connection *c)
{
	return c->state == PG_READY ? c->pg : NULL;
}

void
connection_reset(struct connection *c, const char *reason)
{
	give_up(c, reason);
}

bool
connection_is_held(const struct connection *c)
{
	return c->state == PG_READY && is_held(c);
}

void
connection_yield(struct connection *c)
{
	give_up(c, HELD_TEXT);
}

uint64_t
connection_retry_in_ms(const struct connection *c)
{
	uint64_t now_ms = loop_now_ms(c->loop);

	if (c->state != PG_WAITING || c->retry_at_ms <= now_ms)
		return 0;
	return c->retry_at_ms - now_ms;
}

void
connection_describe(const struct connection *c, char *out, size_t out_size)
{
	const char *version = PQparameterStatus(c->pg, "server_version");

	snprintf(out, out_size, "host %s port %s dbname %s user %s, PostgreSQL %s", PQhost(c->pg),
		 PQport(c->pg), PQdb(c->pg), PQuser(c->pg), version ? version : "?");
}
