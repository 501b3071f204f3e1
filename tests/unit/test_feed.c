/* links: tests/unit/pg_server.c src/store/feed.c src/store/feed_change.c src/store/feed_horizon.c
 * src/store/feed_room.c src/store/feed_shared.c src/store/feed_steps.c src/store/schema.c
 * src/store/search_index.c src/pg/connect.c src/pg/setup.c src/pg/steps.c src/pg/session.c
 * src/pg/resolve.c src/pg/conninfo.c src/proc/doorbell.c src/proc/segment.c src/base/buffer.c
 * src/base/loop.c src/base/clock.c src/base/log.c -levent_core -lpq -lcrypto -lpthread */
/*
 * test_feed.c - the change feed on a real PostgreSQL: transactions that end in every order, many
 * writers at once, holders that are killed. Whatever happens, the room has each change once, in the
 * order of the log, and so has who reads the log up to the horizon.
 */
#include "store/feed.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg_server.h"
#include "store/schema.h"

#define GIVE_UP_MS 60000
#define ROOM_MAX   65536
#define IDS        12

struct change {
	uint64_t era, seq;
	int64_t id, version; /* -1: null */
	char op;             /* I U D T R */
};

/* The room, for holders in several processes: what is beyond `n` is not there. */
struct room {
	_Atomic uint32_t n;
	_Atomic bool is_closed; /* takes nothing at present */
	struct change change[ROOM_MAX];
};

static struct pg_server server;
static struct segment *segment;
static struct feed_shared *shared;
static struct doorbell bell;
static struct room *room;

static struct store_schema *schema;
static struct conninfo *conninfo;
static struct feed_settings settings;
static struct loop *loop;
static struct feed *feed;
static struct watch ticker;
static struct pass_hook hook;
static bool (*until)(void);
static uint64_t give_up_ms;
static PGconn *sql;
static int passes = -1; /* an eventfd: another process has been through a pass of its loop */

/* ---- the room ---- */

static bool
tell(struct span id, struct span json, void *ctx)
{
	struct change c = {.id = -1, .version = -1};
	const uint32_t n = room->n;
	char text[FEED_CHANGE_SIZE], name[64], op[16], number[2][24];

	(void)ctx;
	if (room->is_closed)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)id.len, id.ptr);
	snprintf(text, sizeof(text), "%.*s", (int)json.len, json.ptr);
	if (sscanf(name, "p%" SCNu64 ".%" SCNu64, &c.era, &c.seq) != 2 || n == ROOM_MAX)
		abort();
	uint64_t seq;
	if (sscanf(text,
		   "{\"seq\":%" SCNu64
		   ",\"op\":\"%15[a-z]\",\"id\":%23[a-z0-9],\"version\":%23[a-z0-9]}",
		   &seq, op, number[0], number[1]) != 4 ||
	    seq != c.seq || text[strlen(text) - 1] != '}')
		abort();
	c.op = strcmp(op, "insert") == 0     ? 'I'
	       : strcmp(op, "update") == 0   ? 'U'
	       : strcmp(op, "delete") == 0   ? 'D'
	       : strcmp(op, "truncate") == 0 ? 'T'
	       : strcmp(op, "reset") == 0    ? 'R'
					     : '?';
	if (strcmp(number[0], "null") != 0)
		c.id = strtoll(number[0], NULL, 10);
	if (strcmp(number[1], "null") != 0)
		c.version = strtoll(number[1], NULL, 10);
	/* as the log does: an id that it remembers is not written again */
	for (uint32_t i = n; i > 0; i--) {
		if (room->change[i - 1].era == c.era && room->change[i - 1].seq == c.seq)
			return true;
	}
	room->change[n] = c;
	room->n = n + 1;
	return true;
}

static size_t
last_id(char *id, size_t size, void *ctx)
{
	const uint32_t n = room->n;

	(void)ctx;
	if (n == 0)
		return 0;
	return (size_t)snprintf(id, size, "p%" PRIu64 ".%" PRIu64, room->change[n - 1].era,
				room->change[n - 1].seq);
}

/* ---- the loop ---- */

