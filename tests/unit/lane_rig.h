/*
 * lane_rig.h - a loop, a lane and people who ask it, for the lane tests.
 */
#ifndef PLAZA_TESTS_LANE_RIG_H
#define PLAZA_TESTS_LANE_RIG_H

#include <stdbool.h>

#include "pg/lane.h"
#include "pg_server.h"

/* One who asks: filled in by its answer. */
struct ask {
	struct lane_request request;         /* first: the lane hands it back */
	const char *statement, *sql, *param; /* for rig_send_each: one of the first two */
	unsigned answers;
	enum lane_outcome outcome;
	char value[64];
	size_t length; /* of the value, whole */
	char sqlstate[6];
	char constraint[32];
	int n_rows;
	uint64_t waited_us, took_us;
	unsigned retry_after_s;
	bool schema_missing;
	void (*then)(struct ask *ask); /* called at the answer; or NULL */
};

struct rig {
	struct loop *loop;
	struct conninfo *conninfo;
	struct setup_plan plan;
	struct backlog backlog;
	struct lane_settings settings; /* change before rig_open */
	struct lane *lane;
	unsigned readies, troubles;
	struct connection_trouble trouble; /* the last one; its reason in `reason` */
	char reason[1024];
	unsigned ticks; /* every 2 ms */
};

/* Statements: echo(text), sleep(seconds), divide(by), write(int) into the step's table "notes". */
void rig_init(struct rig *rig, const char *conninfo);
void rig_open(struct rig *rig);
void rig_fini(struct rig *rig);

/*
 * Runs the loop; `script` is called after each pass until it returns true. Fails after 30 seconds.
 * Once per rig.
 */
void rig_run(struct rig *rig, bool (*script)(struct rig *rig));

/* A kind's send: each one's own statement and parameter. */
bool rig_send_each(struct lane *lane, struct lane_request *const *request, unsigned n);
/* The caller has filled in what its kind needs. */
void rig_submit(struct rig *rig, struct ask *ask, const struct lane_kind *kind);
/* Alone. */
void rig_ask(struct rig *rig, struct ask *ask, const char *statement, const char *param);
bool all_answered(const struct ask *asks, unsigned n);

#endif
