/*
 * pair.c - what tests of standbys do with pg_tmp.sh and psql.
 */
#include "pair.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "pg.h"

static void
pg_tmp(const char *verb, const char *folder, const char *of, const char *setting)
{
	struct run run;

	run_args(&run, NULL, pg_script(), verb, folder, of, setting, NULL);
	ck_assert_msg(run.status == 0, "pg_tmp.sh %s: %s", verb, run.err);
	run_fini(&run);
}

void
pair_do(const char *verb, const char *folder)
{
	pg_tmp(verb, folder, NULL, NULL);
}

char *
pair_ask(const char *folder, const char *sql)
{
	char *socket = it_printf("%s/s", folder);
	struct run run;

	run_args(&run, NULL, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U",
		 "postgres", "-d", "plaza", "-c", sql, NULL);
	ck_assert_msg(run.status == 0, "psql: %s", run.err);
	char *out = run.out;
	if (run.out_len > 0 && out[run.out_len - 1] == '\n')
		out[run.out_len - 1] = '\0';
	free(run.err);
	free(socket);
	return out;
}

bool
pair_says(const char *folder, const char *sql, const char *answer)
{
	char *text = pair_ask(folder, sql);
	const bool is_it = strcmp(text, answer) == 0;

	free(text);
	return is_it;
}

void
pair_open(struct pair *pair, bool is_sync)
{
	pair->primary = it_printf("%s/primary", it_dir());
	pair->standby = it_printf("%s/standby", it_dir());
	pg_tmp("start", pair->primary, "max_connections=50", NULL);
	pg_tmp("standby", pair->standby, pair->primary, "hot_standby=on");
	if (is_sync) {
		free(pair_ask(pair->primary, "alter system set synchronous_standby_names = '*'"));
		free(pair_ask(pair->primary, "select pg_reload_conf()"));
	}
	WAIT_UNTIL(pair_says(pair->primary, "select sync_state from pg_stat_replication",
			     is_sync ? "sync" : "async"));
}

void
pair_close(struct pair *pair)
{
	pair_do("remove", pair->primary);
	pair_do("remove", pair->standby);
	free(pair->primary);
	free(pair->standby);
}

static void
follow(const struct pair *pair, const char *conninfo, const char *n_receivers)
{
	char *sql = it_printf("alter system set primary_conninfo = '%s'", conninfo);

	free(pair_ask(pair->standby, sql));
	free(pair_ask(pair->standby, "select pg_reload_conf()"));
	WAIT_UNTIL(
	    pair_says(pair->standby, "select count(*) from pg_stat_wal_receiver", n_receivers));
	free(sql);
}

void
pair_cut(const struct pair *pair)
{
	follow(pair, "", "0");
}

void
pair_join(const struct pair *pair)
{
	char *conninfo = it_printf("host=%s/s user=postgres", pair->primary);

	follow(pair, conninfo, "1");
	free(conninfo);
}