static bool
hook_cb(void *arg)
{
	(void)arg;
	ck_assert_msg(clock_monotonic_ms() < give_up_ms, "it never came");
	if (until && until())
		loop_stop(loop);
	if (passes >= 0)
		eventfd_write(passes, 1);
	return false;
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_start_ms(&ticker, 1);
}

static void
run_until(bool (*condition)(void))
{
	until = condition;
	give_up_ms = clock_monotonic_ms() + GIVE_UP_MS;
	if (!condition())
		loop_run(loop);
	until = NULL;
}

static void
open_loop(unsigned slot)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	hook = (struct pass_hook){.fn = hook_cb, .name = "script"};
	loop_add_pass_hook(loop, &hook);
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	segment->slots[slot].pid = getpid();
	segment->slots[slot].state = SLOT_READY;
	settings.slot = slot;
	conninfo = conninfo_new(server.conninfo);
	settings.conninfo = conninfo;
	feed = feed_new(loop, &settings);
	ck_assert_ptr_nonnull(feed);
}

static void
close_loop(void)
{
	feed_free(&feed);
	conninfo_free(&conninfo);
	loop_free(&loop);
}

/* ---- SQL ---- */

static PGresult *
ask(PGconn *pg, const char *text)
{
	PGresult *result = PQexec(pg, text);
	const ExecStatusType status = PQresultStatus(result);

	ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", text,
		      PQerrorMessage(pg));
	return result;
}

static void
run(PGconn *pg, const char *text)
{
	PQclear(ask(pg, text));
}

static uint64_t
number(const char *text)
{
	PGresult *result = ask(sql, text);
	const uint64_t value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);

	PQclear(result);
	return value;
}

/* ---- what must be true ---- */

static bool
is_placed(void)
{
	struct feed_place place;

	return feed_place(feed, &place);
}

static bool
is_caught_up(void)
{
	struct feed_place place;

	return feed_shared_get(shared, &place) && place.published == place.settled &&
	       place.settled >= number("select coalesce(max(seq), 0) from product_log");
}

static uint64_t looks_before;

/* Two looks: the first of them may have been under way already. */
static bool
has_looked(void)
{
	feed_wake(feed);
	return shared->looks >= looks_before + 2;
}

static void
look(void)
{
	looks_before = shared->looks;
	run_until(has_looked);
}

static size_t
read_log(struct change *out, const char *where)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "select seq, op, coalesce(id, -1), coalesce(version, -1) from product_log where "
		 "%s order by seq",
		 where);
	PGresult *result = ask(sql, text);
	const int n = PQntuples(result);

	for (int i = 0; i < n; i++)
		out[i] = (struct change){
		    .seq = strtoull(PQgetvalue(result, i, 0), NULL, 10),
		    .op = PQgetvalue(result, i, 1)[0],
		    .id = strtoll(PQgetvalue(result, i, 2), NULL, 10),
		    .version = strtoll(PQgetvalue(result, i, 3), NULL, 10),
		};
	PQclear(result);
	return (size_t)n;
}

static void
check_same(const char *who, const struct change *got, size_t n_got, const struct change *want,
	   size_t n)
{
	for (size_t i = 0; i < n && i < n_got; i++)
		ck_assert_msg(got[i].seq == want[i].seq && got[i].op == want[i].op &&
				  got[i].id == want[i].id && got[i].version == want[i].version,
			      "%s: change %zu is %c %" PRIu64 " instead of %c %" PRIu64, who, i,
			      got[i].op, got[i].seq, want[i].op, want[i].seq);
	ck_assert_msg(n_got == n, "%s: %zu changes of %zu", who, n_got, n);
}

static struct change truth[ROOM_MAX];

/* The room has the whole log. */
static void
check_room(const char *who)
{
	run_until(is_caught_up);
	const size_t n = read_log(truth, "true");

	check_same(who, room->change, room->n, truth, n);
}

