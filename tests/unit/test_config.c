/* links: src/config/config.c src/config/errors.c
 *        src/config/option.c src/config/ini_file.c src/config/syntax.c
 * src/config/conninfo.c src/config/address.c src/config/network.c src/base/buffer.c
 * -lini_config -lbasicobjects -lref_array -lcollection -lpq */
/*
 * test_config.c - every kind of mistake with its message, -o over file over default, the round trip
 * of -T, secrets, and what a reload asks.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/conninfo.h"
#include "config/syntax.h"

static char directory[64];

/* Each test runs in a directory of its own, so that messages can name plaza.conf. */
static void
enter(void)
{
	snprintf(directory, sizeof(directory), "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
}

static void
leave(void)
{
	unlink("plaza.conf");
	unlink("dump.conf");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void
write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* Loads `text` as plaza.conf with one override (or none); all error lines joined in `errors`. */
static struct config *
load(const char *text, const char *override, char errors[8192])
{
	struct config_errors list = {0};
	char *overrides[1];
	size_t at = 0;

	write_file("plaza.conf", text, strlen(text));
	overrides[0] = override ? strdup(override) : NULL;
	struct config *config = config_load("plaza.conf", true, overrides, override ? 1 : 0, &list);
	errors[0] = '\0';
	for (size_t i = 0; i < list.n; i++)
		at += (size_t)snprintf(errors + at, 8192 - at, "%s\n", list.line[i]);
	ck_assert_uint_lt(at, 8192);
	ck_assert_int_eq(config == NULL, list.n > 0);
	config_errors_fini(&list);
	free(overrides[0]);
	return config;
}

static struct config *
load_ok(const char *text, const char *override)
{
	char errors[8192];
	struct config *config = load(text, override, errors);

	ck_assert_msg(config != NULL, "%s", errors);
	return config;
}

static char *
dump(const struct config *config)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	config_dump(config, f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

static void
assert_option(const struct config *config, enum config_option option, const char *text,
	      const char *source)
{
	ck_assert_str_eq(config->text[option], text);
	ck_assert_str_eq(config->source[option], source);
}

/* files that are fine */

static const struct {
	const char *what;
	const char *text;
} empty[] = {
    {"empty", ""},
    {"a newline", "\n"},
    {"blanks without newline", " \t "},
    {"comments", "# one\n; two\n  # three\n"},
    {"a comment without newline", "# one"},
    {"sections without options", "[server]\n[log]\n[server]\n"},
    {"a section without newline", "[server]"},
    {"a byte order mark", "\xef\xbb\xbf"},
    {"carriage returns", "\r\n# x\r\n[log]\r\n"},
};

START_TEST(file_that_sets_nothing_gives_the_defaults)
{
	struct config *c = load_ok(empty[_i].text, NULL);

	ck_assert_str_eq(c->file, "plaza.conf");
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		ck_assert_str_eq(c->source[i], "default");
	ck_assert_uint_eq(c->server_listen.n, 1);
	ck_assert_str_eq(c->server_listen.address[0].text, "127.0.0.1:8080");
	ck_assert_uint_eq(c->server_workers, 0);
	ck_assert_str_eq(c->server_user, "");
	ck_assert_uint_eq(c->server_public.n, 1);
	ck_assert(words_contain(&c->server_public, "greet"));
	ck_assert(!words_contain(&c->server_public, "chat"));
	ck_assert_uint_eq(c->server_names.n, 0);
	ck_assert_uint_eq(c->server_shutdown_timeout, 10 * 1000);
	ck_assert_uint_eq(c->server_drain_timeout, 3600 * 1000);
	ck_assert_uint_eq(c->http_min_body_rate, 1024);
	ck_assert_uint_eq(c->http_max_header_size, 16 * 1024);
	ck_assert_uint_eq(c->http_max_connections, 0);
	ck_assert_uint_eq(c->http_max_connections_per_address, 64);
	ck_assert_uint_eq(c->chat_log_size, 64 << 20);
	ck_assert_str_eq(c->store_database, "");
	ck_assert_uint_eq(c->store_connections, 90);
	ck_assert_int_eq(c->log_level, 2);
	ck_assert_int_eq(c->log_format, 0);
	ck_assert_uint_eq(c->log_slow_callback, 100);
	config_free(&c);
	ck_assert_ptr_null(c);
}
END_TEST

/* The normal form of each default is how options.def writes it, so documents can quote it. */
START_TEST(defaults_are_written_in_their_normal_form)
{
	static const char *const defaults[] = {
#define OPTION(section, name, type, def, ...) def,
#include "config/options.def"
#undef OPTION
	};
	struct config *c = load_ok("", NULL);

	for (unsigned i = 0; i < OPTION_COUNT; i++)
		ck_assert_str_eq(c->text[i], defaults[i]);
	config_free(&c);
}
END_TEST

static const struct {
	const char *text;
	enum config_option option;
	const char *normal;
	const char *source;
} values[] = {
    {"[server]\nworkers=4", OPTION_server_workers, "4", "plaza.conf:2"},
    {"[server]\n\n \tworkers \t=\t 64 \t\n", OPTION_server_workers, "64", "plaza.conf:3"},
    {"[server]\r\nworkers = 4\r\n", OPTION_server_workers, "4", "plaza.conf:2"},
    {"\xef\xbb\xbf[server]\nworkers = 4", OPTION_server_workers, "4", "plaza.conf:2"},
    {" [ server ] \nworkers = 4", OPTION_server_workers, "4", "plaza.conf:2"},
    {"[Server]\nWorkers = 4", OPTION_server_workers, "4", "plaza.conf:2"},
    {"[server]\nuser = x\n[log]\nlevel = debug\n[server]\nworkers = 4\n", OPTION_server_workers,
     "4", "plaza.conf:6"},
    {"[server]\nworkers = auto\n", OPTION_server_workers, "auto", "plaza.conf:2"},
    {"[http]\nmax_connections_per_address = off\n", OPTION_http_max_connections_per_address, "off",
     "plaza.conf:2"},
    {"[server]\nuser =\n", OPTION_server_user, "", "plaza.conf:2"},
    {"[server]\nuser = # ; = x\n", OPTION_server_user, "# ; = x", "plaza.conf:2"},
    {"[server]\nuser = 太郎\n", OPTION_server_user, "太郎", "plaza.conf:2"},
    {"[server]\nlisten =  localhost:80\t[0::1]:80,public  \n", OPTION_server_listen,
     "127.0.0.1:80 [::1]:80,public", "plaza.conf:2"},
    {"[server]\npublic =\n", OPTION_server_public, "", "plaza.conf:2"},
    {"[server]\npublic = jobs  store.read store.write chat greet *\n", OPTION_server_public,
     "jobs store.read store.write chat greet *", "plaza.conf:2"},
    {"[server]\nnames = Plaza.Example a-b.c_d 10.0.0.1 [::2] *\n", OPTION_server_names,
     "plaza.example a-b.c_d 10.0.0.1 [::2] *", "plaza.conf:2"},
    {"[server]\nshutdown_timeout = 60000ms\n", OPTION_server_shutdown_timeout, "1m",
     "plaza.conf:2"},
    {"[server]\nshutdown_timeout = 0100ms\n", OPTION_server_shutdown_timeout, "100ms",
     "plaza.conf:2"},
    {"[server]\ndrain_timeout = 168h\n", OPTION_server_drain_timeout, "168h", "plaza.conf:2"},
    {"[http]\nidle_timeout = 90s\n", OPTION_http_idle_timeout, "90s", "plaza.conf:2"},
    {"[http]\nmax_body_size = 65536\n", OPTION_http_max_body_size, "64k", "plaza.conf:2"},
    {"[http]\nmax_body_size = 1025\n", OPTION_http_max_body_size, "1025", "plaza.conf:2"},
    {"[http]\norigins = HTTPS://App.Example:443 http://x:80 http://x:443 app://[::1]:9\n",
     OPTION_http_origins, "https://app.example http://x http://x:443 app://[::1]:9",
     "plaza.conf:2"},
    {"[fetch]\nports =  1 65535\n", OPTION_fetch_ports, "1 65535", "plaza.conf:2"},
    {"[fetch]\nallow = 10.0.0.0/8 127.0.0.1:8081 fd00::/8:80  [::1]:8080\n", OPTION_fetch_allow,
     "10.0.0.0/8 127.0.0.1:8081 fd00::/8:80 [::1]:8080", "plaza.conf:2"},
    {"[chat]\nlog_size = 4194304k\n", OPTION_chat_log_size, "4g", "plaza.conf:2"},
    {"[log]\nlevel = debug\n", OPTION_log_level, "debug", "plaza.conf:2"},
    {"[log]\nslow_callback = 0s\n", OPTION_log_slow_callback, "0ms", "plaza.conf:2"},
    {"[store]\nschema = Shop_2\n", OPTION_store_schema, "Shop_2", "plaza.conf:2"},
    {"[store]\nmigrate = off\n", OPTION_store_migrate, "off", "plaza.conf:2"},
    {"[store]\ndatabase = host=/run/postgresql dbname='my db'\n", OPTION_store_database,
     "host=/run/postgresql dbname='my db'", "plaza.conf:2"},
};

START_TEST(value_is_taken_in_its_normal_form_with_its_line)
{
	struct config *c = load_ok(values[_i].text, NULL);

	assert_option(c, values[_i].option, values[_i].normal, values[_i].source);
	config_free(&c);
}
END_TEST

START_TEST(very_long_value_is_taken_whole)
{
	static char text[200000];
	size_t at = (size_t)snprintf(text, sizeof(text), "[server]\nnames =");
	struct config *c;

	for (int i = 0; i < 9000; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " host-%05d.example", i);
	c = load_ok(text, NULL);
	ck_assert_uint_eq(c->server_names.n, 9000);
	ck_assert(words_contain(&c->server_names, "host-08999.example"));
	config_free(&c);
}
END_TEST

/* mistakes */

#define TIME_RANGE   "; accepted: 100ms to 1h, a number with ms, s, m or h"
#define SIZE_RANGE   "; accepted: 1k to 1g, in bytes or with k, m or g"
#define LISTEN_FORMS "accepted: host:port, [v6]:port or unix:/path, each may end in ,public"
#define CONNINFO                                                                           \
	"accepted: a libpq connection string, as in host=/run/postgresql dbname=plaza or " \
	"postgresql://plaza@db.example/plaza"
#define NOT_SHOWN                                                                             \
	"libpq refuses it (why is not shown: that could tell a password; look at quotes and " \
	"spaces); " CONNINFO
#define SECTIONS "accepted: [server], [http], [chat], [store], [jobs], [fetch], [log]"
#define BAD_NAME                                                                                   \
	"what stands before = is no option's name; accepted: letters, digits and _ (a value goes " \
	"on one line)"
#define NO_EQUAL "has no =; accepted: option = value, [section], and comments with # or ; in front"
#define NO_RANGE                                                                      \
	"; accepted: CIDR or CIDR:port, with blanks between them, as in 10.1.0.0/16 " \
	"10.1.2.3:8080 fd00::/8"
#define NO_ORIGIN "; accepted: scheme://host or scheme://host:port, as in https://app.example"
#define NO_SCHEMA                                                                               \
	"is no name of a schema; accepted: 1 to 63 letters, digits and _, the first no digit, " \
	"not beginning with pg_\n"
#define SCOPES "accepted: greet, chat, store.read, store.write, jobs, *"

static const struct {
	const char *text;
	const char *errors;
} mistakes[] = {
    /* lines */
    {"workers = 2\n", "plaza.conf:1: stands before the first [section]; accepted: comments and "
		      "empty lines\n"},
    {"\n# c\n\nfoo\n[server]\n",
     "plaza.conf:4: stands before the first [section]; accepted: comments and empty lines\n"},
    {"[server]\nworkers\n", "plaza.conf:2: " NO_EQUAL "\n"},
    {"[server]\n// workers = x\n", "plaza.conf:2: " BAD_NAME "\n"},
    {"[server]\n/* one\n", "plaza.conf:2: " NO_EQUAL "\n"},
    {"[server]\n = 3\n", "plaza.conf:2: nothing stands before =; accepted: option = value\n"},
    {"[server]\ngröße = 1\n", "plaza.conf:2: " BAD_NAME "\n"},
    {"[server]\nwork!ers = 1\n", "plaza.conf:2: " BAD_NAME "\n"},
    {"[server]\nwork ers = 1\n", "plaza.conf:2: " BAD_NAME "\n"},
    {"[server]\n[workers = 1\n", "plaza.conf:2: the closing ] is missing; accepted: [section]\n"},
    {"[server] # x\nworkers = many\n",
     "plaza.conf:1: the closing ] is missing; accepted: [section]\n"},
    {"[]\nx = 1\n", "plaza.conf:1: the section's name is missing; accepted: [section]\n"},
    {"[ \t]\nx = 1\n", "plaza.conf:1: the section's name is missing; accepted: [section]\n"},
    {"[\nx = 1\n", "plaza.conf:1: the closing ] is missing; accepted: [section]\n"},
    {"[gr\xc3\xb6\xc3\x9f]\nx = 1\n",
     "plaza.conf:1: this is no section's name; accepted: letters, digits and _ in [], as in "
     "[server]\n"},
    {"[server]\nuser = a\x01z\n",
     "plaza.conf:2: the line has a control character; accepted: UTF-8 text\n"},
    {"[server]\nuser = a\rz\n",
     "plaza.conf:2: the line has a control character; accepted: UTF-8 text\n"},
    {"[server]\nuser = a\xffz\n", "plaza.conf:2: the line is not UTF-8; accepted: UTF-8 text\n"},
    {"[server]\nuser = \xed\xa0\x80\n",
     "plaza.conf:2: the line is not UTF-8; accepted: UTF-8 text\n"},
    {"# \xc3\x28\n", "plaza.conf:1: the line is not UTF-8; accepted: UTF-8 text\n"},
    {"[\xff]\nx = 1\n", "plaza.conf:1: the line is not UTF-8; accepted: UTF-8 text\n"},
    /* names */
    {"[sever]\nworkers = 1\n", "plaza.conf:1: [sever]: unknown section; did you mean [server]?\n"},
    {"[default]\nworkers = 1\n", "plaza.conf:1: [default]: unknown section; " SECTIONS "\n"},
    {"[server]\nworker = 1\n",
     "plaza.conf:2: server.worker: unknown option; did you mean server.workers?\n"},
    {"[server]\nwrokers = 1\n",
     "plaza.conf:2: server.wrokers: unknown option; did you mean server.workers?\n"},
    {"[server]\nidle_timeout = 1s\n",
     "plaza.conf:2: server.idle_timeout: unknown option; did you mean http.idle_timeout?\n"},
    {"[log]\nverbosity = 1\n", "plaza.conf:2: log.verbosity: unknown option; accepted in [log]: "
			       "level, format, slow_callback, access\n"},
    {"[server]\nworkers = 1\n\nworkers = 2\n",
     "plaza.conf:4: server.workers: was set on line 2 already; accepted: once\n"},
    {"[server]\nworkers = 1\n[log]\n[Server]\nWORKERS = x\n",
     "plaza.conf:5: server.workers: was set on line 2 already; accepted: once\n"
     "plaza.conf:5: server.workers: \"x\" is not a number; accepted: auto, or 1 to 64\n"},
    /* numbers */
    {"[server]\nworkers =\n",
     "plaza.conf:2: server.workers: \"\" is not a number; accepted: auto, or 1 to 64\n"},
    {"[server]\nworkers = -1\n",
     "plaza.conf:2: server.workers: \"-1\" is not a number; accepted: auto, or 1 to 64\n"},
    {"[server]\nworkers = 2k\n",
     "plaza.conf:2: server.workers: \"2k\" is not a number; accepted: auto, or 1 to 64\n"},
    {"[server]\nworkers = 0\n",
     "plaza.conf:2: server.workers: \"0\" is out of range; accepted: auto, or 1 to 64\n"},
    {"[server]\nworkers = 65\n",
     "plaza.conf:2: server.workers: \"65\" is out of range; accepted: auto, or 1 to 64\n"},
    {"[server]\nworkers = 2 # two\n",
     "plaza.conf:2: server.workers: \"2 # two\" is not a number; accepted: auto, or 1 to 64 (a "
     "comment stands on a line of its own)\n"},
    {"[http]\nmax_connections_per_address = 0\n",
     "plaza.conf:2: http.max_connections_per_address: \"0\" is out of range; accepted: off, or 1 "
     "to 1000000\n"},
    {"[http]\nmax_connections_per_address = auto\n",
     "plaza.conf:2: http.max_connections_per_address: \"auto\" is not a number; accepted: off, or "
     "1 to 1000000\n"},
    {"[store]\nschema = my shop\n", "plaza.conf:2: store.schema: \"my shop\" " NO_SCHEMA},
    {"[store]\nschema = 1st\n", "plaza.conf:2: store.schema: \"1st\" " NO_SCHEMA},
    {"[store]\nschema = a\"b\n", "plaza.conf:2: store.schema: \"a\"b\" " NO_SCHEMA},
    {"[store]\nschema = PG_toast\n", "plaza.conf:2: store.schema: \"PG_toast\" " NO_SCHEMA},
    {"[store]\nschema = s012345678901234567890123456789012345678901234567890123456789123\n",
     "plaza.conf:2: store.schema: "
     "\"s01234567890123456789012345678901234567890123456789012345678...\" " NO_SCHEMA},
    {"[store]\nmigrate = on\n",
     "plaza.conf:2: store.migrate: \"on\" is unknown; accepted: auto, off\n"},
    {"[store]\nconnections = auto\n",
     "plaza.conf:2: store.connections: \"auto\" is not a number; accepted: 6 to 10000\n"},
    {"[store]\nconnections = 18446744073709551616\n",
     "plaza.conf:2: store.connections: \"18446744073709551616\" is too large; accepted: 6 to "
     "10000\n"},
    {"[http]\nbody_timeout = 30\n",
     "plaza.conf:2: http.body_timeout: \"30\" has no unit" TIME_RANGE "\n"},
    {"[http]\nbody_timeout = 30 s\n",
     "plaza.conf:2: http.body_timeout: \"30 s\" is not a time" TIME_RANGE "\n"},
    {"[http]\nbody_timeout = 1.5s\n",
     "plaza.conf:2: http.body_timeout: \"1.5s\" is not a time" TIME_RANGE "\n"},
    {"[http]\nbody_timeout = 1d\n",
     "plaza.conf:2: http.body_timeout: \"1d\" is not a time" TIME_RANGE "\n"},
    {"[http]\nbody_timeout = 99ms\n",
     "plaza.conf:2: http.body_timeout: \"99ms\" is out of range" TIME_RANGE "\n"},
    {"[http]\nbody_timeout = 3601s\n",
     "plaza.conf:2: http.body_timeout: \"3601s\" is out of range" TIME_RANGE "\n"},
    /* 2^64 / 3600000 hours, rounded up: the product is 1 h and a bit, modulo 2^64 */
    {"[http]\nbody_timeout = 5124095576031h\n",
     "plaza.conf:2: http.body_timeout: \"5124095576031h\" is too large" TIME_RANGE "\n"},
    {"[http]\nmax_body_size = 1K\n",
     "plaza.conf:2: http.max_body_size: \"1K\" is not a size" SIZE_RANGE "\n"},
    {"[http]\nmax_body_size = 1023\n",
     "plaza.conf:2: http.max_body_size: \"1023\" is out of range" SIZE_RANGE "\n"},
    {"[http]\nmax_body_size = 17179869184g\n",
     "plaza.conf:2: http.max_body_size: \"17179869184g\" is too large" SIZE_RANGE "\n"},
    /* words */
    {"[log]\nlevel = warn\n",
     "plaza.conf:2: log.level: \"warn\" is unknown; accepted: error, warning, info, debug\n"},
    {"[log]\nformat =\n", "plaza.conf:2: log.format: \"\" is unknown; accepted: text, json\n"},
    {"[server]\npublic = greet store\n",
     "plaza.conf:2: server.public: \"store\" is no scope; " SCOPES "\n"},
    {"[server]\npublic = greet,chat\n",
     "plaza.conf:2: server.public: \"greet,chat\" is no scope; " SCOPES "\n"},
    {"[server]\npublic = greet chatt store.read stor\n",
     "plaza.conf:2: server.public: \"chatt\" is no scope, \"stor\" is no scope; " SCOPES "\n"},
    {"[server]\nnames = a.example:8080\n",
     "plaza.conf:2: server.names: \"a.example:8080\" is not a host name; accepted: host names "
     "without a port, or * for any\n"},
    {"[server]\nnames = ok -bad.example\n",
     "plaza.conf:2: server.names: \"-bad.example\" is not a host name; accepted: host names "
     "without a port, or * for any\n"},
    {"[server]\nnames = a..b\n",
     "plaza.conf:2: server.names: \"a..b\" is not a host name; accepted: host names without a "
     "port, or * for any\n"},
    {"[fetch]\nports = 80 0\n",
     "plaza.conf:2: fetch.ports: \"0\" is no port; accepted: numbers from 1 to 65535, as in "
     "80 443\n"},
    {"[fetch]\nports = 80,443\n",
     "plaza.conf:2: fetch.ports: \"80,443\" is no port; accepted: numbers from 1 to 65535, as "
     "in 80 443\n"},
    {"[fetch]\nallow = localhost\n",
     "plaza.conf:2: fetch.allow: \"localhost\" has no IPv4 or IPv6 address" NO_RANGE "\n"},
    {"[fetch]\nallow = 10.0.0.1/8\n",
     "plaza.conf:2: fetch.allow: \"10.0.0.1/8\" has bits beyond its prefix" NO_RANGE "\n"},
    {"[http]\norigins = app.example\n",
     "plaza.conf:2: http.origins: \"app.example\" is not an origin" NO_ORIGIN "\n"},
    {"[http]\norigins = https://a.example/\n",
     "plaza.conf:2: http.origins: \"https://a.example/\" has more than scheme, host and "
     "port" NO_ORIGIN "\n"},
    {"[http]\norigins = https://*.example\n",
     "plaza.conf:2: http.origins: \"https://*.example\" has no valid host name" NO_ORIGIN "\n"},
    {"[http]\norigins = https://a:0\n",
     "plaza.conf:2: http.origins: \"https://a:0\" has no valid port" NO_ORIGIN "\n"},
    {"[server]\nlisten =\n",
     "plaza.conf:2: server.listen: has no address; accepted: one or more of "
     "host:port, [v6]:port and unix:/path, separated by spaces\n"},
    {"[server]\nlisten = 8080\n",
     "plaza.conf:2: server.listen: \"8080\" is not an address to listen on: needs an address and "
     "a port; " LISTEN_FORMS "\n"},
    {"[server]\nlisten = 127.0.0.1:80 localhost:80,public\n",
     "plaza.conf:2: server.listen: \"127.0.0.1:80\" stands there twice; accepted: each address "
     "once\n"},
    /* connection strings */
    {"[store]\ndatabase = host=/run/postgresql dbnam=plaza\n",
     "plaza.conf:2: store.database: libpq refuses it: invalid connection option "
     "\"dbnam\"; " CONNINFO "\n"},
    {"[store]\ndatabase = host=x password=my hunter2\n",
     "plaza.conf:2: store.database: " NOT_SHOWN "\n"},
    {"[store]\ndatabase = postgresql://u:hunter2@h/d?x=y\n",
     "plaza.conf:2: store.database: " NOT_SHOWN "\n"},
    {"[store]\ndatabase = host=x password=***\n",
     "plaza.conf:2: store.database: password is ***, which plazad -T shows in place of a secret; "
     "accepted: the real one, or better a passfile\n"},
};

START_TEST(mistake_is_told_with_line_option_and_what_is_accepted)
{
	char errors[8192];
	struct config *c = load(mistakes[_i].text, NULL, errors);

	ck_assert_str_eq(errors, mistakes[_i].errors);
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(all_mistakes_are_told_at_once_in_the_order_of_the_file)
{
	static const char text[] = "x = 1\n"
				   "[server]\n"
				   "workers = 0\n"
				   "oops\n"
				   "listen = x\n"
				   "[http\n"
				   "nobody = knows\n"
				   "[log]\n"
				   "level = x\n"
				   "a!b = 1\n"
				   "\xff\n"
				   "[sore]\n"
				   "database = x\n"
				   "[log]\n"
				   "format = x\n";
	char errors[8192];

	ck_assert_ptr_null(load(text, "log.level=y", errors));
	ck_assert_str_eq(
	    errors,
	    "plaza.conf:1: stands before the first [section]; accepted: comments and empty lines\n"
	    "plaza.conf:3: server.workers: \"0\" is out of range; accepted: auto, or 1 to 64\n"
	    "plaza.conf:4: " NO_EQUAL "\n"
	    "plaza.conf:5: server.listen: \"x\" is not an address to listen on: needs an address "
	    "and a port; " LISTEN_FORMS "\n"
	    "plaza.conf:6: the closing ] is missing; accepted: [section]\n"
	    "plaza.conf:9: log.level: \"x\" is unknown; accepted: error, warning, info, debug\n"
	    "plaza.conf:10: " BAD_NAME "\n"
	    "plaza.conf:11: the line is not UTF-8; accepted: UTF-8 text\n"
	    "plaza.conf:12: [sore]: unknown section; did you mean [store]?\n"
	    "plaza.conf:15: log.format: \"x\" is unknown; accepted: text, json\n"
	    "-o: log.level: \"y\" is unknown; accepted: error, warning, info, debug\n");
}
END_TEST

START_TEST(long_value_is_cut_in_its_message)
{
	char text[512], errors[8192];

	/* 59 bytes and a character of two: the cut falls before it */
	snprintf(text, sizeof(text), "[log]\nlevel = %059d\xc3\xb6%0300d\n", 7, 7);
	ck_assert_ptr_null(load(text, NULL, errors));
	ck_assert_ptr_nonnull(strstr(errors, "0007...\" is unknown; accepted: error, warning"));
}
END_TEST

START_TEST(binary_file_is_one_mistake)
{
	static const char data[] = "[server]\nworkers = 0\0\xff\xfe";
	struct config_errors errors = {0};

	write_file("plaza.conf", data, sizeof(data));
	ck_assert_ptr_null(config_load("plaza.conf", true, NULL, 0, &errors));
	ck_assert_uint_eq(errors.n, 1);
	ck_assert_str_eq(errors.line[0], "plaza.conf: has a NUL byte; accepted: UTF-8 text");
	config_errors_fini(&errors);
}
END_TEST

START_TEST(file_that_is_too_large_is_refused)
{
	static char data[(1 << 20) + 1];
	struct config_errors errors = {0};

	memset(data, '#', sizeof(data));
	write_file("plaza.conf", data, sizeof(data) - 1);
	struct config *c = config_load("plaza.conf", true, NULL, 0, &errors);
	ck_assert_ptr_nonnull(c);
	config_free(&c);
	write_file("plaza.conf", data, sizeof(data));
	ck_assert_ptr_null(config_load("plaza.conf", true, NULL, 0, &errors));
	ck_assert_uint_eq(errors.n, 1);
	ck_assert_str_eq(errors.line[0],
			 "plaza.conf: cannot be read: File too large; accepted: 1 MiB");
	config_errors_fini(&errors);

	memset(data, '\n', 10001);
	write_file("plaza.conf", data, 10001);
	ck_assert_ptr_null(config_load("plaza.conf", true, NULL, 0, &errors));
	ck_assert_str_eq(errors.line[0], "plaza.conf: has too many lines; accepted: 10000");
	config_errors_fini(&errors);
}
END_TEST

START_TEST(file_that_cannot_be_read_is_told)
{
	struct config_errors errors = {0};

	ck_assert_ptr_null(config_load("/", true, NULL, 0, &errors));
	ck_assert_str_eq(errors.line[0], "/: cannot be read: Is a directory");
	config_errors_fini(&errors);
	/* root may read everything */
	if (geteuid() != 0) {
		write_file("plaza.conf", "", 0);
		ck_assert_int_eq(chmod("plaza.conf", 0), 0);
		ck_assert_ptr_null(config_load("plaza.conf", false, NULL, 0, &errors));
		ck_assert_str_eq(errors.line[0], "plaza.conf: cannot be read: Permission denied");
		config_errors_fini(&errors);
	}
}
END_TEST

START_TEST(missing_file_is_a_mistake_only_when_it_was_asked_for)
{
	char bad[] = "log.level=x";
	char *overrides[] = {bad};
	struct config_errors errors = {0};
	struct config *c = config_load("none.conf", false, NULL, 0, &errors);

	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_null(c->file);
	ck_assert_uint_eq(errors.n, 0);
	config_free(&c);
	ck_assert_ptr_null(config_load("none.conf", true, overrides, 1, &errors));
	ck_assert_uint_eq(errors.n, 2);
	ck_assert_str_eq(errors.line[0], "none.conf: cannot be read: there is no such file");
	ck_assert_str_eq(errors.line[1], "-o: log.level: \"x\" is unknown; accepted: error, "
					 "warning, info, debug");
	config_errors_fini(&errors);
}
END_TEST

/* overrides */

static const struct {
	const char *override;
	const char *errors;
} bad_overrides[] = {
    {"server.workers", "-o: server.workers: has no =; accepted: section.key=value\n"},
    {"=2", "-o: nothing stands before =; accepted: section.key=value\n"},
    {"", "-o: : has no =; accepted: section.key=value\n"},
    {"worker=2", "-o: worker: unknown option; did you mean server.workers?\n"},
    {"x=2.5", "-o: x: unknown option; accepted: section.key=value\n"},
    {"log.levle=info", "-o: log.levle: unknown option; did you mean log.level?\n"},
    {"chatter.foo=info", "-o: chatter.foo: unknown option; " SECTIONS "\n"},
    {"lgo.foo=info", "-o: lgo.foo: unknown option; did you mean [log]?\n"},
    {"log.level=x=y", "-o: log.level: \"x=y\" is unknown; accepted: error, warning, info, debug\n"},
    {"server.user=a\nb", "-o: server.user: has a control character; accepted: UTF-8 text\n"},
    {"server.user=\xff", "-o: server.user: is not UTF-8; accepted: UTF-8 text\n"},
    {"\xff=1", "-o: is not UTF-8 text; accepted: section.key=value\n"},
    {"store.database=host=x password=my hunter2", "-o: store.database: " NOT_SHOWN "\n"},
};

START_TEST(bad_override_is_told)
{
	char errors[8192];

	ck_assert_ptr_null(load("", bad_overrides[_i].override, errors));
	ck_assert_str_eq(errors, bad_overrides[_i].errors);
}
END_TEST

START_TEST(override_wins_over_file_over_default)
{
	static const char text[] = "[server]\nworkers = 2\nuser = u\n";
	struct config *c = load_ok(text, "server.workers= 3 ");

	assert_option(c, OPTION_server_workers, "3", "-o");
	ck_assert_uint_eq(c->server_workers, 3);
	assert_option(c, OPTION_server_user, "u", "plaza.conf:3");
	assert_option(c, OPTION_server_group, "", "default");
	config_free(&c);
	c = load_ok("", "store.database=host=/x dbname=y");
	assert_option(c, OPTION_store_database, "host=/x dbname=y", "-o");
	config_free(&c);
	/* a bad value in the file is a mistake all the same */
	char errors[8192];
	ck_assert_ptr_null(load("[server]\nworkers = 0\n", "server.workers=3", errors));
	ck_assert_ptr_nonnull(strstr(errors, "plaza.conf:2: server.workers"));
}
END_TEST

START_TEST(last_override_of_an_option_counts)
{
	char a[] = "server.workers=2", b[] = "SERVER.WORKERS=4";
	char *overrides[] = {a, b};
	struct config_errors errors = {0};
	struct config *c = config_load("none.conf", false, overrides, 2, &errors);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->server_workers, 4);
	/* the caller's strings are as they were, for the next reload */
	ck_assert_str_eq(a, "server.workers=2");
	config_free(&c);
}
END_TEST

START_TEST(path_is_whole_in_errors_and_short_in_sources)
{
	struct config_errors errors = {0};
	struct config *c;

	write_file("plaza.conf", "[server]\nuser = x\n", 18);
	c = config_load("./plaza.conf", true, NULL, 0, &errors);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->source[OPTION_server_user], "plaza.conf:2");
	config_errors_add_option(&errors, c, OPTION_server_user, "there is no user %s; accepted: y",
				 c->server_user);
	config_errors_add_option(&errors, c, OPTION_server_group, "bad");
	ck_assert_str_eq(errors.line[0],
			 "./plaza.conf:2: server.user: there is no user x; accepted: y");
	ck_assert_str_eq(errors.line[1], "default: server.group: bad");
	config_free(&c);
	config_errors_fini(&errors);
}
END_TEST

/* -T */

static const char every_kind[] = "[server]\n"
				 "listen = localhost:0 [::1]:0,public unix:/run/x\n"
				 "workers = 7\n"
				 "user = some user # not a comment\n"
				 "public = *\n"
				 "names = A.example b.example\n"
				 "shutdown_timeout = 90s\n"
				 "[http]\n"
				 "origins = https://a.example:8443\n"
				 "max_body_size = 1025\n"
				 "[store]\n"
				 "database = host='/run/post gresql' dbname=plaza\n"
				 "[log]\n"
				 "level = warning\n"
				 "slow_callback = 0s\n";

START_TEST(dump_is_a_file_that_gives_the_same)
{
	struct config *c = load_ok(every_kind, "server.drain_timeout=2h");
	struct config_errors errors = {0};
	char *first = dump(c);

	write_file("dump.conf", first, strlen(first));
	struct config *again = config_load("dump.conf", true, NULL, 0, &errors);
	ck_assert_msg(again != NULL, "%s", errors.n ? errors.line[0] : "");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		ck_assert_str_eq(c->text[i], again->text[i]);
		/* every line of it says something: no default is left */
		ck_assert_ptr_eq(strstr(again->source[i], "dump.conf:"), again->source[i]);
	}
	ck_assert_uint_eq(again->server_listen.n, 3);
	ck_assert(again->server_listen.address[1].is_public);
	ck_assert_str_eq(again->server_user, "some user # not a comment");
	free(first);
	config_free(&again);
	config_free(&c);
}
END_TEST

START_TEST(dump_says_where_each_value_came_from)
{
	struct config *c = load_ok(every_kind, "server.drain_timeout=2h");
	char *text = dump(c);

	ck_assert_ptr_eq(strstr(text, "[server]\n# plaza.conf:2\nlisten = 127.0.0.1:0 "
				      "[::1]:0,public unix:/run/x\n# plaza.conf:3\nworkers = 7\n"),
			 text);
	ck_assert_ptr_nonnull(strstr(text, "\n# -o\ndrain_timeout = 2h\n\n[http]\n# default\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n# default\ngroup =\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n# plaza.conf:15\nslow_callback = 0ms\n"));
	free(text);
	config_free(&c);
}
END_TEST

/* secrets */

static const struct {
	const char *conninfo;
	const char *masked;
} secrets[] = {
    {"", ""},
    {"host=/run/postgresql dbname=plaza", "host=/run/postgresql dbname=plaza"},
    {"postgresql://plaza@h:1/d?connect_timeout=3", "postgresql://plaza@h:1/d?connect_timeout=3"},
    {"passfile=/etc/plaza/pgpass user=u", "passfile=/etc/plaza/pgpass user=u"},
    {"host=h password=hunter2", "password=*** host=h"},
    {"PASSWORD=hunter2", "***"},
    {"password = 'hunter2 \\' hunter2' user=u", "user=u password=***"},
    {"password=hun\\ ter2\\ hunter2 user=u", "user=u password=***"},
    {"password='' user=u", "user=u password=***"},
    {"password=hunter2 password=hunter2 user=u", "user=u password=***"},
    {"sslpassword=hunter2 sslkey='/a b'", "sslkey='/a b' sslpassword=***"},
    {"postgresql://u:hunter2@h/d", "user=u password=*** dbname=d host=h"},
    {"postgres://u:hunter%32@h1:1,h2:2/d?sslpassword=hunter2",
     "user=u password=*** dbname=d host=h1,h2 port=1,2 sslpassword=***"},
    {"postgresql:///d?p%61ssword=hunter2", "password=*** dbname=d"},
    {"postgresql://u:hunter2@h/d'\\x", "user=u password=*** dbname='d\\'\\\\x' host=h"},
    {"host=x password=my hunter2", "***"},
};

START_TEST(secret_is_never_shown)
{
	char *masked = config_mask_conninfo(secrets[_i].conninfo);

	ck_assert_str_eq(masked, secrets[_i].masked);
	free(masked);
}
END_TEST

START_TEST(secret_is_masked_in_the_dump_and_kept_in_the_config)
{
	struct config *c = load_ok("[store]\ndatabase = postgresql://u:hunter2@h/d\n", NULL);
	char *text = dump(c);

	ck_assert_str_eq(c->store_database, "postgresql://u:hunter2@h/d");
	ck_assert_ptr_null(strstr(text, "hunter2"));
	ck_assert_ptr_nonnull(
	    strstr(text, "# plaza.conf:2\ndatabase = user=u password=*** dbname=d host=h\n"));

	char errors[8192];
	ck_assert_ptr_null(load(text, NULL, errors));
	ck_assert_ptr_nonnull(strstr(errors, "store.database: password is ***"));
	free(text);
	config_free(&c);
}
END_TEST

/* Whatever way a connection string is broken, no message repeats the password in it. */
START_TEST(broken_line_does_not_tell_the_secret)
{
	static const char *const texts[] = {
	    "[store]\ndatabase = host=x\n  password=hunter2\n",
	    "[store]\ndatabase = host=x\n  'hunter2\n",
	    "[store]\ndatabase =\npostgresql://u:hunter2@h/d?connect_timeout=1\n",
	    "postgresql://u:hunter2@h/d?connect_timeout=1\n",
	    "[store]\ndatabase = host=x password='hunter2\n",
	    "[store]\ndatabase = host=x Password=hunter2\n",
	    "[store]\ndatabase = host=x password=hunter2\xff\n",
	    "[store]\ndatabse = host=x password=hunter2\n",
	    "[sore]\ndatabase = host=x password=hunter2\n",
	    "[store]\ndatabase = host=x\ndatabase = password=hunter2\n",
	    "[store]\ndatabase = postgresql://u:hunter2@[h/d\n",
	    "[store]\ndatabase = password=x\\ hunter2 hunter2\n",
	};
	char errors[8192];

	ck_assert_ptr_null(load(texts[_i], NULL, errors));
	ck_assert_msg(strstr(errors, "hunter2") == NULL, "%s", errors);
	ck_assert_ptr_nonnull(strstr(errors, "plaza.conf:"));
}
END_TEST
#define BROKEN_LINES 12

/* reload */

struct changes {
	char text[512];
};

static void
on_changed(const char *name, bool restart, void *ctx)
{
	struct changes *changes = ctx;
	size_t at = strlen(changes->text);

	snprintf(changes->text + at, sizeof(changes->text) - at, "%s%s ", name, restart ? "!" : "");
}

START_TEST(compare_names_what_differs_however_it_is_written)
{
	struct config *a = load_ok("[server]\nshutdown_timeout = 60s\nuser = x\n", NULL);
	struct config *b =
	    load_ok("[chat]\nlog_size = 1m\n[server]\nshutdown_timeout = 1m\nlisten = "
		    "localhost:8080\nworkers = 3\n[store]\ndatabase = password=hunter2\n",
		    NULL);
	struct changes changes = {""};

	config_compare(a, b, on_changed, &changes);
	ck_assert_str_eq(changes.text,
			 "server.workers server.user! chat.log_size! store.database ");
	changes.text[0] = '\0';
	config_compare(b, b, on_changed, &changes);
	ck_assert_str_eq(changes.text, "");
	config_free(&a);
	config_free(&b);
}
END_TEST

START_TEST(keep_restart_takes_over_just_the_restart_options)
{
	struct config *a = load_ok("[server]\nuser = x\nworkers = 2\n", NULL);
	struct config *b = load_ok("[chat]\nlog_size = 1m\n[server]\nworkers = 3\n", NULL);
	struct changes changes = {""};

	ck_assert(config_keep_restart(a, b));
	config_compare(a, b, on_changed, &changes);
	ck_assert_str_eq(changes.text, "server.workers ");
	ck_assert_str_eq(b->server_user, "x");
	ck_assert_uint_eq(b->chat_log_size, 64 << 20);
	assert_option(b, OPTION_server_user, "x", "plaza.conf:2");
	assert_option(b, OPTION_chat_log_size, "64m", "default");
	config_free(&a);
	ck_assert_str_eq(b->server_user, "x");
	config_free(&b);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *good = tcase_create("good files");
	TCase *bad = tcase_create("mistakes");
	TCase *rest = tcase_create("overrides, dump, secrets, reload");
	TCase *tcases[] = {good, bad, rest};

	tcase_add_loop_test(good, file_that_sets_nothing_gives_the_defaults, 0, COUNT(empty));
	tcase_add_test(good, defaults_are_written_in_their_normal_form);
	tcase_add_loop_test(good, value_is_taken_in_its_normal_form_with_its_line, 0,
			    COUNT(values));
	tcase_add_test(good, very_long_value_is_taken_whole);

	tcase_add_loop_test(bad, mistake_is_told_with_line_option_and_what_is_accepted, 0,
			    COUNT(mistakes));
	tcase_add_test(bad, all_mistakes_are_told_at_once_in_the_order_of_the_file);
	tcase_add_test(bad, long_value_is_cut_in_its_message);
	tcase_add_test(bad, binary_file_is_one_mistake);
	tcase_add_test(bad, file_that_is_too_large_is_refused);
	tcase_add_test(bad, file_that_cannot_be_read_is_told);
	tcase_add_test(bad, missing_file_is_a_mistake_only_when_it_was_asked_for);

	tcase_add_loop_test(rest, bad_override_is_told, 0, COUNT(bad_overrides));
	tcase_add_test(rest, override_wins_over_file_over_default);
	tcase_add_test(rest, last_override_of_an_option_counts);
	tcase_add_test(rest, path_is_whole_in_errors_and_short_in_sources);
	tcase_add_test(rest, dump_is_a_file_that_gives_the_same);
	tcase_add_test(rest, dump_says_where_each_value_came_from);
	tcase_add_loop_test(rest, secret_is_never_shown, 0, COUNT(secrets));
	tcase_add_test(rest, secret_is_masked_in_the_dump_and_kept_in_the_config);
	tcase_add_loop_test(rest, broken_line_does_not_tell_the_secret, 0, BROKEN_LINES);
	tcase_add_test(rest, compare_names_what_differs_however_it_is_written);
	tcase_add_test(rest, keep_restart_takes_over_just_the_restart_options);
	for (int i = 0; i < COUNT(tcases); i++) {
		tcase_add_checked_fixture(tcases[i], enter, leave);
		suite_add_tcase(suite, tcases[i]);
	}

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
