/*
 * queue_private.h - what the files of the queue's operations share: its lanes, what their answers
 * mean, and arrays as parameters.
 */
#ifndef PLAZA_QUEUE_QUEUE_PRIVATE_H
#define PLAZA_QUEUE_QUEUE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "pg/array.h"
#include "pg/lane.h"
#include "queue/queue.h"
#include "queue/queue_sql.h"
#include "queue/watermarks.h"

#define QUEUE_LANES 3

struct queue {
	struct loop *loop;
	const struct config *config;
	void (*on_change)(void *ctx);
	void *ctx;
	char *masked; /* the conninfo without its password */
	struct conninfo *conninfo;
	struct jobs_schema *schema;
	struct queue_sql *sql;
	struct setup_plan plan;
	unsigned n_lanes, n_ready;
	struct backlog backlog[QUEUE_LANES];
	struct lane *lane[QUEUE_LANES];
	/* which of them serves what; several may be the same one */
	struct lane *change, *claim, *read;
	struct watermarks *watermarks;
	uint64_t ready_ms; /* since when all lanes are */
	uint64_t rescued_all_ms, promoted_all_ms;
	char reason[600]; /* of the trouble that was logged last; empty while all is well */
};

/* What a lane's answer means for whoever asked; errors that are nobody's fault are logged. */
struct queue_answer queue_judge(const struct lane_answer *answer);
/* Out of memory, logged: QUEUE_DOWN. */
struct queue_answer queue_no_memory(void);

/* ---- parameters ---- */

#define COLUMNS_MAX 10

enum column_type {
	COLUMN_UUID,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_TEXT,
	COLUMN_LETTERS /* one text, a letter for each row */
};

/* Arrays that a statement takes, filled row by row. */
struct columns {
	unsigned n;
	bool ok; /* until memory runs out */
	struct column {
		enum column_type type;
		struct array array;
		struct buffer *bytes;
	} column[COLUMNS_MAX];
};

/* One at a time: the memory is used again. */
void columns_begin(struct columns *columns, const enum column_type *types, unsigned n);
void columns_uuid(struct columns *columns, unsigned i, const struct uuid *uuid);
void columns_number(struct columns *columns, unsigned i, int64_t number);
void columns_null(struct columns *columns, unsigned i);
/* ptr NULL: null. */
void columns_text(struct columns *columns, unsigned i, struct span text);
void columns_letter(struct columns *columns, unsigned i, char letter);
/* As the first parameters of this statement, and nothing but them. */
bool columns_send(struct columns *columns, struct lane *lane, const struct queue *queue,
		  enum queue_statement statement);
/* The same; `first` is a parameter before them. */
bool columns_send_after(struct columns *columns, struct lane *lane, const struct queue *queue,
			enum queue_statement statement, const char *first);

/* ---- results ---- */

struct span cell_text(const PGresult *result, int row, int column); /* ptr NULL: null */
int64_t cell_number(const PGresult *result, int row, int column);   /* 0 for null */
char cell_letter(const PGresult *result, int row, int column);      /* 0 for null */
bool cell_is_true(const PGresult *result, int row, int column);
bool cell_uuid(const PGresult *result, int row, int column, struct uuid *uuid);

/* Ids in their own order, as far as a number goes: who locks jobs does so in one order. */
int64_t queue_order(const struct uuid *id);

#endif
