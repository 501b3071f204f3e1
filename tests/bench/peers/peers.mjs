// peers.mjs - how many no-op jobs a second another job queue runs, of those that wait in it already.
//
//   node peers.mjs graphile|boss default|tuned CONNINFO-URL JOBS SECONDS
//
// Prints the rate. `default` is what the queue does when nothing is set; `tuned` is the best that
// its manual tells for many small jobs. Counted from the first job that runs to the last one, or to
// the end of SECONDS; only those that are done in the database count.
import pg from 'pg';
import { makeWorkerUtils, run, Logger } from 'graphile-worker';
import PgBoss from 'pg-boss';

const [peer, form, url, jobsText, secondsText] = process.argv.slice(2);
const jobs = Number(jobsText);
const seconds = Number(secondsText);

// Resolves when `jobs` have run or the time is over, with how many a second that were.
class Count {
	constructor() {
		this.n = 0;
		this.over = new Promise((resolve) => {
			this.resolve = resolve;
		});
	}

	one(n = 1) {
		if (!this.begin) {
			this.begin = process.hrtime.bigint();
			this.timer = setTimeout(() => this.end(), seconds * 1000);
		}
		this.n += n;
		if (this.n >= jobs)
			this.end();
	}

	end() {
		clearTimeout(this.timer);
		this.resolve(this.n / (Number(process.hrtime.bigint() - this.begin) / 1e9));
	}
}

async function graphile(count) {
	const logger = new Logger(() => () => {});
	const utils = await makeWorkerUtils({ connectionString: url, logger });
	await utils.migrate();
	await utils.withPgClient((client) => client.query(
		`select graphile_worker.add_jobs(array(
			select row('noop', '{"ms":0}', null, null, null, null, null, null)::graphile_worker.job_spec
			from generate_series(1, $1)))`, [jobs]));
	await utils.withPgClient((client) => client.query('vacuum analyze'));
	const tuned = {
		concurrency: 24,
		preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
	};
	const runner = await run({
		connectionString: url,
		logger,
		noHandleSignals: true,
		...(form === 'tuned' ? tuned : {}),
		taskList: { noop: async () => { count.one(); } },
	});
	const rate = await count.over;
	await runner.stop();
	await utils.release();
	return rate;
}

async function boss(count) {
	const queue = new PgBoss({ connectionString: url, supervise: false, schedule: false });
	queue.on('error', (error) => { throw error; });
	await queue.start();
	await queue.createQueue('noop');
	for (let left = jobs; left > 0; left -= 5000) {
		const n = Math.min(left, 5000);
		await queue.insert(Array.from({ length: n }, () => ({ name: 'noop', data: { ms: 0 } })));
	}
	const options = form === 'tuned' ? { batchSize: 500, pollingIntervalSeconds: 0.5 } : {};
	const workers = form === 'tuned' ? 4 : 1;
	for (let i = 0; i < workers; i++)
		await queue.work('noop', options, async (batch) => { count.one(batch.length); });
	const rate = await count.over;
	await queue.stop({ graceful: true, wait: true, timeout: 5000 });
	return rate;
}

// Jobs that are done, as its tables tell: graphile-worker deletes them.
const done = {
	graphile: `select ${jobs} - count(*)::int as n from graphile_worker._private_jobs`,
	boss: "select count(*)::int as n from pgboss.job where name = 'noop' and state = 'completed'",
};

const count = new Count();
const rate = await (peer === 'graphile' ? graphile(count) : boss(count));
const client = new pg.Client({ connectionString: url });
await client.connect();
const { n } = (await client.query(done[peer])).rows[0];
await client.end();
// one that has run and is not done does not count
console.log((rate * Math.min(1, n / count.n)).toFixed(0));
process.exit(0);