/* Who follows the changes has what the table has, and sees versions rise. */
static void
check_replay(void)
{
	int64_t version[IDS + 1] = {0}, newest[IDS + 1] = {0};

	for (uint32_t i = 0; i < room->n; i++) {
		const struct change *c = &room->change[i];

		if (c->op == 'T') {
			memset(version, 0, sizeof(version));
			continue;
		}
		ck_assert(c->id >= 1 && c->id <= IDS);
		ck_assert_msg(c->version > newest[c->id],
			      "seq %" PRIu64 ": product %d goes from version %d to %d", c->seq,
			      (int)c->id, (int)newest[c->id], (int)c->version);
		newest[c->id] = c->version;
		version[c->id] = c->op == 'D' ? 0 : c->version;
	}
	for (int id = 1; id <= IDS; id++) {
		char text[100];

		snprintf(text, sizeof(text),
			 "select coalesce((select version from products where id = %d), 0)", id);
		ck_assert_uint_eq(number(text), (uint64_t)version[id]);
	}
}

/* ---- fixtures ---- */

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	pg_server_sql(&server, "drop schema public cascade; create schema public; "
			       "grant all on schema public to public");
	segment = segment_new(4096);
	ck_assert(segment && doorbell_init(&bell));
	shared = feed_shared_of(segment);
	room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(room, MAP_FAILED);
	schema = store_schema_new("public");
	ck_assert_ptr_nonnull(schema);
	settings = (struct feed_settings){
	    .schema = schema,
	    .is_direct = true,
	    .connect_timeout_ms = 5000,
	    .statement_timeout_ms = 20000,
	    .change_retention_ms = 3600000,
	    .key_retention_ms = 3600000,
	    .segment = segment,
	    .bell = &bell,
	    .room = {.tell = tell, .last_id = last_id},
	};
	sql = pg_server_connect(&server);
	open_loop(0);
	run_until(is_placed);
}

static void
teardown(void)
{
	if (feed)
		close_loop();
	PQfinish(sql);
	store_schema_free(&schema);
	segment_free(&segment);
}

/* ---- every order ---- */

enum end { COMMIT, ROLLBACK, SAVEPOINT, PREPARED, ENDS };

/* A transaction takes its id, later draws a seq, later ends; `end` says how. */
static void
play(PGconn *pg, unsigned who, unsigned step, enum end end)
{
	char text[100];

	switch (step) {
	case 0:
		run(pg, "begin; select pg_current_xact_id()");
		/* PREPARE TRANSACTION refuses one that notifies */
		if (end == PREPARED)
			run(pg, "set local plaza.told = 'on'");
		break;
	case 1:
		run(pg, end == SAVEPOINT ? "savepoint a; insert into products(name, price) values "
					   "('lost', 1); rollback to a; insert into "
					   "products(name, price) values ('kept', 1), ('kept', 2)"
					 : "insert into products(name, price) values ('one', 1)");
		break;
	default:
		snprintf(text, sizeof(text), "prepare transaction 'p%u'", who);
		run(pg, end == ROLLBACK ? "rollback" : end == PREPARED ? text : "commit");
		if (end != PREPARED)
			return;
		look();
		snprintf(text, sizeof(text), "commit prepared 'p%u'", who);
		run(pg, text);
	}
}

/* `order` has each transaction three times. After every step the feed looks. */
static void
play_order(PGconn *const *pg, const unsigned *order, unsigned n_steps, const enum end *end)
{
	unsigned step[3] = {0};

	for (unsigned i = 0; i < n_steps; i++) {
		const unsigned who = order[i];

		play(pg[who], who, step[who]++, end[who]);
		look();
	}
}

/* What was, as if it were old. */
static void
forget(void)
{
	room->n = 0;
	run(sql, "with mark as (update product_feed set pruned = greatest(pruned, (select max(seq) "
		 "from product_log))) delete from product_log");
}

START_TEST(two_transactions_in_every_order)
{
	PGconn *pg[2] = {pg_server_connect(&server), pg_server_connect(&server)};

	for (unsigned mask = 0; mask < 64; mask++) {
		unsigned order[6];

		if (__builtin_popcount(mask) != 3)
			continue;
		for (unsigned i = 0; i < 6; i++)
			order[i] = mask >> i & 1;
		for (unsigned ends = 0; ends < ENDS * ENDS; ends++) {
			const enum end end[] = {ends % ENDS, ends / ENDS};
			char name[80];

			play_order(pg, order, 6, end);
			snprintf(name, sizeof(name), "order %u, ends %u", mask, ends);
			check_room(name);
			forget();
		}
	}
	PQfinish(pg[0]);
	PQfinish(pg[1]);
}
END_TEST

