/*
 * log.pml - a model of one room of the broadcast log (src/hub/log*.c), for spin: writers that may
 * be killed at any step, a ring that moves to another block while others write into the one that it
 * leaves, a reader without a lock that sleeps when there is nothing to read.
 *
 * A record is two words, and what it says is its own position; so garbage is anything else. The
 * ring has room for CAP records. Every access to shared memory is a step of its own, in the order of
 * the program: what the fences of the program see to is taken for given here, and that each of them
 * is needed shows nothing in here.
 *
 * Checked: the reader takes only whole records, each once, in order, or is told that it is too late;
 * what it takes for the room's state belongs together; what a writer was told is committed stays so;
 * and a reader does not sleep while there is something to read. Each BREAK_* leaves out one step that
 * one of these needs; model.sh looks whether spin finds out.
 */
#define WRITERS  2
#define MESSAGES 2 /* of each writer, at most */
#define CAP      2
#define BLOCKS   2
#define GARBAGE  99
#define NOBODY   9

/* the shared segment */
byte head, n_commits;
byte commit_tail[2], commit_seq[2];
byte ring_block, ring_number;
byte news_end;
byte word1[4], word2[4]; /* block * CAP + position % CAP */

/* the lock: robust */
byte holder = NOBODY;
bool holder_died;

/* the doorbell */
bool asleep, rung;

/* what is known outside of it */
byte acked;    /* the highest tail that a writer was told of */
byte deaths;   /* one is enough for everything that one can do */
byte finished; /* writers */

#define AT(block, pos) (block) * CAP + (pos) % CAP

/* Here the process may be killed. The master then rings everybody. */
#define MAY_DIE                                                            \
	if                                                                 \
	:: deaths < 1 -> atomic { deaths++; dead = true; goto died }       \
	:: true                                                            \
	fi

proctype writer(byte me)
{
	byte sent, tail, n, at, to, was;
	bool dead;

	do
	:: sent == MESSAGES -> break
	:: sent < MESSAGES ->
		atomic { holder == NOBODY || holder_died -> holder = me; holder_died = false };
		/* repair: of all this, only which block is free, and that is told from ring_block */
		MAY_DIE;
		n = n_commits;
		tail = commit_tail[n % 2];
		/* another room has got the block that this one does not have, and writes there */
		if
		:: true -> word1[AT(1 - ring_block, 0)] = GARBAGE;
			   word2[AT(1 - ring_block, 1)] = GARBAGE
		:: true
		fi;
		MAY_DIE;
		/* the ring may move: all that is kept is copied, then named */
		if
		:: true ->
			to = 1 - ring_block;
			at = head;
			do
			:: at == tail -> break
			:: at < tail ->
				word1[AT(to, at)] = word1[AT(ring_block, at)];
				MAY_DIE;
				word2[AT(to, at)] = word2[AT(ring_block, at)];
				at++
			od;
			MAY_DIE;
			atomic { ring_block = to; ring_number++ }; /* one word */
			MAY_DIE;
			/* and whoever gets the old one writes into it */
			word1[AT(1 - to, 0)] = GARBAGE;
			word2[AT(1 - to, 1)] = GARBAGE
		:: true
		fi;
		MAY_DIE;
		/* 1. head */
#ifndef BREAK_HEAD
		if
		:: tail + 1 - head > CAP -> head = tail + 1 - CAP
		:: else
		fi;
		MAY_DIE;
#endif
		/* 2. bytes */
		word1[AT(ring_block, tail)] = tail;
		MAY_DIE;
		word2[AT(ring_block, tail)] = tail;
		MAY_DIE;
#ifdef BREAK_HEAD
		if
		:: tail + 1 - head > CAP -> head = tail + 1 - CAP
		:: else
		fi;
#endif
		/* 3. commit */
#ifdef BREAK_COMMIT
		n = n - 1; /* into the half that readers look at */
#endif
		commit_tail[(n + 1) % 2] = tail + 1;
		MAY_DIE;
		commit_seq[(n + 1) % 2] = tail + 1;
		MAY_DIE;
#ifdef BREAK_COMMIT
		n = n + 1;
#endif
		n_commits = n + 1;
		MAY_DIE;
		/* 4. notice */
		news_end++;
		MAY_DIE;
		holder = NOBODY;
		MAY_DIE;
		atomic { acked = (tail + 1 > acked -> tail + 1 : acked) };
		sent++;
		/* who sleeps is rung, by one of those who see it */
		if
		:: asleep -> MAY_DIE; rung = true
		:: else
		fi
	od;
	goto done;
died:
	/* the master: the lock is known to be a dead one's, everybody looks at all rooms */
	if
	:: holder == me -> holder_died = true
	:: else
	fi;
#ifndef BREAK_DEATH_RING
	/* chat_log_recover: repair as whoever has the lock next, then news for all, then the bells */
	atomic { holder == NOBODY || holder_died -> holder = me; holder_died = false };
	news_end = news_end + 5;
	holder = NOBODY;
	rung = true;
#else
	atomic { holder_died -> holder = NOBODY; holder_died = false };
#endif
done:
	finished++
}

proctype reader()
{
	byte cursor, pos, n, tail, seq, r_block, r_number, a, b, h, end;

	do
	:: true ->
		/* news */
		end = news_end;
		cursor = end;
again:
		/* the room's state, all from between the same two messages */
		n = n_commits;
		tail = commit_tail[n % 2];
		seq = commit_seq[n % 2];
#ifndef BREAK_LOOK
		if
		:: n_commits != n -> goto again
		:: else
		fi;
#endif
		assert(tail == seq);
		if
		:: pos < tail ->
			atomic { r_block = ring_block; r_number = ring_number };
			h = head;
			if
			:: pos < h -> pos = h; goto again /* told: it is too late */
			:: else
			fi;
			a = word1[AT(r_block, pos)];
			b = word2[AT(r_block, pos)];
#ifndef BREAK_HEAD_CHECK
			if
			:: head > pos -> goto again
			:: else
			fi;
#endif
#ifndef BREAK_RING_CHECK
			if
			:: ring_number != r_number -> goto again
			:: else
			fi;
#endif
			assert(a == pos && b == pos);
			pos++;
			goto again
		:: else
		fi;
		/* nothing more: to sleep, but not before another look */
		asleep = true;
#ifndef BREAK_SLEEP
		if
		:: news_end != cursor -> asleep = false; goto next
		:: else
		fi;
#endif
		if
		:: rung -> rung = false; asleep = false
		:: timeout ->
			/* nothing moves any more */
			assert(finished == WRITERS);
			assert(pos == commit_tail[n_commits % 2]);
			assert(acked <= pos);
			break
		fi;
next:
	od
}

init {
	atomic {
		word1[0] = GARBAGE; word1[1] = GARBAGE; word1[2] = GARBAGE; word1[3] = GARBAGE;
		word2[0] = GARBAGE; word2[1] = GARBAGE; word2[2] = GARBAGE; word2[3] = GARBAGE;
		run writer(0);
		run writer(1);
		run reader()
	}
}
