/*
 * browser_test.mjs - pages in Chromium that use src/js/plaza-chat.js with real daemons of two
 * workers, while workers are killed, wires are cut and configurations are reloaded; directly, and
 * behind nginx with the conf file that we ship. Environment: PLAZAD, MODULES (where node_modules
 * is), CHROMIUM. All cases at the same time, or those whose name has the argument in it; each has a
 * daemon of its own.
 */
import assert from "node:assert/strict";

import { Daemon, Wire, end, sleep, start_browser, start_nginx, start_pages, until } from "./world.mjs";

const LIMIT = 150000;

let browser, pages;

// One visitor. In the page: chat, and what it has heard.
async function visit(origin, chat_url, room, options) {
	const page = await browser.newPage();
	const mistakes = [];
	page.on("pageerror", (e) => mistakes.push(e.message));
	await page.goto(`${origin}/`);
	await page.evaluate(async ({ chat_url, room, options }) => {
		const { connect } = await import("/plaza-chat.js");
		const chat = window.chat = connect(chat_url);
		window.heard = [];
		window.offline = [];
		window.online = 0;
		chat.on("msg", ({ seq, data, name, r }) => heard.push({ seq, data, name, r }));
		chat.on("gap", ({ from, to, why }) => heard.push({ from, to, why }));
		chat.on("offline", ({ code }) => offline.push(code));
		chat.on("online", () => window.online++);
		await chat.join(room, options);
	}, { chat_url, room, options });
	page.mistakes = mistakes;
	page.members = () =>
		page.evaluate((r) => [...(chat.rooms.get(r)?.members?.values() || [])].map((m) => m.name).sort().join(), room);
	page.heard = () => page.evaluate(() => heard);
	page.messages = async () => (await page.heard()).filter((m) => m.seq);
	page.gaps = async () => (await page.heard()).filter((m) => m.why);
	page.offline = () => page.evaluate(() => offline);
	return page;
}

// Publishes `n` things within about `ms`, and says under which numbers.
function publish(page, room, n, ms, size = 0) {
	return page.evaluate(async ({ room, n, ms, size }) => {
		const all = [];
		for (let i = 0; i < n; i++) {
			all.push(chat.pub(room, { i, x: "x".repeat(size) }).then((m) => m.seq));
			await new Promise((resolve) => setTimeout(resolve, ms / n));
		}
		return Promise.all(all);
	}, { room, n, ms, size });
}

const rising = (list) => list.every((n, i) => i === 0 || n === list[i - 1] + 1);

/*
 * Three pages publish, `hit` happens meanwhile; each page has each message once, in order, as have
 * the others.
 */
async function exchange(visitors, room, n, ms, hit) {
	const names = ["ann", "bob", "eve"];
	const [receipts] = await Promise.all([
		Promise.all(visitors.map((page) => publish(page, room, n, ms))),
		hit(),
	]);
	const wanted = names.length * n;
	for (const page of visitors)
		await until("all messages", async () => (await page.messages()).length >= wanted);
	const all = await Promise.all(visitors.map((page) => page.messages()));
	for (const [i, messages] of all.entries()) {
		assert.equal(messages.length, wanted, `${names[i]} has heard some twice`);
		assert.ok(rising(messages.map((m) => m.seq)), `${names[i]} has not heard them in order`);
		assert.deepEqual(await visitors[i].gaps(), []);
		assert.deepEqual(messages.map(({ seq, name, data }) => [seq, name, data.i]),
			all[0].map(({ seq, name, data }) => [seq, name, data.i]));
	}
	for (const [i, name] of names.entries()) {
		const own = all[0].filter((m) => m.name === name);
		assert.deepEqual(own.map((m) => m.data.i).sort((a, b) => a - b), receipts[i].map((_, k) => k));
		assert.deepEqual(own.map((m) => m.seq).sort((a, b) => a - b), [...receipts[i]].sort((a, b) => a - b));
	}
	return all[0];
}

async function everybody(origin, chat_url, room) {
	return Promise.all(["ann", "bob", "eve"].map((name) => visit(origin, chat_url, room, { name, pres: "diff" })));
}

async function present(visitors, names) {
	for (const page of visitors)
		await until(`${names} are there, and nobody else`, async () => (await page.members()) === names);
}

const losses = async (visitors) => (await Promise.all(visitors.map((page) => page.offline()))).flat();