START_TEST(three_transactions_in_any_order)
{
	PGconn *pg[3];
	unsigned seed = 1;

	for (unsigned i = 0; i < 3; i++)
		pg[i] = pg_server_connect(&server);
	for (unsigned round = 0; round < 150; round++) {
		unsigned order[9], left[3] = {3, 3, 3};
		enum end end[3];
		char name[40];

		for (unsigned i = 0; i < 9; i++) {
			do
				order[i] = (unsigned)rand_r(&seed) % 3;
			while (left[order[i]] == 0);
			left[order[i]]--;
		}
		for (unsigned i = 0; i < 3; i++)
			end[i] = (unsigned)rand_r(&seed) % ENDS;
		play_order(pg, order, 9, end);
		snprintf(name, sizeof(name), "round %u", round);
		check_room(name);
		forget();
	}
	for (unsigned i = 0; i < 3; i++)
		PQfinish(pg[i]);
}
END_TEST

/* A transaction of another database of the cluster, that has nothing to do with products. */
START_TEST(one_that_writes_elsewhere_holds_it_and_one_that_reads_does_not)
{
	char text[200];

	snprintf(text, sizeof(text), "host=%s/s dbname=postgres user=postgres", server.dir);
	PGconn *pg = PQconnectdb(text);
	ck_assert_int_eq(PQstatus(pg), CONNECTION_OK);

	run(pg, "begin isolation level repeatable read; select count(*) from pg_class");
	run(sql, "insert into products(name, price) values ('one', 1)");
	check_room("beside a reader");
	run(pg, "create temp table t(i int)");
	run(sql, "insert into products(name, price) values ('two', 1)");
	look();
	look();
	ck_assert_uint_eq(room->n, 1);
	run(pg, "rollback");
	check_room("when the writer has ended");
	ck_assert_uint_eq(room->n, 2);
	PQfinish(pg);
}
END_TEST

/* ---- many writers ---- */

/* May fail (a deadlock, an id that is there): then it is rolled back. */
static bool
attempt(PGconn *pg, const char *text)
{
	PGresult *result = PQexec(pg, text);
	const ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void
write_something(PGconn *pg, unsigned *seed)
{
	const int id = 1 + rand_r(seed) % IDS, other = 1 + rand_r(seed) % IDS;
	char text[400];

	switch (rand_r(seed) % 8) {
	case 0: snprintf(text, sizeof(text), "delete from products where id = %d", id); break;
	case 1:
	case 2:
		snprintf(text, sizeof(text),
			 "insert into products(id, name, price) values (%d, 'n', 1), (%d, 'n', 1)"
			 " on conflict (id) do update set price = products.price + 0.01",
			 id, id % IDS + 1);
		break;
	case 3:
		snprintf(text, sizeof(text),
			 "savepoint s; update products set price = 7 where id = %d; rollback to s; "
			 "update products set price = 8 where id in (%d, %d)",
			 id, id, other);
		break;
	case 4:
		snprintf(text, sizeof(text),
			 "insert into products(id, name, price) select %d, 'n', 1 "
			 "where not exists (select from products where id = %d)",
			 id, id);
		break;
	case 5:
		/* an update that moves a row to another id */
		snprintf(text, sizeof(text),
			 "update products set id = %d where id = %d and not exists (select from "
			 "products where id = %d)",
			 other, id, other);
		break;
	default: snprintf(text, sizeof(text), "update products set price = 9 where id = %d", id);
	}
	if (rand_r(seed) % 300 == 0)
		snprintf(text, sizeof(text), "truncate products");
	attempt(pg, text);
}

/* In a process of its own. */
static _Noreturn void
be_writer(unsigned number_of, unsigned transactions)
{
	unsigned seed = number_of * 7919 + 1;
	PGconn *pg = pg_server_connect(&server);
	char text[60];

	/* quick to be found */
	attempt(pg, "set deadlock_timeout = '20ms'");
	for (unsigned i = 0; i < transactions; i++) {
		const int end = rand_r(&seed) % 10;

		attempt(pg, "begin");
		if (end == 1)
			attempt(pg, "set local plaza.told = 'on'");
		if (rand_r(&seed) % 2)
			attempt(pg, "select pg_current_xact_id()");
		for (int n = rand_r(&seed) % 3; n >= 0; n--)
			write_something(pg, &seed);
		if (end == 0) {
			attempt(pg, "rollback");
		} else if (end == 1) {
			snprintf(text, sizeof(text), "prepare transaction 'w%u'", number_of);
			attempt(pg, text);
			attempt(pg, "select 1");
			snprintf(text, sizeof(text), "commit prepared 'w%u'", number_of);
			attempt(pg, text);
		} else {
			attempt(pg, "commit");
		}
	}
	PQfinish(pg);
	_exit(0);
}

#define WRITERS 4

static pid_t writer[WRITERS];
static unsigned n_writing;

static void
start_writers(unsigned transactions)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		writer[i] = fork();
		if (writer[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			be_writer(i, transactions);
		}
		n_writing++;
	}
}

