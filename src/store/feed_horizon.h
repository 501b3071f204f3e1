/*
 * feed_horizon.h - up to which seq every change is decided: committed and to be seen by all, or
 * never to be seen by anybody. Pure.
 *
 * The log of changes has a row for each, with a number `seq` that the sequence gives out in the
 * transaction of the change. Transactions end in any order: who reads "everything above the last
 * seq I saw" may see 6 while 5 is not committed yet, and never comes back for 5. So nobody reads
 * beyond the horizon, which rises when it is certain that nothing can appear below it:
 *
 *   A look is one statement on the server: with its snapshot S, newest = the highest seq that S
 *   sees, xmin = that of S, and next = the next transaction id to be given out, read after S was
 *   taken. If a look (this or a later one) has xmin >= next of that look, then each seq <= newest
 *   is decided for its snapshot and all later ones.
 *
 * Why. Let s <= newest, given out to the transaction T.
 *   1. A sequence without cache gives out rising numbers: s was given out before `newest`, whose
 *      row S sees; so before that one's commit, and before S.
 *   2. T had its transaction id before it drew s. seq is drawn in AFTER triggers of statements that
 *      have changed a row (or truncated), and that takes an id; a subtransaction gets one only
 *      after its parents have theirs. So the id of T (the top one, as all ids here) was given out
 *      before S was taken: id(T) < next.
 *   3. So id(T) < next <= xmin of the deciding look: for its snapshot T is over. If it has
 *      committed, that snapshot and all later ones see its rows; if not, nobody ever will. A
 *      prepared transaction (PREPARE TRANSACTION) counts as running until its second phase.
 * Drawn and rolled back numbers, also those of a subtransaction that was rolled back alone, are
 * holes; nothing waits for them.
 *
 * It would not do to take the xmax of S for `next`: that is the last id that has COMPLETED, and
 * one. A transaction that runs with a higher id has no part in xmin. With 100 running, which drew
 * 5, and 99 committed, which drew 6 after it, S has xmin = xmax = 100 and sees 6. The next id
 * comes from age(xmax) = next - xmax. (age(xid) looks at the counter once in a transaction, at its
 * first call, and a statement that is alone in its transaction calls it when it runs: after S.)
 *
 * Order. A product's row is locked from its change until the commit, and seq is drawn in between:
 * of two changes to one product the seq of the later one is the higher one, as is its version.
 * seq is the order for all readers.
 *
 * What it costs. A transaction that WRITES anywhere in the cluster, in whatever database, and stays
 * open (or prepared) holds the horizon, and with it the feed, until it ends; those that only read
 * have no id and hold nothing. On a standby the same holds by the log's order: it has heard of T's
 * id before it saw a commit that came after.
 */
#ifndef PLAZA_STORE_FEED_HORIZON_H
#define PLAZA_STORE_FEED_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

struct feed_look {
	uint64_t xmin, next;
	uint64_t newest; /* 0 when the log has never had a row */
	uint64_t mark;   /* carried along: of that row */
};

/* All zeros at first, and again with each new connection. */
struct feed_horizon {
	bool has_settled; /* something was decided at all */
	uint64_t settled; /* while has_settled */
	bool is_waiting;  /* for xmin to come to waiting.next */
	struct feed_look waiting;
};

/*
 * Takes a look into account. True: all changes up to decided->newest are decided, and seen by every
 * snapshot whose xmin is decided->next at least. At the first time that may be what was known
 * before.
 */
bool feed_horizon_look(struct feed_horizon *horizon, const struct feed_look *look,
		       struct feed_look *decided);

#endif