const cases = {
	async "workers are killed"() {
		const daemon = await Daemon.start({ "http.origins": pages });
		const visitors = await everybody(pages, `ws://127.0.0.1:${daemon.port}/chat`, "r1");
		await present(visitors, "ann,bob,eve");
		const messages = await exchange(visitors, "r1", 150, 6000, () => daemon.kill_workers(6, 500));
		const lost = await losses(visitors);
		assert.ok(lost.length >= 3, "no connection was lost");
		// each sends in order, as long as nobody refuses it
		for (const name of ["ann", "bob", "eve"])
			assert.ok(rising(messages.filter((m) => m.name === name).map((m) => m.data.i)), `${name}'s are not in order`);
		await present(visitors, "ann,bob,eve");
		await visitors.pop().close();
		await present(visitors, "ann,bob");
		return `${messages.length} messages to 3 pages, ${lost.length} connections lost`;
	},

	async "behind nginx, workers are killed and one generation follows another"() {
		const daemon = await Daemon.start({
			"server.listen": "127.0.0.1:0,public",
			"server.names": "plaza.example",
			"server.public": "greet chat",
			"server.drain_timeout": "1s",
			// more than a visitor from elsewhere may: some are refused, and come again
			"chat.publish_rate": 20,
			"chat.publish_burst": 40,
		});
		const port = await start_nginx(daemon.port);
		const origin = `http://plaza.example:${port}`;
		const visitors = await everybody(origin, "/chat/r1", "r1");
		assert.equal(await visitors[0].evaluate(() => isSecureContext), false);
		const messages = await exchange(visitors, "r1", 100, 4000, async () => {
			await daemon.kill_workers(2, 700);
			// those whose worker was killed would come to the new ones by themselves
			for (const page of visitors)
				await until("it is connected", () =>
					page.evaluate(() => chat.history("r1", { limit: 1 }).then(() => true, () => false)));
			daemon.reload();
		});
		let lost;
		await until(() => `the old generation has sent them away (lost so far: ${JSON.stringify(lost)})`, async () => {
			lost = await Promise.all(visitors.map((page) => page.offline()));
			return lost.every((codes) => codes.includes(1012));
		});
		await present(visitors, "ann,bob,eve");
		const event = await visitors[0].evaluate(() => new Promise((resolve) => {
			const events = new EventSource("/chat/r1/events");
			events.onmessage = (e) => {
				events.close();
				resolve(e.data);
			};
			events.onopen = () => chat.pub("r1", "at once");
		}));
		assert.match(event, /at once/);
		return `${messages.length} messages to 3 pages, connections lost with ${await losses(visitors)}`;
	},

	async "the log is too small for what was missed"() {
		const daemon = await Daemon.start({ "http.origins": pages, "chat.room_log_size": "64k", "chat.max_message_size": "6k" });
		const wire = await Wire.to(daemon.port);
		const ann = await visit(pages, `ws://127.0.0.1:${wire.port}/chat`, "r1", { name: "ann" });
		const bob = await visit(pages, `ws://127.0.0.1:${daemon.port}/chat`, "r1", { name: "bob" });
		await publish(bob, "r1", 5, 50);
		await until("what was said before", async () => (await ann.messages()).length === 5);
		wire.cut();
		await publish(bob, "r1", 60, 300, 4000);
		wire.mend();
		await until("the end of it", async () => (await ann.messages()).at(-1).seq === 65);
		const [gap, ...others] = await ann.gaps();
		assert.deepEqual(others, []);
		assert.deepEqual([gap.from, gap.why], [6, "trimmed"]);
		const seqs = (await ann.messages()).map((m) => m.seq);
		assert.deepEqual(seqs.slice(0, 5), [1, 2, 3, 4, 5]);
		assert.equal(seqs[5], gap.to + 1);
		assert.ok(rising(seqs.slice(5)));
		return `a gap of ${gap.to - gap.from + 1} messages is told`;
	},

	async "a wire loses an answer, then dies without a word, then the daemon ends"() {
		const options = { "http.origins": pages, "chat.ping_interval": "1s" };
		const daemon = await Daemon.start(options);
		const wire = await Wire.to(daemon.port);
		const ann = await visit(pages, `ws://127.0.0.1:${wire.port}/chat`, "r1", { name: "ann", pres: "diff" });
		const bob = await visit(pages, `ws://127.0.0.1:${daemon.port}/chat`, "r1", { name: "bob", pres: "diff" });
		await present([ann, bob], "ann,bob");
		// its message is taken, but the answer is lost, and so it is sent again
		wire.mute();
		const receipt = ann.evaluate(() => chat.pub("r1", "once"));
		await until("bob hears it", async () => (await bob.messages()).length === 1);
		wire.cut();
		wire.mend();
		assert.equal((await receipt).dup, true);
		wire.deaden();
		await publish(bob, "r1", 3, 30);
		await until("it has noticed", async () => (await ann.messages()).length === 4);
		assert.deepEqual((await ann.messages()).map((m) => m.seq), [1, 2, 3, 4]);
		assert.equal((await bob.messages()).length, 4);
		assert.deepEqual(await ann.offline(), [1006, 1006]);
		assert.deepEqual(await ann.gaps(), []);
		await present([ann, bob], "ann,bob");
		// a log begins anew with another epoch, and a page is told
		await daemon.stop();
		await Daemon.start({ ...options, "server.listen": `127.0.0.1:${daemon.port}` });
		await until("they are back", async () => (await Promise.all([ann, bob].map((p) => p.evaluate(() => online)))).join() === "4,2");
		await publish(bob, "r1", 1, 10);
		for (const page of [ann, bob]) {
			await until("the new message", async () => (await page.messages()).length === 5);
			assert.deepEqual((await page.gaps()).map((g) => g.why), ["epoch"]);
		}
		return "sent again once, noticed, told";
	},
};

process.on("SIGTERM", () => end().then(() => process.exit(143)));
process.on("SIGINT", () => end().then(() => process.exit(130)));

const late = setTimeout(async () => {
	console.log(`not done within ${LIMIT} ms`);
	await end();
	process.exit(1);
}, LIMIT);

try {
	[browser, pages] = await Promise.all([start_browser(), start_pages()]);
	const chosen = Object.entries(cases).filter(([name]) => name.includes(process.argv[2] ?? ""));
	await Promise.all(chosen.map(async ([name, run]) => {
		const begun = Date.now();
		try {
			console.log(`${name}: ${await run()} (${Date.now() - begun} ms)`);
		} catch (e) {
			console.log(`${name}: FAILED after ${Date.now() - begun} ms\n${e.stack}`);
			process.exitCode = 1;
		}
	}));
} catch (e) {
	console.log(e);
	process.exitCode = 1;
} finally {
	await end();
	clearTimeout(late);
}