static bool
writers_are_done(void)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		if (writer[i] && waitpid(writer[i], NULL, WNOHANG) == writer[i]) {
			writer[i] = 0;
			n_writing--;
		}
	}
	return n_writing == 0;
}

/* Who asks for what has come after the last change it knows, as GET changes does. */
static struct change seen[ROOM_MAX];
static size_t n_seen;

static void
read_on(void)
{
	struct feed_place place;
	char where[100];

	if (!feed_shared_get(shared, &place))
		return;
	snprintf(where, sizeof(where), "seq > %" PRIu64 " and seq <= %" PRIu64,
		 n_seen ? seen[n_seen - 1].seq : 0, place.settled);
	n_seen += read_log(seen + n_seen, where);
}

static bool
writers_are_done_and_reader_reads(void)
{
	read_on();
	return writers_are_done();
}

START_TEST(many_writers_and_readers_at_once)
{
	start_writers(400);
	run_until(writers_are_done_and_reader_reads);
	check_room("the room");
	ck_assert_uint_gt(room->n, 500);
	read_on();
	const size_t n = read_log(truth, "true");
	check_same("the reader", seen, n_seen, truth, n);
	check_replay();
}
END_TEST

/* ---- deaths ---- */

#define HOLDERS 3

static pid_t holder[HOLDERS];

static void
start_holder(unsigned slot)
{
	if (passes < 0)
		passes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(passes, 0);
	holder[slot] = fork();
	ck_assert_int_ge(holder[slot], 0);
	if (holder[slot] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		open_loop(slot);
		watch_stop(&ticker);
		give_up_ms = UINT64_MAX;
		loop_run(loop);
		_exit(1);
	}
	/* as the master does it */
	segment->slots[slot].pid = holder[slot];
}

static unsigned held_by;

static bool
is_held(void)
{
	struct feed_place place;

	return feed_shared_holder(shared, &held_by) && holder[held_by] != 0 &&
	       (uint32_t)(shared->holder >> 32) == (uint32_t)holder[held_by] &&
	       feed_shared_get(shared, &place);
}

/* For what the holders do, each of which turns its loop now and then anyway. */
static void
wait_for(bool (*condition)(void))
{
	const uint64_t until_ms = clock_monotonic_ms() + GIVE_UP_MS;
	struct pollfd p = {.fd = passes, .events = POLLIN};
	eventfd_t n;

	while (!condition()) {
		const uint64_t now_ms = clock_monotonic_ms();

		ck_assert_msg(now_ms < until_ms && poll(&p, 1, (int)(until_ms - now_ms)) == 1 &&
				  eventfd_read(passes, &n) == 0,
			      "it never came");
	}
}

static uint32_t n_before;

static bool
has_come_on(void)
{
	return room->n > n_before + 20 || writers_are_done();
}

