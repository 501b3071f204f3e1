/*
 * world.mjs - what the browser's test runs in: daemons, nginx, a web server for the pages, wires that
 * can be cut, and the browser. All on free ports of this machine; end() stops each of them.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const source = (path) => new URL(`../../${path}`, import.meta.url);
const dir = mkdtempSync(join(tmpdir(), "plaza-browser-"));
const endings = []; // what stops them, the last one first

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until f() is true; it may be asynchronous. What is waited for is a text, or makes one.
export async function until(what, f, ms = 30000) {
	for (const end = Date.now() + ms; !(await f()); await sleep(50))
		if (Date.now() > end)
			throw new Error(`${typeof what === "function" ? what() : what}: not within ${ms} ms`);
}

export async function end() {
	while (endings.length > 0) {
		try {
			await endings.pop()();
		} catch (e) {
			console.error(e);
			process.exitCode = 1;
		}
	}
	rmSync(dir, { recursive: true, force: true });
}

// It ends with us, whatever becomes of us. Its standard error is collected.
function start(program, args) {
	const child = spawn("setpriv", ["--pdeathsig", "TERM", program, ...args], { stdio: ["ignore", "ignore", "pipe"] });
	child.log = "";
	child.stderr.on("data", (text) => { child.log += text; });
	child.ended = new Promise((resolve) => child.on("close", (status, signal) => resolve(status ?? signal)));
	return child;
}

async function stop(child, name) {
	const late = setTimeout(() => child.kill("SIGKILL"), 15000);
	child.kill("SIGTERM");
	const status = await child.ended;
	clearTimeout(late);
	if (status !== 0)
		throw new Error(`${name} ended with ${status}:\n${child.log}`);
}

function listen(server) {
	return new Promise((resolve, reject) => {
		server.on("error", reject);
		server.listen(0, "127.0.0.1", () => resolve(server.address().port));
	});
}

// ---- plazad ----

export class Daemon {
	static async start(options) {
		const d = new Daemon();
		const conf = join(dir, "plaza.conf");
		writeFileSync(conf, "");
		const all = { "server.listen": "127.0.0.1:0", "server.workers": 2, ...options };
		d.child = start(process.env.PLAZAD, ["-c", conf, ...Object.entries(all).flatMap(([k, v]) => ["-o", `${k}=${v}`])]);
		endings.push(() => d.stop());
		await until("plazad serves", () => {
			if (d.child.exitCode !== null)
				throw new Error(`plazad: ${d.child.log}`);
			return (d.port = d.child.log.match(/READY:.* 127\.0\.0\.1:(\d+)/)?.[1]);
		});
		return d;
	}

	workers() {
		const { pid } = this.child;
		return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
			.filter((worker) => {
				try {
					return readFileSync(`/proc/${worker}/cmdline`, "utf8").startsWith("plazad: worker");
				} catch {
					return false;
				}
			});
	}

	// one after the other, `n` times, whichever has been there for longer
	async kill_workers(n, pause) {
		for (let i = 0; i < n; i++) {
			await until("two workers", () => this.workers().length === 2);
			await sleep(pause);
			process.kill(this.workers()[0], "SIGKILL");
		}
		await until("two workers", () => this.workers().length === 2);
	}

	async stop() {
		if (this.child.exitCode === null)
			await stop(this.child, "plazad");
	}

	reload() {
		this.child.kill("SIGHUP");
	}
}

// ---- nginx, with the conf file that we ship ----

export async function start_nginx(plazad_port) {
	const probe = net.createServer();
	const port = await listen(probe);
	await new Promise((resolve) => probe.close(resolve));
	let conf = readFileSync(source("conf/nginx-plaza.conf"), "utf8");
	for (const [shipped, here] of [
		["server 127.0.0.1:8080;", `server 127.0.0.1:${plazad_port};`],
		["listen 80;", `listen 127.0.0.1:${port};`],
		["/usr/share/doc/plaza/", source("src/js/").pathname],
	]) {
		if (conf.split(shipped).length !== 2)
			throw new Error(`conf/nginx-plaza.conf does not have one "${shipped}"`);
		conf = conf.replace(shipped, here);
	}
	writeFileSync(join(dir, "snippet.conf"), conf);
	const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((t) => `${t}_temp_path ${dir}/${t};`);
	writeFileSync(join(dir, "nginx.conf"), `daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	${temp.join("\n\t")}
	include ${dir}/snippet.conf;
}
`);
	const child = start("nginx", ["-p", dir, "-e", "stderr", "-c", join(dir, "nginx.conf")]);
	endings.push(() => stop(child, "nginx"));
	await until("nginx serves", () => new Promise((resolve, reject) => {
		if (child.exitCode !== null)
			reject(new Error(`nginx: ${child.log}`));
		const socket = net.connect(port, "127.0.0.1", () => {
			socket.destroy();
			resolve(true);
		});
		socket.on("error", () => resolve(false));
	}));
	return port;
}

// ---- a server of pages, another origin than plazad's ----

export async function start_pages() {
	const server = http.createServer((request, response) => {
		if (request.url === "/plaza-chat.js") {
			response.setHeader("Content-Type", "text/javascript");
			response.end(readFileSync(source("src/js/plaza-chat.js")));
		} else {
			response.setHeader("Content-Type", "text/html");
			response.end("<!doctype html><title>Plaza</title>");
		}
	});
	const port = await listen(server);
	endings.push(() => {
		server.closeAllConnections?.();
		server.close();
	});
	return `http://127.0.0.1:${port}`;
}

// ---- a wire to `to` ----

export class Wire {
	static async to(to) {
		const wire = new Wire();
		wire.pairs = new Set();
		wire.is_cut = wire.is_dead = false;
		const server = net.createServer((near) => wire.join(near, to));
		wire.port = await listen(server);
		endings.push(() => {
			wire.cut();
			server.close();
		});
		return wire;
	}

	join(near, to) {
		if (this.is_cut)
			return near.destroy();
		const far = net.connect(to, "127.0.0.1");
		const pair = { near, far, is_dead: false, is_mute: false };
		this.pairs.add(pair);
		for (const [from, other] of [[near, far], [far, near]]) {
			from.on("data", (bytes) => pair.is_dead || (pair.is_mute && from === far) || other.write(bytes));
			from.on("error", () => {});
			from.on("close", () => {
				this.pairs.delete(pair);
				if (!pair.is_dead)
					other.destroy();
			});
		}
	}

	// Nobody gets through, until mend().
	cut() {
		this.is_cut = true;
		for (const { near, far } of this.pairs) {
			near.destroy();
			far.destroy();
		}
	}

	mend() {
		this.is_cut = false;
	}

	// What those who are connected send arrives, but what they are sent does not.
	mute() {
		for (const pair of this.pairs)
			pair.is_mute = true;
	}

	// Nothing of theirs arrives any more, and they are not told.
	deaden() {
		for (const pair of this.pairs)
			pair.is_dead = true;
	}
}

// ---- the browser ----

export async function start_browser() {
	const { chromium } = createRequire(`${process.env.MODULES}/`)("playwright-core");
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
		// root has no sandbox, and what it loads is ours
		chromiumSandbox: false,
		handleSIGINT: false,
		handleSIGTERM: false,
		handleSIGHUP: false,
		args: [
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
			"--host-resolver-rules=MAP plaza.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		],
	});
	endings.push(() => browser.close());
	return browser;
}
