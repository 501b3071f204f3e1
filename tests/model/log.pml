/*
 * log.pml - a model of one room of the broadcast log (src/hub/log*.c), for spin: writers of which
 * one may be killed at any step, a ring that moves to another block while others write into the one
 * that it leaves, a reader without a lock that sleeps when there is nothing to read.
 *
 * A record is two words, and what it says is its own position; so garbage is anything else. The
 * ring has room for CAP records. Every access to shared memory is a step of its own, in the order of
 * the program: what the fences in the program see to is taken for given here.
 *
 * Checked: the reader takes only whole records, each once and in order, or finds that it is too
 * late; what it takes for the room's state belongs together; what a writer was told is committed
 * stays so; and no reader sleeps while there is something to read. Each BREAK_* leaves out one step
 * that one of these needs; model.sh looks whether spin finds out.
 */
#define WRITERS  2
#define MESSAGES 3 /* of both together: the third overwrites the first */
#define MOVES    2 /* there and back */
#define CAP      2
#define GARBAGE  99
#define NOBODY   9

/* the shared segment */
byte head, n_commits;
byte commit_tail[2], commit_seq[2];
byte ring_block, ring_number; /* one word */
byte news_end;
byte word1[4], word2[4]; /* two blocks */
#define AT(block, pos) (block) * CAP + (pos) % CAP

/* the lock: robust */
byte holder = NOBODY;
bool holder_died;

/* the doorbell */
bool asleep, rung;

/* what is known outside of it */
byte acked; /* the highest tail that a writer was told of */
byte sent, moves, finished;
byte killed = NOBODY;

#define LOCK(me) atomic { holder == NOBODY || holder_died -> holder = me; holder_died = false }

proctype writer(byte me)
{
	byte tail, n, at, to;

	{
		do
		:: atomic { sent == MESSAGES -> break }
		:: atomic { sent < MESSAGES -> sent++ };
			/* after a death there is nothing to repair here: which block is free is told from
			 * ring_block, and what is behind the tail is not there */
			LOCK(me);
			atomic { n = n_commits; tail = commit_tail[n % 2] };
			/* the ring may move: all that is kept is copied, then named */
			if
			:: moves < MOVES ->
				atomic { moves++; to = 1 - ring_block; at = head };
				do
				:: at == tail -> break
				:: at < tail ->
					word1[AT(to, at)] = word1[AT(ring_block, at)];
					word2[AT(to, at)] = word2[AT(ring_block, at)];
					at++
				od;
				atomic { ring_block = to; ring_number++; at = 0 };
				/* whoever gets the old one writes into it */
				word1[AT(1 - to, 0)] = GARBAGE;
				atomic { word2[AT(1 - to, 1)] = GARBAGE; to = 0 }
			:: true
			fi;
			/* 1. head */
#ifndef BREAK_HEAD
			head = (tail + 1 - head > CAP -> tail + 1 - CAP : head);
#endif
			/* 2. bytes */
			word1[AT(ring_block, tail)] = tail;
			word2[AT(ring_block, tail)] = tail;
#ifdef BREAK_HEAD
			head = (tail + 1 - head > CAP -> tail + 1 - CAP : head);
#endif
			/* 3. commit */
#ifdef BREAK_COMMIT
			n = n + 1; /* into the half that readers look at */
#endif
			commit_tail[(n + 1) % 2] = tail + 1;
			commit_seq[(n + 1) % 2] = tail + 1;
#ifdef BREAK_COMMIT
			n_commits = n
#else
			n_commits = n + 1;
#endif
			/* 4. notice */
			news_end++;
			holder = NOBODY;
			atomic { acked = (tail + 1 > acked -> tail + 1 : acked); tail = 0; n = 0 };
			/* who sleeps is rung */
			if
			:: asleep -> rung = true
			:: else
			fi
		od
	} unless {
		killed == me;
		/* what the kernel and the master do then, chat_log_recover and the bells */
		atomic {
			tail = 0; n = 0; at = 0; to = 0;
			holder_died = (holder == me -> true : holder_died)
		};
#ifndef BREAK_RECOVERY
		LOCK(me + WRITERS);
		news_end = news_end + 5;
		holder = NOBODY;
		rung = true
#else
		if
		:: holder == me -> atomic { holder = NOBODY; holder_died = false }
		:: else
		fi
#endif
	};
	finished++
}

/* At any time, or never. */
proctype killer()
{
	if
	:: killed = 0 /* which of them makes no difference */
	:: true
	fi
}

proctype reader()
{
	byte cursor, pos, n, tail, number, a, b;

news:
	cursor = news_end;
again:
	/* the room's state, all from between the same two messages */
	n = n_commits;
	tail = commit_tail[n % 2];
	a = commit_seq[n % 2];
#ifndef BREAK_LOOK
	if
	:: n_commits != n -> atomic { n = 0; tail = 0; a = 0 }; goto again
	:: else
	fi;
#endif
	assert(tail == a);
	if
	:: pos < tail ->
		atomic { b = ring_block; number = ring_number; n = 0; tail = 0; a = 0 };
		if
		:: atomic { pos < head -> pos = head; b = 0; number = 0 }; goto again /* too late */
		:: else
		fi;
		a = word1[AT(b, pos)];
		b = word2[AT(b, pos)];
#ifndef BREAK_HEAD_CHECK
		if
		:: head > pos -> atomic { a = 0; b = 0; number = 0 }; goto again
		:: else
		fi;
#endif
#ifndef BREAK_RING_CHECK
		if
		:: ring_number != number -> atomic { a = 0; b = 0; number = 0 }; goto again
		:: else
		fi;
#endif
		atomic { assert(a == pos && b == pos); pos++; a = 0; b = 0; number = 0 };
		goto again
	:: else
	fi;
	atomic { n = 0; tail = 0; a = 0 };
	/* nothing more: to sleep, but not before another look */
	asleep = true;
#ifndef BREAK_SLEEP
	if
	:: news_end != cursor -> asleep = false; goto news
	:: else
	fi;
#endif
	if
	:: atomic { rung -> rung = false; asleep = false }; goto news
	:: timeout ->
		/* nothing moves any more */
		assert(finished == WRITERS);
		assert(pos == commit_tail[n_commits % 2]);
		assert(acked <= pos)
	fi
}

init {
	atomic {
		word1[0] = GARBAGE; word1[1] = GARBAGE; word1[2] = GARBAGE; word1[3] = GARBAGE;
		word2[0] = GARBAGE; word2[1] = GARBAGE; word2[2] = GARBAGE; word2[3] = GARBAGE;
		run writer(0);
		run writer(1);
		run killer();
		run reader()
	}
}