START_TEST(killed_holders_are_replaced_and_nothing_is_lost)
{
	/* we are the master now, and hold nothing */
	close_loop();
	for (unsigned i = 0; i < HOLDERS; i++)
		start_holder(i);
	wait_for(is_held);
	start_writers(500);
	for (unsigned round = 0; round < 12; round++) {
		n_before = room->n;
		wait_for(has_come_on);
		wait_for(is_held);
		const unsigned dead = held_by;
		const bool is_stopped = round % 4 == 3;

		/* a stopped one keeps it: nobody else may publish what it is just publishing */
		if (is_stopped) {
			ck_assert_int_eq(kill(holder[dead], SIGSTOP), 0);
			for (unsigned i = 0; i < HOLDERS; i++)
				ck_assert(i == dead ||
					  !feed_shared_take(shared, segment, i, holder[i]));
			ck_assert_int_eq(kill(holder[dead], SIGCONT), 0);
			continue;
		}
		ck_assert_int_eq(kill(holder[dead], SIGKILL), 0);
		ck_assert_int_eq(waitpid(holder[dead], NULL, 0), holder[dead]);
		segment->slots[dead].pid = 0;
		holder[dead] = 0;
		if (round % 2)
			start_holder(dead);
		wait_for(is_held);
		if (round % 2 == 0)
			start_holder(dead);
	}
	wait_for(writers_are_done);
	wait_for(is_caught_up);
	check_same("the room", room->change, room->n, truth, read_log(truth, "true"));
	check_replay();
	for (unsigned i = 0; i < HOLDERS; i++) {
		kill(holder[i], SIGKILL);
		waitpid(holder[i], NULL, 0);
	}
}
END_TEST

static struct watch witness;
static bool witness_has_seen, was_replaced;

static bool
is_ours(void)
{
	return (uint32_t)(shared->holder >> 32) == (uint32_t)getpid();
}

static void
witness_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	witness_has_seen = true;
	was_replaced = is_ours();
}

static bool
has_witness_seen(void)
{
	return witness_has_seen;
}

/*
 * However late a busy machine lets us run, the loop's timers come in the order of their times: what
 * another one finds that was set to a second when the holder died has happened within that second.
 */
START_TEST(a_dead_holder_is_replaced_within_a_second)
{
	close_loop();
	start_holder(1);
	wait_for(is_held);
	open_loop(0);
	watch_init_timer(&witness, loop, "witness", witness_cb, NULL);
	/* it looks after the seat, and leaves it to who lives */
	watch_start_ms(&witness, 2 * FEED_TEND_MS);
	run_until(has_witness_seen);
	ck_assert(!was_replaced);
	ck_assert_int_eq(kill(holder[1], SIGKILL), 0);
	ck_assert_int_eq(waitpid(holder[1], NULL, 0), holder[1]);
	segment->slots[1].pid = 0;
	witness_has_seen = false;
	watch_start_ms(&witness, 1000);
	run_until(has_witness_seen);
	ck_assert(was_replaced);
	run(sql, "insert into products(name, price) values ('one', 1)");
	check_room("the room of the next one");
}
END_TEST

/* ---- single things ---- */

START_TEST(psql_is_heard_of_at_once)
{
	const uint64_t since_ms = clock_monotonic_ms();

	/* each by a notification: a poll comes after a second */
	for (unsigned i = 0; i < 6; i++) {
		run(sql, "insert into products(name, price) values ('one', 1)");
		run_until(is_caught_up);
	}
	ck_assert_uint_lt(clock_monotonic_ms() - since_ms, 3000);
	check_room("the room");
}
END_TEST

START_TEST(what_is_told_to_nobody_is_found)
{
	run(sql, "set plaza.told = 'on'");
	run(sql, "insert into products(name, price) values ('one', 1)");
	check_room("the room");
}
END_TEST

static bool
has_been_notified(void)
{
	feed_wake(feed);
	PQconsumeInput(sql);
	PGnotify *notice = PQnotifies(sql);
	const bool is_ours = notice && strcmp(notice->relname, FEED_CHANNEL) == 0;

	PQfreemem(notice);
	return is_ours;
}

START_TEST(other_hosts_are_told_of_our_writes)
{
	PGconn *pg = pg_server_connect(&server);

	run(sql, "listen " FEED_CHANNEL);
	run(pg, "set plaza.told = 'on'");
	run(pg, "insert into products(name, price) values ('one', 1)");
	run_until(has_been_notified);
	PQfinish(pg);
}
END_TEST

static bool
has_noted_bell(void)
{
	/* the room is closed: the horizon moves, the room does not */
	struct feed_place place;

	return feed_place(feed, &place) && place.settled > place.published;
}

START_TEST(a_room_that_takes_nothing_gets_all_later)
{
	run(sql, "insert into products(name, price) values ('one', 1)");
	check_room("the room");
	room->is_closed = true;
	run(sql, "insert into products(name, price) select 'n', 1 from generate_series(1, 1200)");
	run_until(has_noted_bell);
	look();
	ck_assert_uint_eq(room->n, 1);
	room->is_closed = false;
	check_room("the room, open again");
	ck_assert_uint_eq(room->n, 1201);
}
END_TEST

static uint64_t rows_left, keys_left;

static bool
is_pruned(void)
{
	return number("select count(*) from product_log") == rows_left &&
	       number("select count(*) from product_idempotency") == keys_left;
}

START_TEST(old_changes_and_keys_are_pruned)
{
	run(sql, "insert into products(name, price) select 'n', 1 from generate_series(1, 2500)");
	run(sql, "insert into product_idempotency(key, fingerprint, status, answer, at) select "
		 "'k' || i, '', 200, '', now() - i * interval '1 minute' from generate_series(1, "
		 "1500) i");
	check_room("the room");
	run(sql, "update product_log set at = now() - interval '61 minutes' where seq <= 2200");
	/* not behind the first one that stays, whatever its own age */
	run(sql, "update product_log set at = now() - interval '61 minutes' where seq = 2300");
	rows_left = 300;
	keys_left = 59;
	/* a round comes at the beginning: another holder, with a longer memory for nothing else */
	close_loop();
	open_loop(0);
	run_until(is_pruned);
	ck_assert_uint_eq(number("select pruned from product_feed"), 2200);
	ck_assert_uint_eq(number("select min(seq) from product_log"), 2201);
	settings.change_retention_ms = 1;
	rows_left = 0;
	close_loop();
	open_loop(0);
	run_until(is_pruned);
	/* an empty log is no log that has lost its end */
	run(sql, "insert into products(name, price) values ('one', 1)");
	run_until(is_caught_up);
	ck_assert_uint_eq(room->n, 2501);
	ck_assert_uint_eq(room->change[2500].era, room->change[0].era);
}
END_TEST

static uint64_t era_before;

static bool
is_in_another_era(void)
{
	struct feed_place place;

	feed_wake(feed);
	return feed_place(feed, &place) && place.era != era_before;
}

START_TEST(a_database_that_lost_its_end_begins_an_era)
{
	struct feed_place place;

	run(sql, "insert into products(name, price) select 'n', 1 from generate_series(1, 10)");
	check_room("the room");
	ck_assert(feed_place(feed, &place));
	era_before = place.era;
	/* as a standby that was behind when it was promoted: the same numbers come again */
	run(sql, "delete from product_log where seq > 6");
	run(sql, "alter table product_log alter column seq restart with 7");
	run(sql, "select pg_terminate_backend(pid) from pg_stat_activity where "
		 "application_name = 'plazad'");
	/* the room takes nothing: it is told later */
	room->is_closed = true;
	run_until(is_in_another_era);
	ck_assert_uint_eq(room->n, 10);
	room->is_closed = false;
	run(sql, "insert into products(name, price) select 'n', 1 from generate_series(1, 3)");
	run_until(is_caught_up);
	ck_assert_uint_eq(room->n, 14);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(room->change[10 + i].seq, 6 + i);
		ck_assert_uint_ne(room->change[10 + i].era, era_before);
		ck_assert_int_eq(room->change[10 + i].op, i == 0 ? 'R' : 'I');
	}
	/* another log altogether */
	ck_assert(feed_place(feed, &place));
	era_before = place.era;
	run(sql, "update product_feed set log = gen_random_uuid()");
	run_until(is_in_another_era);
	run_until(is_caught_up);
	ck_assert_uint_eq(room->n, 15);
	ck_assert_int_eq(room->change[14].op, 'R');
	ck_assert_uint_eq(room->change[14].seq, 9);
}
END_TEST

/* When the feed looks there are more than it knows of, and it is not taken in. */
START_TEST(a_database_that_lost_its_end_and_has_another_one_begins_an_era)
{
	struct feed_place place;

	run(sql, "insert into products(name, price) select 'n', 1 from generate_series(1, 10)");
	check_room("the room");
	for (int is_hole = 0; is_hole < 2; is_hole++) {
		const uint32_t n = room->n;

		ck_assert(feed_place(feed, &place));
		era_before = place.era;
		/* the change that was settled is another one, or is none at all */
		run(sql, "begin");
		run(sql, "delete from product_log where seq > 6");
		run(sql, "alter table product_log alter column seq restart with 7");
		if (is_hole)
			run(sql, "alter table product_log alter column seq restart with 100");
		run(sql, "insert into products(name, price) select 'n', 1 from "
			 "generate_series(1, 8)");
		run(sql, "commit");
		run_until(is_in_another_era);
		run(sql, "insert into products(name, price) values ('n', 1)");
		run_until(is_caught_up);
		ck_assert_uint_eq(room->n, n + 2);
		ck_assert_int_eq(room->change[n].op, 'R');
		ck_assert_uint_eq(room->change[n].seq, is_hole ? 107 : 14);
		ck_assert_int_eq(room->change[n + 1].op, 'I');
		ck_assert_uint_eq(room->change[n + 1].seq, is_hole ? 108 : 15);
	}
}
END_TEST

START_TEST(a_server_that_restarts_loses_nothing)
{
	run(sql, "insert into products(name, price) values ('one', 1)");
	check_room("before");
	PQfinish(sql);
	pg_server_run(&server, "kill");
	pg_server_run(&server, "restart");
	sql = pg_server_connect(&server);
	run(sql, "insert into products(name, price) values ('two', 1)");
	check_room("after");
	ck_assert_uint_eq(room->n, 2);
	ck_assert_uint_eq(room->change[1].era, room->change[0].era);
}
END_TEST

START_TEST(who_leaves_gives_it_up)
{
	unsigned slot;

	ck_assert(feed_shared_holder(shared, &slot));
	feed_yield(feed);
	ck_assert(!feed_shared_holder(shared, &slot));
	/* and does not come back */
	segment->slots[1].pid = 1;
	ck_assert(feed_shared_take(shared, segment, 1, 1));
	feed_yield(feed);
	ck_assert(feed_shared_holder(shared, &slot));
	ck_assert_uint_eq(slot, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("feed");
	TCase *tcase = tcase_create("feed");

	pg_server_start(&server, "max_prepared_transactions=20");
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, two_transactions_in_every_order);
	tcase_add_test(tcase, three_transactions_in_any_order);
	tcase_add_test(tcase, one_that_writes_elsewhere_holds_it_and_one_that_reads_does_not);
	tcase_add_test(tcase, many_writers_and_readers_at_once);
	tcase_add_test(tcase, killed_holders_are_replaced_and_nothing_is_lost);
	tcase_add_test(tcase, a_dead_holder_is_replaced_within_a_second);
	tcase_add_test(tcase, psql_is_heard_of_at_once);
	tcase_add_test(tcase, what_is_told_to_nobody_is_found);
	tcase_add_test(tcase, other_hosts_are_told_of_our_writes);
	tcase_add_test(tcase, a_room_that_takes_nothing_gets_all_later);
	tcase_add_test(tcase, old_changes_and_keys_are_pruned);
	tcase_add_test(tcase, a_database_that_lost_its_end_begins_an_era);
	tcase_add_test(tcase, a_database_that_lost_its_end_and_has_another_one_begins_an_era);
	tcase_add_test(tcase, a_server_that_restarts_loses_nothing);
	tcase_add_test(tcase, who_leaves_gives_it_up);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	pg_server_run(&server, "remove");
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
